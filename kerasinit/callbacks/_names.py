"""Names of a model's variables and layers, and which rows belong to which layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kerasinit.callbacks._plan import Variables, layer_of


class Groups:
    """Groups of rows, whose values are put together.

    Args:
        groups: Numbers of the rows of each group; no group is empty.

    >>> groups = Groups([(0,), (1, 2)])
    >>> groups.norms(np.array([1.0, 3.0, 4.0])).tolist()
    [1.0, 5.0]
    """

    def __init__(self, groups: Sequence[tuple[int, ...]]) -> None:
        sizes = [len(group) for group in groups]
        self._rows = np.array([row for group in groups for row in group], "int64")
        self._starts = np.cumsum([0, *sizes[:-1]])

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum over the rows of each group: `(..., rows)` to `(..., groups)`."""
        if not self._rows.size:
            return np.zeros((*values.shape[:-1], 0))
        return np.add.reduceat(values[..., self._rows], self._starts, axis=-1)

    def norms(self, values: np.ndarray) -> np.ndarray:
        """Root of the sum of squares over the rows of each group, likewise."""
        return np.sqrt(self.sums(np.square(values)))


@dataclass(frozen=True)
class Names:
    """Names of the rows: unique variable names, and the layer of each.

    Args:
        variables: Path of each variable without the model's own name.
        layers: Path of each variable's layer.
        about: The variables as the step saw them.
    """

    variables: tuple[str, ...]
    layers: tuple[str, ...]
    about: Variables

    @classmethod
    def of(cls, about: Variables, model_name: str) -> Names:
        """Names of the traced variables of a model.

        >>> about = Variables(("m/a/kernel", "m/a/kernel"), (True, True), (2, 2))
        >>> Names.of(about, "m").variables
        ('a/kernel', 'a#2/kernel')
        """
        prefix = f"{model_name}/"
        seen: dict[str, int] = {}
        variables = []
        for path in about.paths:
            short = path.removeprefix(prefix)
            seen[short] = seen.get(short, 0) + 1
            if seen[short] > 1:
                layer, _, last = short.rpartition("/")
                short = f"{layer}#{seen[short]}/{last}" if layer else f"{short}#{seen[short]}"
            variables.append(short)
        return cls(tuple(variables), tuple(layer_of(path) for path in variables), about)

    @cached_property
    def members(self) -> Mapping[str, tuple[int, ...]]:
        """Rows of each layer, layers in the order of the variables."""
        found: dict[str, list[int]] = {}
        for index, layer in enumerate(self.layers):
            found.setdefault(layer, []).append(index)
        return {layer: tuple(indices) for layer, indices in found.items()}

    @cached_property
    def kernels(self) -> Mapping[str, tuple[int, ...]]:
        """Rows of the kernels of each layer that has one."""
        ranks = self.about.ranks
        kernels = {
            layer: tuple(i for i in indices if ranks[i] > 1)
            for layer, indices in self.members.items()
        }
        return {layer: indices for layer, indices in kernels.items() if indices}

    @cached_property
    def biases(self) -> Mapping[str, tuple[int, ...]]:
        """Rows of the biases of each layer that has a kernel too."""
        connected = self.about.connected
        return {
            layer: tuple(
                i
                for i in self.members[layer]
                if self.variables[i].endswith("/bias") and connected[i]
            )
            for layer in self.kernels
        }

    @cached_property
    def biased(self) -> tuple[str, ...]:
        """The layers in `biases` that have one."""
        return tuple(layer for layer, rows in self.biases.items() if rows)

    @cached_property
    def all_biased(self) -> bool:
        """Whether each layer with a kernel has a bias."""
        return all(self.biases.values())

    @cached_property
    def each(self) -> Groups:
        """Every row by itself."""
        return Groups([(index,) for index in range(len(self.variables))])

    @cached_property
    def by_layer(self) -> Groups:
        """The rows of each layer."""
        return Groups(list(self.members.values()))

    @cached_property
    def kernels_by_layer(self) -> Groups:
        """The kernels of each layer that has one."""
        return Groups(list(self.kernels.values()))

    @cached_property
    def layers_with_kernel(self) -> Groups:
        """All rows of each layer that has a kernel."""
        return Groups([self.members[layer] for layer in self.kernels])

    @cached_property
    def moving_by_layer(self) -> Groups:
        """The kernels of each layer, or all its rows if it has none."""
        return Groups([self.kernels.get(layer, rows) for layer, rows in self.members.items()])

    @cached_property
    def biases_by_layer(self) -> Groups:
        """The biases of each layer in `biased`."""
        return Groups([self.biases[layer] for layer in self.biased])
