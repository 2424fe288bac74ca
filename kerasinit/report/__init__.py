"""Room `report`: a comparison -> one HTML file, or JSON, CSV and Markdown.

`Comparison` -> settings with their rows (`_settings`), the ranked table (`_ranking`), three
sentences (`_summary`), charts (`_charts`: `_curves`, `_layers`, `_distributions`) -> `_page`, or
`_export`. The page of one training is `_gradients`.
"""

from kerasinit.report._export import export
from kerasinit.report._gradients import write_gradients
from kerasinit.report._page import write
from kerasinit.report._summary import summary

__all__ = ["export", "summary", "write", "write_gradients"]


def __dir__() -> list[str]:
    return __all__
