"""`kerasinit playground`: train from many starts, write the page to play with."""

from __future__ import annotations

from pathlib import Path

from kerasinit import playground as room
from kerasinit.cli._parser import Arguments
from kerasinit.cli._screen import messages, results
from kerasinit.playground._curve import curve_of
from kerasinit.playground._playground_page import require_free
from kerasinit.report._files import require_extras

PAGE = Path("playground.html")


def playground(arguments: Arguments) -> int:
    """`kerasinit playground`: small trainings as one page."""
    require_extras()  # all that can be wrong is told before the trainings
    out = arguments.out or PAGE
    require_free(out)
    curve_of(arguments.activation)
    asked = [room.find_start(name) for name in (arguments.left, arguments.right)]
    starts = [*room.STARTS, *dict.fromkeys(start for start in asked if start not in room.STARTS)]
    reels = []
    for data in dict.fromkeys(arguments.sets):
        if not arguments.quiet:
            messages().print(f"Training on {data} from {len(starts)} starts")
        reels.append(room.film(data, arguments.activation, starts))
    page = room.write_playground(reels, starts, out, left=arguments.left, right=arguments.right)
    if not arguments.quiet:
        results().print(f"Page     {page}", soft_wrap=True)
    return 0
