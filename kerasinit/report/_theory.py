"""What theory predicts for one initializer in one network."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import keras
import numpy as np

from kerasinit import _backend, models, theory
from kerasinit.experiments import Comparison
from kerasinit.experiments._builders import BUILDERS
from kerasinit.experiments._checks import rules_of
from kerasinit.experiments._data import NAMES, load
from kerasinit.experiments._known_names import (
    MODEL_RULES,
    initializer_classes,
    initializer_names,
)
from kerasinit.report._series import Series
from kerasinit.signals._expected import expected_outputs
from kerasinit.signals._taps import ForwardPass, WatchedCall, watching
from kerasinit.signals._watched_layers import watched_layers

PLAIN = "mlp"  # the model whose layers follow each other as the theory wants it
LENGTHS = (1e-30, 1e30)  # mean squares of pre-activations among which the first one is looked for
WIDEST = 8192  # units of the layer whose weights are drawn to see their scale: 256 MB
LARGEST = 10_000_000  # depth times width squared of a model that is built again
SAMPLES = 2  # that show what is called in it
BISECTIONS = 40  # halvings of a logarithm of 138: to 1e-10


@dataclass(frozen=True)
class Prediction:
    """Predicted sizes by hidden layer, as base-10 logarithms of a root mean square.

    Args:
        forward: Of the activations, anchored at the first hidden layer.
        backward: Of the pre-activation gradients, anchored at the last hidden layer; empty where
            layers do not simply follow each other.
    """

    forward: list[float]
    backward: list[float]


def predictor(comparison: Comparison) -> Callable[[Series], Prediction | None]:
    """A function that gives the prediction for a series, or None where theory says nothing.

    Theory speaks of weights that are drawn independently: not of rules for whole models. It has
    their scale in a plain stack from one layer that the initializer fills, in the other named
    models from the model itself, which is built again. A model or data of somebody's own is not:
    that would run the code, or read the files, that a run directory names.
    """
    rules = rules_of(comparison.spec.get("initializers", ()))

    def predict(series: Series) -> Prediction | None:
        rule = _known(rules.get(series.row.initializer))
        if rule is None:
            return None
        through = _predict if series.row.cell["model"] == PLAIN else _through_graph
        with _backend.seeded(0):  # rules name no seed: a page would change when it is made again
            return through(series, rule)

    return predict


def _known(rule: Any) -> str | dict[str, Any] | None:
    """The rule if it is a name or a flat config of a known initializer, which imports nothing.

    A run directory may come from a stranger. None for rules of whole models, too.
    """
    if isinstance(rule, str):
        return rule if rule in initializer_names() and rule not in MODEL_RULES else None
    if not isinstance(rule, Mapping) or not isinstance(rule.get("config"), Mapping):
        return None
    name, config = rule.get("registered_name") or rule.get("class_name"), rule["config"]
    is_flat = not any(isinstance(value, Mapping | list) for value in config.values())
    if name in initializer_classes() and is_flat:
        return {"class_name": name, "config": dict(config)}
    return None


def _predict(series: Series, rule: Any) -> Prediction | None:
    cell = series.row.cell
    signal, gradient = series.by_layer("signal_rms"), series.by_layer("gradient_rms")
    depth = int(cell["depth"])
    if not signal.size or not gradient.size or signal.shape[1] <= depth or cell["width"] > WIDEST:
        return None
    scales = _scales(json.dumps(rule), str(cell["activation"]), int(cell["width"]))
    start, end = signal[0][0], gradient[0][depth - 1]
    if scales is None or not np.isfinite([start, end]).all():
        return None
    weight, bias = scales
    length = _length_of(str(cell["activation"]), 10.0 ** (2 * start))
    found = theory.propagate(cell["activation"], weight, bias, depth=depth, length=length)
    squares = [(after - bias**2) / weight**2 for after in found.lengths[1:]]
    last = found.gradients[depth - 1]
    return Prediction(
        [_decades(square) for square in squares],
        [end + _decades(value / last) if last > 0 else math.nan for value in found.gradients[:-1]],
    )


def _through_graph(series: Series, rule: Any) -> Prediction | None:
    """The same in a model whose graph says what follows what, from the measured sizes on."""
    cell, signal = series.row.cell, series.by_layer("signal_rms")
    if cell["model"] not in BUILDERS or not signal.size:
        return None
    found = _graph_of(
        cell["model"], cell["data"], int(cell["depth"]), int(cell["width"]), cell["activation"]
    )
    if found is None:
        return None
    model, first, calls = found
    if [call.name for call in calls] != series.layers or signal.shape[1] != len(calls):
        return None  # the records are of another version
    try:
        models.initialize(model, keras.initializers.get(rule), seed=0)
    except Exception:  # noqa: BLE001 - an initializer that wants more, or of another version
        return None
    measured = [10.0**value if np.isfinite(value) else 0.0 for value in signal[0]]
    expected = expected_outputs(first, calls, measured)
    hidden = [math.nan if one is None else _decades(one.square) for one in expected[:-1]]
    return Prediction(hidden, [])


@lru_cache(maxsize=2)  # series of one model follow each other
def _graph_of(
    name: str, data: str, depth: int, width: int, activation: str
) -> tuple[Any, ForwardPass, list[WatchedCall]] | None:
    """A named model, and what is called in it; None for what is not ours, or is too large."""
    if data not in NAMES or depth * width * width > LARGEST:
        return None
    try:
        dataset = load(data)
        model = BUILDERS[name](
            dataset.input_shape, dataset.outputs, depth=depth, width=width, activation=activation
        )
        first = ForwardPass(keeps_steps=True)
        with (
            _backend.same_random_state(),
            keras.StatelessScope(),
            watching(model, watched_layers(model), first, batch_statistics=True),
        ):
            model(dataset.x[:SAMPLES], training=False)
    except Exception:  # noqa: BLE001 - data that do not fit, a library that is not there
        return None
    calls = list(first.calls)
    first.forget()
    return model, first, calls


def _decades(square: float) -> float:
    """Base-10 logarithm of the root of a mean square."""
    return 0.5 * math.log10(square) if 0 < square < math.inf else math.nan


@lru_cache(maxsize=512)
def _scales(rule: str, activation: str, width: int) -> tuple[float, float] | None:
    """Standard deviations of weights (times the root of the fan-in) and biases of one layer."""
    try:
        layer = keras.layers.Dense(
            width, activation=activation, kernel_initializer=json.loads(rule)
        )
        layer.build((None, width))
    except Exception:  # noqa: BLE001 - an initializer that wants more, or of another version
        return None
    kernel, bias = (_backend.numpy_of(v).astype(float) for v in (layer.kernel, layer.bias))
    spread = float(np.std(kernel))
    return (spread * math.sqrt(width), float(np.std(bias))) if spread > 0 else None


@lru_cache(maxsize=4096)
def _length_of(activation: str, square: float) -> float:
    """Mean square of the pre-activations whose activations have the mean square `square`."""
    function = theory.resolve(activation)
    low, high = (math.log(length) for length in LENGTHS)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if _output(function, math.exp(middle)) < square:
            low = middle
        else:
            high = middle
    return math.exp(high)


def _output(activation: theory.Activation, length: float) -> float:
    """Mean square of the activations at a mean square of the pre-activations."""
    return theory.expectation(
        lambda u: activation.function(u) ** 2, length=length, kinks=activation.kinks
    )
