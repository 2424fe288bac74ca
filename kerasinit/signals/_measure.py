"""One forward and one backward pass through a model, which stays as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.layers import kind_of
from kerasinit.signals import _probe_loss
from kerasinit.signals._batch import as_batch, flat_arrays, to_numpy
from kerasinit.signals._layer_signals import Signals
from kerasinit.signals._rows import rows_of
from kerasinit.signals._taps import ForwardPass, WatchedCall, watching
from kerasinit.signals._watched_layers import watched_layers

HALF_SCALE = 2.0**12  # loss scale for float16, whose smallest number is 6e-8; divided out again


def measure(model: Any, x: Any, y: Any = None) -> Signals:
    """What one batch does in `model` at its current weights, layer by layer.

    One forward and one backward pass in inference mode (no dropout), except that
    `BatchNormalization` uses the statistics of the batch as it does in training. Nothing changes:
    weights, moving statistics, seed generators (global ones, too), metrics and optimizer are as
    before.

    The gradient is that of the compiled loss; if the model is not compiled, of the loss that its
    targets and outputs suggest (cross-entropy for classes, else squared error); without `y`, of
    the outputs times fixed random numbers.

    Args:
        model: A built Keras model: sequential, functional, nested or subclassed.
        x: Inputs as for `model.predict`: an array, or a list or dict of arrays, shape
            `(batch, ...)`. Of a large array, up to 256 samples are taken at even distances.
        y: Targets of the same samples.

    Raises:
        ValueError: If the model is not built, the batch is empty or has the wrong shape.

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="only")])
    >>> signals = measure(model, np.ones((8, 4), "float32"))
    >>> [(row.name, row.units, row.samples) for row in signals.layers]
    [('only', 3, 8)]
    """
    x, y, samples = as_batch(model, x, y)
    with (
        _backend.same_random_state(),
        watching(watched_layers(model), batch_statistics=samples > 1) as report_to,
    ):
        first = ForwardPass()
        report_to(first)
        must_guess = y is not None and not getattr(model, "compiled", False)
        run = _backend.run_once if must_guess else _backend.run_for_shapes
        outputs = run(lambda: _outputs(model, x))
        with _loss_of(model, x, y, outputs) as loss:
            passed = _pass(model, x, first, report_to, loss)
            is_sum = loss.is_sum(passed.outputs)
    rows = rows_of(model, passed.calls, passed.tap_gradients, passed.weight_gradients)
    inputs = [array for array in flat_arrays(x) if array.dtype.kind == "f"]
    return Signals(
        layers=rows,
        samples=samples,
        input_rms=rows[0].input_rms if rows else None,
        input_non_finite=sum(int(np.sum(~np.isfinite(array))) for array in inputs),
        loss=None if y is None else passed.loss,
        chance_loss=loss.chance,
        sum_loss=is_sum,
    )


def _is_plain_stack(watch: ForwardPass) -> bool:
    return all(kind_of(call.watched.layer).family == "dense" for call in watch.calls)


def _outputs(model: Any, x: Any) -> Any:
    with keras.StatelessScope():
        return model(x, training=False)


@dataclass(frozen=True)
class _Loss:
    function: Callable[[Any], Tensor]  # of the outputs
    chance: float | None = None
    is_sum: Callable[[Any], bool | None] = lambda y_pred: None


@dataclass(frozen=True)
class _Pass:
    loss: float
    outputs: Any
    calls: list[WatchedCall]
    tap_gradients: list[np.ndarray]
    weight_gradients: dict[int, np.ndarray]  # by the id of the variable


@contextlib.contextmanager
def _loss_of(model: Any, x: Any, y: Any, outputs: Any) -> Iterator[_Loss]:
    if y is None:
        yield _Loss(_probe_loss.projection)
    elif not getattr(model, "compiled", False):
        arrays = (keras.tree.map_structure(to_numpy, tree) for tree in (y, outputs))
        guess = _probe_loss.guessed_loss(*arrays)
        chance = _probe_loss.chance_loss(guess, outputs)
        yield _Loss(lambda y_pred: guess(y, y_pred), chance, lambda y_pred: False)
    else:
        with _backend.spare_compiled_loss(model, y, outputs) as spare:
            yield _Loss(
                lambda y_pred: model.compute_loss(x=x, y=y, y_pred=y_pred, training=False),
                _probe_loss.chance_loss(model.loss, outputs),
                lambda y_pred: spare and _probe_loss.doubles_with_batch(spare, y, y_pred),
            )


def _pass(
    model: Any, x: Any, first: ForwardPass, report_to: Callable[[ForwardPass], None], loss: _Loss
) -> _Pass:
    trainable = list(model.trainable_variables)
    scale = HALF_SCALE if any(dtype == "float16" for _, dtype in first.shapes) else 1.0
    watch = first

    def forward(inputs: list[Tensor]) -> tuple[Tensor, Any]:
        nonlocal watch
        watch = ForwardPass(taps=inputs[len(trainable) :])
        report_to(watch)
        mapping = list(zip(trainable, inputs, strict=False))
        with keras.StatelessScope(mapping, collect_losses=True):
            outputs = model(x, training=False)
            value = ops.cast(loss.function(outputs), "float32")
        watch.mark_outputs(outputs)
        return value * scale, (outputs, [call.tensors() for call in watch.calls])

    taps = [ops.zeros(shape, dtype) for shape, dtype in first.shapes]
    weights = [ops.convert_to_tensor(variable) for variable in trainable]
    value, (outputs, tensors), gradients = _backend.gradient(
        forward, [*weights, *taps], as_whole=not _is_plain_stack(watch)
    )
    arrays = [to_numpy(gradient) / scale for gradient in gradients]
    return _Pass(
        loss=float(to_numpy(value)) / scale,
        outputs=outputs,
        calls=[call.with_tensors(t) for call, t in zip(watch.calls, tensors, strict=True)],
        tap_gradients=arrays[len(trainable) :],
        weight_gradients=dict(zip((id(v) for v in trainable), arrays, strict=False)),
    )
