"""The health report of a model, with fixes that were tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras

from kerasinit import _backend
from kerasinit._safe_text import kind_in_words
from kerasinit._typing import Batch, Model
from kerasinit.models._building import build_on
from kerasinit.models._first_batch import first_batch, is_batch
from kerasinit.models._scene import scene_of
from kerasinit.preparation._batches import check_batched, check_class_weight, weighted
from kerasinit.preparation._remedy_trial import RemedyTrials
from kerasinit.preparation._task import task_of
from kerasinit.signals import Diagnosis, Remedy, Verdict, examine, judge
from kerasinit.signals._batch import (
    DataBatch,
    as_batch,
    of_dataset,
    to_numpy,
)
from kerasinit.signals._watched_layers import layer_name


def diagnose(
    model: Model,
    x: Batch,
    y: Batch | None = None,
    *,
    class_weight: Mapping[int, float] | None = None,
    verify: bool = False,
) -> Diagnosis:
    """Health of a model's signal at its current weights, from one batch of data.

    Changes nothing. With targets, the gradient and the loss are those of training, outputs, loss
    and targets are checked against each other, and the first step of the compiled optimizer is
    tried on a copy of the weights; without, the gradient of a random direction of the outputs is
    used. Costs a forward and a backward pass, and with targets two more forward passes.

    Args:
        model: A Keras model. If it waits for its first data, it is built on `x`, as by `fit`.
        x: Inputs as for `model.predict`, shape `(batch, ...)`. A few dozen samples are enough;
            of more than 256, 256 are taken at even distances. Of a `tf.data.Dataset`, a
            `PyDataset` or a generator, the first batch, with its targets and sample weights.
        y: Targets of the same samples.
        class_weight: As for `fit`, `{class: weight}`: loss and gradients count by it.
        verify: Whether each suggested fix is tried: copies of the model are trained on the batch
            for 30 steps, with it and without it. What does not help is not suggested.

    Raises:
        TypeError: If `class_weight` is no mapping.
        ValueError: If the model cannot be called, the batch is empty or has the wrong shape, fixes
            are to be tried on a model that is not compiled, or without targets, or `class_weight`
            does not go with the targets.

    >>> import keras, numpy as np
    >>> layers = [keras.layers.Dense(8, "relu", kernel_initializer="zeros", name=f"layer_{i}")
    ...           for i in range(3)]
    >>> model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(2, name="head")])
    >>> diagnosis = diagnose(model, np.random.default_rng(0).standard_normal((32, 4)))
    >>> diagnosis.healthy, diagnosis.verdicts[0].cause, diagnosis.verdicts[0].where
    (False, 'symmetric', 'layer_0')
    """
    check_class_weight(class_weight)
    build_on(model, x)
    x, y, weight = _batch_of(model, x, y)
    if verify and (y is None or not getattr(model, "compiled", False)):
        raise ValueError(
            "`verify=True` trains copies of the model, which needs targets and a compiled model. "
            f"Received: y={'None' if y is None else 'given'}, "
            f"compiled={bool(getattr(model, 'compiled', False))}."
        )
    if class_weight is not None or weight is not None:
        x = _weighing(as_batch(model, x, y), weight, class_weight)
    with _backend.same_random_state():
        found = examined(model, x, y)
        verdicts = found.verdicts
        if verify and any(verdict.remedy for verdict in verdicts):
            verdicts = _verified(verdicts, model, x, y)
        compiled = _backend.compiled_in_code(model)
        return replace(found, verdicts=tuple(one.keeping(compiled) for one in verdicts))


def _batch_of(model: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Inputs, targets, and the sample weights of a dataset; those of several outputs are left."""
    if is_batch(x):
        return x, y, None
    if y is not None:
        raise ValueError(
            "`y` must be None where `x` is a dataset, whose batches hold the targets. "
            f"Received: x={kind_in_words(x)}, y={kind_in_words(y)}."
        )
    given, targets, weight = first_batch(x)
    check_batched(model, given, of_stream=True)
    own = None if targets is None or keras.tree.is_nested(weight) else weight
    return of_dataset(given, targets), targets, own


def _weighing(batch: DataBatch, given: Any, class_weight: Mapping[int, float] | None) -> DataBatch:
    """The batch with the weights of its samples."""
    if batch.y is None:
        raise ValueError(
            "`class_weight` needs the labels, as `y` or in the batches of a dataset. "
            f"Received: class_weight={class_weight!r}, and no labels."
        )
    weight = None
    if given is not None:
        weight = _backend.array_of(given)[batch.numbers].astype(keras.config.floatx())
    weight = weighted(keras.tree.map_structure(to_numpy, batch.y), weight, class_weight)
    return replace(batch, weight=keras.ops.convert_to_tensor(weight))


def examined(model: Model, x: Batch, y: Batch | None = None) -> Diagnosis:
    """What `diagnose` says without trials.

    Args:
        model: See `diagnose`.
        x: See `diagnose`.
        y: See `diagnose`.
    """
    return _with_gates(examine(model, x, y), model)


def _with_gates(found: Diagnosis, model: Any) -> Diagnosis:
    """The same, judged again where sigmoids are gates that only the graph of the model shows."""
    if found.healthy:
        return found
    try:
        scene = scene_of(model)
        layers = [layer for layer in _backend.flat_layers(model) if scene.is_gate(layer)]
    except _backend.errors():  # the code of any layer runs here; then none are known
        return found
    gates = {layer_name(model, layer) for layer in layers}
    if not gates:
        return found
    rows = [
        replace(row, is_gate=True, has_gain=False) if row.path in gates else row
        for row in found.layers
    ]
    signals = replace(found.signals, layers=tuple(rows))
    return Diagnosis(signals, judge(signals))


def _verified(verdicts: tuple[Verdict, ...], model: Any, x: Any, y: Any) -> tuple[Verdict, ...]:
    try:
        batch = as_batch(model, x, y)
        arrays = (
            keras.tree.map_structure(lambda one: None if one is None else to_numpy(one), tree)
            for tree in (batch.x, batch.y, batch.weight)
        )
        trials = RemedyTrials(task_of(model), *arrays)
    except _backend.errors() as error:
        why = _backend.cause_of(error)
        return tuple(_noted(one, f"not tried: {why}") for one in verdicts)
    said: dict[Remedy, tuple[str, bool]] = {}
    for remedy in [verdict.remedy for verdict in verdicts if verdict.remedy is not None]:
        if remedy not in said:
            try:
                tried = trials.tried(remedy)
            except _backend.errors() as error:
                said[remedy] = f"not tried: {_backend.cause_of(error)}", True
            else:
                said[remedy] = f"tried: {tried}", tried.helps
    return tuple(
        verdict if verdict.remedy is None else _with_trial(verdict, *said[verdict.remedy])
        for verdict in verdicts
    )


def _with_trial(verdict: Verdict, note: str, helps: bool) -> Verdict:
    if helps:
        return _noted(verdict, note)
    line = verdict.remedy.line if verdict.remedy is not None else ""
    return replace(verdict, fix=f"# {line} does not help ({note})", remedy=None)


def _noted(verdict: Verdict, note: str) -> Verdict:
    return verdict if verdict.remedy is None else replace(verdict, fix=f"{verdict.fix}; {note}")
