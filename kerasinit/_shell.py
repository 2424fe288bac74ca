"""Starts the command `kerasinit`: help at once, and Keras imported without its noise.

`import kerasinit` imports Keras and its backend, which takes seconds and, with TensorFlow, prints
lines about the machine that no setting turns off. So this file is installed beside the package, as
`kerasinit_shell`, and imports nothing of it before the words are parsed.
"""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

SILENT = "3"  # TF_CPP_MIN_LOG_LEVEL: without it a machine without GPU gets an error line


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    Args:
        argv: The words after `kerasinit`; those of the process by default.
    """
    spec = importlib.util.find_spec("kerasinit")  # finds, does not import
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise ModuleNotFoundError("The package kerasinit is not installed.", name="kerasinit")
    words = runpy.run_path(str(Path(places[0]) / "cli" / "_parser.py"))["parser"]()
    try:
        command = words.parse_args(argv).command
    except SystemExit as exit_:  # help, version and wrong usage end here
        return exit_.code if isinstance(exit_.code, int) else 2
    if command is None:
        words.print_help()
        return 0
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", SILENT)
    with quiet():
        from kerasinit.cli import main as run
    return run(argv)


@contextmanager
def quiet() -> Iterator[None]:
    """Holds back what compiled code writes to stderr; shows it if an exception passes.

    Python's own `sys.stderr` goes on to where it went.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        kept = os.dup(2)
        before = sys.stderr
        stream = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
        python = _Forward(stream)
        sys.stderr = python
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            sys.stderr = python.to = before
            stream.close()
            if failed:
                held.seek(0)
                os.write(2, held.read())


class _Forward:
    """A text stream that passes everything on.

    Who keeps `sys.stderr` of now, as loggers do, writes to what comes after it.
    """

    def __init__(self, to: TextIO) -> None:
        self.to = to

    def __getattr__(self, name: str) -> Any:
        return getattr(self.to, name)
