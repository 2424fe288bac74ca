"""Names of strangers, as a terminal, a page or a spreadsheet may show them.

Layers, labels and files are named by whoever made them. A terminal obeys the escapes in such a
name, a reader is misled by marks that turn the direction of what follows, and a spreadsheet runs a
cell that begins as a formula does.
"""

from __future__ import annotations

import sys
import unicodedata
from typing import Any

# Source: OWASP, CSV injection, https://owasp.org/www-community/attacks/CSV_Injection
FORMULA_STARTS = ("=", "+", "-", "@")


def safe(text: str, *, lines: bool = False) -> str:
    r"""Text in which all that cannot be seen is written out, by the rule of Python's `repr`.

    Args:
        text: A name, or what holds names.
        lines: Whether line ends stay: for whole texts, not for names.

    >>> print(safe("dense\x1b[2J\u202e"))
    dense\x1b[2J\u202e
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or (lines and char == "\n") else repr(char)[1:-1]
        for char in text
    )


def safe_values(values: Any) -> Any:
    """Plain values, nested, with `safe` text everywhere."""
    if isinstance(values, str):
        return safe(values, lines=True)
    if isinstance(values, dict):
        return {safe_values(key): safe_values(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [safe_values(value) for value in values]
    return values


def kind_in_words(value: Any) -> str:
    """What a value is, for a message: a class is told from its instances.

    >>> kind_in_words(dict), kind_in_words({})
    ('the class dict', 'an instance of dict')
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"an instance of {type(value).__name__}"


def csv_cell(value: Any) -> Any:
    """A value as a spreadsheet may open it: text is safe and no formula, numbers stay numbers.

    >>> csv_cell(" =SUM(A1)"), csv_cell("-1e-3"), csv_cell(-0.5)
    ("' =SUM(A1)", '-1e-3', -0.5)
    """
    if not isinstance(value, str):
        return value
    text = safe(value)
    start = unicodedata.normalize("NFKC", text.lstrip())  # full-width signs count, too
    is_formula = start.startswith(FORMULA_STARTS)
    return f"'{text}" if is_formula and not _is_negative_number(start) else text


def printed(renderable: Any, width: int) -> str:
    """What `rich` makes of an object, as text that `print` can write to the terminal of now."""
    from rich.console import Console  # imported late: it costs 30 ms

    console = Console(width=width, no_color=True, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(renderable)
    return encodable("\n".join(line.rstrip() for line in captured.get().splitlines()))


def encodable(text: str) -> str:
    """Text that `print` can write to the terminal of now, what it lacks written out."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"  # a file of Windows has cp1252
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _is_negative_number(text: str) -> bool:
    try:
        return text.startswith("-") and float(text) <= 0
    except ValueError:
        return False
