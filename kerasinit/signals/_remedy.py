"""What helps against a fault: as a record that a program can apply, and as a line of code."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

RemedyKind: TypeAlias = Literal[
    "initialize",
    "learning_rate",
    "constant_rate",
    "clip_norm",
    "loss",
    "output_activation",
    "regression",
    "scale_inputs",
    "scale_targets",
    "scale_data",
    "map_targets",
    "fill_inputs",
    "fill_targets",
    "unfreeze",
    "batch_size",
]

STANDARDIZE = "({0} - {0}.mean(axis=0)) / ({0}.std(axis=0) + 1e-7)"

FILLED = "lambda a: np.nan_to_num(a, posinf=0, neginf=0)"

# What each kind is in code; `{value}` and `{where}` are the parameters of the remedy.
LINES: dict[str, str] = {
    "initialize": "kerasinit.initialize(model)",
    "learning_rate": "model.optimizer.learning_rate = {value:.3g}",
    "constant_rate": "o = getattr(model.optimizer, 'inner_optimizer', model.optimizer); model."
    "compile(type(o).from_config({{**o.get_config(), 'learning_rate': {value:.3g}}}), model.loss)",
    "clip_norm": "model.optimizer.clipnorm = {value:.3g}",
    "loss": "model.compile(model.optimizer, loss={value})",
    "output_activation": "{where}.activation = keras.activations.{value}",
    "regression": "{where}.activation = None; model.compile(model.optimizer, 'mse'); y = {value}",
    "scale_inputs": "x = {value}",
    "scale_targets": "y = {value}",
    "map_targets": "y = {value}",
    "scale_data": f"x = {STANDARDIZE.format('x')}; y = {STANDARDIZE.format('y')}",
    "fill_inputs": f"x = keras.tree.map_structure({FILLED}, x)",
    "fill_targets": f"y = keras.tree.map_structure({FILLED}, y)",
    "unfreeze": "model.trainable = True",
    "batch_size": "model.fit(x, y, batch_size={value})",
}


@dataclass(frozen=True)
class Remedy:
    """One change that should mend a fault.

    `value` is, by kind: a rate (`learning_rate`; `constant_rate` instead of a schedule), a norm
    (`clip_norm`), a number of samples (`batch_size`), the name of an activation
    (`output_activation`), or an expression in Python: of `keras` (`loss`), of `x` (`scale_inputs`),
    of `y` (`scale_targets`, `map_targets`, `regression`), with `np` for numpy. The other kinds have
    none.

    Args:
        kind: What is changed.
        value: To what.
        where: Path of the layer that is changed; None where it is not one layer.

    >>> Remedy("learning_rate", 1e-3).line
    'model.optimizer.learning_rate = 0.001'
    >>> Remedy("output_activation", "sigmoid", "head").line
    "model.get_layer('head').activation = keras.activations.sigmoid"
    """

    kind: RemedyKind
    value: float | str | None = None
    where: str | None = None

    @property
    def line(self) -> str:
        """The change as a line of code, for a program that has `model`, `x` and `y`."""
        parts = (self.where or "").split("/")
        layer = "model" + "".join(f".get_layer({part!r})" for part in parts)
        return LINES[self.kind].format(value=self.value, where=layer)

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values, ready for JSON."""
        return asdict(self)


INITIALIZE = Remedy("initialize")
KEEPS_THE_SIGNAL = "gives every layer the scale that keeps the signal"
"""Why `INITIALIZE` helps against most faults of untrained weights."""
