"""Tensors to statistics to verdicts."""

from kerasinit.signals._diagnosis import Diagnosis, diagnose
from kerasinit.signals._elementwise import elementwise_shape
from kerasinit.signals._histograms import HISTOGRAM_EDGES, magnitude_histogram, part_histograms
from kerasinit.signals._judge import judge
from kerasinit.signals._layer_signals import LayerSignals, Signals, layer_signals
from kerasinit.signals._probe import HALF_SCALE, measure
from kerasinit.signals._sites import sites
from kerasinit.signals._statistics import (
    STATISTICS,
    merged_statistics,
    part_norms,
    part_statistics,
)
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
    "Signals",
    "TrainingStep",
    "Verdict",
    "Watch",
    "diagnose",
    "duplicate_share",
    "elementwise_shape",
    "judge",
    "judge_window",
    "layer_signals",
    "magnitude_histogram",
    "measure",
    "merged_statistics",
    "part_histograms",
    "part_norms",
    "part_statistics",
    "sites",
    "unit_shares",
    "watching",
]
