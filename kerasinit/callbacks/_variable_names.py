"""Names of a model's variables and layers, and which rows belong to which layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kerasinit import _backend
from kerasinit.callbacks._step_vector import Contents
from kerasinit.layers import kind_of
from kerasinit.signals._watched_layers import layer_name

Groups = Mapping[str, np.ndarray]  # layer -> numbers of its rows


@dataclass(frozen=True)
class VariableNames:
    """What the rows of a step are called.

    Args:
        variables: Unique path of each variable without the model's own name.
        layers: Path of each variable's layer, as `diagnose` names it.
        is_kernel: Whether each variable has two axes or more, none of them empty.
        connected: Whether each has a gradient.
    """

    variables: tuple[str, ...]
    layers: tuple[str, ...]
    is_kernel: tuple[bool, ...]
    connected: tuple[bool, ...]

    @classmethod
    def of(cls, model: Any, held: Sequence[Contents]) -> VariableNames:
        """Names of the variables of a step, of one optimizer after another."""
        loops = filter(_is_one_layer, _backend.flat_layers(model))
        outer_first = sorted((layer_name(model, loop) for loop in loops), key=len)
        owners = _owners(model)
        seen: dict[str, int] = {}
        variables, layers = [], []
        for path in (path for part in held for path in part.paths):
            short = path.removeprefix(f"{model.name}/")
            seen[short] = seen.get(short, 0) + 1
            number = f"#{seen[short]}" if seen[short] > 1 else ""
            parent, _, last = short.rpartition("/")
            layer = next((loop for loop in outer_first if short.startswith(f"{loop}/")), parent)
            variables.append(f"{parent}{number}/{last}" if parent else f"{short}{number}")
            layers.append(owners.get(path) or f"{layer or short}{number}")
        return cls(
            variables=tuple(variables),
            layers=tuple(layers),
            is_kernel=tuple(
                len(shape) > 1 and 0 not in shape for part in held for shape in part.shapes
            ),
            connected=tuple(flag for part in held for flag in part.connected),
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

    def _grouped(self, included: Sequence[bool]) -> dict[str, np.ndarray]:
        found: dict[str, list[int]] = {}
        for row, (layer, is_in) in enumerate(zip(self.layers, included, strict=True)):
            if is_in:
                found.setdefault(layer, []).append(row)
        return {layer: np.array(rows) for layer, rows in found.items()}


def _is_one_layer(layer: Any) -> bool:
    """Whether a layer and its cell are one to the user: `LSTM`, not a cell of the user's."""
    kind = kind_of(layer)
    return kind.family == "recurrent" and kind.is_loop and kind_of(layer.cell).family == "cell"


def _owners(model: Any) -> dict[str, str]:
    """Layers by the paths of their variables, where these name none: of a torch module."""
    owners: dict[str, str] = {}
    for layer in _backend.flat_layers(model)[1:]:
        for path in (str(v.path) for v in _backend.own_variables(layer)):
            if "/" not in path:  # a name that two layers use is nobody's
                owners[path] = "" if path in owners else layer_name(model, layer)
    return owners
