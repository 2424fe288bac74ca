"""A run's directory: its spec, its records, and the lock that keeps it to one run."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from kerasinit._typing import Config
from kerasinit.experiments._records import Replica

SPEC_FILE = "spec.json"
RECORDS_FILE = "records.jsonl"
LOCK_FILE = "run.lock"
MARKER = "kerasinit experiment"


@dataclass(frozen=True)
class RunDirectory:
    """One run on disk: `spec.json`, `records.jsonl` and `run.lock`.

    Args:
        path: The directory; it may not exist yet.
    """

    path: Path

    @property
    def records_path(self) -> Path:
        """Where the finished replicas lie."""
        return self.path / RECORDS_FILE

    def load_spec(self) -> Config:
        """The spec that this run was started with.

        Raises:
            ValueError: If the directory holds no run of kerasinit.
        """
        path = self.path / SPEC_FILE
        try:
            data = json.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(
                f"{str(self.path)!r} holds no readable run of kerasinit ({SPEC_FILE}: "
                f"{type(error).__name__}). Pass the directory that `kerasinit compare --out DIR` "
                "filled."
            ) from error
        if not isinstance(data, dict) or data.get("kind") != MARKER:
            raise ValueError(
                f"{str(path)!r} was not written by kerasinit. Pass the directory that "
                "`kerasinit compare --out DIR` filled."
            )
        return dict(data["spec"])

    def prepare(self, spec: Mapping[str, Any]) -> None:
        """Claims an empty directory for `spec`, or checks that it holds a run of the same spec.

        Raises:
            ValueError: If the directory holds something else, or a run of another spec.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / SPEC_FILE
        if path.exists():
            changes = spec_changes(self.load_spec(), json.loads(json.dumps(spec)))
            if changes:
                raise ValueError(
                    f"{str(self.path)!r} holds a run of another spec. Changed: "
                    f"{'; '.join(changes)}. Use another directory, or the spec of this run."
                )
            return
        strangers = sorted(entry.name for entry in self.path.iterdir() if entry.name != LOCK_FILE)
        if strangers:
            raise ValueError(
                f"{str(self.path)!r} is not empty and holds no run of kerasinit. Received: "
                f"{', '.join(strangers[:3])}{', ...' if len(strangers) > 3 else ''}. Pass a new "
                "or an empty directory."
            )
        text = json.dumps({"kind": MARKER, "spec": spec}, indent=1)
        half = path.with_suffix(".half")
        half.write_text(text, "utf-8")
        half.replace(path)

    def replicas(self) -> tuple[Replica, ...]:
        """All finished replicas, in the order in which they finished; a torn end is left out.

        Raises:
            ValueError: If a complete line is no record: names the file and the line.
        """
        if not self.records_path.exists():
            return ()
        *lines, _ = self.records_path.read_bytes().split(b"\n")
        records: dict[str, Replica] = {}
        for number, line in enumerate(lines, start=1):
            try:
                record = Replica.from_line(line.decode("utf-8"))
            except ValueError as error:
                raise ValueError(f"{str(self.records_path)!r}, line {number}: {error}") from error
            records.setdefault(record.key, record)
        return tuple(records.values())

    @contextlib.contextmanager
    def writer(self) -> Iterator[RecordWriter]:
        """Opens the records for one run and drops a torn last line.

        Raises:
            ValueError: If another run writes into this directory.
        """
        with _locked(self.path / LOCK_FILE), self.records_path.open("ab+", buffering=0) as stream:
            stream.seek(0)
            end = stream.read().rfind(b"\n") + 1
            stream.truncate(end)
            yield RecordWriter(stream)


@dataclass(frozen=True)
class RecordWriter:
    """Appends records so that a line is complete on disk or is not there.

    Args:
        stream: The open file. Without a buffer: that would write again on closing.
    """

    stream: FileIO

    def append(self, records: Iterable[Replica]) -> None:
        """Writes a line per record and flushes them to the disk.

        Raises:
            OSError: If it cannot be written (a full disk); the file keeps its whole lines.
        """
        good = self.stream.seek(0, os.SEEK_END)
        try:
            for record in records:
                line = memoryview(record.to_line().encode("utf-8") + b"\n")
                while line:
                    line = line[self.stream.write(line) :]
                good = self.stream.tell()
            os.fsync(self.stream.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self.stream.fileno(), good)
            raise OSError(
                error.errno,
                f"A record could not be written ({error.strerror}); all earlier ones are kept. "
                "Free some space and run again into the same directory to go on",
                error.filename,
            ) from error


def spec_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between two specs, one phrase per key.

    Examples:
        >>> spec_changes({"epochs": 10, "seeds": [0]}, {"epochs": 20, "seeds": [0]})
        ['epochs: 10 -> 20']
    """
    absent = object()
    changes = []
    for key in sorted({*before, *after}):
        old, new = before.get(key, absent), after.get(key, absent)
        if old != new:
            shown = ["(none)" if value is absent else _short(value) for value in (old, new)]
            changes.append(f"{key}: {shown[0]} -> {shown[1]}")
    return changes


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the lock file; the system releases it when the process ends, however it ends."""
    with path.open("a+") as stream:
        try:
            _lock(stream.fileno())
        except OSError as error:
            stream.seek(0)
            owner = stream.read().strip() or "unknown"
            raise ValueError(
                f"Another run (process {owner}) writes into {str(path.parent)!r}. Wait for it, "
                "stop it, or use another directory."
            ) from error
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows has no fcntl
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
