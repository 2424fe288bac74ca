"""The learning rate that suits a model and its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kerasinit._typing import Batch, Model
from kerasinit.experiments._stacking import Weights
from kerasinit.models._first_batch import is_batch
from kerasinit.preparation._batches import Batches, batches_of, check_batched
from kerasinit.preparation._rate_advice import RateAdvice
from kerasinit.preparation._rate_rule import chosen, falls, rates_around
from kerasinit.preparation._rate_search import MOST_STEPS, rate_curves
from kerasinit.preparation._sharpness import limits_rate, sharpness_of
from kerasinit.preparation._task import Task, task_of
from kerasinit.preparation._trial import Trial, outputs_of
from kerasinit.preparation._untouched import same_attributes
from kerasinit.signals._probe_loss import chance_loss

NEAR = 2.0  # times the loss of equal shares: from far above it, to come near is progress
BATCH_SIZE = 32  # what `fit` takes unless it is told otherwise


def learning_rate(
    model: Model,
    x: Batch,
    y: Batch | None = None,
    *,
    sample_weight: Batch | None = None,
    class_weight: Mapping[int, float] | None = None,
    batch_size: int = BATCH_SIZE,
    loss: Any = None,
    optimizer: Any = None,
) -> RateAdvice:
    """A learning rate that is safe and fast, from short trainings of copies.

    It finds the size of the rate, which for deep models may be a hundredth of the optimizer's
    usual one. What is best for the rest of a training (how long it lasts, whether the best
    checkpoint is kept) it cannot see: on 18 tasks, one training of a small model each, the test
    loss at the end came within 5 % of its whole fall of that at the best rate in 61 % with momentum
    SGD and in 67 % with Adam (`tests/benchmarks/rate_held_out.py`, `examples/results.md`).

    Copies of the model start from its weights, with fresh optimizers that differ in their rate
    alone, and see the same batches. The model, its optimizer and all random generators are
    afterwards as they were; objects of other classes that your own code writes into (a counter, an
    array) are not looked after. In between, the model holds the copies' weights: let no other
    thread use it. Main memory holds 12 copies with their optimizers' variables (of Adam, about 45
    times the weights), up to 4 GiB: beyond, they begin anew at each stage, in 202 steps for 147.
    What changes the rate in training (a schedule, a warm-up) is left out: the advice is its highest
    value.

    Args:
        model: A model, compiled unless `loss` and `optimizer` are given. If it waits for its first
            data, it is built on `x`, as by `fit`.
        x: Inputs as for `fit`: arrays, or a `tf.data.Dataset`, a `PyDataset`, a generator (some
            batches are taken from it).
        y: Targets, unless `x` holds them.
        sample_weight: Weights of the samples, likewise.
        class_weight: As for `fit`, `{class: weight}`: the labels and the trial count by it.
        batch_size: Samples per step, of arrays. Train with the same.
        loss: For a model that is not compiled, what `compile` takes.
        optimizer: Likewise.

    Raises:
        TypeError: If it is no model, or `class_weight` no mapping.
        ValueError: If the model is not built, not compiled, trained by several optimizers, has
            nothing to train, or cannot be trained on the data, or the data is not finite.

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = np.random.default_rng(0).standard_normal((256, 4))
    >>> 0.005 < learning_rate(model, x, x.sum(axis=1)).rate < 0.5
    True
    """
    task = task_of(model, loss, optimizer, x)
    size = task.batch_size(batch_size)
    batches = batches_of(
        x, y, sample_weight, class_weight=class_weight, batch_size=size, steps=MOST_STEPS
    )
    check_batched(model, batches.items[0][0], of_stream=not is_batch(x))
    with same_attributes(model, *task.losses):
        y_pred, weights = outputs_of(model, batches.items[0][0]), Weights.of(model)
        advice = advice_for(task, Trial(task, batches), weights, batches, y_pred)
        if not limits_rate(task):
            return advice
        sharpness = sharpness_of(task, weights, batches.items[0], y_pred)
    return replace(advice, sharpness=sharpness, momentum=task.optimizer.momentum)


def advice_for(
    task: Task, trial: Trial, weights: Weights, batches: Batches, y_pred: Any
) -> RateAdvice:
    """The advice for a model that starts from `weights`.

    Args:
        task: The model and how it is trained.
        trial: Trains its copies.
        weights: Where they start.
        batches: What they are trained on.
        y_pred: Outputs of the model for one batch, or their shapes.
    """
    before = trial.cost
    curves, still = rate_curves(trial, weights, rates_around(task.usual_rate))
    nothing = _of_nothing_learned(still, task, batches, y_pred)
    rate, good, reason = chosen(curves, nothing, task.usual_rate)
    return RateAdvice(
        model=task.model.name,
        optimizer=task.optimizer_name,
        rate=rate,
        range=good,
        curves=curves,
        untrained=float(still.mean()),
        reason=reason,
        cost=trial.cost.since(before),
        falls=falls(curves, nothing),
        batch_size=batches.size,
        own_rate=task.rate,
    )


def _of_nothing_learned(still: np.ndarray, task: Task, batches: Batches, y_pred: Any) -> np.ndarray:
    """Losses that show nothing learned: of the untrained model, or of equal shares of all classes.

    From random answers the loss falls to that of equal shares at any rate, soonest at one that is
    too low for more.
    """
    if batches.weights is not None or not task.reports_loss_alone:
        return still
    chance = chance_loss(task.declared_loss, y_pred)
    if chance is None or not still.mean() < NEAR * chance:
        return still
    return np.minimum(still, chance)
