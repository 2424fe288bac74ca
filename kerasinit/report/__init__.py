"""Room `report`: a comparison -> one HTML file, or JSON, CSV and Markdown."""

from kerasinit.report._export import export
from kerasinit.report._files import require_extras
from kerasinit.report._gradients import write_gradients
from kerasinit.report._page import write
from kerasinit.report._ranking import Ranked, RankedRow, ranked
from kerasinit.report._settings import Setting, settings
from kerasinit.report._summary import summary
from kerasinit.report._words import ICONS, Word, cell_labels, counted

__all__ = [
    "ICONS",
    "Ranked",
    "RankedRow",
    "Setting",
    "Word",
    "cell_labels",
    "counted",
    "export",
    "ranked",
    "require_extras",
    "settings",
    "summary",
    "write",
    "write_gradients",
]


def __dir__() -> list[str]:
    return __all__
