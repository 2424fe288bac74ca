"""The loss that the probe differentiates, and what is known of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.signals._batch import DataBatch, to_numpy
from kerasinit.signals._heads import ANYTHING, loss_name
from kerasinit.signals._targets import targets_of

FEW = 8  # samples whose losses are taken one by one
# Of a loss of overlap, from 0 to 1, that outputs which are no probabilities can deceive:
BEYOND = 20.0  # such outputs over the targets, which are 0 and 1
AS_GOOD = 0.05  # most above the best loss, where the outputs are the targets: some smooth it
ROUNDED = 1e-4  # most below it
CHEATED = 0.1  # how far the loss falls below that


@dataclass(frozen=True)
class ProbeLoss:
    """A scalar of a model's outputs.

    Args:
        function: Takes the outputs.
        given: As `compile` takes it; None if it was guessed.
        guessed: Its name, if it was.
        chance: Its value for equal probabilities of all classes; None if it is no cross-entropy.
        is_known: Whether it is a loss, as against a stand-in for want of targets.
        is_compiled: Whether it is the model's own.
        has_penalty: Whether penalties may be a part of it, beside a loss of the targets.
        refused: Why it must not even be tried.
        of_targets: Takes targets, outputs and weights, without Keras' penalties; None if it is not
            at hand.
        weight: What each sample counts in it; None where all count the same.
    """

    function: Callable[[Any], Tensor]
    given: Any = None
    chance: float | None = None
    is_known: bool = True
    is_compiled: bool = False
    has_penalty: bool = False
    refused: str | None = None
    of_targets: Callable[..., Tensor] | None = None
    guessed: str | None = None
    weight: Any = None

    def is_sum(self, y: Any, y_pred: Any) -> bool | None:
        """Whether it is a sum over samples: the same batch twice doubles it; None if not known."""
        if not self.is_compiled:  # Keras' own means
            return False if self.is_known else None
        if self.of_targets is None:
            return None
        few = _first_samples((y, y_pred))
        doubled = _map_tensors(lambda t: ops.concatenate([t, t]), few)
        try:
            once, twice = (float(to_numpy(self.of_targets(*b))) for b in (few, doubled))
        except _backend.errors():  # outputs of samples by samples take no other batch
            return None
        return once != 0 and abs(twice / once - 2.0) < 0.01

    def is_crossed(self, y: Any, y_pred: Any) -> bool:
        """Whether it meets each target with the outputs of all samples.

        Keras' own losses bring targets of shape `(batch,)` and outputs of shape `(batch, 1)` to one
        shape; a loss of one's own may spread them to `(batch, batch)`. Where the shapes fit, it is
        a mean over samples: one that compares samples on purpose is not.
        """
        if self.of_targets is None or not (hasattr(y, "shape") and hasattr(y_pred, "shape")):
            return False
        if {len(y.shape), len(y_pred.shape)} != {1, 2} or 1 not in (y.shape[-1], y_pred.shape[-1]):
            return False
        if y.shape[0] != y_pred.shape[0] or y.shape[0] < 2:
            return False
        y, y_pred = y[:FEW], y_pred[:FEW]
        column, of_targets = ops.reshape(y, y_pred.shape), self.of_targets

        def value(targets: Any, outputs: Any) -> float:
            return float(to_numpy(of_targets(targets, outputs)))

        try:
            given, fitting = value(y, y_pred), value(column, y_pred)
            alone = [value(column[k : k + 1], y_pred[k : k + 1]) for k in range(y.shape[0])]
        except _backend.errors():  # a loss of somebody's own
            return False
        close = 1e-3 * abs(fitting)
        return abs(fmean(alone) - fitting) <= close < abs(given - fitting)

    def takes_shares(self, y: Any, y_pred: Any) -> bool:
        """Whether outputs beyond 0..1 cost less than those that are the targets.

        So it is with losses of overlap (Dice, Tversky, Jaccard), whose best value is 0, or -1
        where it is the overlap itself.
        """
        if self.of_targets is None or not (hasattr(y, "shape") and hasattr(y_pred, "shape")):
            return False
        if tuple(y.shape) != tuple(y_pred.shape):
            return False
        targets = ops.cast(y, y_pred.dtype)
        if float(to_numpy(ops.min(targets))) != 0 or float(to_numpy(ops.max(targets))) != 1:
            return False
        try:
            perfect, beyond = (
                float(to_numpy(self.of_targets(y, factor * targets))) for factor in (1.0, BEYOND)
            )
        except _backend.errors():  # a loss of somebody's own
            return False
        is_best = any(-ROUNDED < perfect - best < AS_GOOD for best in (0, -1))
        return is_best and beyond < perfect - CHEATED

    def is_blind(self, y: Any, y_pred: Any, value: float) -> bool:
        """Whether it gives `value` for numbers that bear no trace of where they come from."""
        if self.of_targets is None:
            return False
        plain = keras.tree.map_structure(
            lambda t: ops.convert_to_tensor(np.array(to_numpy(t))), y_pred
        )
        found = float(to_numpy(self.of_targets(y, plain, self.weight)))
        return abs(found - value) < 1e-3 * abs(value)


def _first_samples(pair: tuple[Any, Any]) -> tuple[Any, Any]:
    """A few samples of targets and outputs, if they all have the same number of them."""
    leaves = [t for t in keras.tree.flatten(pair) if t is not None]
    if len({tuple(t.shape)[:1] for t in leaves}) > 1:
        return pair
    return _map_tensors(lambda t: t[:FEW], pair)


def _map_tensors(change: Callable[[Tensor], Tensor], pair: tuple[Any, Any]) -> tuple[Any, Any]:
    first, second = (
        keras.tree.map_structure(lambda t: None if t is None else change(t), tree) for tree in pair
    )
    return first, second


@contextlib.contextmanager
def loss_of(model: Any, batch: DataBatch, outputs: Any, *, has_losses: bool) -> Iterator[ProbeLoss]:
    """The compiled loss, lent so that nothing counts; a guess, or a stand-in for want of one.

    Args:
        model: The model.
        batch: Inputs, and targets in the structure of the outputs.
        outputs: What the model gives, or its shapes where it is compiled.
        has_losses: Whether the model adds losses of its own.
    """
    x, y, weight, compiled = batch.x, batch.y, batch.weight, getattr(model, "compiled", False)
    usual_weight = 1.0 if weight is None else float(np.mean(to_numpy(weight)))
    usual = sums_losses(model)
    without = compiled and model.loss is None and usual
    if not compiled and y is not None:
        guess = guessed_loss(*(keras.tree.map_structure(to_numpy, tree) for tree in (y, outputs)))
        yield ProbeLoss(
            lambda y_pred: guess(y, y_pred, weight),
            chance=_times(usual_weight, chance_loss(guess, outputs)),
            refused=labels_out_of_range(guess, batch.all_y, outputs),
            guessed=guess.name,
        )
    elif not compiled or (y is None and not without) or (without and not has_losses):
        yield STAND_IN
    else:

        def own(targets: Any, y_pred: Any, weight: Any = None) -> Tensor:
            return _backend.loss_of_step(model, x, targets, y_pred, weight, training=False)

        with _backend.spare_compiled_loss(model, y, outputs) as spare:
            yield ProbeLoss(
                lambda y_pred: own(y, y_pred, weight),
                model.loss,
                _times(usual_weight, chance_loss(model.loss, outputs, y)),
                is_compiled=True,
                has_penalty=usual and not without,
                refused=labels_out_of_range(model.loss, batch.all_y, outputs),
                of_targets=spare if usual else own,
                weight=weight,
            )


def _times(factor: float, loss: float | None) -> float | None:
    return None if loss is None else factor * loss


def projection(outputs: Any) -> Tensor:
    """Mean over the samples of the outputs times fixed random numbers, for want of targets.

    A sum of squares would have no gradient where an output starts at zero, which is a healthy
    thing to do for a last layer; a random direction always has one.
    """
    total = 0.0
    for output in keras.tree.flatten(outputs):
        # The same numbers for each call: nothing is drawn from a global generator.
        direction = np.random.default_rng(0).standard_normal(tuple(output.shape))
        output = ops.cast(output, "float32")
        batch = max(output.shape[0] if len(output.shape) else 1, 1)
        total = total + ops.sum(output * ops.convert_to_tensor(direction, "float32")) / batch
    return ops.convert_to_tensor(total)


STAND_IN = ProbeLoss(projection, is_known=False)


def guessed_loss(y: Any, y_pred: Any) -> keras.losses.Loss:
    """The usual loss for these targets and outputs, for a model that is not compiled.

    Whole-number targets with one axis less than the outputs (or a last axis of 1): sparse
    categorical cross-entropy. Targets of the outputs' shape whose rows are all >= 0 and sum to 1:
    categorical cross-entropy; that are all 0 or 1: binary cross-entropy. Everything else: mean
    squared error. Outputs outside of 0..1 are taken for logits.

    Args:
        y: Targets, array of shape `(batch, ...)`.
        y_pred: Outputs, array of shape `(batch, ..., units)`.

    Raises:
        ValueError: If there is more than one output: compile the model, which says what to do.

    >>> import numpy as np
    >>> guessed_loss(np.array([0, 2]), np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]])).name
    'sparse_categorical_crossentropy'
    """
    if not (hasattr(y, "shape") and hasattr(y_pred, "shape")):
        raise ValueError(
            "The loss of a model with several outputs cannot be guessed. Received: a model that "
            "is not compiled, with `y`. Compile the model with its losses, or leave out `y`."
        )
    targets, outputs = np.asarray(y), np.asarray(y_pred)
    units = outputs.shape[-1] if outputs.ndim > 1 else 1
    logits = bool(outputs.min() < 0 or outputs.max() > 1) if outputs.size else False
    shares = logits or not np.allclose(outputs.sum(axis=-1), 1.0, atol=1e-2)
    whole = bool(np.all(targets == np.round(targets)))
    sparse_shapes = (outputs.shape[:-1], (*outputs.shape[:-1], 1))
    if units > 1 and whole and targets.shape in sparse_shapes:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=shares)
    if units > 1 and np.all(targets >= 0) and np.allclose(targets.sum(axis=-1), 1.0, atol=1e-3):
        return keras.losses.CategoricalCrossentropy(from_logits=shares)
    if np.isin(targets, (0, 1)).all():
        return keras.losses.BinaryCrossentropy(from_logits=logits)
    return keras.losses.MeanSquaredError()


def chance_loss(loss: Any, y_pred: Any, y: Any = None) -> float | None:
    """Loss of equal probabilities for all classes; None unless `loss` is one cross-entropy.

    Args:
        loss: In any form that `compile` takes.
        y_pred: Outputs, or their shapes.
        y: Targets. A sample of several counts or labels has the loss of each of them.

    >>> import numpy as np
    >>> chance_loss("sparse_categorical_crossentropy", np.zeros((4, 10)))
    2.302...
    """
    name = loss_name(loss)
    if not hasattr(y_pred, "shape") or "crossentropy" not in name:
        return None
    if "binary" in name:
        return float(np.log(2.0))
    units = int(y_pred.shape[-1]) if len(y_pred.shape) > 1 else 1
    if "categorical" not in name or units < 2:
        return None
    labels = 1.0
    if name.startswith("categorical") and getattr(y, "shape", ())[-1:] == (units,):
        labels = float(np.mean(np.sum(to_numpy(y), axis=-1)))
    return labels * float(np.log(units))


def labels_out_of_range(loss: Any, y: Any, outputs: Any) -> str | None:
    """Why labels must not be given to a sparse loss: some backends stop the program at them.

    >>> labels_out_of_range("sparse_categorical_crossentropy", np.array([1, 3]), np.zeros((2, 3)))
    'labels run from 1 to 3, and there are 3 classes'
    """
    if not (hasattr(outputs, "shape") and hasattr(y, "dtype")):
        return None
    if not loss_name(loss).startswith("sparsecategorical"):
        return None
    found, classes = targets_of(y, ANYTHING, getattr(loss, "ignore_class", None)), outputs.shape[-1]
    if found is None or found.non_finite or 0 <= found.low <= found.high < classes:
        return None
    return f"labels run from {found.low:g} to {found.high:g}, and there are {classes} classes"


def has_regularizers(model: Any) -> bool:
    """Whether a weight or a layer of a model has a regularizer."""
    weights = any(getattr(one, "regularizer", None) for one in model.trainable_variables)
    layers = _backend.flat_layers(model)
    return weights or any(getattr(one, "activity_regularizer", None) for one in layers)


def sums_losses(model: Any) -> bool:
    """Whether the loss of a model is Keras' own sum of a compiled loss and penalties."""
    return _backend.is_of_keras(type(model).compute_loss)
