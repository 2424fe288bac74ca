"""What a comparison found, in three sentences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from kerasinit._safe_text import safe
from kerasinit.experiments import Comparison, ComparisonRow
from kerasinit.experiments._records import cell_key
from kerasinit.report._settings import Setting, settings
from kerasinit.report._words import counted, joined

FAULTS_NAMED = 3  # faults in the third sentence, the most frequent first


def summary(comparison: Comparison) -> tuple[str, str, str]:
    """What was compared, what won and how surely, and what failed and why.

    Args:
        comparison: From `kerasinit.experiments.compare`.

    Example:
        ```python
        for sentence in summary(kerasinit.experiments.compare("runs")):
            print(sentence)
        ```
    """
    found = settings(comparison)
    return (
        safe(_compared(comparison, found)),
        safe(_won(comparison, found)),
        safe(_failed(comparison, found)),
    )


def _compared(comparison: Comparison, found: Sequence[Setting]) -> str:
    rows, cells = comparison.rows, [setting.cell for setting in found]
    names = {row.initializer for row in rows}
    seeds = {replica.seed for replica in comparison.replicas}
    models, data = (
        joined(sorted({str(cell.get(name)) for cell in cells})) for name in ("model", "data")
    )
    activations = list(dict.fromkeys(str(cell.get("activation")) for cell in cells))
    depths = [str(depth) for depth in sorted({int(cell.get("depth", 0)) for cell in cells})]
    return (
        f"{counted(len(names), 'initializer')} trained the {models} on {data} with "
        f"{counted(len(seeds), 'seed')} each in {counted(len(cells), 'setting')}: "
        f"{joined(activations)}, {'depth' if len(depths) == 1 else 'depths'} {joined(depths)}."
    )


def _won(comparison: Comparison, found: Sequence[Setting]) -> str:
    best = [setting.rows[0] for setting in found]
    if all(row.diverged == row.replicas for row in best):
        return "Every training diverged, so none came first."
    order = Counter(row.initializer for row in best).most_common()
    leader, wins = order[0]
    if len(found) == 1:
        opening = f"“{leader}” came first with {_accuracy(best[0])}"
    elif wins == len(found):
        opening = f"“{leader}” came first in every setting"
    elif len(order) == len(found):
        opening = f"No initializer came first twice: {joined([name for name, _ in order])} share it"
    else:
        opening = f"“{leader}” came first most often, in {wins} of {len(found)} settings"
    return f"{opening}; {_against_baseline(comparison, leader)}."


def _accuracy(row: ComparisonRow) -> str:
    return f"{100 * row.val_accuracy.value:.1f} % validation {row.score}"


def _against_baseline(comparison: Comparison, leader: str) -> str:
    """How the leader compares with the baseline, without claiming more than the intervals do."""
    own = [row for row in comparison.rows if row.initializer == leader]
    if leader == comparison.baseline:
        rivals = {row.initializer for row in comparison.rows if row.conclusion == "better"}
        if not rivals:
            return "it is the baseline, and no other is better with certainty anywhere"
        return f"it is the baseline, and {joined(sorted(rivals))} is better somewhere"
    counts: Counter[str] = Counter(row.conclusion for row in own)
    if set(counts) == {"undetermined"}:
        return f"these seeds cannot tell it from the baseline {comparison.baseline}"
    if len(own) == 1:
        return f"it is {own[0].conclusion} than {comparison.baseline}".replace(
            "equal than", "equal to"
        )
    words = [
        f"{phrase} in {counts[name]}"
        for name, phrase in (
            ("better", "better"),
            ("equal", "equal within one point"),
            ("worse", "worse"),
            ("undetermined", "not to be told apart"),
        )
        if counts[name]
    ]
    return f"against the baseline {comparison.baseline} it is {joined(words)} of {len(own)}"


def _failed(comparison: Comparison, found: Sequence[Setting]) -> str:
    faults: dict[str, list[ComparisonRow]] = defaultdict(list)
    for row in comparison.rows:
        if row.verdict != "healthy" and 2 * row.trained_share < 1:
            faults[row.verdict].append(row)
    if not faults:
        return (
            "Nothing failed: more than half of the seeds of every initializer trained everywhere."
        )
    total = sum(map(len, faults.values()))
    ordered = sorted(faults.items(), key=lambda item: -len(item[1]))[:FAULTS_NAMED]
    parts = [f"{_fault(verdict)} ({_who(rows, found)})" for verdict, rows in ordered]
    return (
        f"{total} of {len(comparison.rows)} combinations of initializer and setting did not "
        f"train: {joined(parts)}."
    )


def _fault(verdict: str) -> str:
    phrases = {
        "vanishing": "vanishing gradients",
        "exploding": "exploding gradients",
        "symmetric": "units that stay copies of each other",
        "zero gradient": "no gradient at all",
        "non finite": "numbers that are not finite",
        "did not train": "a healthy start from which little was learned",
        "diverged": "a loss that became NaN or infinite",
    }
    return phrases.get(verdict, verdict)


def _who(rows: Sequence[ComparisonRow], found: Sequence[Setting]) -> str:
    names = list(dict.fromkeys(row.initializer for row in rows))
    where = {cell_key(row.cell) for row in rows}
    if len(where) == 1 and len(found) > 1:
        label = next(setting.label for setting in found if cell_key(setting.cell) in where)
        return f"{joined(names, 3)} in {label}"
    return joined(names, 3)
