"""What the activations of the current batch look like, computed inside the training step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.callbacks._reading import PROBED
from kerasinit.signals._elementwise import shares_by_activation
from kerasinit.signals._measure import HALF_SCALE
from kerasinit.signals._taps import ForwardPass, WatchedCall, watching
from kerasinit.signals._watched_layers import watched_layers

SAMPLES = 64  # of the batch; a unit that is on for 5 % of samples is seen with p = 0.96


def probe_step(
    model: Any, batch: Any, state: Sequence[tuple[Any, Any]], *, with_loss: bool
) -> tuple[tuple[str, ...], Tensor]:
    """Names of the weighted layers, and one row of `PROBED` columns for each.

    Two forward passes, the first for the shapes, and one backward pass that ends at the
    pre-activations, on up to 64 samples; dropout is off, batch normalization uses the batch, and
    nothing is updated.

    Args:
        model: The Keras model.
        batch: What the train step got: `x`, `(x, y)` or `(x, y, sample_weight)`.
        state: Variables and their values, where the backend keeps the values outside (JAX).
        with_loss: Whether `model.compute_loss` may be used; else there are no gradients.
    """
    x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    x, y = (keras.tree.map_structure(_first_samples, part) for part in (x, y))
    half = model.compute_dtype == "float16"
    calls: list[WatchedCall] = []
    # In a stateless scope, regularizers see the weights that the scope holds, and no others.
    state = state or [(v, v.value) for v in model.trainable_variables]
    watched = watched_layers(model)

    def forward(watch: ForwardPass) -> Tensor:
        hooks = watching(model, watched, watch, batch_statistics=True)
        with hooks, keras.StatelessScope(list(state), collect_losses=True):
            outputs = model(x, training=False)
            if not with_loss:
                return ops.zeros(())
            loss = _backend.loss_of_step(model, x, y, outputs, training=False)
        return ops.cast(loss, "float32") * (HALF_SCALE if half else 1.0)

    with _backend.same_random_state(traced=True):
        first = _Zeros()
        forward(first)

        def tapped(taps: list[Tensor]) -> tuple[Tensor, list[tuple[Tensor | None, ...]]]:
            nonlocal calls
            watch = ForwardPass(taps=taps)
            value = forward(watch)
            calls = watch.calls
            return value, [call.tensors() for call in calls]

        _, tensors, gradients = _backend.gradient(tapped, first.zeros)
    calls = [call.with_tensors(found) for call, found in zip(calls, tensors, strict=True)]
    rows = [_row(call, gradients[call.tap], half, with_loss) for call in calls]
    if not rows:
        return (), ops.zeros((0, len(PROBED)))
    return tuple(call.name for call in calls), ops.stack(rows)


class _Zeros(ForwardPass):
    """A watch that also makes the zero tensor for each tap, whose batch size may be unknown."""

    def __init__(self) -> None:
        super().__init__()
        self.zeros: list[Tensor] = []

    def tap(self, value: Tensor) -> Tensor:
        self.zeros.append(ops.zeros_like(value))
        return super().tap(value)


def _first_samples(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor[:SAMPLES]


def _row(call: WatchedCall, gradient: Tensor, half: bool, with_loss: bool) -> Tensor:
    before = None if call.activation_input is None else ops.cast(call.activation_input, "float32")
    shares = None
    if not call.is_gate:
        shares = shares_by_activation(call.watched.layer, call.activation, before)
    dead, saturated = (math.nan, math.nan) if shares is None else (shares[0][0], shares[1][0])
    signal = _rms(gradient) / (HALF_SCALE if half else 1.0) if with_loss else math.nan
    values = (_rms(call.output), dead, saturated, signal)
    return ops.stack([ops.cast(value, "float32") for value in values])


def _rms(tensor: Tensor) -> Tensor:
    return ops.sqrt(ops.mean(ops.square(ops.cast(tensor, "float32"))))
