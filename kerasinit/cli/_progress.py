"""How far a run is: bars on a terminal, one line per setting elsewhere, nothing when quiet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from kerasinit.experiments import Event
from kerasinit.experiments._records import cell_key
from kerasinit.report._words import cell_labels, counted

Show = Callable[[Event], None]


@dataclass
class Tracker:
    """Remembers how far a run is, and passes every event on to a display.

    Args:
        show: Gets every event.
        done: Trainings finished so far.
        total: Trainings in all.
        stopping: Whether the run shall end at the next event.
        notes: Notes that were shown.
    """

    show: Show
    done: int = 0
    total: int = 0
    stopping: bool = False
    notes: set[str] = field(default_factory=set)

    def __call__(self, event: Event) -> None:
        """Takes one event; a note is shown once, however often it comes.

        Raises:
            KeyboardInterrupt: If the run shall stop.
        """
        self.done, self.total = event.done, event.total
        if event.kind == "note":
            if event.message in self.notes:
                return
            self.notes.add(event.message)
        self.show(event)
        if self.stopping:
            raise KeyboardInterrupt("Ctrl-C")


@contextmanager
def progress(console: Console, *, quiet: bool) -> Iterator[Tracker]:
    """A display that fits the console, for `experiments.run(on_event=...)`."""
    if quiet:
        yield Tracker(lambda event: None)
    elif console.is_terminal:
        with _bars(console) as bars:
            yield Tracker(_Bars(bars))
    else:
        yield Tracker(_Lines(console))


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[count]}", style="green"),
        TimeElapsedColumn(),
        TextColumn("left", style="dim"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


class _Bars:
    """One bar for everything, and one with its own estimate for the setting at work."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._all = bars.add_task("all settings", total=1.0, count="")
        self._cell = bars.add_task("", total=None, count="", visible=False)

    def __call__(self, event: Event) -> None:
        bars = self._bars
        if event.kind == "note":
            bars.console.print(f"note: {event.message}", style="yellow")
        elif event.kind == "cell_start":
            count = f"0/{counted(event.epochs, 'epoch')}"
            bars.reset(self._cell, total=None, visible=True, description=_name(event), count=count)
        elif event.kind == "epoch":
            count = f"{event.epoch}/{counted(event.epochs, 'epoch')}"
            bars.update(self._cell, completed=event.epoch, total=event.epochs, count=count)
        count = f"{event.done}/{counted(event.total, 'training')}"
        bars.update(self._all, completed=event.share, count=count)


class _Lines:
    """One line per finished setting, for files and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = time.monotonic()
        self._cell_start: dict[str, float] = {}
        self._before = 0.0

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        if event.kind == "start":
            self._start, self._before = now, event.share
            kept = f"; {event.done} are kept from before" if event.done else ""
            self._say(f"{counted(event.total, 'training')}{kept}")
        elif event.kind == "cell_start":
            self._cell_start[cell_key(event.cell)] = now
        elif event.kind == "note":
            self._say(f"note: {event.message}")
        elif event.kind == "cell_end":
            self._say(
                f"{_name(event)}: {now - self._cell_start.pop(cell_key(event.cell)):.1f} s, "
                f"{event.done} of {event.total} trainings done{self._left(event, now)}"
            )

    def _left(self, event: Event, now: float) -> str:
        fresh = event.share - self._before
        if event.done >= event.total or fresh <= 0:
            return ""
        seconds = (now - self._start) / fresh * (1 - event.share)
        return f", about {seconds:.0f} s left"

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def _name(event: Event) -> str:
    return cell_labels([event.cell])[0]
