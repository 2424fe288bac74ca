"""Training to rows of gradient statistics, in the logs and beside them."""

from kerasinit.callbacks._gradient_stats import GradientStats
from kerasinit.callbacks._reaction import GradientError, GradientWarning

__all__ = ["GradientError", "GradientStats", "GradientWarning"]


def __dir__() -> list[str]:
    return __all__
