"""The output of a model that knows nothing but its targets: their best constant, and how far off.

The constant goes into the bias. Where the loss is a distance, outputs also start near it, by a
factor on the kernel beside the bias.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit.layers import activation_name

CROSS_ENTROPIES = {
    "binary_crossentropy": "sigmoid",
    "categorical_crossentropy": "softmax",
    "sparse_categorical_crossentropy": "softmax",
}
CENTRES = {"mean_squared_error": "mean", "mean_absolute_error": "median"}
# A label that never occurs counts as half an example: its log share would be infinite.
UNSEEN = 0.5
ROUNDED = 1e-6  # log odds below are 0 but for the rounding of weights in 32 bits
# Of the targets' spread, that of the outputs at first where the loss is a distance. Adam, three
# seeds, the head's kernel times this: test loss of friedman and pendulum in
# `tests/benchmarks/rate_held_out.py` 0.073 -> 0.052 and 0.052 -> 0.044 (rate 3e-3; pendulum at 3e-4
# 0.32 -> 0.43), of 10 relu layers in `tests/benchmarks/kinds autoencoders` 0.20 -> 0.11 (1e-3);
# from 0.3 to 0.01 about the same. Deep classifiers do better from outputs of unit variance.
NEAR = 0.1


class Unsure(Exception):  # noqa: N818 - a reason, which is told, not an error
    """Why the best constant output is not known."""


def prior_of(
    loss: Any, activation: Any, targets: np.ndarray, units: int, weights: np.ndarray | None
) -> tuple[np.ndarray, str]:
    """Values before the activation whose loss is the lowest of all constants, and what they are.

    Args:
        loss: A loss as `compile` takes it: a name, a function, an instance.
        activation: Activation of the output; None for none.
        targets: `(samples, ..., units)`, or without the last axis for sparse labels.
        units: Of the output.
        weights: Weights of the targets: `(samples, ...)`, one for all units; None for equal ones.

    Raises:
        Unsure: If the loss does not say what the best constant is.

    >>> prior_of("mse", None, np.array([[1.0], [4.0]]), 1, None)[0].tolist()
    [2.5]
    """
    name, config = _named(loss)
    whose = "the" if weights is None else "the weighted"
    if name in CENTRES:
        if activation_name(activation) != "linear":
            raise Unsure(f"{name} behind {activation_name(activation)!r}")
        rows, weight = _rows(targets, units, weights)
        if name == "mean_squared_error":
            return np.average(rows, axis=0, weights=weight), f"mean of {whose} targets"
        return _median(rows, weight), f"median of {whose} targets"
    if name not in CROSS_ENTROPIES:
        raise Unsure(f"the best constant output under {name!r} is not known")
    from_logits = bool(config.get("from_logits"))
    wanted = None if from_logits else CROSS_ENTROPIES[name]
    if activation_name(activation) != activation_name(wanted):
        raise Unsure(
            f"{name} with from_logits={from_logits} behind {activation_name(activation)!r}: "
            "see `kerasinit.diagnose`"
        )
    if config.get("axis", -1) not in (-1, targets.ndim - 1):
        raise Unsure(f"{name} along axis {config['axis']}")
    shares = _shares(name, config, targets, units, weights)
    if CROSS_ENTROPIES[name] == "sigmoid":
        odds = np.log(shares) - np.log1p(-shares)
        return np.where(abs(odds) < ROUNDED, 0.0, odds), f"log odds of {whose} labels"
    return np.log(shares), f"log shares of {whose} labels"


def loss_of_prior(loss: Any, values: Sequence[float]) -> float | None:
    """Mean loss of an output that is the prior for all inputs; None unless a cross-entropy of it.

    Args:
        loss: See `prior_of`.
        values: What that gave.

    >>> loss_of_prior("sparse_categorical_crossentropy", np.log([0.5, 0.5]))
    0.693...
    """
    name, config = _named(loss)
    smoothed = config.get("label_smoothing") or config.get("reduction") == "sum"
    if name not in CROSS_ENTROPIES or smoothed:
        return None
    logits = np.array(values)
    if CROSS_ENTROPIES[name] == "softmax":
        return float(-np.sum(np.exp(logits) * logits))
    return float(np.mean(np.logaddexp(0, logits) - logits / (1 + np.exp(-logits))))


def narrowing(loss: Any, targets: np.ndarray, units: int, weights: np.ndarray | None) -> float:
    """What takes outputs of unit variance near the centre of the targets; 1 for other losses.

    Args:
        loss: See `prior_of`.
        targets: See `prior_of`.
        units: Of the output.
        weights: See `prior_of`.

    >>> narrowing("mse", np.array([[1.0], [2.0]]), 1, None)
    0.05
    """
    if _named(loss)[0] not in CENTRES:
        return 1.0
    rows, weight = _rows(targets, units, weights)
    rows, weight = rows[weight > 0], weight[weight > 0]
    rows = rows - rows[0]  # exactly zero where all are the same
    squares = np.square(rows - np.average(rows, axis=0, weights=weight))
    spread = float(np.sqrt(np.average(squares, axis=0, weights=weight).mean()))
    return NEAR * min(1.0, spread or 1.0)


def _named(loss: Any) -> tuple[str, dict[str, Any]]:
    """Name of the function of a loss, and its options.

    Raises:
        Unsure: If it is not one of Keras' own.
    """
    try:
        found = keras.losses.get(loss)
    except (ValueError, TypeError):
        found = loss
    found = found() if isinstance(found, type) else found
    is_class = isinstance(found, keras.losses.Loss)
    if not _backend.is_of_keras(found):
        raise Unsure("a loss of your own: its best constant output is not known")
    if is_class:
        words = re.sub(r"(?<!^)([A-Z])", r"_\1", type(found).__name__).lower()
        return words, found.get_config()
    return str(found.__name__), {}


def _shares(
    name: str,
    config: dict[str, Any],
    targets: np.ndarray,
    units: int,
    weights: np.ndarray | None,
) -> np.ndarray:
    """Share of each label, of each unit or of each class; none of them 0 or 1."""
    if name.startswith("sparse"):
        labels, weight = _flat_labels(targets, weights)
        kept = labels != config.get("ignore_class")
        labels, weight = labels[kept], weight[kept]
        if not len(labels) or labels.min() < 0 or labels.max() >= units or labels.dtype.kind == "f":
            raise Unsure(f"labels outside of 0..{units - 1}: see `kerasinit.diagnose`")
        counts = np.bincount(labels, weights=weight, minlength=units)
        total = weight.sum()
    else:
        rows, weight = _rows(targets, units, weights)
        if rows.min() < 0 or rows.max() > 1:
            raise Unsure("targets outside of 0..1: see `kerasinit.diagnose`")
        counts, total = (rows * weight[:, None]).sum(0), weight.sum()
    one = UNSEEN * total / len(weight)
    smoothing = config.get("label_smoothing", 0.0)
    if CROSS_ENTROPIES[name] == "sigmoid":
        shares = np.clip(counts, one, total - one) / total
        return shares * (1 - smoothing) + smoothing / 2
    counts = np.maximum(counts, one)
    return counts / counts.sum() * (1 - smoothing) + smoothing / units


def _rows(
    targets: np.ndarray, units: int, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Targets as `(rows, units)` in 64 bits, and a weight for each row."""
    if targets.shape[-1:] != (units,) or (targets.ndim == 1 and units == 1):
        if units != 1:
            raise Unsure(f"targets of shape {targets.shape} for {units} units")
        targets = targets[..., None]
    rows = targets.reshape(-1, units).astype("float64")
    return rows, _flat_weights(weights, targets.shape[:-1])


def _flat_labels(targets: np.ndarray, weights: np.ndarray | None) -> tuple[Any, np.ndarray]:
    shape = targets.shape[:-1] if targets.ndim > 1 and targets.shape[-1] == 1 else targets.shape
    labels = targets.reshape(-1)
    if labels.dtype.kind == "f" and (labels == np.round(labels)).all():
        labels = labels.astype("int64")
    return labels, _flat_weights(weights, shape)


def _flat_weights(weights: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    if weights is None:
        return np.ones(int(np.prod(shape)))
    weights = np.asarray(weights, "float64")
    while weights.ndim < len(shape):
        weights = weights[..., None]
    try:
        flat = np.broadcast_to(weights.reshape(weights.shape[: len(shape)]), shape).reshape(-1)
    except ValueError:
        raise Unsure(f"sample weights of shape {weights.shape} for {shape} targets") from None
    if (flat < 0).any() or not flat.sum() > 0:
        raise Unsure("sample weights that are negative, or all zero")
    return flat


def _median(rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted median of each column: the middle of those at which half of the weight lies."""
    found = []
    for column in rows.T:
        order = np.argsort(column, kind="stable")
        values, reached = column[order], np.cumsum(weight[order])
        half = reached[-1] / 2
        low, high = np.searchsorted(reached, half), np.searchsorted(reached, half, side="right")
        found.append((values[low] + values[min(high, len(values) - 1)]) / 2)
    return np.array(found)
