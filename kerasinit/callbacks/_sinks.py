"""Files of recorded steps that are appended to: JSON lines or CSV."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from kerasinit._safe_text import csv_cell
from kerasinit.callbacks._schema import Row

SUFFIXES = (".jsonl", ".json", ".ndjson", ".csv")
SHARED = ("run", "step", "epoch", "loss", "overflow")  # by the lines of one step


class RowFile:
    """A file of JSON lines, or of CSV: one line for each variable and layer of a recorded step.

    Args:
        path: File to append to, of CSV if it ends in `.csv`; a new or empty one gets a header.

    Raises:
        OSError: If the file cannot be opened.
    """

    COLUMNS = (
        *(*SHARED, "kind", "name", "count", "total", "norm", "rms", "mean", "std", "min", "max"),
        *("zeros", "zero_fraction", "non_finite", "weight_norm", "update_ratio"),
        "signal_gradient_rms",
    )

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open(path)
        self._table = None
        if path.suffix == ".csv":
            self._table = csv.DictWriter(self._file, self.COLUMNS, extrasaction="ignore")
            if self._file.tell() == 0:
                self._table.writeheader()

    def write(self, row: Row) -> None:
        """Adds one recorded step and hands it to the operating system: nothing is lost later."""
        if self._table is None:
            self._file.write(json.dumps(row, separators=(",", ":")) + "\n")
        else:
            for line in flat_rows(row):
                self._table.writerow({key: csv_cell(value) for key, value in line.items()})
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def check_path(path: Path) -> Path:
    """The path itself.

    Raises:
        ValueError: If its ending says no known format.
    """
    if path.suffix in SUFFIXES:
        return path
    raise ValueError(
        f"`path` must end in one of {SUFFIXES}: JSON lines, or CSV. Received: path={str(path)!r}."
    )


def flat_rows(row: Row) -> Iterator[dict[str, Any]]:
    """One flat dict for each variable and each layer of one row of `history`."""
    values: dict[str, Any] = {**row}
    shared = {key: values[key] for key in SHARED}
    for kind, parts in (("variable", row["variables"]), ("layer", row["layers"])):
        for name, part in parts.items():
            yield shared | {"kind": kind, "name": name} | part


def _open(path: Path) -> TextIO:
    if path.is_dir():
        raise IsADirectoryError(
            f"`path` must be a file. Received: path={str(path)!r}, which is a folder."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a", encoding="utf-8", newline="")
    if file.tell():
        with path.open("rb") as written:
            written.seek(-1, os.SEEK_END)
            torn = written.read() != b"\n"  # an earlier training was killed
        if torn:
            file.write("\n")
    return file
