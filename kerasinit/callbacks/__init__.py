"""Training to rows of gradient statistics, in the logs and beside them."""

from kerasinit.callbacks._gradient_stats import GradientStats
from kerasinit.callbacks._reaction import GradientError, GradientWarning
from kerasinit.callbacks._schema import GradientRow, Row

__all__ = ["GradientError", "GradientRow", "GradientStats", "GradientWarning", "Row"]


def __dir__() -> list[str]:
    return __all__
