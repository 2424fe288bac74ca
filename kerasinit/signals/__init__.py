"""Room `signals`: tensors -> statistics -> verdicts.

One batch: model and data -> `_batch` -> `_measure`, whose passes `_taps` watches -> `Signals`, made
by `_rows` (layers), `_heads` (outputs), `_expected` (theory) and `_first_update` (optimizer) ->
`_judge`, with a rule for each cause in `_rules_of_*` -> `Verdict`, with a `Remedy` -> `Diagnosis`.

A training: `TrainingStep`s -> `_window`, with its rules in `_rules_at_once`, `_rules_over_time` and
`_rules_of_progress` -> `Verdict`.
"""

from kerasinit.signals._diagnosis import Diagnosis, examine
from kerasinit.signals._histograms import HISTOGRAM_EDGES
from kerasinit.signals._judge import judge
from kerasinit.signals._layer_signals import LayerSignals, Signals
from kerasinit.signals._measure import measure
from kerasinit.signals._remedy import Remedy
from kerasinit.signals._training_steps import LayerStep, TrainingStep
from kerasinit.signals._units import ActivationShape, duplicate_share, unit_shares
from kerasinit.signals._verdict import CAUSES, TRAINING_CAUSES, Verdict
from kerasinit.signals._window import judge_window

__all__ = [
    "CAUSES", "HISTOGRAM_EDGES", "TRAINING_CAUSES", "ActivationShape", "Diagnosis",
    "LayerSignals", "LayerStep", "Remedy", "Signals", "TrainingStep", "Verdict",
    "duplicate_share", "examine", "judge", "judge_window", "measure", "unit_shares",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
