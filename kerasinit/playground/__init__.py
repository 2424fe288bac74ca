"""Room `playground`: starts and small data sets -> recorded trainings -> one page to play with."""

from kerasinit.playground._curve import Curve, curve_of
from kerasinit.playground._film import Film, Reel
from kerasinit.playground._filming import DATA, film
from kerasinit.playground._playground_page import require_free, write_playground
from kerasinit.playground._starts import STARTS, Start, find_start

__all__ = [
    "DATA",
    "STARTS",
    "Curve",
    "Film",
    "Reel",
    "Start",
    "curve_of",
    "film",
    "find_start",
    "require_free",
    "write_playground",
]


def __dir__() -> list[str]:
    return __all__
