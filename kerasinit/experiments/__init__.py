"""Room `experiments`: a spec -> trained replicas -> a comparison.

`Spec`, checked by `_checks` -> cells, each one architecture with all its replicas (`_cell`), whose
starts (`_draws`) train in one compiled call (`_trainer`) -> records (`_records`) in a directory
that outlives an interruption (`_directory`) -> `Comparison`, with intervals (`_analysis`).
"""

from kerasinit.experiments._analysis import BASELINE, chosen_baseline, compare
from kerasinit.experiments._bootstrap import Estimate
from kerasinit.experiments._comparison import Comparison, ComparisonRow
from kerasinit.experiments._records import RECORD_BINS, Replica
from kerasinit.experiments._run import Event, run
from kerasinit.experiments._spec import Experiment

__all__ = [
    "BASELINE",
    "RECORD_BINS",
    "Comparison",
    "ComparisonRow",
    "Estimate",
    "Event",
    "Experiment",
    "Replica",
    "chosen_baseline",
    "compare",
    "run",
]


def __dir__() -> list[str]:
    return __all__
