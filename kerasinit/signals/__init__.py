"""Tensors to statistics to verdicts."""

from kerasinit.signals._diagnosis import Diagnosis, diagnose
from kerasinit.signals._elementwise import elementwise_shape
from kerasinit.signals._histograms import HISTOGRAM_EDGES, magnitude_histogram, row_histograms
from kerasinit.signals._judge import judge
from kerasinit.signals._layer_signals import LayerSignals, Signals, layer_signals
from kerasinit.signals._layout import Layout, layout_of
from kerasinit.signals._probe import HALF_SCALE, measure
from kerasinit.signals._samples import arranged, read_runs, runs_of, taken
from kerasinit.signals._sites import sites
from kerasinit.signals._stacked import Read, Stack
from kerasinit.signals._statistics import STATISTICS, TensorStatistics, tensor_statistics
from kerasinit.signals._taps import Call, Watch, watching
from kerasinit.signals._training_steps import LayerStep, TrainingStep
from kerasinit.signals._units import (
    FLAT_DERIVATIVE,
    FLAT_SAMPLES,
    ActivationShape,
    duplicate_share,
    unit_shares,
)
from kerasinit.signals._verdict import CAUSES, TRAINING_CAUSES, Verdict
from kerasinit.signals._window import judge_window

__all__ = [
    "CAUSES",
    "FLAT_DERIVATIVE",
    "FLAT_SAMPLES",
    "HALF_SCALE",
    "HISTOGRAM_EDGES",
    "STATISTICS",
    "TRAINING_CAUSES",
    "ActivationShape",
    "Call",
    "Diagnosis",
    "LayerSignals",
    "LayerStep",
    "Layout",
    "Read",
    "Signals",
    "Stack",
    "TensorStatistics",
    "TrainingStep",
    "Verdict",
    "Watch",
    "arranged",
    "diagnose",
    "duplicate_share",
    "elementwise_shape",
    "judge",
    "judge_window",
    "layer_signals",
    "layout_of",
    "magnitude_histogram",
    "measure",
    "read_runs",
    "row_histograms",
    "runs_of",
    "sites",
    "taken",
    "tensor_statistics",
    "unit_shares",
    "watching",
]


def __dir__() -> list[str]:
    return __all__
