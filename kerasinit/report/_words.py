"""Plain words and numbers for people: the same in the terminal, in exports and in the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kerasinit._safe_text import safe

DASH = "\u2013"  # en dash: between the ends of a range, and for what is unknown
MINUS = "\u2212"
ALWAYS_NAMED = ("activation", "depth")  # parts of a setting that its name always has
SELF_EXPLAINING = ("activation", "model", "data")
OTHER_PARTS = ("model", "data", "width", "batch_size", "optimizer")


@dataclass(frozen=True)
class Word:
    """A judgement as one word, with the sign and the tone that go with it.

    Args:
        text: The word itself.
        icon: One character that tells it apart without colour.
        tone: "good", "warn", "bad" or "calm".
        meaning: What the word says, in one sentence.
    """

    text: str
    icon: str
    tone: str
    meaning: str = ""


_VERDICTS = (
    Word("healthy", "✓", "good", "The signal keeps its size in both directions."),
    Word("vanishing", "↓", "bad", "The gradient fades on its way to the first layers."),
    Word("exploding", "↑", "bad", "The signal or its gradient grows from layer to layer."),
    Word("symmetric", "=", "bad", "Units of a layer are copies of each other and stay so."),
    Word("zero gradient", "0", "bad", "No gradient reaches some layers at all."),
    Word("non finite", "∞", "bad", "NaN or infinity appeared."),
    Word("did not train", "✕", "bad", "A healthy start, an end nearer to guessing than to right."),
    Word("diverged", "∞", "bad", "The start looked healthy, the loss became NaN or infinite."),
    Word("dead units", "○", "warn", "Many units give the same output for every input."),
    Word("saturated", "■", "warn", "Many units sit on the flat ends of their activation."),
    Word("bad scale", "↕", "warn", "The signal is far too small or far too large."),
    Word("too narrow", "‖", "warn", "Layers this narrow make the depth unpredictable."),
    Word("unexpected loss", "?", "warn", "The first loss is not that of an even guess."),
    Word("unscaled input", "!", "warn", "The inputs are not standardized."),
)  # fmt: skip
_CONCLUSIONS = (
    Word("better", "▲", "good", "Better than the baseline: the interval is above zero."),
    Word("worse", "▼", "bad", "Worse than the baseline: the interval is below zero."),
    Word("equal", "=", "calm", "Equal within one percentage point."),
    Word("undetermined", "?", "warn", "These seeds cannot tell it from the baseline."),
    Word("baseline", "·", "calm", "The others are compared with this one."),
)
ICONS = frozenset(word.icon for word in (*_VERDICTS, *_CONCLUSIONS))
_BY_TEXT = {word.text: word for word in (*_VERDICTS, *_CONCLUSIONS)}


def word(text: str) -> Word:
    """The word of a verdict or a conclusion; unknown ones stay as they are, in a calm tone.

    >>> word("vanishing").tone
    'bad'
    """
    return _BY_TEXT.get(text, Word(text, "·", "calm"))


def percent(share: float | None, digits: int = 1) -> str:
    """A share in percent, or a dash.

    >>> percent(0.9735), percent(float("nan")) == DASH
    ('97.4', True)
    """
    if share is None or not math.isfinite(share):
        return DASH
    return f"{100 * share:.{digits}f}"


def signed(share: float | None) -> str:
    """A difference in percentage points, with its sign.

    >>> signed(0.012), signed(-0.2) == MINUS + "20.0"
    ('+1.2', True)
    """
    if share is None or not math.isfinite(share):
        return DASH
    points = round(100 * share, 1) + 0.0  # no minus before a zero
    return f"{points:+.1f}".replace("-", MINUS)


def magnitude(value: float | None) -> str:
    """A size whose power of ten matters.

    >>> magnitude(0.3), magnitude(3.4e-6), magnitude(0.0)
    ('0.30', '3.4e-6', '0')
    """
    if value is None or not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e3:
        return f"{value:.0f}" if abs(value) >= 10 else f"{value:#.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def number(value: float | None) -> str:
    """A count that may be half a step or missing.

    >>> number(3.0), number(2.5)
    ('3', '2.5')
    """
    return DASH if value is None or not math.isfinite(value) else f"{value:g}"


def cell_labels(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of settings: activation, depth, and whatever else differs between them.

    >>> cell = {"model": "mlp", "data": "digits", "activation": "relu", "depth": 30, "width": 64}
    >>> cell_labels([cell, {**cell, "width": 128}])
    ['relu, depth 30, width 64', 'relu, depth 30, width 128']
    """
    differing = [n for n in OTHER_PARTS if len({str(cell.get(n)) for cell in cells}) > 1]
    return [safe(_named(cell, [*ALWAYS_NAMED, *differing])) for cell in cells]


def _named(cell: Mapping[str, Any], names: Sequence[str]) -> str:
    return ", ".join(
        str(cell[name]) if name in SELF_EXPLAINING else f"{name} {cell[name]}"
        for name in names
        if cell.get(name) is not None
    )


def joined(names: Sequence[str], most: int = 4) -> str:
    """A list as in a sentence.

    >>> joined(["a"]), joined(["a", "b", "c"]), joined(list("abcdef"), most=3)
    ('a', 'a, b and c', 'a, b, c and 3 more')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    >>> counted(1, "seed"), counted(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"
