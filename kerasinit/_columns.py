"""Rows of text in columns: as wide as the terminal, and as a table of a notebook."""

from __future__ import annotations

import html
import os
import sys
from collections.abc import Sequence

from kerasinit._safe_text import safe

NARROWEST, WIDEST = 80, 120  # columns of a terminal; without one, the fewest
GAP = 2  # spaces between two columns, where there is room
ROOM = 12  # columns that the first one shall have: with less, the others move together

Rows = Sequence[Sequence[str]]


def width() -> int:
    """How many columns printed text may take."""
    try:
        found = os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError, AttributeError):  # a file, a pipe, a notebook
        return NARROWEST
    return min(max(found, NARROWEST), WIDEST)


def columns(headings: Sequence[str], rows: Rows) -> str:
    """The rows below their headings, flushed left; no cell is cut.

    A first cell that is longer than its column has a line of its own.

    Args:
        headings: One for each column.
        rows: Cells, one for each column; all but the first ones are short.

    >>> print(columns(["name", "size"], [["a", "3x3"], ["bias", "3"]]))
    name  size
    ----------
    a     3x3
    bias  3
    """
    table = [[safe(cell) for cell in row] for row in (headings, *rows)]
    first, *others = ([len(cell) for cell in column] for column in zip(*table, strict=True))
    widths = [max(column) for column in others]
    most = width()
    gap = GAP if sum(widths) + GAP * len(widths) + ROOM <= most else 1
    left = max(0, most - sum(widths) - gap * len(widths))
    widths = [min(left, max(first)), *widths]
    lines = [line for row in table for line in _lines(row, widths, gap, most)]
    rule = "-" * min(most, max(map(len, lines)))
    lines.insert(len(_lines(table[0], widths, gap, most)), rule)
    return "\n".join(lines)


def ends(rows: Rows, head: int, tail: int, where: str = "") -> list[Sequence[str]]:
    """The first and the last rows, and between them one that counts the others.

    Args:
        rows: Rows of as many cells each.
        head: How many of the first ones.
        tail: How many of the last ones.
        where: What follows the count, such as where all rows are.

    >>> ends([["a"], ["b"], ["c"], ["d"]], 1, 1)
    [['a'], ['... 2 more'], ['d']]
    """
    left_out = len(rows) - head - tail
    if left_out < 2:  # the count would take as much room
        return [*rows]
    count = [f"... {left_out} more{where}", *[""] * (len(rows[0]) - 1)]
    return [*rows[:head], count, *rows[-tail:]]


def _lines(row: Sequence[str], widths: Sequence[int], gap: int, most: int) -> list[str]:
    """One row: a line, or the long first cell and a line."""
    name, *others = row
    above = []
    if len(name) > widths[0]:
        above = [name[start : start + most] for start in range(0, len(name), most)]
        name = ""
    cells = (cell.ljust(width) for cell, width in zip([name, *others], widths, strict=True))
    return [*above, (" " * gap).join(cells).rstrip()]


def html_table(title: str, headings: Sequence[str], rows: Rows, notes: Sequence[str] = ()) -> str:
    """The same for a notebook: a caption, a table, and lines below it.

    >>> "&lt;b&gt;" in html_table("T", ["a"], [["<b>"]])
    True
    """
    left = ' style="text-align: left"'
    head = "".join(f"<th{left}>{_text(cell)}</th>" for cell in headings)
    body = "".join(
        "<tr>" + "".join(f"<td{left}>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    below = "".join(f"<p>{_text(note)}</p>" for note in notes)
    return (
        f"<table><caption{left}>{_text(title)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{below}"
    )


def _text(text: str) -> str:
    return html.escape(safe(text, lines=True)).replace("\n", "<br>")
