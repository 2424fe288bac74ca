"""Results as tables of the terminal, readable from 80 columns on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from kerasinit.experiments import ComparisonRow
from kerasinit.report import Ranked, Word, ranked

WIDE = 116  # columns from which the comparison with the baseline has room
ROOMY = 140  # columns from which every interval has room for a decimal
NAME_WIDTH = 14  # columns of an initializer's name before it is folded
LONGEST_WORD = 9  # columns of "vanishing", "symmetric", "exploding"
STYLES = {"good": "green", "warn": "yellow", "bad": "red", "calm": "dim"}


def table(
    title: str = "", *, columns: Sequence[str] = (), numbers: bool = True, space: int = 0
) -> Table:
    """An empty table in the one style that all commands share.

    Args:
        title: Printed above, left.
        columns: Headings; the first column is text.
        numbers: Whether the other columns are numbers, flushed right.
        space: Spaces between columns besides the one that is always there.
    """
    made = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, space, 0, 0),
        header_style="dim",
    )
    for place, name in enumerate(columns):
        right = numbers and place > 0
        made.add_column(
            name, justify="right" if right else "left", vertical="top",
            overflow="fold", no_wrap=right,
        )  # fmt: skip
    return made


def ranking(title: str, rows: Iterable[ComparisonRow], *, width: int) -> Table:
    """The ranked table of one setting.

    Args:
        title: Name of the setting.
        rows: Best first.
        width: Columns of the terminal: from `WIDE` on with the comparison with the baseline,
            from `ROOMY` on with decimals in the intervals.
    """
    wide = width >= WIDE
    lines = ranked(list(rows))
    longest = max(len(line.initializer) for line in lines)
    made = table(title)
    made.add_column("#", justify="right", no_wrap=True)
    made.add_column("initializer", min_width=min(longest, NAME_WIDTH), overflow="fold")
    made.add_column("start", min_width=LONGEST_WORD + (2 if wide else 0))
    for heading in (
        "validation\naccuracy %", "training\naccuracy %", "seeds\nok", "epoch\n90 %",
        "grad.\nfirst", "grad.\nlast",
    ):  # fmt: skip
        made.add_column(heading, justify="right", no_wrap=True)
    if wide:
        made.add_column("difference\npoints", justify="right", no_wrap=True)
        made.add_column("against\nbaseline", no_wrap=True)
    for line in lines:
        cells: list[str | Text] = [
            str(line.rank),
            Text(line.initializer, style="bold" if line.rank == 1 else ""),
            _word(line.verdict, wide),
            _estimate(line.val, width >= ROOMY),
            _estimate(line.train, width >= ROOMY),
            line.trained.replace(" of ", "/"),
            line.epochs,
            line.first,
            line.last,
        ]
        if wide:
            cells += [_estimate(line.difference, True), _word(line.conclusion, wide)]
        made.add_row(*cells)
    return made


def _word(word: Word, icon: bool) -> Text:
    return Text(f"{word.icon} {word.text}" if icon else word.text, style=STYLES[word.tone])


def _estimate(value: Ranked, decimals: bool) -> Text:
    """The value and, dimmer, its interval: in whole points where there is little room."""
    if not value.low:
        return Text(value.text)
    ends = [value.low, value.high]
    if not decimals:
        ends = [f"{float(end):.0f}" for end in ends]
    return Text.assemble(value.text, (f" {value.between.join(ends)}", "dim"))
