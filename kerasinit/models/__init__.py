"""Room `models`: built model -> the same model with chosen weights."""

from kerasinit.models._initialize import initialize, reset
from kerasinit.models._plan import Plan, PlanRow
from kerasinit.models._portable import portable
from kerasinit.models._presets import PRESETS
from kerasinit.models._redraw import Redraw

__all__ = ["PRESETS", "Plan", "PlanRow", "Redraw", "initialize", "portable", "reset"]


def __dir__() -> list[str]:
    return __all__
