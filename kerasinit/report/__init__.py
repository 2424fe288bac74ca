"""Room `report`: a comparison -> one HTML file, or JSON, CSV and Markdown."""

from kerasinit.report._export import export
from kerasinit.report._files import require_extras
from kerasinit.report._gradients import write_gradients
from kerasinit.report._page import write
from kerasinit.report._ranking import Ranked, RankedRow, ranked
from kerasinit.report._summary import summary
from kerasinit.report._words import Word, cell_label, counted

__all__ = [
    "Ranked",
    "RankedRow",
    "Word",
    "cell_label",
    "counted",
    "export",
    "ranked",
    "require_extras",
    "summary",
    "write",
    "write_gradients",
]
