"""`kerasinit compare`: train, rank, print, write the page."""

from __future__ import annotations

import itertools
import shlex
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

from kerasinit import experiments, report
from kerasinit.cli._example import EXAMPLE
from kerasinit.cli._interrupt import polite
from kerasinit.cli._parser import Arguments
from kerasinit.cli._progress import Tracker, progress
from kerasinit.cli._screen import messages, results
from kerasinit.cli._tables import legend, rankings
from kerasinit.experiments._directory import RECORDS_FILE
from kerasinit.experiments._spec import own_builders
from kerasinit.report._files import require_extras
from kerasinit.report._ranking import target_of
from kerasinit.report._settings import settings
from kerasinit.report._words import counted

RUNS = Path("kerasinit-runs")  # where runs go without --out, one directory each
MOST_TABLES = 24  # settings that are printed; a page of them is no longer read
PAGE = "report.html"
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
SCHEDULER_PATIENCE = 10  # seconds to wait for a Dask scheduler


def compare(arguments: Arguments) -> int:
    """`kerasinit compare`: the main job."""
    if arguments.example:
        results().file.write(EXAMPLE)
        return 0
    require_extras()  # before the trainings, not after them
    if arguments.quick and arguments.spec:
        raise ValueError("--quick is the built-in comparison, smaller. Leave out the spec, or it.")
    console = messages()
    if arguments.spec and not arguments.quiet and (own := own_builders(arguments.spec)):
        console.print(f"Runs your own code, named in {arguments.spec}: {', '.join(own)}")
    if arguments.spec:  # last: it shall not stand in for a module that is installed
        sys.path.append(str(arguments.spec.resolve().parent))
    spec = _spec(arguments)
    baseline = experiments.chosen_baseline(arguments.baseline, list(spec.rules))
    out = arguments.out or _new_directory()
    if not arguments.quiet:
        console.print(f"Run directory: {out}", soft_wrap=True)
    with progress(console, quiet=arguments.quiet) as tracker:
        finished = _train(spec, out, arguments.scheduler, tracker)
    if not finished:
        console.print(
            f"Interrupted: {tracker.done} of {tracker.total} trainings are finished and kept. "
            f"To go on: {_again(arguments, out)}",
            soft_wrap=True,
        )
        return INTERRUPTED
    return show(experiments.compare(out, baseline), out, arguments)


def _spec(arguments: Arguments) -> experiments.Experiment:
    if arguments.spec:
        return experiments.Experiment.load(arguments.spec)
    return experiments.Experiment.quick() if arguments.quick else experiments.Experiment()


def _train(
    spec: experiments.Experiment, out: Path, scheduler: str | None, tracker: Tracker
) -> bool:
    """Trains what is missing; whether it came to its end."""
    try:
        with _executor(scheduler) as executor, nullcontext() if executor else polite(tracker):
            experiments.run(spec, out, executor, on_event=tracker)
    except KeyboardInterrupt:
        return False
    return True


@contextmanager
def _executor(address: str | None) -> Iterator[Executor | None]:
    """The workers behind a Dask scheduler, or None to train here.

    Raises:
        ImportError: If the extra `cluster` is not installed.
        ValueError: If there is no scheduler at the address.
    """
    if address is None:
        yield None
        return
    try:
        import distributed
    except ImportError as error:
        raise ImportError(
            '--scheduler needs Dask, which is not installed. Run: pip install "dask[distributed]"'
        ) from error
    try:
        client = distributed.Client(address, timeout=SCHEDULER_PATIENCE)
    except (OSError, ValueError, TimeoutError) as error:
        raise ValueError(
            f"No Dask scheduler answers at {address!r}. Start one with `dask scheduler` and pass "
            "its address, such as tcp://127.0.0.1:8786."
        ) from error
    with client:
        yield client.get_executor()


def _new_directory() -> Path:
    """A directory that does not exist yet, named after the time."""
    stem = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    for number in itertools.count(1):
        path = RUNS / (stem if number == 1 else f"{stem}-{number}")
        if not path.exists():
            break
    return path


def _again(arguments: Arguments, out: Path) -> str:
    """The command that goes on with a run."""
    words = ["kerasinit", "compare"]
    if arguments.spec:
        words.append(str(arguments.spec))
    if arguments.quick:
        words.append("--quick")
    words += ["--out", str(out)]
    for option in ("scheduler", "baseline"):
        if value := getattr(arguments, option):
            words += [f"--{option}", value]
    return shlex.join(words)


def rebuild(arguments: Arguments) -> int:
    """`kerasinit report`: the page of a run, or of one training's gradients, without training."""
    require_extras()
    path = arguments.path
    if path.is_file():
        page = report.write_gradients(path, path.with_suffix(".html"))
        if not arguments.quiet:
            results().print(f"Report   {page}", soft_wrap=True)
        return 0
    comparison = experiments.compare(path, arguments.baseline)
    return show(comparison, path, arguments)


def show(comparison: experiments.Comparison, out: Path, arguments: Arguments) -> int:
    """Prints a comparison and writes its page beside the records."""
    page = report.write(comparison, out / PAGE)
    console = results()
    if arguments.format:
        console.file.write(report.export(comparison, arguments.format).rstrip("\n") + "\n")
        console = messages()
    elif not arguments.quiet:
        found = settings(comparison)
        parts = [(setting.label, setting.rows) for setting in found[:MOST_TABLES]]
        tables = rankings(parts, target=target_of(comparison), width=console.width)
        for shown in tables:
            console.print(shown, width=max(console.width, shown.width or 0), crop=False)
            console.print()
        console.print(legend(comparison, tables), style="dim")
        console.print()
        if len(found) > MOST_TABLES:
            more = counted(len(found) - MOST_TABLES, "setting")
            console.print(f"{more} more: in the report, and in full with --format csv.")
        for sentence in report.summary(comparison):
            console.print(sentence)
        console.print()
    if not arguments.quiet:
        console.print(f"Records  {out / RECORDS_FILE}", soft_wrap=True)
        console.print(f"Report   {page}", soft_wrap=True)
    return 0
