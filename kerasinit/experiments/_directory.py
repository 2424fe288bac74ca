"""A run's directory: its spec, its records, and the lock that keeps it to one run."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import reprlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from kerasinit._typing import Config
from kerasinit.experiments._records import Replica
from kerasinit.experiments._spec import GRID

SPEC_FILE = "spec.json"
RECORDS_FILE = "records.jsonl"
HALF_SPEC_FILE = "spec.half"
LOCK_FILE = "run.lock"
OWNER_FILE = "run.owner"  # not in the lock: filelock 3 empties that when another run asks for it
MARKER = "kerasinit experiment"
SPLIT = 2  # of the files of a user; 1 was not by class, and standardised tables as a whole


@dataclass(frozen=True)
class RunDirectory:
    """One run on disk: `spec.json`, `records.jsonl`, `run.lock` and, while it runs, `run.owner`.

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
            data = json.loads(_content(path).decode("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
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
        spec = data.get("spec")
        if not isinstance(spec, dict):
            raise ValueError(
                f"{str(path)!r} must hold the specification of a run under 'spec'. Received: "
                f"{reprlib.repr(spec)}. Put back the file that `kerasinit compare` wrote."
            )
        keys = (*GRID, "initializers")
        lists = [key for key in keys if not isinstance(spec.get(key, []), list)]
        if lists:
            raise ValueError(
                f"{str(path)!r} must hold a list under {lists[0]!r}. Received: "
                f"{reprlib.repr(spec[lists[0]])}. Put back the file that `kerasinit compare` wrote."
            )
        return spec

    def prepare(self, spec: Mapping[str, Any]) -> None:
        """Claims an empty directory for `spec`, or checks that it holds a run of the same spec.

        Raises:
            ValueError: If the directory holds something else, a run of another spec, one whose
                data were split by another version, or one that starts at this moment.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / SPEC_FILE
        if not path.exists():
            self._refuse_strangers()
            with self._locked():
                if not path.exists():
                    content = {"kind": MARKER, "spec": spec, "split": SPLIT}
                    half = self.path / HALF_SPEC_FILE
                    half.write_text(json.dumps(content, indent=1), "utf-8")
                    half.replace(path)
        changes = spec_changes(self.load_spec(), json.loads(json.dumps(spec)))
        if changes:
            raise ValueError(
                f"{str(self.path)!r} holds a run of another spec. Changed: {'; '.join(changes)}. "
                "Use another directory, or the spec of this run."
            )
        split = json.loads(_content(path)).get("split", 1)
        if split != SPLIT and any(str(name).endswith(".npz") for name in spec["data"]):
            raise ValueError(
                f"{str(self.path)!r} holds a run of another version of kerasinit, which split and "
                f"standardised the data in another way. Received: split {split}, and this one is "
                f"{SPLIT}. Use another directory; `kerasinit report` still shows what this one "
                "holds."
            )

    def replicas(self) -> tuple[Replica, ...]:
        """All finished replicas, in the order in which they finished; a torn end is left out.

        Raises:
            ValueError: If a complete line is no record: names the file and the line.
        """
        if not self.records_path.exists():
            return ()
        *lines, _ = _content(self.records_path).split(b"\n")
        records: dict[str, Replica] = {}
        for number, line in enumerate(lines, start=1):
            try:
                record = Replica.from_line(line.decode("utf-8"))
            except ValueError as error:
                raise ValueError(
                    f"{str(self.records_path)!r}, line {number}: {str(error).rstrip('.')}. Remove "
                    "that line to go on without its training."
                ) from error
            records.setdefault(record.key, record)
        return tuple(records.values())

    @contextlib.contextmanager
    def writer(self) -> Iterator[RecordWriter]:
        """Opens the records for one run and drops a torn last line.

        Raises:
            ValueError: If another run writes into this directory.
            OSError: If the directory is deleted or moved meanwhile: names the copy of what it held.
        """
        spec = (self.path / SPEC_FILE).read_bytes()
        with self._locked(), self.records_path.open("ab+", buffering=0) as stream:
            stream.seek(0)
            end = stream.read().rfind(b"\n") + 1
            stream.truncate(end)
            writer = RecordWriter(stream, self, spec)
            yield writer
            writer.check()

    def _refuse_strangers(self) -> None:
        strangers = sorted(entry.name for entry in self.path.iterdir() if not _is_ours(entry))
        if strangers:
            raise ValueError(
                f"{str(self.path)!r} is not empty and holds no run of kerasinit. Received: "
                f"{', '.join(strangers[:3])}{', ...' if len(strangers) > 3 else ''}. Pass a new "
                "or an empty directory."
            )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the lock; the system releases it when the process ends, however it ends."""
        owner = self.path / OWNER_FILE
        try:
            held = FileLock(self.path / LOCK_FILE, timeout=0).acquire()
        except Timeout as error:
            process = "unknown"
            with contextlib.suppress(OSError):
                process = owner.read_text("utf-8")
            raise ValueError(
                f"Another run (process {process}) writes into {str(self.path)!r}. Wait for it, "
                "stop it, or use another directory."
            ) from error
        with held:
            owner.write_text(str(os.getpid()), "utf-8")
            try:
                yield
            finally:
                owner.unlink(missing_ok=True)


@dataclass(frozen=True)
class RecordWriter:
    """Appends records so that a line is complete on disk or is not there.

    Args:
        stream: The open file. Without a buffer: that would write again on closing.
        directory: The run that it belongs to.
        spec: What the run's `spec.json` holds.
    """

    stream: FileIO
    directory: RunDirectory
    spec: bytes

    def append(self, records: Iterable[Replica]) -> None:
        """Writes a line per record and flushes them to the disk.

        Raises:
            OSError: If it cannot be written (a full disk); the file keeps its whole lines. Or if
                the directory is gone: names the copy of what it held.
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
        self.check()

    def check(self) -> None:
        """Saves the records elsewhere if the run directory is no longer where it was.

        The file of a deleted directory can be read for as long as it is open.

        Raises:
            OSError: If so: names the copy.
        """
        path = self.directory.path
        with contextlib.suppress(OSError):
            there = self.directory.records_path.stat()
            if os.path.samestat(there, os.fstat(self.stream.fileno())):
                return
        self.stream.seek(0)
        records = self.stream.read()
        saved = _new_directory(path)
        (saved / RECORDS_FILE).write_bytes(records)
        (saved / SPEC_FILE).write_bytes(self.spec)
        count = records.count(b"\n")
        raise OSError(
            f"The run directory {str(path)!r} was deleted, moved or replaced while the run wrote "
            f"into it. All {count} finished trainings are kept in {str(saved)!r}: run again with "
            "that directory to go on."
        )


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


def _new_directory(lost: Path) -> Path:
    """A new directory beside a lost one, or, where none can be made, among the temporary files."""
    try:
        lost.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{lost.name}-saved-", dir=lost.parent))
    except OSError:
        return Path(tempfile.mkdtemp(prefix=f"{lost.name}-saved-"))


def _content(path: Path) -> bytes:
    """What a file holds; a pipe in the directory of a stranger would be waited for without end."""
    if path.is_fifo() or path.is_char_device():
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return path.read_bytes()


def _is_ours(entry: Path) -> bool:
    """Whether a run that died before its spec was whole may have left this file."""
    if entry.name == HALF_SPEC_FILE and entry.is_file():
        start = json.dumps({"kind": MARKER}, indent=1).removesuffix("\n}").encode()
        return start.startswith(entry.read_bytes()[: len(start)])
    return entry.name in (LOCK_FILE, OWNER_FILE)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
