"""Room `signals`: tensors -> statistics -> verdicts.

From a model and a batch to verdicts:

1. `_batch`: model and data -> `DataBatch`, some samples as tensors.
2. `_watched_layers`: model -> `WatchedLayer`s, which `_taps` hooks: while the model runs, a
   `ForwardPass` notes a `WatchedCall` for each call of a layer with weights.
3. `_measure`: one pass forward, one backward from the loss of `_probe_loss`, one step of the
   optimizer on copies (`_first_update`).
4. `_rows`, `_heads`: tensors -> plain numbers, `LayerSignals` of each call (with the size that
   theory expects, `_expected`), `HeadSignals` of each output, all in one `Signals`.
5. `_judge`: each rule of `_rules_of_*` looks for one cause -> `Verdict`, with a `Remedy`; what only
   restates another is dropped, roots go first. `_diagnosis` shows that as a `Diagnosis`.

A training goes through step 5 alone: `TrainingStep`s, which `callbacks` records -> `Window` ->
`_judge_window`, with `_rules_at_once`, `_rules_over_time`, `_rules_of_progress`, `_rules_of_loss`.
"""

from kerasinit.signals._diagnosis import Diagnosis, examine
from kerasinit.signals._histograms import HISTOGRAM_EDGES
from kerasinit.signals._judge import judge
from kerasinit.signals._judge_window import judge_window
from kerasinit.signals._layer_signals import LayerSignals, Signals
from kerasinit.signals._measure import measure
from kerasinit.signals._remedy import Remedy
from kerasinit.signals._training_steps import LayerStep, TrainingStep
from kerasinit.signals._units import ActivationShape, duplicate_share, unit_shares
from kerasinit.signals._verdict import CAUSES, TRAINING_CAUSES, Verdict
from kerasinit.signals._window import Setup

__all__ = [
    "CAUSES", "HISTOGRAM_EDGES", "TRAINING_CAUSES", "ActivationShape", "Diagnosis",
    "LayerSignals", "LayerStep", "Remedy", "Setup", "Signals", "TrainingStep", "Verdict",
    "duplicate_share", "examine", "judge", "judge_window", "measure", "unit_shares",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
