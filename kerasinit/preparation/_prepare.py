"""A model made ready for its data."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._typing import Batch, Model, Rules, SeedLike
from kerasinit.experiments._stacking import Weights
from kerasinit.models import initialize
from kerasinit.models._draw import Choice
from kerasinit.models._first_batch import is_batch
from kerasinit.models._initialize import restart
from kerasinit.models._journal import journal
from kerasinit.models._learned import has_learned, remember
from kerasinit.models._plan import Plan
from kerasinit.models._scene import Scene, scene_of
from kerasinit.models._slots import Slot
from kerasinit.preparation._batches import Batches, batches_of, check_batched
from kerasinit.preparation._diagnose import examined
from kerasinit.preparation._label_prior import loss_of_prior
from kerasinit.preparation._learning_rate import BATCH_SIZE, advice_for
from kerasinit.preparation._output_bias import BiasRow, bias_rows
from kerasinit.preparation._preparation import Preparation
from kerasinit.preparation._proof import proof_of
from kerasinit.preparation._rate_advice import RateAdvice
from kerasinit.preparation._rate_rule import RateCurve, is_lower
from kerasinit.preparation._rate_search import MOST_STEPS, trained_from
from kerasinit.preparation._task import Task, task_of
from kerasinit.preparation._trial import Trial, outputs_of
from kerasinit.preparation._unmoved import REASON, not_trained, unmoved
from kerasinit.preparation._untouched import marks_of, same_attributes, taken_back
from kerasinit.signals import Diagnosis
from kerasinit.signals._batch import of_dataset
from kerasinit.signals._heads import of_outputs

OF_LIBRARIES = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)  # not for users


def prepare(
    model: Model,
    x: Batch,
    y: Batch | None = None,
    *,
    rules: Rules = None,
    sample_weight: Batch | None = None,
    class_weight: Mapping[int, float] | None = None,
    batch_size: int = BATCH_SIZE,
    loss: Any = None,
    optimizer: Any = None,
    seed: SeedLike = None,
    dry_run: bool = False,
) -> Preparation:
    """Makes a model ready to train on its data, in place, and shows that it helps.

    Four steps: new weights (`initialize`: what an author fixed stays); for each output whose loss
    says what a model that knows nothing should answer, that answer as its bias (and outputs near
    it, under a squared or absolute error); a learning rate, from short trainings of copies
    (`learning_rate`); and the proof, the same trainings from the weights that the model came with.
    Where those end lower, the model keeps them; where they are as good, if they have been learned
    and know more than the shares of the labels. A new head on layers that have learned gets its
    bias either way. The proof is short: what must not go, keep by `rules` or `trainable = False`
    (with `dry_run=True` first, nothing is lost). A learned part that a `train_step` of your own
    does not train, such as a teacher, stays.

    Args:
        model: A model, compiled unless `loss` and `optimizer` are given. If it waits for its first
            data, it is built on `x`, as by `fit`. A compiled one gets the rate, too, unless its
            optimizer follows a schedule, or it keeps its own start and no rate is known to be
            better, or its optimizer has taken steps from there. With the new start, an optimizer
            that has taken steps begins anew, as in the proof.
        x: Inputs as for `fit`: arrays, or a `tf.data.Dataset`, a `PyDataset`, a generator (some
            batches are taken from it).
        y: Targets, unless `x` holds them.
        rules: As for `initialize`; `[("path", None), ...]` keeps parts. The output bias comes on
            top.
        sample_weight: Weights of the samples, likewise.
        class_weight: As for `fit`, `{class: weight}`: the labels and the trial count by it.
        batch_size: Samples per step, of arrays. Train with the same.
        loss: For a model that is not compiled, what `compile` takes.
        optimizer: Likewise.
        seed: As for `initialize`.
        dry_run: Changes nothing; the report says what would be done.

    Raises:
        TypeError: As `learning_rate` does.
        ValueError: As `initialize` and `learning_rate` do. Everything is as before then, as it is
            after Ctrl-C.

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="head")])
    >>> model.compile("sgd", "mse")
    >>> x = np.random.default_rng(0).standard_normal((256, 4))
    >>> prepare(model, x, 3 + x.sum(axis=1), seed=1, dry_run=True).bias[0].reason
    'mean of the targets, 256 samples'
    """
    task = task_of(model, loss, optimizer, x)
    size = task.batch_size(batch_size)
    batches = batches_of(
        x, y, sample_weight, class_weight=class_weight, batch_size=size, steps=MOST_STEPS
    )
    check_batched(model, batches.items[0][0], of_stream=not is_batch(x))
    touched = list(model.variables)
    if loss is None:
        touched += task.optimizer.variables
    if isinstance(seed, keras.random.SeedGenerator):
        touched.append(seed.state)
    kept = taken_back(touched) if dry_run else journal(touched)
    with kept, same_attributes(model, *task.losses), contextlib.ExitStack() as undone:
        undone.callback(marks_of(model))
        prepared = _prepared(task, batches, rules, seed, dry_run=dry_run)
        if prepared.trial.adopted and not dry_run:
            undone.pop_all()
        return prepared


def _prepared(
    task: Task, batches: Batches, rules: Rules, seed: SeedLike, *, dry_run: bool
) -> Preparation:
    model = task.model
    y_pred = outputs_of(model, batches.items[0][0])
    trial = Trial(task, batches)
    slots = scene_of(model).slots
    learned = any(map(has_learned, slots))
    # A new head on what was learned gets its bias, too, so that the two starts can be compared.
    own_biases = _set_biases(task, batches, y_pred) if learned else ()
    own = Weights.of(model)
    own_advice = advice_for(task, trial, own, batches, y_pred)
    own_curve, trained = trained_from(trial, own, own_advice.rate)
    aside = unmoved(task, slots, own, trained)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with not_trained(aside):
            plan = _noted(initialize(model, rules, seed=seed), {slot.path for slot in aside})
            biases = _set_biases(task, batches, y_pred, plan)
        ready = Weights.of(model)
        advice = advice_for(task, trial, ready, batches, y_pred)
        ready_curve, _ = trained_from(trial, ready, advice.rate)
        shares = _loss_of_shares(task, batches, y_pred, biases)
        proof = proof_of(
            own_curve,
            ready_curve,
            has_learned=learned,
            # A new head knows nothing; what is below it may.
            knows_nothing=not own_biases and not _is_below(own_curve, shares),
            ready_knows_nothing=not _is_below(ready_curve, shares),
        )
    if proof.adopted:
        for warning in said:
            if not issubclass(warning.category, OF_LIBRARIES):
                warnings.warn(warning.message, warning.category, stacklevel=3)
    else:
        advice, biases = own_advice, own_biases or biases
        _assign(model, own)
    why_not = "" if proof.adopted else _why_rate_stays(task, advice)
    if why_not:
        note = f"the learning rate stays {task.rate:.3g}: {why_not}"
    else:
        note = _set_rate(task, advice.rate)
    steps = _backend.steps_taken(task.optimizer) if proof.adopted and task.loss is None else 0
    if steps:
        restart(task.optimizer)
    diagnosis, problem = _diagnosis(model, batches)
    return Preparation(
        model=model.name,
        plan=plan,
        bias=biases,
        bias_adopted=proof.adopted or bool(own_biases),
        learning_rate=advice,
        trial=proof,
        cost=trial.cost,
        diagnosis=diagnosis,
        undiagnosed=problem,
        notes=(note,) if note else (),
        forgotten_steps=steps,
        dry_run=dry_run,
    )


def _noted(plan: Plan, paths: Set[str]) -> Plan:
    """The plan with the reason why learned variables of these paths stay."""
    rows = (replace(row, reason=REASON) if row.path in paths else row for row in plan.rows)
    return replace(plan, rows=tuple(rows))


def _loss_of_shares(
    task: Task, batches: Batches, y_pred: Any, rows: Sequence[BiasRow]
) -> float | None:
    """What a step reports of a model that knows the labels' shares alone; None if not known."""
    if batches.weights is not None or not task.reports_loss_alone:
        return None
    if len(rows) != 1 or rows[0].values is None:
        return None
    (loss,) = of_outputs(task.model, task.declared_loss, y_pred)
    return loss_of_prior(loss, rows[0].values)


def _is_below(curve: RateCurve, loss: float | None) -> bool:
    """Whether a training ends below a loss, or that is not known."""
    return loss is None or is_lower(curve.last, np.full_like(curve.last, loss))


def _set_biases(
    task: Task, batches: Batches, y_pred: Any, plan: Plan | None = None
) -> tuple[BiasRow, ...]:
    """Sets the bias of each output, and narrows the kernel beside it if nobody fixed that.

    Without a plan of new weights, of outputs alone whose layer has learned nothing; empty if there
    are none.
    """
    scene = scene_of(task.model)
    slots = {id(slot.variable): slot for slot in scene.slots}
    learned = {id(slot.layer) for slot in scene.slots if plan is None and has_learned(slot)}
    cancels = {row.path for row in plan or () if row.initializer.startswith("OddPartBias")}
    rows = []
    for bias, row in bias_rows(task, scene, batches, y_pred):
        if bias is None:
            rows.append(row)
            continue
        slot = slots[id(bias)]
        if id(slot.layer) in learned:
            return ()
        kernels = [s for s in scene.slots if s.layer is slot.layer and s.role == "kernel"]
        if len(kernels) == 1 and _is_free(kernels[0], scene):
            kernels[0].variable.assign(kernels[0].variable * row.kernel_factor)
        else:
            row = replace(row, kernel_factor=1.0)
        row = replace(row, is_added=slot.path in cancels)
        drawn = row.kernel_factor * _backend.numpy_of(bias) if row.is_added else 0.0
        bias.assign(np.array(row.values, "float32") + drawn)
        remember([Choice(slot, slot.initializer, row.reason)])  # set by us, not learned
        rows.append(row)
    return tuple(rows)


def _is_free(slot: Slot, scene: Scene) -> bool:
    """Whether a variable was drawn, and its author did not fix its values."""
    return slot.initializer is not None and id(slot.variable) not in scene.kept


def _why_rate_stays(task: Task, advice: RateAdvice) -> str:
    """Why a model that keeps its own start keeps its rate, too; empty where it does not."""
    if task.loss is not None:  # not compiled: it has none
        return ""
    if not advice.falls:
        return "no other is known to be better"
    if _backend.steps_taken(task.optimizer) > 0:
        return "the optimizer goes on with what it has gathered, and the trial began without"
    return ""


def _set_rate(task: Task, rate: float) -> str:
    """Gives a compiled model's optimizer the rate; why not, where it does not get it."""
    if task.loss is not None:
        return f"not compiled: give {task.optimizer_name} the learning rate {rate:.3g}"
    if task.schedule:
        return (
            f"the optimizer follows a schedule ({task.schedule}), which stays: let its highest "
            f"rate be {rate:.3g}"
        )
    task.optimizer.learning_rate = rate
    return ""


def _diagnosis(model: Any, batches: Batches) -> tuple[Diagnosis | None, str]:
    x, y, _ = batches.items[0]
    try:
        return examined(model, of_dataset(x, y), y), ""
    except _backend.errors() as error:  # the code of any layer runs here
        return None, f"could not be diagnosed: {_backend.cause_of(error)}"


def _assign(model: Any, weights: Weights) -> None:
    pairs = zip(
        [*model.trainable_variables, *model.non_trainable_variables],
        [*weights.trainable, *weights.states],
        strict=True,
    )
    for variable, value in pairs:
        variable.assign(value)
