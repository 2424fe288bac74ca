"""One forward and one backward pass through a model, which stays as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.layers import is_marked_start, kind_of
from kerasinit.signals._batch import (
    DataBatch,
    as_batch,
    check_model,
    flat_arrays,
    non_finite_values,
    to_numpy,
)
from kerasinit.signals._expected import expected_outputs
from kerasinit.signals._first_update import divides_in_half, first_update, was_trained
from kerasinit.signals._heads import heads_of, of_outputs
from kerasinit.signals._ids import ids_outside
from kerasinit.signals._layer_signals import LayerSignals, Signals
from kerasinit.signals._probe_loss import STAND_IN, ProbeLoss, has_regularizers, loss_of
from kerasinit.signals._rows import rows_of
from kerasinit.signals._rules_of_scale import LARGE_INPUT
from kerasinit.signals._sizes import rms
from kerasinit.signals._taps import ForwardPass, WatchedCall, watching
from kerasinit.signals._watched_layers import WatchedLayer, layer_name, watched_layers

LARGE_RATE, FEW_LEFT = 0.8, 4  # a dropout's rate, and units that it leaves, of too few to learn by
OUTERMOST = (0.02, 0.98)  # of the values of a column: a few of 256, and one of 64
TABLE_COLUMNS = 64  # of a spectrum or of counts of words, the many small ones are mostly noise
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
    check_model(model)
    outside, batch = ids_outside(model, as_batch(model, x, y))
    probe = _Probe(model, batch.x, watched_layers(model), batch_statistics=batch.samples > 1)
    with _backend.same_random_state():
        must_guess = batch.y is not None and not getattr(model, "compiled", False)
        first, outputs, has_losses = probe.look(for_shapes=not must_guess)
        y, all_y = (_in_order(model, tree, outputs) for tree in (batch.y, batch.all_y))
        batch = replace(batch, y=y, all_y=all_y)
        with loss_of(model, batch, outputs, has_losses=has_losses) as loss:
            passed, error = probe.backward_or_why(loss, first)
            found = _facts_of(model, loss, passed, batch, error)
            kernels = [call.watched.main for call in passed.calls]
            rows = rows_of(
                passed.calls,
                passed.tap_gradients,
                passed.weight_gradients,
                numbers=batch.numbers,
                expected=expected_outputs(first, passed.calls),
            )
            gradients = passed.weight_gradients
            del passed  # the activations
            ratios: dict[int, float | None] = {}
            if loss.is_compiled and error is None:
                updated, ratios = probe.first_step(loss, gradients)
                found.update(updated)
    bad, first_bad = non_finite_values(batch.all_x)
    own = [kernel for kernel in kernels if kernel is not None]
    return Signals(
        layers=tuple(
            replace(row, update_ratio=ratios.get(id(kernel)), is_beside=is_beside)
            for row, kernel, is_beside in zip(rows, kernels, _beside(first, len(rows)), strict=True)
        ),
        samples=batch.samples,
        input_rms=rows[0].input_rms if rows else None,
        **_sizes_of_input(batch.x),
        each_rms=tuple(rms(array) for array in flat_arrays(batch.x) if array.dtype.kind == "f"),
        outside_ids=outside,
        sparse_dropouts=_sparse_dropouts(model),
        input_non_finite=bad,
        input_first_non_finite=first_bad,
        input_count=len(batch.all_x),
        is_frozen=bool(model.variables) and not model.trainable_variables,
        divides_in_half=divides_in_half(model),
        goes_on=was_trained(model),
        inputs_differ=any((array != array[:1]).any() for array in flat_arrays(batch.x)),
        lone_norm=first.lone_norm,
        bad_weight=_bad_weight(model, rows),
        uses_batch=batch.samples > 1 and any(map(_uses_batch, _backend.flat_layers(model))),
        is_initialized=sum(map(is_marked_start, own)) > len(own) / 2,
        **found,
    )


def _bad_weight(model: Any, rows: Sequence[LayerSignals]) -> str | None:
    """Path of a weight that is not finite: not all of them belong to a layer with a record.

    The averages of a norm spoil no output of a pass as in training, and never recover.
    """
    is_spoilt = any(row.non_finite_outputs for row in rows)
    for weight in model.weights if is_spoilt else model.non_trainable_weights:
        values = to_numpy(weight)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            return str(weight.path)
    return None


def _uses_batch(layer: Any) -> bool:
    """Whether a norm uses the batch in training, as a frozen one does not."""
    return kind_of(layer).name == "BatchNormalization" and bool(layer.trainable)


def _beside(first: ForwardPass, count: int) -> list[bool]:
    """For each recorded call, whether one before it reads the same signal."""
    found, read = [False] * count, set()
    for step in first.steps:
        if step.call is not None and step.given:
            found[step.call] = step.given[0] in read
            read.add(step.given[0])
    return found


def _sizes_of_input(x: Any) -> dict[str, Any]:
    """The fields of `Signals` on the one input of a model; none if it has several, or indices."""
    arrays = flat_arrays(x)
    if len(arrays) != 1 or arrays[0].dtype.kind != "f" or not np.isfinite(arrays[0]).all():
        return {}
    given = rms(arrays[0])
    if given <= LARGE_INPUT:  # the sizes without the outermost are not asked for, and take long
        is_table = arrays[0].ndim == 2 and arrays[0].shape[1] <= TABLE_COLUMNS
        vary = [rms(one) for one in arrays[0].T if np.ptp(one) > 0] if is_table else []
        return {"given_rms": given, "column_rms": float(np.median(vary)) if vary else None}
    low, high = np.quantile(arrays[0], OUTERMOST, axis=0)
    if np.any((low == high) & (np.ptp(arrays[0], axis=0) > 0)):  # a rare feature would be lost
        return {"given_rms": given}
    return {"given_rms": given, "usual_rms": rms(np.clip(arrays[0], low, high))}


def _sparse_dropouts(model: Any) -> tuple[tuple[str, float, int], ...]:
    """Each `Dropout` that leaves too few units: its path, rate, and units."""
    found = []
    for layer in _backend.flat_layers(model):
        if not isinstance(layer, keras.layers.Dropout) or layer.rate < LARGE_RATE:
            continue
        try:
            shape = layer.input.shape
        except (AttributeError, ValueError):  # called several times, or never in a graph
            continue
        units = shape[-1] if len(shape) == 2 else None  # places of images and series are many
        if units is not None and (1 - layer.rate) * units < FEW_LEFT:
            found.append((layer_name(model, layer), layer.rate, units))
    return tuple(found)


def _in_order(model: Any, y: Any, outputs: Any) -> Any:
    """Targets in the order of the outputs; None for outputs without a loss, as `fit` takes them."""
    names = list(getattr(model, "output_names", None) or ())
    if isinstance(y, dict) and set(y) == set(names) and isinstance(outputs, (list, tuple)):
        return [y[name] for name in names]
    losses, leaves = of_outputs(model, getattr(model, "loss", None), outputs), keras.tree.flatten(y)
    wanted = sum(loss is not None for loss in losses)
    if y is None or len(leaves) == len(losses) or len(leaves) != wanted:
        return y
    rest = iter(leaves)
    packed = [None if loss is None else next(rest) for loss in losses]
    return keras.tree.pack_sequence_as(outputs, packed)


def _facts_of(
    model: Any, loss: ProbeLoss, passed: _Pass, batch: DataBatch, error: str | None
) -> dict[str, Any]:
    """The fields of `Signals` that tell of outputs and loss."""
    heads = heads_of(model, loss.given, passed.calls, passed.outputs, batch)
    if error is not None:
        return {"heads": heads, "loss_error": error}
    if any(head.from_logits and head.is_probability for head in heads):
        is_twice = loss.is_blind(batch.y, passed.outputs, passed.loss - passed.penalty)
        heads = tuple(replace(head, is_twice=is_twice and head.from_logits) for head in heads)
    if len(heads) == 1 and loss.is_crossed(batch.y, passed.outputs):
        heads = (replace(heads[0], is_crossed=True),)
    if len(heads) == 1 and heads[0].is_beyond and loss.takes_shares(batch.y, passed.outputs):
        heads = (replace(heads[0], takes_shares=True),)
    return {
        "heads": heads,
        "loss": passed.loss if loss.is_known else None,
        "penalty": passed.penalty if loss.has_penalty else None,
        **(_penalties(model, passed.penalty) if loss.has_penalty else {}),
        "chance_loss": loss.chance,
        "guessed_loss": loss.guessed,
        "sum_loss": loss.is_sum(batch.y, passed.outputs),
    }


def _penalties(model: Any, penalty: float) -> dict[str, Any]:
    """The fields of `Signals` that tell where a penalty comes from."""
    layers = _backend.flat_layers(model)
    of_activities = any(getattr(layer, "activity_regularizer", None) for layer in layers)
    pairs = [(getattr(one, "regularizer", None), one) for one in model.trainable_variables]
    of_weights = [float(to_numpy(rule(one))) for rule, one in pairs if rule is not None]
    return {
        "activity_penalty": penalty - sum(of_weights) if of_activities else 0.0,
        "has_regularizers": has_regularizers(model),
    }


@dataclass(frozen=True)
class _Pass:
    loss: float
    penalty: float
    outputs: Any
    calls: list[WatchedCall]
    tap_gradients: list[np.ndarray]
    weight_gradients: dict[int, np.ndarray]  # by the id of the variable


@dataclass(frozen=True)
class _Probe:
    """Sends one batch through a model that is watched."""

    model: Any
    x: Any
    watched: list[WatchedLayer]
    batch_statistics: bool

    @property
    def is_plain(self) -> bool:
        """Whether the same few operations repeat: JAX has them compiled already."""
        return all(kind_of(w.layer).family == "dense" for w in self.watched if w.is_weighted)

    def look(self, *, for_shapes: bool) -> tuple[ForwardPass, Any, bool]:
        """A first pass: what is called, the outputs (or their shapes), whether losses are added."""
        first = ForwardPass(keeps_steps=True)
        own = [ops.convert_to_tensor(variable) for variable in self.model.trainable_variables]

        def run() -> tuple[Any, Any]:
            with self._scope(own, first):
                outputs = keras.tree.map_structure(_alone, self.model(self.x, training=False))
                return outputs, ops.ones(()) if self.model.losses else None

        outputs, has_losses = (_backend.run_for_shapes if for_shapes else _backend.run_once)(run)
        first.forget()
        return first, outputs, has_losses is not None

    def backward_or_why(self, loss: ProbeLoss, first: ForwardPass) -> tuple[_Pass, str | None]:
        """The pass of the loss; where the loss cannot be computed, of a stand-in, and why."""
        error = loss.refused
        if error is None:
            try:
                return self._backward(loss, first), None
            except _backend.errors() as raised:
                error = _backend.cause_of(raised)
        return self._backward(STAND_IN, first), error

    def first_step(
        self, loss: ProbeLoss, weight_gradients: dict[int, np.ndarray]
    ) -> tuple[dict[str, Any], dict[int, float | None]]:
        """Where the first step of the optimizer leads: fields of `Signals`, and relative changes.

        Takes the gradients out of their dict. Nothing where the step cannot be told.
        """
        variables = list(self.model.trainable_variables)
        update = first_update(self.model, [weight_gradients.pop(id(one)) for one in variables])
        if update is None:
            return {}, {}
        after, ratios, told = update
        values = [
            ops.convert_to_tensor(value, variable.dtype)
            for value, variable in zip(after, variables, strict=True)
        ]

        def forward() -> tuple[Tensor, Tensor]:
            return self._forward(loss, values, ForwardPass())[1:]

        losses = forward() if self.is_plain else _backend.run_once(forward)
        new_loss, penalty = (float(to_numpy(value)) for value in losses)
        told |= {"updated_loss": new_loss, "updated_penalty": penalty}
        return told, dict(zip(map(id, variables), ratios, strict=True))

    def _backward(self, loss: ProbeLoss, first: ForwardPass) -> _Pass:
        trainable = list(self.model.trainable_variables)
        scale = HALF_SCALE if any(dtype == "float16" for _, dtype in first.shapes) else 1.0
        watch = first

        def forward(inputs: list[Tensor]) -> tuple[Tensor, Any]:
            nonlocal watch
            watch = ForwardPass(taps=inputs[len(trainable) :])
            outputs, value, penalty = self._forward(loss, inputs[: len(trainable)], watch)
            watch.mark_outputs(outputs)
            return value * scale, (outputs, penalty, [call.tensors() for call in watch.calls])

        # Torch keeps a single number of each.
        taps = [ops.broadcast_to(ops.zeros((), dtype), shape) for shape, dtype in first.shapes]
        weights = [ops.convert_to_tensor(variable) for variable in trainable]
        value, (outputs, penalty, tensors), gradients = _backend.gradient(
            forward, [*weights, *taps], as_whole=not self.is_plain
        )
        arrays = [to_numpy(gradient) for gradient in gradients]
        if scale != 1.0:
            arrays = [array / scale for array in arrays]
        return _Pass(
            loss=float(to_numpy(value)) / scale,
            penalty=float(to_numpy(penalty)),
            outputs=outputs,
            calls=[call.with_tensors(t) for call, t in zip(watch.calls, tensors, strict=True)],
            tap_gradients=arrays[len(trainable) :],
            weight_gradients=dict(zip(map(id, trainable), arrays, strict=False)),
        )

    def _forward(
        self, loss: ProbeLoss, weights: list[Tensor], watch: ForwardPass
    ) -> tuple[Any, Tensor, Tensor]:
        """Outputs, loss and its penalties, with other values of the trainable variables."""
        with self._scope(weights, watch):
            outputs = self.model(self.x, training=False)
            watch.is_over = True
            value = ops.cast(loss.function(outputs), "float32")
            penalties = [ops.sum(ops.cast(one, "float32")) for one in self.model.losses]
        return outputs, value, sum(penalties, ops.zeros(()))

    @contextlib.contextmanager
    def _scope(self, weights: list[Tensor], watch: ForwardPass) -> Iterator[None]:
        mapping = list(zip(self.model.trainable_variables, weights, strict=True))
        hooks = watching(self.model, self.watched, watch, batch_statistics=self.batch_statistics)
        with hooks, keras.StatelessScope(mapping, collect_losses=True):
            yield


def _alone(output: Any) -> Any:
    """An output that does not keep alive what torch would need for a gradient by it."""
    return ops.stop_gradient(output) if ops.is_tensor(output) else output
