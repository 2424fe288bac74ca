"""Tensors to statistics to verdicts."""

from kerasinit.signals._statistics import (
    HISTOGRAM_EDGES,
    STATISTICS,
    TensorStatistics,
    magnitude_histogram,
    stack_statistics,
    tensor_statistics,
)
from kerasinit.signals._verdict import CAUSES, TRAINING_CAUSES, Verdict
from kerasinit.signals._window import LayerStep, TrainingStep, judge_window

__all__ = [
    "CAUSES",
    "HISTOGRAM_EDGES",
    "STATISTICS",
    "TRAINING_CAUSES",
    "LayerStep",
    "TensorStatistics",
    "TrainingStep",
    "Verdict",
    "judge_window",
    "magnitude_histogram",
    "stack_statistics",
    "tensor_statistics",
]
