"""Where text goes: results to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.text import Text

WIDTH_WITHOUT_TERMINAL = 120  # columns, in a file or a pipe


def results() -> Console:
    """Console for what the command was asked for."""
    return _console(stderr=False)


def messages() -> Console:
    """Console for progress, paths and mistakes."""
    return _console(stderr=True)


def error(text: str) -> None:
    """Tells a mistake on stderr: one sentence, or a list of them as it is."""
    messages().print(Text.assemble(("kerasinit: ", "bold red"), text.strip()), soft_wrap=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    # Names from files are data: no markup, no emoji codes, no guessed highlights.
    return Console(
        file=stream,
        width=None if terminal else _columns(),
        markup=False,
        emoji=False,
        highlight=False,
    )


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    return int(given) if given.isdigit() and int(given) else WIDTH_WITHOUT_TERMINAL
