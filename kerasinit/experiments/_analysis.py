"""From records to a comparison: ranked rows with intervals and a conclusion each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasinit._typing import Config
from kerasinit.experiments._bootstrap import ENDS, Estimate, estimate, resample
from kerasinit.experiments._checks import label_of
from kerasinit.experiments._comparison import Comparison, ComparisonRow, Conclusion
from kerasinit.experiments._directory import RunDirectory
from kerasinit.experiments._records import Replica, cell_key
from kerasinit.experiments._spec import GRID
from kerasinit.models._near_names import near

BASELINE = "glorot_uniform"
# Differences of validation accuracy within this are called equal, if the interval shows it.
EQUAL_MARGIN = 0.01

# Causes of `kerasinit.signals` that a training can outgrow.
SLOWING = ("bad_scale", "too_narrow", "unexpected_loss", "unscaled_input")


def compare(
    out: str | Path, baseline: str | None = None, *, rng: np.random.Generator | None = None
) -> Comparison:
    """Compares the finished replicas of a run directory.

    Args:
        out: The directory that `run` filled; an unfinished run is compared as far as it is.
        baseline: Label of the initializer to compare with; None for "glorot_uniform", or the first
            of the spec where that is not part of it.
        rng: Source of the resampling; the same every time by default.

    Raises:
        ValueError: If the directory holds no run, or no finished replica, or the baseline is not
            part of it.

    Example:
        ```python
        comparison = compare("runs", "he_normal")
        print(comparison.rows[0].initializer, comparison.rows[0].val_accuracy)
        ```
    """
    directory = RunDirectory(Path(out))
    spec = directory.load_spec()
    replicas = directory.replicas()
    if not replicas:
        raise ValueError(
            f"{str(out)!r} holds no finished replica yet. Run the experiment again to go on."
        )
    labels = [label_of(entry) for entry in spec.get("initializers", ())]
    labels += [replica.initializer for replica in replicas]
    baseline = chosen_baseline(baseline, list(dict.fromkeys(labels)))
    rng = np.random.default_rng(0) if rng is None else rng
    return Comparison(spec, baseline, replicas, tuple(_rows(spec, replicas, baseline, rng)))


def chosen_baseline(wanted: str | None, labels: Sequence[str]) -> str:
    """The baseline that was asked for, else the usual one, else the first of the spec.

    Args:
        wanted: A label, or None.
        labels: Those of the comparison, in the order of the spec.

    Raises:
        ValueError: If `wanted` is not in the comparison, with near matches.

    Examples:
        >>> chosen_baseline("glorot_unifrom", ["zeros", "glorot_uniform"])
        Traceback (most recent call last):
        ValueError: The baseline 'glorot_unifrom' is not part of the comparison. Near matches: ...
    """
    if wanted is None:
        return BASELINE if BASELINE in labels else labels[0]
    if wanted not in labels:
        raise ValueError(
            f"The baseline {wanted!r} is not part of the comparison. {near(wanted, labels)}"
        )
    return wanted


def _rows(
    spec: Config, replicas: Sequence[Replica], baseline: str, rng: np.random.Generator
) -> Iterable[ComparisonRow]:
    cells: dict[str, tuple[Config, list[Replica]]] = {}
    for replica in replicas:
        cell = {name: value for name, value in replica.cell.items() if name != "learning_rate"}
        cells.setdefault(cell_key(cell), (cell, []))[1].append(replica)
    for cell, members in sorted(cells.values(), key=lambda group: _place_in_spec(spec, group[0])):
        yield from _cell_rows(cell, members, baseline, rng)


def _place_in_spec(spec: Config, cell: Config) -> list[int]:
    """Sorts cells as the spec names them: they finish in any order."""
    place = []
    for key, part in GRID.items():
        values = list(spec.get(key, ()))
        place.append(values.index(cell[part]) if cell.get(part) in values else len(values))
    return place


def _cell_rows(
    cell: Config, replicas: Sequence[Replica], baseline: str, rng: np.random.Generator
) -> list[ComparisonRow]:
    chosen = {
        label: _best_rate([r for r in replicas if r.initializer == label])
        for label in dict.fromkeys(replica.initializer for replica in replicas)
    }
    seeds = sorted({replica.seed for members in chosen.values() for replica in members})
    picks = resample(rng, len(seeds))
    places = _rank_intervals(chosen, seeds, picks)
    order = sorted(chosen, key=lambda label: _rank_key(chosen[label]))
    rows = []
    for rank, label in enumerate(order, start=1):
        members = chosen[label]
        sound = [replica for replica in members if not replica.diverged]
        own_picks = picks if len(sound) == len(seeds) else resample(rng, max(len(sound), 1))
        difference = _paired(members, chosen.get(baseline, []), rng)
        verdict, evidence = _verdict(members)
        trained = any(replica.trained for replica in (*members, *chosen.get(baseline, ())))
        told = conclusion(difference, trained=trained)
        rows.append(
            ComparisonRow(
                cell=cell,
                initializer=label,
                learning_rate=float(members[0].cell["learning_rate"]),
                rank=rank,
                rank_interval=places[label],
                replicas=len(members),
                diverged=len(members) - len(sound),
                train_accuracy=_estimate(sound, "accuracy", own_picks),
                val_accuracy=_estimate(sound, "val_accuracy", own_picks, _grain(members)),
                val_accuracy_by_seed=tuple(
                    math.nan if replica.diverged else replica.final.get("val_accuracy", math.nan)
                    for replica in members
                ),
                trained_share=float(np.mean([replica.trained for replica in members])),
                epochs_to_target=_median_epochs(members),
                first_gradient=_start_gradient(members, 0),
                last_gradient=_start_gradient(members, -1),
                verdict=verdict,
                evidence=evidence,
                difference=None if label == baseline else difference,
                conclusion="baseline" if label == baseline else told,
                score=members[0].score,
            )
        )
    return rows


def conclusion(difference: Estimate | None, *, trained: bool = True) -> Conclusion:
    """What a paired difference allows to say.

    Args:
        difference: Of validation accuracy, in 0..1.
        trained: Whether any seed of either side trained. Where none did, a difference says which
            class a stuck model happens to name, not which start is better.

    Examples:
        >>> conclusion(Estimate(0.05, 0.02, 0.08)), conclusion(Estimate(0.05, -0.02, 0.12))
        ('better', 'undetermined')
    """
    if difference is None or difference.low is None or difference.high is None:
        return "undetermined"
    if -EQUAL_MARGIN <= difference.low and difference.high <= EQUAL_MARGIN:
        return "equal"
    if not trained:
        return "undetermined"
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "undetermined"


def _best_rate(replicas: Sequence[Replica]) -> list[Replica]:
    """The replicas at the learning rate with the best median validation accuracy."""
    rates: dict[float, list[Replica]] = {}
    for replica in replicas:
        rates.setdefault(replica.cell["learning_rate"], []).append(replica)
    most = max(len(members) for members in rates.values())
    complete = [members for members in rates.values() if len(members) == most]
    best = max(complete, key=lambda members: float(np.median([*map(_counted, members)])))
    return sorted(best, key=lambda replica: replica.seed)


def _counted(replica: Replica) -> float:
    """Final validation accuracy where starts are compared: 0 of a training that has none."""
    return float(np.nan_to_num(replica.final.get("val_accuracy", 0.0)))


def _final(replicas: Sequence[Replica], curve: str) -> np.ndarray:
    return np.array([replica.final.get(curve, math.nan) for replica in replicas])


def _estimate(
    replicas: Sequence[Replica], curve: str, picks: np.ndarray, grain: float = 0.0
) -> Estimate:
    if not replicas:
        return Estimate(math.nan)
    return estimate(_final(replicas, curve), picks, grain=grain)


def _grain(replicas: Sequence[Replica]) -> float:
    """Step between the validation accuracies that there can be; 0 where it is not known."""
    return max((1 / r.val_samples for r in replicas if r.val_samples), default=0.0)


def _rank_key(replicas: Sequence[Replica]) -> tuple[float, float, str]:
    return (
        -float(np.mean([*map(_counted, replicas)])),
        -float(np.mean(np.nan_to_num(_final(replicas, "accuracy")))),
        replicas[0].initializer,
    )


def _rank_intervals(
    chosen: Mapping[str, Sequence[Replica]], seeds: Sequence[int], picks: np.ndarray
) -> dict[str, tuple[int, int]]:
    """Places that the initializers take over resampled seeds; ties share the better place."""
    labels = list(chosen)
    table = np.full((len(labels), len(seeds)), math.nan)
    for index, label in enumerate(labels):
        for replica in chosen[label]:
            table[index, seeds.index(replica.seed)] = _counted(replica)
    # A seed that is still to be trained counts as the others of its initializer do.
    table = np.where(np.isnan(table), np.nanmean(table, axis=1, keepdims=True), table)
    if len(seeds) < 2:
        return dict.fromkeys(labels, (1, len(labels)))
    means = table[:, picks].mean(axis=2)  # (initializers, resamples)
    places = 1 + (means[None, :, :] > means[:, None, :]).sum(axis=1)
    low = np.quantile(places, ENDS[0], axis=1, method="lower")
    high = np.quantile(places, ENDS[1], axis=1, method="higher")
    return {label: (int(low[i]), int(high[i])) for i, label in enumerate(labels)}


def _paired(
    replicas: Sequence[Replica], base: Sequence[Replica], rng: np.random.Generator
) -> Estimate | None:
    """Difference of validation accuracy over the seeds that both have."""
    own = {replica.seed: _counted(replica) for replica in replicas}
    other = {replica.seed: _counted(replica) for replica in base}
    shared = sorted(own.keys() & other.keys())
    if not shared:
        return None
    differences = np.array([own[seed] - other[seed] for seed in shared])
    grain = math.hypot(_grain(replicas), _grain(base))  # the roundings of both sides
    return estimate(differences, resample(rng, len(shared)), bounds=(-1.0, 1.0), grain=grain)


def _median_epochs(replicas: Sequence[Replica]) -> float | None:
    reached = [
        math.inf if replica.epochs_to_target is None else replica.epochs_to_target
        for replica in replicas
    ]
    median = float(np.median(reached))
    return median if math.isfinite(median) else None


def _start_gradient(replicas: Sequence[Replica], layer: int) -> float | None:
    norms = np.array([r.gradient_norms[0][layer] for r in replicas if any(r.gradient_norms[:1])])
    if not len(norms) or not np.all(np.isfinite(norms)):
        return None
    return 0.0 if np.any(norms == 0) else float(np.exp(np.mean(np.log(norms))))


def _verdict(replicas: Sequence[Replica]) -> tuple[str, str]:
    """The most frequent start verdict, and what it was seen by.

    Causes that only slow a training down count where it did not reach the target. A healthy start
    from which little was learned "did not train", or "diverged".
    """
    (cause, count), *_ = Counter(replica.start["cause"] for replica in replicas).most_common()
    if cause in SLOWING and _median_epochs(replicas) is not None:
        cause = "healthy"
    if cause == "healthy" or 2 * count < len(replicas):
        diverged = sum(replica.diverged for replica in replicas)
        if 2 * diverged > len(replicas):
            return "diverged", f"the loss of {diverged} of {len(replicas)} seeds became NaN or inf"
        stuck = sum(not replica.trained for replica in replicas)
        if 2 * stuck > len(replicas):
            return "did not train", f"{stuck} of {len(replicas)} seeds ended nearer to guessing"
        return "healthy", ""
    evidence = next(r.start["evidence"] for r in replicas if r.start["cause"] == cause)
    return cause.replace("_", " "), evidence
