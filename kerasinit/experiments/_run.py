"""Runs an experiment into a directory, and goes on where an earlier run stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from kerasinit import _backend
from kerasinit._safe_text import kind_in_words
from kerasinit._typing import Config
from kerasinit.experiments import _data
from kerasinit.experiments._cell import Cell, build, train
from kerasinit.experiments._checks import message
from kerasinit.experiments._directory import RecordWriter, RunDirectory
from kerasinit.experiments._draws import Draw, Drawer, KeptDraws
from kerasinit.experiments._records import Replica, replica_key
from kerasinit.experiments._spec import Experiment

EventKind: TypeAlias = Literal["start", "cell_start", "note", "epoch", "cell_end", "end"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happens in a run, for a progress display.

    Args:
        kind: "start", then for every cell "cell_start", "note", "epoch" and "cell_end", then "end".
            With an executor there are no epochs.
        done: Replicas finished so far, those of earlier runs included.
        total: Replicas of the whole experiment.
        share: Of the whole work, what is finished, 0..1: deep and wide models count for more.
        cell: The architecture at work; empty for "start" and "end".
        epoch: Epochs trained in this group of replicas.
        epochs: Epochs of the experiment.
        replicas: Replicas in this group (for "epoch"), or in this cell (for "cell_start").
        message: For "note": what the user should know.

    Example:
        ```python
        run(Experiment(), "runs", on_event=lambda event: print(event.kind, f"{event.share:.0%}"))
        ```
    """

    kind: EventKind
    done: int
    total: int
    share: float = 0.0
    cell: Config = field(default_factory=dict)
    epoch: int = 0
    epochs: int = 0
    replicas: int = 0
    message: str = ""


Listener = Callable[[Event], None]


def run(
    spec: Experiment,
    out: str | Path,
    executor: Executor | None = None,
    *,
    on_event: Listener | None = None,
) -> None:
    """Trains everything that `spec` asks for and that `out` does not hold yet.

    Every finished replica is one line of `records.jsonl`. An interrupted run (also by Ctrl-C or
    kill -9) is continued by calling this again with the same spec and directory.

    Args:
        spec: What to compare.
        out: Directory of the run: new, empty, or of the same spec.
        executor: Any `concurrent.futures.Executor`; it gets one task per cell. None trains here.
        on_event: Is called with every `Event`, in this thread.

    Raises:
        TypeError: If `spec` is no `Experiment`.
        ValueError: If something in the spec cannot be trained, `out` holds something else, or
            another run writes into it.

    Example:
        ```python
        spec = Experiment(data=["xor"], depths=[4], widths=[16], learning_rates=[0.1])
        run(spec, "runs", on_event=lambda event: print(event.done, "of", event.total))
        ```
    """
    if not isinstance(spec, Experiment):
        raise TypeError(
            f"`spec` must be an `Experiment`. Received: {kind_in_words(spec)}. "
            "`Experiment.load('spec.toml')` reads one."
        )
    directory = RunDirectory(Path(out))
    directory.prepare(spec.to_dict())
    with directory.writer() as writer:
        finished = {replica.key for replica in directory.replicas()}
        cells = pending_cells(spec, finished)
        kept = KeptDraws()
        _check(cells, kept)
        listener = on_event or (lambda event: None)
        progress = _Progress(spec, writer, listener, cells)
        progress.tell("start")
        if executor is None:
            for cell in cells:
                progress.train_here(cell, kept)
        else:
            progress.train_with(executor, cells)
        progress.tell("end")


def pending_cells(spec: Experiment, finished: set[str]) -> list[Cell]:
    """What is left to do, one cell per architecture."""
    cells = []
    for architecture in spec.architectures:
        draws = tuple(
            Draw(label, seed, float(rate))
            for rate in spec.learning_rates
            for label in spec.rules
            for seed in spec.seed_list
            if replica_key(architecture.cell(rate), label, seed) not in finished
        )
        if draws:
            cells.append(Cell(spec, architecture, draws))
    return cells


def train_cell(cell: Cell) -> tuple[list[str], list[str]]:
    """Trains a whole cell; its records as lines, and the notes. This is what executors run."""
    notes: list[str] = []

    def tell(kind: str, values: Mapping[str, Any]) -> None:
        if kind == "note":
            notes.append(values["message"])

    lines = [record.to_line() for group in train(cell, tell) for record in group]
    return lines, notes


@dataclass
class _Progress:
    """Counts and writes what is finished."""

    spec: Experiment
    writer: RecordWriter
    listener: Listener
    pending: InitVar[Sequence[Cell]]

    def __post_init__(self, pending: Sequence[Cell]) -> None:
        replicas, architectures = self.spec.replicas_per_architecture, self.spec.architectures
        self.total = replicas * len(architectures)
        self.all_work = replicas * sum(each.work for each in architectures)
        self.done = self.total - sum(len(cell.draws) for cell in pending)
        missing = sum(len(cell.draws) * cell.architecture.work for cell in pending)
        self.work = self.all_work - missing

    def tell(self, kind: EventKind, cell: Cell | None = None, **values: Any) -> None:
        architecture = {} if cell is None else dict(vars(cell.architecture))
        work = self.work
        if cell is not None and kind == "epoch":
            part = values["epoch"] / self.spec.epochs
            work += part * values["replicas"] * cell.architecture.work
        self.listener(
            Event(
                kind=kind,
                done=self.done,
                total=self.total,
                share=work / self.all_work,
                cell=architecture,
                epochs=self.spec.epochs,
                **values,
            )
        )

    def keep(self, cell: Cell, records: list[Replica]) -> None:
        self.writer.append(records)
        self.done += len(records)
        self.work += len(records) * cell.architecture.work

    def train_here(self, cell: Cell, kept: KeptDraws) -> None:
        self.tell("cell_start", cell, replicas=len(cell.draws))
        for group in train(cell, lambda kind, values: self.tell(kind, cell, **values), kept):
            self.keep(cell, group)
        self.tell("cell_end", cell)

    def train_with(self, executor: Executor, cells: list[Cell]) -> None:
        futures: dict[Future[tuple[list[str], list[str]]], Cell] = {}
        for cell in cells:
            self.tell("cell_start", cell, replicas=len(cell.draws))
            futures[executor.submit(train_cell, cell)] = cell
        failed: BaseException | None = None
        try:
            for future in as_completed(futures):
                failed = future.exception() or failed
                if future.exception() is None:
                    lines, notes = future.result()
                    self.keep(futures[future], [Replica.from_line(line) for line in lines])
                    for note in notes:
                        self.tell("note", futures[future], message=note)
                    self.tell("cell_end", futures[future])
        finally:
            for future in futures:
                future.cancel()
        if failed is not None:
            raise failed


def _check(cells: list[Cell], kept: KeptDraws) -> None:
    """Loads all data, builds the smallest model of each kind and draws it once by every rule.

    Raises:
        ValueError: If anything of it fails; all of it at once.
    """
    smallest: dict[tuple[str, str], Cell] = {}
    for cell in cells:
        key = (cell.architecture.model, cell.architecture.data)
        known = smallest.setdefault(key, cell)
        if cell.architecture.depth < known.architecture.depth:
            smallest[key] = cell
    mistakes: list[str] = []
    for cell in smallest.values():
        mistakes += _cell_mistakes(cell, kept)
    if mistakes:
        raise ValueError(message(list(dict.fromkeys(mistakes))))


def _cell_mistakes(cell: Cell, kept: KeptDraws) -> list[str]:
    architecture = cell.architecture
    try:
        dataset = _data.load(architecture.data)
    except (ValueError, OSError, ImportError) as error:
        return [f"data: {error}"]
    try:
        model = build(architecture, dataset)
    except Exception as error:  # noqa: BLE001 - the code of any builder runs here
        return [f"models: {architecture.model!r} on {architecture.data!r}: {_told(error)}"]
    mistakes = []
    drawer, seed = Drawer(model, dataset), cell.spec.seed_list[0]
    for label, rule in cell.spec.rules.items():
        try:
            kept.draw(drawer, architecture, label, rule, seed)
        except Exception as error:  # noqa: BLE001 - the code of any initializer runs here
            mistakes.append(f"initializers: {label!r}: {_told(error)}")
    return mistakes


def _told(error: Exception) -> str:
    return f"{_backend.cause_of(error)} ({type(error).__name__})"
