"""Room `report`: a comparison -> one HTML file, or JSON, CSV and Markdown."""

from kerasinit.report._export import export
from kerasinit.report._gradients import write_gradients
from kerasinit.report._page import write
from kerasinit.report._summary import summary

__all__ = ["export", "summary", "write", "write_gradients"]


def __dir__() -> list[str]:
    return __all__
