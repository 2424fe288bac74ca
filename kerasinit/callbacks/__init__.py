"""Room `callbacks`: a training -> rows of gradient statistics, in the logs and beside them.

`GradientStats` attaches a `Session` to each step (`_attached`). One that is due (`_schedule`) runs
a second train function (`_measuring`), which packs what it sees into one vector (`_step_vector`).
Vector -> statistics (`_statistics`) -> `Reading` -> `Record` -> a row of `history` and of the files
(`_sinks`), and verdicts (`_judgement`), which are acted on (`_reaction`).
"""

from kerasinit.callbacks._gradient_stats import GradientStats
from kerasinit.callbacks._reaction import GradientError, GradientWarning
from kerasinit.callbacks._schema import GradientRow, Row

__all__ = ["GradientError", "GradientRow", "GradientStats", "GradientWarning", "Row"]


def __dir__() -> list[str]:
    return __all__
