"""Results as tables of the terminal, at any width."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rich import box
from rich.table import Table
from rich.text import Text

from kerasinit.experiments import Comparison, ComparisonRow
from kerasinit.report._ranking import Ranked, RankedRow, ranked
from kerasinit.report._words import Word

PACKAGE, OURS = "kerasinit>", "ours: "  # what a string begins with, and how the tables say it
WIDE = 116  # columns from which a table of text has a column for each of its parts
SHORT = ("#", "initializer", "start", "validation %", "trained", "against baseline")
NAMES = 1  # the column of the initializers in each layout
ROOMY = 140  # columns from which every interval has room for a decimal
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


def rankings(
    parts: Sequence[tuple[str, Sequence[ComparisonRow]]], *, target: str, width: int
) -> list[Table]:
    """The ranked tables of some settings in one layout: one line for each initializer if all fit.

    Else the most important columns (`SHORT`), else all below each other. A word or a number is
    never cut: a table that needs more columns than there are is wider.

    Args:
        parts: Name and rows, best first, of each setting.
        target: The accuracy whose epoch is told, such as "90 %".
        width: Columns of the terminal; from `ROOMY` on the intervals have decimals.
    """
    one_line_each = partial(_one_line_each, decimals=width >= ROOMY)
    tables: list[tuple[Table, int]] = []
    for layout in (one_line_each, _short_line_each, _below_each_other):
        tables = [layout(title, rows, target) for title, rows in parts]
        if all(needed <= width for _, needed in tables):
            return [made for made, _ in tables]
    for made, needed in tables:
        made.width = max(needed, width)
    return [made for made, _ in tables]


def _one_line_each(
    title: str, rows: Sequence[ComparisonRow], target: str, *, decimals: bool
) -> tuple[Table, int]:
    lines, score = ranked(rows), rows[0].score
    headings = (
        "#", "initializer", "start", f"validation\n{score} %", f"training\n{score} %",
        "seeds\ntrained", f"epoch\n{target}", "grad.\nfirst", "grad.\nlast", "difference\npoints",
        "against\nbaseline",
    )  # fmt: skip
    columns = [
        [Text(str(line.rank)) for line in lines],
        [_name(line) for line in lines],
        [_word(line.verdict, True) for line in lines],
        _estimates([line.val for line in lines], decimals),
        _estimates([line.train for line in lines], decimals),
        [_trained(line) for line in lines],
        [Text(line.epochs.text) for line in lines],
        [Text(line.first.text) for line in lines],
        [Text(line.last.text) for line in lines],
        _estimates([line.difference for line in lines], True),
        [_word(line.conclusion, True) for line in lines],
    ]
    cells = list(zip(*columns, strict=True))
    return _filled(title, headings, cells, left=(1, 2, 3, 4, 9, 10))


def _short_line_each(title: str, rows: Sequence[ComparisonRow], target: str) -> tuple[Table, int]:
    cells = [
        [
            Text(str(line.rank)),
            _name(line),
            _word(line.verdict, False),
            _estimate(line.val, False, "\n"),
            _trained(line, "\n"),
            _against(line),
        ]
        for line in ranked(rows)
    ]
    return _filled(title, SHORT, cells, left=(1, 2, 3, 4, 5))


def _below_each_other(title: str, rows: Sequence[ComparisonRow], target: str) -> tuple[Table, int]:
    cells = [
        [
            Text(str(line.rank)),
            _above(
                _name(line),
                _words(line),
                Text.assemble("validation % ", _estimate(line.val, False)),
                Text.assemble("training % ", _estimate(line.train, False)),
                Text.assemble(
                    "seeds trained ", _trained(line), f", epoch of {target} ", line.epochs.text
                ),
                Text.assemble("gradient ", _gradients(line)),
                Text.assemble("difference ", _estimate(line.difference)),
            ),
        ]
        for line in ranked(rows)
    ]
    headings = ("#", "initializer\nstart, against baseline")
    return _filled(title, headings, cells, left=(1,))


def _filled(
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[Text]],
    *,
    left: Sequence[int],
) -> tuple[Table, int]:
    """A table, and the columns that it needs: only the names may break, at spaces."""
    made = table(title)
    needed = len(headings) - 1
    for place, heading in enumerate(headings):
        cells = [heading, *(row[place].plain for row in rows)]
        separator = None if place == NAMES else "\n"
        widest = max(len(part) for cell in cells for part in cell.split(separator))
        needed += widest
        made.add_column(
            heading,
            justify="left" if place in left else "right",
            no_wrap=place != NAMES,
            min_width=widest,
        )
    for row in rows:
        made.add_row(*row)
    return made, needed


def legend(comparison: Comparison, tables: Sequence[Table]) -> str:
    """What the columns of the ranked tables mean, in a few lines."""
    rows, score = comparison.rows, comparison.score
    is_short = any(len(each.columns) == len(SHORT) for each in tables)
    rest = "Training, epochs, gradients and intervals of differences: in the report."
    ends = "validation" if is_short else "validation, training"
    gradient = "" if is_short else " gradient: its norm then, in the first and the last layer."
    difference = "against baseline" if is_short else "difference"
    baseline = short_name(comparison.baseline)
    lines = [
        *([rest] if is_short else []),
        f"{ends}: {score} at the end, and its 95 % interval over the seeds.",
        f"trained: seeds whose training {score} ends more than halfway from guessing to perfect.",
        f"start: the signal before the first step.{gradient}",
        f"{difference}: validation {score} less that of {baseline}, seed by seed; undetermined: "
        "these seeds cannot tell.",
    ]
    own = next((row.initializer for row in rows if row.initializer.startswith(PACKAGE)), None)
    if own is not None:
        lines.append(f'{short_name(own)} stands for "{own}".')
    if "R2" in score:
        lines.append("R2: share of the targets' variance that is explained; below 0 counts as 0.")
    if any(row.diverged for row in rows):
        lines.append("diverged: the loss became NaN or infinite; counts as 0 in the place.")
    return "\n".join(lines)


def short_name(label: str) -> str:
    """An initializer as the tables name it.

    >>> short_name("kerasinit>HeNormal")
    'ours: HeNormal'
    """
    return OURS + label.removeprefix(PACKAGE) if label.startswith(PACKAGE) else label


def _name(line: RankedRow) -> Text:
    return Text(short_name(line.initializer), style="bold" if line.rank == 1 else "")


def _trained(line: RankedRow, between: str = ", ") -> Text:
    text, note = line.trained.text, line.trained.note
    return Text(between.join(filter(None, (text.replace(" of ", "/"), note))))


def _gradients(line: RankedRow) -> Text:
    return Text(f"{line.first.text}, {line.last.text}")


def _words(line: RankedRow) -> Text:
    return Text.assemble(_word(line.verdict, False), "; ", _word(line.conclusion, False))


def _against(line: RankedRow) -> Text:
    value = "" if line.difference.key == "" else f" {line.difference.text}"
    return Text.assemble(_word(line.conclusion, False), value)


def _above(*lines: Text) -> Text:
    return Text("\n").join(lines)


def _word(word: Word, icon: bool) -> Text:
    return Text(f"{word.icon} {word.text}" if icon else word.text, style=STYLES[word.tone])


def _estimates(values: Sequence[Ranked], decimals: bool) -> list[Text]:
    """A column of values and their intervals, the points of the values below each other."""
    widest = max(len(value.text) for value in values)
    return [Text(" " * (widest - len(value.text))) + _estimate(value, decimals) for value in values]


def _estimate(value: Ranked, decimals: bool = True, before_note: str = " ") -> Text:
    """The value and, dimmer, its interval: in whole points where there is little room."""
    if value.note:
        return Text.assemble(value.text, (f"{before_note}{value.note}", "dim"))
    if not value.low:
        return Text(value.text)
    ends = [value.low, value.high]
    if not decimals:
        whole = [f"{float(end):.0f}" for end in ends]
        ends = ends if whole[0] == whole[1] else whole
    return Text.assemble(value.text, (f" {value.between.join(ends)}", "dim"))
