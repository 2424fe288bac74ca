"""`kerasinit compare`: train, rank, print, write the page."""

from __future__ import annotations

from pathlib import Path

from kerasinit.cli._parser import Arguments
from kerasinit.cli._screen import messages, results
from kerasinit.cli._tables import ranking
from kerasinit.experiments import Comparison
from kerasinit.report import cell_label, export, summary, write

PAGE = "report.html"
RECORDS = "records.jsonl"


def compare(arguments: Arguments) -> int:
    raise NotImplementedError


def show(comparison: Comparison, out: Path, arguments: Arguments) -> int:
    """Prints a comparison and writes its page beside the records."""
    page = write(comparison, out / PAGE)
    console = results()
    if arguments.format:
        console.file.write(export(comparison, arguments.format).rstrip("\n") + "\n")
        console = messages()
    elif not arguments.quiet:
        for cell in comparison.cells:
            label = cell_label(cell, comparison.cells)
            console.print(ranking(label, comparison.rows_of(cell), width=console.width))
        for sentence in summary(comparison):
            console.print(sentence)
        console.print()
    if not arguments.quiet:
        console.print(f"Records  {out / RECORDS}", soft_wrap=True)
        console.print(f"Report   {page}", soft_wrap=True)
    return 0
