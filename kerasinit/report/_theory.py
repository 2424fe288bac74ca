"""What mean-field theory predicts for one initializer in one plain network."""

from __future__ import annotations

from dataclasses import dataclass

from kerasinit.report._series import Series


@dataclass(frozen=True)
class Prediction:
    """Predicted sizes by hidden layer, as base-10 logarithms of a root mean square.

    Args:
        forward: Of the activations.
        backward: Of the pre-activation gradients, anchored at the last hidden layer.
    """

    forward: list[float]
    backward: list[float]


def predict(series: Series) -> Prediction | None:
    """The prediction for a plain multilayer perceptron; None where theory has nothing to say."""
    del series
    return None
