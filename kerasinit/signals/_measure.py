"""One forward and one backward pass through a model, which stays as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.layers import kind_of
from kerasinit.signals import _probe_loss
from kerasinit.signals._batch import DataBatch, as_batch, flat_arrays, non_finite_values, to_numpy
from kerasinit.signals._expected import expected_outputs
from kerasinit.signals._first_update import FirstUpdate, first_update
from kerasinit.signals._heads import heads_of
from kerasinit.signals._layer_signals import Signals
from kerasinit.signals._rows import rows_of
from kerasinit.signals._taps import ForwardPass, WatchedCall, watching
from kerasinit.signals._watched_layers import watched_layers

START_MARK = "_kerasinit_start"  # attribute of a variable that `initialize` or `reset` has drawn
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
    batch = as_batch(model, x, y)
    x = batch.x
    with (
        _backend.same_random_state(),
        watching(watched_layers(model), batch_statistics=batch.samples > 1) as report_to,
    ):
        first = ForwardPass(keeps_steps=True)
        report_to(first)
        must_guess = batch.y is not None and not getattr(model, "compiled", False)
        run = _backend.run_once if must_guess else _backend.run_for_shapes
        outputs, has_losses = run(lambda: _outputs(model, x))
        made = [first.number(call.output) for call in first.calls]
        plain = _is_plain_stack(first.calls)
        first.forget()
        batch = replace(batch, y=_in_order(model, batch.y, outputs))
        with _loss_of(model, batch, outputs, has_losses is not None) as loss:
            passed, error = _pass_or_probe(model, x, first, report_to, loss, plain=plain)
            is_sum = None if error else loss.is_sum(passed.outputs)
            report_to(ForwardPass())
            updated = None
            if loss.is_compiled and not error:
                updated = _updated(model, x, passed, loss, plain=plain)
    known = loss.is_known and error is None
    heads = heads_of(model, loss.given, passed.calls, passed.outputs, batch.all_y)
    if error is None and any(head.from_logits and head.is_probability for head in heads):
        is_twice = loss.takes_as_given(passed.outputs, passed.loss - passed.penalty)
        heads = tuple(replace(head, is_twice=is_twice and head.from_logits) for head in heads)
    bad, first_bad = non_finite_values(batch.all_x)
    rows = rows_of(
        model,
        passed.calls,
        passed.tap_gradients,
        passed.weight_gradients,
        update_ratios={} if updated is None else updated.ratios,
        numbers=batch.numbers,
        expected=expected_outputs(first.steps, made, passed.calls),
    )
    return Signals(
        layers=rows,
        samples=batch.samples,
        input_rms=rows[0].input_rms if rows else None,
        input_non_finite=bad,
        input_first_non_finite=first_bad,
        input_count=len(batch.all_x),
        loss=passed.loss if known else None,
        penalty=passed.penalty if known and loss.has_penalty else None,
        chance_loss=loss.chance if known else None,
        sum_loss=is_sum,
        heads=heads,
        loss_error=error,
        is_frozen=bool(model.variables) and not model.trainable_variables,
        inputs_differ=_differ(batch),
        lone_norm=first.lone_norm,
        is_initialized=_is_initialized(passed.calls),
        **({} if updated is None else _numbers_of(updated)),
    )


def _numbers_of(updated: _Updated) -> dict[str, Any]:
    """The fields of `Signals` that tell of the first step."""
    update = updated.update
    return {
        "learning_rate": update.rate,
        "optimizer": update.optimizer,
        "is_scheduled": update.is_scheduled,
        "momentum_gain": update.momentum_gain,
        "updated_loss": updated.loss,
        "updated_penalty": updated.penalty,
        "promised_drop": updated.promised,
    }


def _is_plain_stack(calls: list[WatchedCall]) -> bool:
    """Whether the same few operations repeat: JAX has them compiled already."""
    return all(kind_of(call.watched.layer).family == "dense" for call in calls)


def _is_initialized(calls: list[WatchedCall]) -> bool:
    kernels = [
        one.weights[one.kernel]
        for one in (call.watched for call in calls)
        if one.kernel is not None
    ]
    marked = sum(START_MARK in vars(kernel) for kernel in kernels)
    return marked > len(kernels) / 2


def _in_order(model: Any, y: Any, outputs: Any) -> Any:
    """Targets by name, in the order of outputs that come without names."""
    names = list(getattr(model, "output_names", None) or ())
    by_name = isinstance(y, dict) and set(y) == set(names)
    return [y[name] for name in names] if by_name and isinstance(outputs, (list, tuple)) else y


def _differ(batch: DataBatch) -> bool:
    return any((array != array[:1]).any() for array in flat_arrays(batch.x))


def _outputs(model: Any, x: Any) -> tuple[Any, Any]:
    own = [(variable, ops.convert_to_tensor(variable)) for variable in model.trainable_variables]
    with keras.StatelessScope(own, collect_losses=True):
        outputs = model(x, training=False)
        return outputs, ops.ones(()) if model.losses else None


@dataclass(frozen=True)
class _Loss:
    function: Callable[[Any], Tensor]  # of the outputs
    given: Any = None  # as `compile` takes it
    chance: float | None = None
    is_sum: Callable[[Any], bool | None] = lambda y_pred: None
    takes_as_given: Callable[[Any, float], bool] = lambda y_pred, value: False
    is_known: bool = True  # as against a stand-in
    is_compiled: bool = False
    has_penalty: bool = False  # beside a loss of the targets
    refused: str | None = None  # why it must not even be tried


@dataclass(frozen=True)
class _Pass:
    loss: float
    penalty: float
    outputs: Any
    calls: list[WatchedCall]
    tap_gradients: list[np.ndarray]
    weight_gradients: dict[int, np.ndarray]  # by the id of the variable


PROBE = _Loss(_probe_loss.projection, is_known=False)


@contextlib.contextmanager
def _loss_of(model: Any, batch: DataBatch, outputs: Any, has_losses: bool) -> Iterator[_Loss]:
    x, y, compiled = batch.x, batch.y, getattr(model, "compiled", False)
    usual = _probe_loss.sums_losses(model)
    without = compiled and model.loss is None and usual
    if not compiled and y is not None:
        arrays = (keras.tree.map_structure(to_numpy, tree) for tree in (y, outputs))
        guess = _probe_loss.guessed_loss(*arrays)
        chance = _probe_loss.chance_loss(guess, outputs)
        yield _Loss(lambda y_pred: guess(y, y_pred), None, chance, lambda y_pred: False)
    elif not compiled or (y is None and not without) or (without and not has_losses):
        yield PROBE
    else:
        with _backend.spare_compiled_loss(model, y, outputs) as spare:
            yield _Loss(
                lambda y_pred: model.compute_loss(x=x, y=y, y_pred=y_pred, training=False),
                model.loss,
                _probe_loss.chance_loss(model.loss, outputs),
                lambda y_pred: spare and _probe_loss.doubles_with_batch(spare, y, y_pred),
                lambda y_pred, value: bool(spare) and _probe_loss.gives(spare, y, y_pred, value),
                is_compiled=True,
                has_penalty=usual and not without,
                refused=_probe_loss.labels_out_of_range(model.loss, batch.all_y, outputs),
            )


def _pass_or_probe(
    model: Any,
    x: Any,
    first: ForwardPass,
    report_to: Callable[[ForwardPass], None],
    loss: _Loss,
    *,
    plain: bool,
) -> tuple[_Pass, str | None]:
    """The pass of the loss; where the loss cannot be computed, of a stand-in, and why."""
    error = loss.refused
    if error is None:
        try:
            return _pass(model, x, first, report_to, loss, plain=plain), None
        except _backend.errors() as raised:
            if not loss.is_compiled:
                raise
            error = _backend.cause_of(raised)
    return _pass(model, x, first, report_to, PROBE, plain=plain), error


def _pass(
    model: Any,
    x: Any,
    first: ForwardPass,
    report_to: Callable[[ForwardPass], None],
    loss: _Loss,
    *,
    plain: bool,
) -> _Pass:
    trainable = list(model.trainable_variables)
    scale = HALF_SCALE if any(dtype == "float16" for _, dtype in first.shapes) else 1.0
    watch = first

    def forward(inputs: list[Tensor]) -> tuple[Tensor, Any]:
        nonlocal watch
        watch = ForwardPass(taps=inputs[len(trainable) :])
        report_to(watch)
        outputs, value, penalty = _forward(model, x, loss, inputs)
        watch.mark_outputs(outputs)
        return value * scale, (outputs, penalty, [call.tensors() for call in watch.calls])

    taps = [ops.zeros(shape, dtype) for shape, dtype in first.shapes]
    weights = [ops.convert_to_tensor(variable) for variable in trainable]
    value, (outputs, penalty, tensors), gradients = _backend.gradient(
        forward, [*weights, *taps], as_whole=not plain
    )
    arrays = [to_numpy(gradient) / scale for gradient in gradients]
    return _Pass(
        loss=float(to_numpy(value)) / scale,
        penalty=float(to_numpy(penalty)),
        outputs=outputs,
        calls=[call.with_tensors(t) for call, t in zip(watch.calls, tensors, strict=True)],
        tap_gradients=arrays[len(trainable) :],
        weight_gradients=dict(zip((id(v) for v in trainable), arrays, strict=False)),
    )


def _forward(model: Any, x: Any, loss: _Loss, weights: list[Tensor]) -> tuple[Any, Tensor, Tensor]:
    """Outputs, loss and its penalties, with other values of the trainable variables."""
    mapping = list(zip(model.trainable_variables, weights, strict=False))
    with keras.StatelessScope(mapping, collect_losses=True):
        outputs = model(x, training=False)
        value = ops.cast(loss.function(outputs), "float32")
        penalties = [ops.sum(ops.cast(one, "float32")) for one in model.losses]
    return outputs, value, sum(penalties, ops.zeros(()))


@dataclass(frozen=True)
class _Updated:
    update: FirstUpdate
    ratios: dict[int, float | None]  # by the id of the variable
    loss: float
    penalty: float
    promised: float  # drop of the loss, by its gradient


def _updated(model: Any, x: Any, passed: _Pass, loss: _Loss, *, plain: bool) -> _Updated | None:
    """What the first step of the optimizer leads to; None where it cannot be told."""
    variables = list(model.trainable_variables)
    gradients = [passed.weight_gradients[id(variable)] for variable in variables]
    if not all(np.isfinite(gradient).all() for gradient in gradients):
        return None
    update = first_update(model, gradients)
    if update is None:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        promised = sum(
            float(np.vdot(old - new, gradient))
            for old, new, gradient in zip(update.before, update.after, gradients, strict=True)
        )
    values = [
        ops.convert_to_tensor(value, variable.dtype)
        for value, variable in zip(update.after, variables, strict=True)
    ]

    def forward() -> tuple[Tensor, Tensor]:
        return _forward(model, x, loss, values)[1:]

    after = forward() if plain else _backend.run_once(forward)
    by_id = dict(zip(map(id, variables), update.ratios(), strict=True))
    new_loss, penalty = (float(to_numpy(value)) for value in after)
    return _Updated(update, by_id, new_loss, penalty, promised)
