"""Where text goes: results to stdout, everything else to stderr."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from kerasinit._safe_text import safe
from kerasinit.report._words import ICONS

# What stands for the signs of the tables where an encoding lacks them.
SIGNS = {"\u2013": "-", "\u2212": "-", "\u2026": "...", "\u00b7": ".", "\u201c": '"', "\u201d": '"'}
PLAIN = "kerasinit.plain"  # name of the error handler that puts them in
WIDTH_WITHOUT_TERMINAL = 120  # columns, in a file or a pipe


def results() -> Console:
    """Console for what the command was asked for."""
    return _console(stderr=False)


def messages() -> Console:
    """Console for progress, paths and mistakes."""
    return _console(stderr=True)


def error(text: str) -> None:
    """Tells a mistake on stderr: one sentence, or a list of them as it is."""
    shown = safe(text.strip(), lines=True)
    messages().print(Text.assemble(("kerasinit: ", "bold red"), shown), soft_wrap=True)


class _Screen(Console):
    """A console to which names from files are data: no escapes, no markup, no emoji codes."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Takes every string that is printed, in a table or by itself."""
        return super().render_str(safe(text, lines=True), **options)


def _console(*, stderr: bool) -> Console:
    stream: Any = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    with contextlib.suppress(AttributeError):  # a stream in memory encodes nothing
        stream.reconfigure(errors=PLAIN)  # a file of Windows has cp1252
    return _Screen(
        file=stream,
        width=None if terminal else _columns(),
        markup=False,
        emoji=False,
        highlight=False,
    )


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Signs of ours in ASCII, icons left out, everything else written out."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    text = "".join(
        SIGNS.get(char, " " if char in ICONS else char.encode("ascii", "backslashreplace").decode())
        for char in lost
    )
    return text, error.end


codecs.register_error(PLAIN, _plain)


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    return int(given) if given.isdigit() and int(given) else WIDTH_WITHOUT_TERMINAL
