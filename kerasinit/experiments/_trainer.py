"""Many trainings of one architecture in one compiled call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Config, Tensor
from kerasinit.experiments._convolution import as_matrix_products
from kerasinit.experiments._data import Dataset
from kerasinit.experiments._objective import (
    batch_order,
    explained,
    loss_and_accuracy,
    loss_and_error,
)
from kerasinit.experiments._stacking import Weights
from kerasinit.signals._taps import ForwardPass, WatchedCall, watching
from kerasinit.signals._watched_layers import watched_layers

PROBE_EXAMPLES = 64  # for measuring signals; enough for a share of dead units to 1/64
EVALUATION_EXAMPLES = 512  # at most this many per call
MEMORY = 2**30  # bytes that the replicas of one call may take together


@dataclass(frozen=True)
class Probe:
    """What one probe batch showed, as arrays with a leading replica axis.

    Args:
        loss: Loss of the batch, `(replicas,)`.
        gradients: Weight gradients, one array per trainable variable.
        taps: Gradients by the taps, `(replicas, examples, ..., units)`.
        values: Per call of a weighted layer, its pre-activations, of the same shapes.
        outputs: Per call, its activations.
        activation_inputs: Per call, what the activation received: the pre-activations, or what a
            normalization made of them.
        input_rms: Per call, RMS of its input, `(replicas,)`; says nothing where that holds indices.
    """

    loss: np.ndarray
    gradients: list[np.ndarray]
    taps: list[np.ndarray]
    values: list[np.ndarray]
    outputs: list[np.ndarray]
    activation_inputs: list[np.ndarray]
    input_rms: list[np.ndarray]


class Trainer:
    """Trains replicas of one architecture that differ in their initial weights alone.

    The replicas are stacked along a leading axis, forward and backward pass are mapped over it,
    and an epoch is one compiled call; one compilation serves all groups of replicas.

    Args:
        model: A built Keras model with logits, or the number to predict, as its output. Its own
            weights stay as they are.
        dataset: What to train on.
        optimizer: Config of a Keras optimizer.
        batch_size: Examples per step; the incomplete last batch of an epoch is left out.
        replicas: How many to train in one call, or None to train one at a time, unmapped.
        shuffle_seed: Decides the batches of every epoch, the same for all replicas.
    """

    def __init__(
        self,
        model: Any,
        dataset: Dataset,
        *,
        optimizer: Config,
        batch_size: int,
        replicas: int | None,
        shuffle_seed: int = 0,
    ) -> None:
        self.model = model
        self.dataset = dataset
        self.batch_size = min(batch_size, len(dataset.x))
        self.replicas = replicas
        self.shuffle_seed = shuffle_seed
        self.probe_x = dataset.x[:PROBE_EXAMPLES]
        self.calls, self._tap_shapes = find_calls(model, self.probe_x)
        self._count, size = 1, None
        if replicas is not None:
            needed = bytes_of(model, self._tap_shapes, self.batch_size)
            self._count, size = _backend.parts_of(replicas, needed)
        self._lead: tuple[int, ...] = () if size is None else (size,)
        self._objective = loss_and_accuracy if dataset.classes else loss_and_error
        step, score, signals = map(self._over_replicas, (self._step, self._score, self._signals))
        self._training = self._new_training(step, keras.optimizers.get(optimizer))
        example = (self._training.values()[0], *next(self._validation()))
        self._evaluate = _backend.jitted(score, example)
        self._measure = _backend.jitted(signals)

    def load(self, starts: Sequence[Weights], learning_rate: float) -> None:
        """Starts anew, with an optimizer that has seen nothing.

        Args:
            starts: Weights of each replica; fewer than `replicas` are filled up with the last.
            learning_rate: Of the optimizer.
        """
        parts = list(starts)
        if self._lead:
            (size,) = self._lead
            parts += [starts[-1]] * (self._count * size - len(starts))
            parts = [Weights.stack(parts[i : i + size]) for i in range(0, len(parts), size)]
        self._training.load([(part.trainable, part.states) for part in parts], learning_rate)

    def weights(self) -> Weights:
        """A copy of the current weights, with a replica axis."""
        return Weights(*map(self._joined, zip(*self._training.values(), strict=True)))

    def train_epoch(self, epoch: int) -> np.ndarray:
        """Trains for one epoch; mean loss and score over its steps, `(replicas, 2)`."""
        xs, ys = self._batches(epoch)
        rows = self._join(self._training.epoch(xs, ys)) / len(xs)
        return self._scored(rows, self.dataset.y)

    def evaluate(self) -> np.ndarray:
        """Loss and score on the validation part, `(replicas, 2)`."""
        total = np.zeros((self.replicas or 1, 2))
        for x, targets in self._validation():
            total = total + self._join(self._evaluate(self._training.values(), x, targets)) * len(x)
        return self._scored(total / len(self.dataset.x_val), self.dataset.y_val)

    def probe(self) -> Probe:
        """What the first training examples show at the current weights."""
        targets = self.dataset.targets(self.dataset.y[: len(self.probe_x)])
        taps = [ops.zeros(shape) for shape in self._tap_shapes]
        tensors = map(ops.convert_to_tensor, (self.probe_x, targets))
        found = self._measure(self._training.values(), *tensors, taps)
        derivatives, seen = zip(*found, strict=True)
        gradients, slopes = (self._joined(group) for group in zip(*derivatives, strict=True))
        loss, *lists = zip(*seen, strict=True)
        values, outputs, before, input_rms = map(self._joined, lists)
        return Probe(
            loss=self._join(loss),
            gradients=gradients,
            taps=slopes,
            values=values,
            outputs=outputs,
            activation_inputs=before,
            input_rms=input_rms,
        )

    def _new_training(self, step: Any, optimizer: Any) -> _backend.Training:
        def stacked(variable: Any, trainable: bool, name: str) -> Any:
            values = np.zeros((*self._lead, *variable.shape), variable.dtype)
            return keras.Variable(values, dtype=variable.dtype, trainable=trainable, name=name)

        weights = [stacked(v, True, f"w{i}") for i, v in enumerate(self.model.trainable_variables)]
        states = [
            stacked(v, False, f"s{i}") for i, v in enumerate(self.model.non_trainable_variables)
        ]
        optimizer.build(weights)
        return _backend.training(
            step,
            weights,
            states,
            optimizer,
            example=self._batches(0),
            row_shape=(*self._lead, 2),
        )

    def _batches(self, epoch: int) -> tuple[Tensor, Tensor]:
        """All batches of an epoch: inputs and targets, `(steps, batch, ...)`."""
        order = batch_order(len(self.dataset.x), self.batch_size, self.shuffle_seed, epoch)
        targets = self.dataset.targets(self.dataset.y[order])
        return ops.convert_to_tensor(self.dataset.x[order]), ops.convert_to_tensor(targets)

    def _validation(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The validation part, a batch at a time."""
        x, targets = self.dataset.x_val, self.dataset.targets(self.dataset.y_val)
        for start in range(0, len(x), EVALUATION_EXAMPLES):
            part = slice(start, start + EVALUATION_EXAMPLES)
            yield ops.convert_to_tensor(x[part]), ops.convert_to_tensor(targets[part])

    def _scored(self, rows: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Rows of loss and accuracy, or, of a regression, of loss and R2."""
        if self.dataset.classes:
            return rows
        return np.stack([rows[:, 0], explained(rows[:, 1], y)], axis=1)

    def _join(self, tensors: Sequence[Tensor]) -> np.ndarray:
        """One array with a replica axis, from what each part holds of it."""
        arrays = [_backend.numpy_of(tensor) for tensor in tensors]
        if self.replicas is None:
            return np.array(arrays[0])[None]
        return np.concatenate(arrays)[: self.replicas]

    def _joined(self, parts: Iterable[Sequence[Tensor]]) -> list[np.ndarray]:
        """Lists of tensors of each part, as one list of arrays."""
        return [self._join(tensors) for tensors in zip(*parts, strict=True)]

    def _over_replicas(self, function: Any) -> Any:
        """`function` of one replica, mapped over the replicas of a part."""
        if self.replicas is None:
            return function
        if _backend.maps_convolutions_well():
            return _backend.over_replicas(function)

        def with_products(*arguments: Any) -> Any:
            with as_matrix_products(self.model):
                return function(*arguments)

        return _backend.over_replicas(with_products)

    # One replica, as the backend maps it.

    def _call(self, replica: Any, x: Tensor, *, training: bool, **options: Any) -> Any:
        """`stateless_call` of the model at the weights and states of `replica`."""
        options |= _backend.training_argument(self.model, training)
        return self.model.stateless_call(*replica, x, **options)

    def _step(self, replica: Any, x: Tensor, y: Tensor) -> Any:
        weights, states = replica

        def objective(own: Any) -> tuple[Tensor, Any]:
            logits, new, losses = self._call((own, states), x, training=True, return_losses=True)
            loss, score = self._objective(logits, y)
            loss = sum(losses, loss)
            return loss, (new, ops.stack([loss, score]))

        gradients, (new, row) = _backend.gradients_of(objective)(weights)
        return gradients, new, row

    def _score(self, replica: Any, x: Tensor, y: Tensor) -> Tensor:
        logits, _ = self._call(replica, x, training=False)
        return ops.stack(self._objective(logits, y))

    def _signals(self, replica: Any, x: Tensor, y: Tensor, taps: list[Tensor]) -> Any:
        weights, states = replica

        def objective(inputs: Any) -> tuple[Tensor, Any]:
            own, shifts = inputs
            watch = ForwardPass(taps=shifts)
            with watching(self.model, watched_layers(self.model), watch, batch_statistics=True):
                logits, _ = self._call((own, states), x, training=False)
            loss, _ = self._objective(logits, y)
            values = [_wide(call.value) for call in watch.calls]

            def or_values(found: Iterable[Tensor | None]) -> list[Tensor]:
                pairs = zip(found, values, strict=True)
                return [value if one is None else _wide(one) for one, value in pairs]

            inward = or_values(call.layer_input for call in watch.calls)
            return loss, (
                loss,
                values,
                [_wide(call.output) for call in watch.calls],
                or_values(call.activation_input for call in watch.calls),
                [ops.sqrt(ops.mean(ops.square(one))) for one in inward],
            )

        return _backend.gradients_of(objective)((weights, taps))


def find_calls(model: Any, x: np.ndarray) -> tuple[list[WatchedCall], list[tuple[int, ...]]]:
    """The calls of weighted layers when `model` sees `x`, in order, and the shapes of the taps."""
    watch = ForwardPass()
    hooks = watching(model, watched_layers(model), watch, batch_statistics=True)
    with hooks, keras.StatelessScope():
        inputs = keras.tree.map_structure(ops.convert_to_tensor, x)
        watch.mark_outputs(_backend.quietly(model)(inputs, training=False))
    return watch.calls, [shape for shape, _ in watch.shapes]


def _wide(tensor: Tensor) -> Tensor:
    """In float32, for layers that compute in half precision."""
    return ops.cast(tensor, "float32")


def replicas_per_call(model: Any, x: np.ndarray, batch_size: int, wanted: int) -> int:
    """How many of `wanted` replicas fit into `MEMORY` at once, in groups of equal size."""
    _, shapes = find_calls(model, x[:PROBE_EXAMPLES])
    groups = -(-wanted * bytes_of(model, shapes, batch_size) // MEMORY)
    return -(-wanted // max(groups, 1))


def bytes_of(model: Any, tap_shapes: Sequence[tuple[int, ...]], batch_size: int) -> int:
    """Bytes that one replica needs for a step.

    Counted are weights, gradients, two optimizer slots and a copy of the weights, and the
    activations of a batch forward and backward, twice for what lies between the taps.
    """
    weights = sum(int(np.prod(v.shape)) for v in model.variables)
    activations = sum(int(np.prod(shape[1:])) for shape in tap_shapes)
    examples = max(batch_size, PROBE_EXAMPLES)
    return 4 * (5 * weights + 4 * activations * examples)
