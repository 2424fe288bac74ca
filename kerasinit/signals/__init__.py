"""Room `signals`: tensors -> statistics -> verdicts."""

from kerasinit.signals._diagnosis import Diagnosis, diagnose
from kerasinit.signals._histograms import HISTOGRAM_EDGES, magnitude_histogram
from kerasinit.signals._histograms import row_histograms as row_histograms
from kerasinit.signals._judge import judge
from kerasinit.signals._layer_signals import LayerSignals, Signals, layer_signals

# What the callback reads of gradients; it is imported, not offered.
from kerasinit.signals._layout import Layout as Layout
from kerasinit.signals._layout import layout_of as layout_of
from kerasinit.signals._measure import measure
from kerasinit.signals._samples import arranged as arranged
from kerasinit.signals._samples import read_runs as read_runs
from kerasinit.signals._samples import runs_of as runs_of
from kerasinit.signals._samples import taken as taken
from kerasinit.signals._stacked import Read as Read
from kerasinit.signals._stacked import Stack as Stack
from kerasinit.signals._statistics import STATISTICS, TensorStatistics, tensor_statistics
from kerasinit.signals._training_steps import LayerStep, TrainingStep
from kerasinit.signals._units import ActivationShape, duplicate_share, unit_shares
from kerasinit.signals._verdict import CAUSES, TRAINING_CAUSES, Verdict
from kerasinit.signals._window import judge_window

__all__ = [
    "CAUSES",
    "HISTOGRAM_EDGES",
    "STATISTICS",
    "TRAINING_CAUSES",
    "ActivationShape",
    "Diagnosis",
    "LayerSignals",
    "LayerStep",
    "Signals",
    "TensorStatistics",
    "TrainingStep",
    "Verdict",
    "diagnose",
    "duplicate_share",
    "judge",
    "judge_window",
    "layer_signals",
    "magnitude_histogram",
    "measure",
    "tensor_statistics",
    "unit_shares",
]


def __dir__() -> list[str]:
    return __all__
