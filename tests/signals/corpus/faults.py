"""What can be wrong with a program of a family, at several strengths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from case import PLAIN, Case, Knobs
from keras import ops

Change = Callable[[Case], None]


@dataclass(frozen=True)
class Fault:
    """One fault.

    Args:
        name: Kind and strength.
        causes: What may stand first in a diagnosis.
        families: Where it is put; of both parts.
        change: Breaks a case that is built and not compiled.
        knobs: Breaks the model as it is built.
        cure: Knobs of the cured model, if the plain one is not the cure.
        where: Layers, one of which should be named.
        cured_by: The cure in words.
        changes_cured: Whether `change` is made of the cured program, too: then the knobs are wrong.
    """

    name: str
    causes: tuple[str, ...]
    families: tuple[str, ...]
    change: Change | None = None
    knobs: Knobs = PLAIN
    cure: Knobs = PLAIN
    where: tuple[str, ...] = ()
    cured_by: str = "leave out the fault"
    changes_cured: bool = False


# --- weights --------------------------------------------------------------------------------------


def kernels(case: Case, *, hidden: bool = True) -> list[Any]:
    """Kernels of the hidden layers (or of the heads), recurrent ones too; no embeddings."""
    found = []
    for layer in case.model._flatten_layers(include_self=False):
        if (layer.name in case.heads) is not hidden:
            found += [v for v in layer._trainable_variables if v.name.endswith("kernel")]
    return found


def filled(value: float) -> Change:
    def change(case: Case) -> None:
        for kernel in kernels(case):
            kernel.assign(np.full(kernel.shape, value))

    return change


def scaled(factor: float, *, hidden: bool = True, only: str | None = None) -> Change:
    def change(case: Case) -> None:
        for kernel in kernels(case, hidden=hidden):
            if only is None or f"{only}/" in kernel.path:
                kernel.assign(kernel * factor)

    return change


def pushed(layer: str, *biases: float) -> Change:
    """Biases of one layer, repeated over its units."""

    def change(case: Case) -> None:
        ends = f"{layer}/bias"  # of a layer that may lie in a model inside
        (bias,) = (one for one in case.model.variables if one.path.endswith(ends))
        bias.assign(np.resize(biases, bias.shape))

    return change


def recurrent(factor: float) -> Change:
    def change(case: Case) -> None:
        for variable in case.model.trainable_variables:
            if variable.name in ("recurrent_kernel", "kernel") and "head" not in variable.path:
                variable.assign(variable * factor)

    return change


# --- data -----------------------------------------------------------------------------------------


def inputs(act: Callable[[np.ndarray], np.ndarray]) -> Change:
    def change(case: Case) -> None:
        was_target = case.y is case.x
        case.x = keras.tree.map_structure(
            lambda part: act(part.copy()) if part.dtype.kind == "f" else part, case.x
        )
        if was_target:
            case.y = case.x

    return change


def targets(act: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Also of what the score expects: predictions are turned the same way."""

    def change(case: Case) -> None:
        case.y = act(np.asarray(case.y, "float32").copy())

    return change


def rescaled_targets(factor: float, shift: float = 0.0) -> Change:
    def change(case: Case) -> None:
        score = case.score
        case.y = (case.y * factor + shift).astype("float32")
        case.score = lambda found: score((np.asarray(found, "float64") - shift) / factor)

    return change


def one_row(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def act(array: np.ndarray) -> np.ndarray:
        array[37] = value
        return array

    return act


def wild_row(array: np.ndarray) -> np.ndarray:
    array[37] *= 1e5
    return array


# --- loss and training ----------------------------------------------------------------------------


def loss(value: Any) -> Change:
    def change(case: Case) -> None:
        case.loss = value

    return change


def rate(factor: float, optimizer: Any = None, base: float | None = None) -> Change:
    def change(case: Case) -> None:
        case.rate = (base or case.rate) * factor
        case.optimizer = optimizer or case.optimizer

    return change


def option(**options: Any) -> Change:
    return lambda case: case.options.update(options)


def frozen(case: Case) -> None:
    case.model.trainable = False


def penalized(size: float) -> Change:
    def change(case: Case) -> None:
        kept = kernels(case)
        for layer in case.model._flatten_layers(include_self=False):
            for variable in layer._trainable_variables:
                if any(variable is kernel for kernel in kept):
                    variable.regularizer = keras.regularizers.L2(size)

    return change


def one_by_one(case: Case) -> None:
    case.batch = 1


class Rounded(keras.constraints.Constraint):
    """Keeps weights at whole numbers."""

    def __call__(self, weights: Any) -> Any:
        return ops.round(weights)


def rounded(case: Case) -> None:
    for kernel in kernels(case):
        kernel.assign(ops.round(kernel / 4))
        kernel.constraint = Rounded()


SGD = keras.optimizers.SGD
DENSE = (
    "mlp_classes",
    "mlp_regression",
    "mlp_binary",
    "cnn",
    "autoencoder",
    "dueling",
    "two_heads",
    "critic",
    "siamese",
    "conv1d",
    "policy",
    "wide_and_deep",
    "point_cloud",
    "generator",
)
RECTIFIED = (
    ("mlp_classes", "hidden_1"),
    ("mlp_binary", "hidden_0"),
    ("cnn", "conv_1"),
    ("autoencoder", "up"),
    ("dueling", "hidden_1"),
    ("siamese", "hidden_1"),
    ("conv1d", "conv_1"),
    ("wide_and_deep", "hidden_1"),
    ("generator", "larger_0"),
    ("point_cloud", "hidden_1"),
)
FLOATS = (
    "mlp_classes",
    "mlp_regression",
    "mlp_binary",
    "cnn",
    "lstm",
    "dueling",
    "two_heads",
    "siamese",
    "conv1d",
    "policy",
    "point_cloud",
)
DEEP = ("mlp_classes", "cnn", "mlp_regression", "conv1d", "siamese", "policy", "wide_and_deep")
CLASSES = (
    "mlp_classes",
    "cnn",
    "transformer",
    "residual",
    "conv1d",
    "policy",
    "point_cloud",
    "mixer",
    "translator",
)
BINARY = ("mlp_binary", "critic", "siamese", "gru_words")
NUMBERS = ("mlp_regression", "lstm", "autoencoder", "dueling", "wide_and_deep", "gated", "tied")
HEADED = tuple(name for name in NUMBERS[:5] if name != "dueling")  # whose output is a sum
TRAINED = (
    "mlp_classes",
    "mlp_regression",
    "mlp_binary",
    "cnn",
    "lstm",
    "transformer",
    "two_heads",
    "siamese",
    "conv1d",
    "policy",
    "gated",
    "mixer",
    "gru_words",
)
BAD_LOSS = ("bad_targets", "bad_loss", "unexpected_loss")
TOO_FAST = ("large_updates", "exploding")
TOO_SLOW = ("small_updates", "slow")

FAULTS = (
    Fault("zeros", ("symmetric",), DENSE[::2], filled(0.0), cured_by="draw the weights"),
    Fault("constant/0.05", ("symmetric",), DENSE[1::3], filled(0.05), cured_by="draw the weights"),
    Fault("small/0.01", ("vanishing", "bad_scale"), DENSE[::3], scaled(0.01)),
    Fault("small/0.001", ("vanishing", "bad_scale"), DENSE[1::3], scaled(0.001)),
    Fault("large/10", ("exploding", "bad_scale", "saturated"), DENSE[::3], scaled(10.0)),
    Fault("large/40", ("exploding", "bad_scale", "saturated"), DENSE[2::3], scaled(40.0)),
    Fault(
        "deep_glorot/24",
        ("vanishing", "bad_scale"),
        DEEP,
        knobs=Knobs(depth=24, activation="relu", kernel="glorot_uniform"),
        cure=Knobs(depth=24, activation="relu", kernel="he_normal", width=64),
        cured_by="He weights, wider layers",
    ),
    Fault(
        "deep_sigmoid/6",
        ("vanishing",),
        DEEP,
        knobs=Knobs(depth=6, activation="sigmoid"),
        cure=Knobs(depth=6, activation="tanh"),
        cured_by="another activation",
    ),
    *(
        Fault("off/-20", ("dead_units",), (family,), pushed(layer, -20.0), where=(layer,))
        for family, layer in RECTIFIED
    ),
    Fault(
        "off/-9",
        ("saturated",),
        ("mlp_regression", "policy"),
        pushed("hidden_0", -9.0, 9.0),
        where=("hidden_0",),
    ),
    Fault("recurrent/20", ("saturated", "exploding"), ("lstm", "gru_words"), recurrent(20.0)),
    Fault("head/100", ("unexpected_loss", "bad_scale"), CLASSES[::2], scaled(100.0, hidden=False)),
    Fault("x/255", ("unscaled_input",), FLOATS[::2], inputs(lambda x: 100 + 60 * x)),
    Fault("x/1e4", ("unscaled_input",), FLOATS[1::3], inputs(lambda x: 1e4 * x)),
    Fault("x/1e-5", ("unscaled_input",), FLOATS[::2], inputs(lambda x: 1e-5 * x)),
    Fault("x/nan", ("non_finite",), FLOATS[::3], inputs(one_row(np.nan)), where=("input",)),
    Fault("y/nan", ("non_finite", "bad_targets"), NUMBERS[::2], targets(one_row(np.nan))),
    Fault("y/1e6", BAD_LOSS, NUMBERS[::2], rescaled_targets(1e6)),
    Fault("y/-1_1", BAD_LOSS, BINARY, targets(lambda y: 2 * y - 1)),
    Fault("y/from_1", BAD_LOSS, CLASSES[:5], targets(lambda y: y + 1)),
    Fault(
        "output/softmax_1",
        ("constant_output", "bad_loss", "zero_gradient"),
        BINARY,
        knobs=Knobs(output="softmax"),
    ),
    Fault("output/logits", BAD_LOSS, CLASSES[::2], knobs=Knobs(output=None)),
    Fault(
        "output/sigmoid",
        BAD_LOSS,
        HEADED,
        rescaled_targets(4.0, 15.0),
        knobs=Knobs(output="sigmoid"),
    ),
    Fault(
        "output/relu",
        (*BAD_LOSS, "dead_units", "zero_gradient"),
        HEADED,
        rescaled_targets(1.0, -6.0),
        knobs=Knobs(output="relu"),
    ),
    Fault("penalty/1", ("unexpected_loss",), TRAINED[::3], penalized(1.0)),
    Fault("frozen", ("not_trainable",), TRAINED[::3], frozen),
    Fault("blocked", ("zero_gradient",), DENSE[::3], knobs=Knobs(blocked=True)),
    Fault(
        "norm_of_one",
        ("single_sample", "constant_output", "zero_gradient"),
        ("mlp_classes", "mlp_binary", "mlp_regression", "siamese", "policy"),
        one_by_one,
        knobs=Knobs(batch_norm=True),
        cure=Knobs(),
        cured_by="no BatchNormalization",
        changes_cured=True,
    ),
    Fault("rounded", ("zero_gradient", "symmetric", "small_updates"), DENSE[::4], rounded),
    Fault("rate/100", TOO_FAST, TRAINED[::2], rate(100.0)),
    Fault("rate/sgd_30", TOO_FAST, TRAINED[1::3], rate(30.0, SGD, 1.0)),
    Fault("rate/1e-3", TOO_SLOW, TRAINED[::2], rate(1e-3)),
    Fault("rate/1e-2", TOO_SLOW, TRAINED[1::3], rate(1e-2)),
    Fault("rate/sgd_1e-6", TOO_SLOW, TRAINED[1::4], rate(1e-6, SGD, 1.0)),
    Fault(
        "clip/1e-6",
        TOO_SLOW,
        TRAINED[::4],
        lambda case: (rate(0.1, SGD, 1.0)(case), option(clipnorm=1e-6)(case)),
    ),
    Fault(
        "wild_row",
        ("spike", "unscaled_input", "exploding"),
        FLOATS[::3],
        inputs(wild_row),
    ),
)
