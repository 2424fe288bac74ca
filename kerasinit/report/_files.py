"""Files that are whole or not there, and one sentence when an extra is missing."""

from __future__ import annotations

import importlib
import os
import tempfile
from pathlib import Path
from typing import Any

MODULES = ("jinja2", "markupsafe", "plotly.offline")  # of the extra, used by the page
INSTALL = "pip install scikit-learn plotly jinja2"  # the extra, without the rest of the package


def write_whole(path: str | Path, text: str) -> Path:
    """Writes `text` so that `path` never holds half of it, even when interrupted.

    Raises:
        OSError: If the file cannot be written: names it; an older one is then still there.
    """
    path = Path(path)
    try:
        _write_whole(path, text)
    except OSError as error:  # it names the half file, or, on a full disk, none
        raise OSError(error.errno, error.strerror, str(path)) from error
    return path


def _write_whole(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, half = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        umask = os.umask(0)
        os.umask(umask)
        Path(half).chmod(0o666 & ~umask)  # mkstemp lets nobody else read
        Path(half).replace(path)
    except BaseException:
        Path(half).unlink(missing_ok=True)
        raise


def extra(module: str) -> Any:
    """Imports a module of the extra `compare`.

    Raises:
        ImportError: If it is not installed, in one sentence with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise ImportError(
            f"The report needs {name}, which is not installed. Run: {INSTALL}", name=name
        ) from error


def require_extras() -> None:
    """Nothing, if a page can be written: to be asked before hours of training.

    Raises:
        ImportError: If the extra `compare` is not installed.
    """
    for module in MODULES:
        extra(module)
