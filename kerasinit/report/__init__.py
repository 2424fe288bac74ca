"""Room `report`: a comparison -> one HTML file, or JSON, CSV and Markdown."""

from kerasinit.report._page import write
from kerasinit.report._summary import summary

__all__ = ["summary", "write"]
