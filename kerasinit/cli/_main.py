"""Runs one command of the shell and turns what happens into an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from kerasinit.cli._compare import INTERRUPTED, compare, rebuild
from kerasinit.cli._diagnosing import diagnose
from kerasinit.cli._gains_table import gains
from kerasinit.cli._listing import catalog
from kerasinit.cli._parser import Arguments, parser
from kerasinit.cli._play import playground
from kerasinit.cli._screen import error

SUCCESS, FAILURE, USAGE = 0, 1, 2

COMMANDS: dict[str, Callable[[Arguments], int]] = {
    "compare": compare,
    "report": rebuild,
    "diagnose": diagnose,
    "gains": gains,
    "list": catalog,
    "playground": playground,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    Args:
        argv: The words after `kerasinit`; those of the process by default.

    Returns:
        0 done; 1 failed, or bad input, told in one sentence on stderr; 2 wrong usage;
        130 interrupted.
    """
    try:
        arguments = parser().parse_args(argv, namespace=Arguments())
    except SystemExit as exit_:  # argparse has printed the help or the mistake
        return exit_.code if isinstance(exit_.code, int) else USAGE
    if arguments.command is None:
        parser().print_help()
        return SUCCESS
    try:
        return COMMANDS[arguments.command](arguments)
    except (ValueError, TypeError, OSError, ImportError) as mistake:
        if isinstance(mistake, BrokenPipeError):  # the reader, such as `head`, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return SUCCESS
        if arguments.traceback:
            raise
        error(_sentence(mistake))
        return FAILURE
    except KeyboardInterrupt:
        error("Interrupted.")
        return INTERRUPTED


def _sentence(mistake: Exception) -> str:
    if isinstance(mistake, OSError) and mistake.strerror:
        place = f": {mistake.filename}" if mistake.filename else ""
        return f"{mistake.strerror}{place}"
    return str(mistake) or type(mistake).__name__
