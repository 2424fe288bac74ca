"""Names of a model's variables and layers, and which rows belong to which layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from kerasinit.callbacks._step_vector import StepVector

Groups = Mapping[str, np.ndarray]  # layer -> numbers of its rows


@dataclass(frozen=True)
class VariableNames:
    """What the rows of a step are called.

    Args:
        variables: Unique path of each variable without the model's own name.
        layers: Path of each variable's layer, as `diagnose` names it.
        is_kernel: Whether each variable has two axes or more.
        connected: Whether each has a gradient.
    """

    variables: tuple[str, ...]
    layers: tuple[str, ...]
    is_kernel: tuple[bool, ...]
    connected: tuple[bool, ...]

    @classmethod
    def of(
        cls,
        read: tuple[StepVector, ...],
        model_name: str,
        loops: Sequence[str] = (),
        owners: Mapping[str, str] = MappingProxyType({}),
    ) -> VariableNames:
        """Names of the variables of a step, of one optimizer after another.

        Args:
            read: What was read of each optimizer.
            model_name: Of the model, which is left out.
            loops: Paths of layers whose inner layers are no layers by themselves, such as the cell
                of a recurrent layer; outer ones before those inside of them.
            owners: Path of the layer of each variable whose own path names none.

        >>> read = StepVector(("m/a/kernel", "m/a/kernel"), ((2, 2), (2, 2)), (True, True),
        ...                   (False, False), clipped=False, exact=False)
        >>> VariableNames.of((read,), "m").variables
        ('a/kernel', 'a#2/kernel')
        """
        paths = [path for part in read for path in part.paths]
        seen: dict[str, int] = {}
        variables, layers = [], []
        for path in paths:
            short = path.removeprefix(f"{model_name}/")
            seen[short] = seen.get(short, 0) + 1
            number = f"#{seen[short]}" if seen[short] > 1 else ""
            parent, _, last = short.rpartition("/")
            layer = next((loop for loop in loops if short.startswith(f"{loop}/")), parent)
            variables.append(f"{parent}{number}/{last}" if parent else f"{short}{number}")
            layers.append(owners.get(path) or f"{layer or short}{number}")
        return cls(
            variables=tuple(variables),
            layers=tuple(layers),
            is_kernel=tuple(len(shape) > 1 for part in read for shape in part.shapes),
            connected=tuple(flag for part in read for flag in part.connected),
        )

    @cached_property
    def by_layer(self) -> Groups:
        """Rows of each layer, layers in the order of the variables."""
        return self._grouped([True] * len(self.variables))

    @cached_property
    def kernels(self) -> Groups:
        """Rows of the kernels of each layer that has one."""
        return self._grouped(self.is_kernel)

    @cached_property
    def with_kernel(self) -> Groups:
        """All rows of each layer that has a kernel."""
        return {layer: self.by_layer[layer] for layer in self.kernels}

    @cached_property
    def moving(self) -> Groups:
        """The kernels of each layer, or all its rows if it has none."""
        return {layer: self.kernels.get(layer, rows) for layer, rows in self.by_layer.items()}

    @cached_property
    def biases(self) -> Groups:
        """Rows of the biases with a gradient of each layer that has a kernel, too."""
        is_bias = [
            name.endswith("/bias") and connected and layer in self.kernels
            for name, layer, connected in zip(
                self.variables, self.layers, self.connected, strict=True
            )
        ]
        return self._grouped(is_bias)

    @cached_property
    def receiving(self) -> Groups:
        """Rows with a gradient of each layer that has one; all rows if none has."""
        return self._grouped(self.connected) or self.by_layer

    def _grouped(self, included: list[bool] | tuple[bool, ...]) -> dict[str, np.ndarray]:
        found: dict[str, list[int]] = {}
        for row, (layer, is_in) in enumerate(zip(self.layers, included, strict=True)):
            if is_in:
                found.setdefault(layer, []).append(row)
        return {layer: np.array(rows) for layer, rows in found.items()}
