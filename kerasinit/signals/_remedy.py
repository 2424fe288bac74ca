"""What helps against a fault: as a record that a program can apply, and as a line of code."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

RemedyKind: TypeAlias = Literal[
    "initialize", "learning_rate", "constant_rate", "clip_norm", "loss", "class_loss",
    "output_activation", "regression", "scale_inputs", "scale_targets", "scale_data", "map_targets",
    "fill_inputs", "fill_targets", "unfreeze", "batch_size", "scale_rate", "several_labels", "code",
]  # fmt: skip

USUAL_BATCH = 32  # samples, as `fit` takes by default
STANDARDIZE = "({0} - {0}.mean(axis=0)) / ({0}.std(axis=0) + 1e-7)"

FILLED = "lambda a: np.nan_to_num(a, posinf=0, neginf=0)"

# What each kind is in code; `{value}` and `{where}` are the parameters of the remedy.
LINES: dict[str, str] = {
    "initialize": "kerasinit.initialize(model)",
    "learning_rate": "model.optimizer.learning_rate = {value:.3g}",
    "clip_norm": "model.optimizer.clipnorm = {value:.3g}",
    "loss": "model.compile(model.optimizer, loss={value})",
    # Keras keeps the metrics of the loss before where none are given: they take other targets.
    "class_loss": "model.compile(model.optimizer, loss={value}, metrics=['accuracy'])",
    "output_activation": "{where}.activation = keras.activations.{value}",
    "regression": "{where}.activation = None; y = {value}; model.compile(model.optimizer, 'mse')",
    "several_labels": "{where}.activation = keras.activations.sigmoid; "
    "model.compile(model.optimizer, 'binary_crossentropy', metrics=['accuracy'])",
    "scale_inputs": "x = {value}",
    "scale_targets": "y = {value}",
    "map_targets": "y = {value}",
    "scale_data": f"x = {STANDARDIZE.format('x')}; y = {{value}}",
    "fill_inputs": f"x = keras.tree.map_structure({FILLED}, x)",
    "fill_targets": f"y = keras.tree.map_structure({FILLED}, y)",
    # What it is already, TensorFlow's models do not hand down; an optimizer knows its variables.
    "unfreeze": "model.trainable = False; model.trainable = True; model.compile("
    "model.optimizer.from_config(model.optimizer.get_config()), model.loss)",
    "batch_size": "model.fit(x, y, batch_size={value})",
    "scale_rate": "model.optimizer.learning_rate = model.optimizer.learning_rate {value}",
    "code": "{value}",
}

# The rate of a schedule cannot be assigned to: the optimizer is made anew.
SCHEDULED = (
    "o = getattr(model.optimizer, 'inner_optimizer', model.optimizer); model.compile("
    "type(o).from_config({{**o.get_config(), 'learning_rate': {rate}}}), model.loss)"
)
NOW = "float(o.learning_rate)"
FIRST = "float(keras.optimizers.schedules.deserialize(o.get_config()['learning_rate'])(0))"


@dataclass(frozen=True)
class Remedy:
    """One change that should mend a fault.

    `value` is, by kind: a rate (`learning_rate`; `constant_rate` instead of a schedule), a norm
    (`clip_norm`), a number of samples (`batch_size`), the name of an activation
    (`output_activation`), a factor (`scale_rate`: `"* 10"`), a line (`code`), or an expression in
    Python: of `keras` (`loss`, `class_loss`), of `x` (`scale_inputs`), of `y` (`scale_targets`,
    `scale_data`, `map_targets`, `regression`), with `np` for numpy. The other kinds have none.

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
        if self.kind == "constant_rate":
            return SCHEDULED.format(rate=f"{self.value:.3g}")
        line = LINES[self.kind].format(value=self.value, where=layer_line(self.where or ""))
        return line.replace("y = y; ", "")  # targets that a regression takes as they are

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values, ready for JSON."""
        return asdict(self)


def layer_line(path: str) -> str:
    """The layer at a path, in code.

    >>> layer_line("encoder/dense")
    "model.get_layer('encoder').get_layer('dense')"
    """
    return "model" + "".join(f".get_layer({part!r})" for part in path.split("/"))


def of_schedule(remedy: Remedy) -> Remedy:
    """The same where a schedule sets the rate, which cannot be assigned to."""
    if remedy.kind != "scale_rate":
        return remedy
    return Remedy("code", SCHEDULED.format(rate=f"{NOW} {remedy.value}"))


FIRST_RATE = Remedy("code", SCHEDULED.format(rate=FIRST))
"""The rate at which a schedule began, for good."""

NO_PENALTY = (
    Remedy(
        "code",
        "[setattr(o, n, None) for o in (*model.trainable_variables, *model.layers) for n in "
        "('regularizer', 'activity_regularizer') if hasattr(o, n)]; "
        "model.compile(model.optimizer, model.loss)",
    ),
    "or a smaller factor: 1e-4 is usual",
)
SMALLER_ADDED = None, "multiply what `add_loss` adds by a small factor"
# The square of a gradient below 2e-4 is 0 in float16: Adam divides by its epsilon then.
HALF_EPSILON = (
    Remedy("code", "model.optimizer.epsilon = 1e-4"),
    "float16 has nothing to divide by; better: build the model under the policy `mixed_float16`",
)
OTHER_OPTIMIZER = (
    Remedy("code", "model.compile(keras.optimizers.Adam(1e-3), model.loss)"),
    "its own divides 0 by 0, perhaps where a gradient is 0",
)
LARGER_BATCH = (
    Remedy("batch_size", USUAL_BATCH), "or LayerNormalization instead, which needs no batch"
)  # fmt: skip
"""What helps, and the reason."""

LOWER = Remedy("scale_rate", "/ 10")
CLIP = Remedy("clip_norm", 1.0)
INITIALIZE = Remedy("initialize")
KEEPS_THE_SIGNAL = "gives every layer the scale that keeps the signal"
"""Why `INITIALIZE` helps against most faults of untrained weights."""
