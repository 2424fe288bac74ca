"""Room `playground`: starts and small data sets -> recorded trainings -> one page to play with."""

from kerasinit.playground._film import Film, Reel
from kerasinit.playground._filming import DATA, film
from kerasinit.playground._playground_page import write_playground
from kerasinit.playground._starts import STARTS, Start, find_start

__all__ = ["DATA", "STARTS", "Film", "Reel", "Start", "film", "find_start", "write_playground"]


def __dir__() -> list[str]:
    return __all__
