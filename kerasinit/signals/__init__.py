"""Tensors to statistics to verdicts."""

from kerasinit.signals._verdict import CAUSES, TRAINING_CAUSES, Verdict
from kerasinit.signals._window import LayerStep, TrainingStep, judge_window

__all__ = ["CAUSES", "TRAINING_CAUSES", "LayerStep", "TrainingStep", "Verdict", "judge_window"]
