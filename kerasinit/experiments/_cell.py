"""One architecture with all its replicas: the unit of work that may run anywhere."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._version import __version__
from kerasinit.experiments import _builders, _data, _measures
from kerasinit.experiments._draws import Draw, Drawer, KeptDraws
from kerasinit.experiments._records import Replica
from kerasinit.experiments._spec import Architecture, Experiment
from kerasinit.experiments._stacking import Weights, why_not_mapped
from kerasinit.experiments._trainer import PROBE_EXAMPLES, Trainer, replicas_per_call
from kerasinit.signals._watched_layers import watched_layers

MEASUREMENTS = 6  # of the signal in one training, beside the one at the start
ABOVE_GUESSING = 0.5  # share of the way from guessing to perfect that counts as trained
SYMMETRIC = 0.5  # share of copies among the units of a hidden layer that counts as symmetric
# Name of a curve -> (training or validation, loss or score).
CURVES = {"loss": (0, 0), "accuracy": (0, 1), "val_loss": (1, 0), "val_accuracy": (1, 1)}


Tell = Callable[[Literal["note", "epoch"], Mapping[str, Any]], None]


@dataclass(frozen=True)
class Cell:
    """The replicas of one architecture that are still to be trained. It can be pickled.

    Args:
        spec: The experiment.
        architecture: Which point of its grid.
        draws: What is missing, in the order of the spec.
    """

    spec: Experiment
    architecture: Architecture
    draws: tuple[Draw, ...]


def train(cell: Cell, tell: Tell, kept: KeptDraws | None = None) -> Iterator[list[Replica]]:
    """Trains the replicas of a cell, as many together as can be.

    Args:
        cell: What to train.
        tell: Is called with the kind and the values of every event: `"note"` with a `message`,
            `"epoch"` with `epoch` and `replicas`.
        kept: Draws of other cells, and for them.

    Yields:
        The records of a group of replicas, as soon as the group is finished.
    """
    kept = kept or KeptDraws()
    spec, architecture = cell.spec, cell.architecture
    dataset = _data.load(architecture.data)
    model = build(architecture, dataset)
    reason = why_not_mapped(spec.optimizer_config)
    if not reason:
        together = max(Counter(entry.learning_rate for entry in cell.draws).values())
        size = replicas_per_call(model, dataset.x, spec.batch_size, together)
        done = 0
        try:
            for group in _train_groups(cell, model, dataset, size, kept, tell):
                yield group
                done += len(group)
            return
        except _backend.errors() as error:
            if done:
                raise
            cause = _backend.cause_of(error)[:200]
            reason = f"the model cannot be mapped ({type(error).__name__}: {cause})"
    tell("note", {"message": f"One training after another: {reason}."})
    yield from _train_groups(cell, model, dataset, None, kept, tell)


def build(architecture: Architecture, dataset: _data.Dataset) -> Any:
    """Builds the model of an architecture; one that builds when called is called once.

    Raises:
        ValueError: If its outputs are not one logit per class, or the number to predict, or it has
            no kernel.
    """
    model = _builders.find(architecture.model)(
        dataset.input_shape,
        dataset.outputs,
        depth=architecture.depth,
        width=architecture.width,
        activation=architecture.activation,
    )
    # As many examples as the trainer will look at: JAX compiles their operations once.
    examples = ops.convert_to_tensor(dataset.x[:PROBE_EXAMPLES])
    logits = _backend.quietly(model)(examples, training=False)
    found = tuple(logits.shape) if ops.is_tensor(logits) else type(logits).__name__
    if found != (len(examples), dataset.outputs):
        wanted = "one logit per class" if dataset.classes else "the number to predict"
        raise ValueError(
            f"The model {architecture.model!r} must end in {wanted}: of "
            f"{len(examples)} examples, an output of shape ({len(examples)}, {dataset.outputs}). "
            f"Received: {found}."
        )
    if not any(layer.is_weighted for layer in watched_layers(model)):
        raise ValueError(
            f"The model {architecture.model!r} must have a kernel, whose start can be compared. "
            f"Received: weights of shapes {[tuple(weight.shape) for weight in model.weights]}."
        )
    return model


def _train_groups(
    cell: Cell,
    model: Any,
    dataset: _data.Dataset,
    size: int | None,
    kept: KeptDraws,
    tell: Tell,
) -> Iterator[list[Replica]]:
    """Trains groups of at most `size` replicas at one learning rate; None for one at a time."""
    spec = cell.spec
    trainer = Trainer(
        model,
        dataset,
        optimizer=spec.optimizer_config,
        batch_size=spec.batch_size,
        replicas=size,
        shuffle_seed=spec.shuffle_seed,
    )
    drawer = Drawer(model, dataset)

    @functools.cache  # every learning rate has the same starts
    def drawn(label: str, seed: int) -> Weights:
        return kept.draw(drawer, cell.architecture, label, spec.rules[label], seed)

    for rate in dict.fromkeys(entry.learning_rate for entry in cell.draws):
        wanted = [entry for entry in cell.draws if entry.learning_rate == rate]
        for start in range(0, len(wanted), size or 1):
            began = time.perf_counter()
            group = wanted[start : start + (size or 1)]
            trainer.load([drawn(entry.initializer, entry.seed) for entry in group], rate)
            yield _train_group(cell, trainer, group, began, tell)


def _train_group(
    cell: Cell,
    trainer: Trainer,
    group: Sequence[Draw],
    began: float,
    tell: Tell,
) -> list[Replica]:
    """Trains the replicas that are loaded; their records."""
    spec, dataset = cell.spec, trainer.dataset
    model, calls = trainer.model, trainer.calls
    epochs = np.linspace(0, spec.epochs, MEASUREMENTS + 1).round().astype(int)
    measured = sorted({0, *epochs.tolist()})
    first = probe = trainer.probe()
    strengths = [_measures.strengths(model, calls, probe)]
    start = _measures.signals_of(model, calls, probe, trainer.weights(), dataset.classes)
    train_rows, val_rows = [], []
    for epoch in range(1, spec.epochs + 1):
        train_rows.append(trainer.train_epoch(epoch - 1))
        val_rows.append(trainer.evaluate())
        if epoch in measured:
            probe = trainer.probe()
            strengths.append(_measures.strengths(model, calls, probe))
        tell("epoch", {"epoch": epoch, "replicas": len(group)})
    curves = np.stack([np.stack(train_rows), np.stack(val_rows)])  # (2, epochs, replicas, 2)
    activations = _histograms(first.outputs)
    gradients = _histograms([len(first.taps[0][0]) * first.taps[call.tap] for call in calls])
    end = _measures.signals_of(model, calls, probe, trainer.weights(), dataset.classes)
    seconds = (time.perf_counter() - began) / len(group)
    return [
        Replica(
            cell=cell.architecture.cell(entry.learning_rate),
            initializer=entry.initializer,
            seed=entry.seed,
            **_course(curves[:, :, r], spec.target, dataset.guess),
            layers=[row.name for row in start[r].layers],
            measured_epochs=measured,
            gradient_norms=[s.gradient_norms[r].tolist() for s in strengths],
            signal_rms=[s.signal_rms[r].tolist() for s in strengths],
            gradient_rms=[s.gradient_rms[r].tolist() for s in strengths],
            activation_histogram=activations[r].tolist(),
            gradient_histogram=gradients[r].tolist(),
            dead_share=[row.dead_share or 0.0 for row in start[r].layers],
            symmetric=any(
                (row.duplicate_share or 0) >= SYMMETRIC and not row.is_output
                for row in start[r].layers
            ),
            start=_measures.verdict(start[r]),
            end=_measures.verdict(end[r]),
            seconds=seconds,
            versions=versions(),
            mapped=trainer.replicas is not None,
            score="accuracy" if dataset.classes else "R2",
            val_samples=len(dataset.y_val) if dataset.classes else None,
        )
        for r, entry in enumerate(group)
    ]


def _histograms(layers: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([_measures.histogram(values) for values in layers], axis=1)


def _course(curves: np.ndarray, target: float, guess: float) -> dict[str, Any]:
    """What a record tells of the curves of one replica, `(2, epochs, 2)`: see `CURVES`."""
    loss, score = map(float, curves[0, -1])
    reached = np.flatnonzero(curves[1, :, 1] >= target)
    return {
        "curves": {name: curves[part, :, i].tolist() for name, (part, i) in CURVES.items()},
        "epochs_to_target": int(reached[0]) + 1 if len(reached) else None,
        "trained": bool(np.isfinite(loss) and score >= guess + ABOVE_GUESSING * (1 - guess)),
    }


@functools.cache
def versions() -> dict[str, str]:
    """Versions of what produced a record."""
    backend, version = _backend.library()
    return {
        "kerasinit": __version__,
        "keras": keras.__version__,
        "backend": backend,
        backend: version,
    }
