"""The charts of one setting, as Plotly figures in plain dicts.

Colours are left to the page, which knows light from dark: `meta` says what a trace is (`role`) and
whose it is (`i`, the initializer's place in the page's list). Names are escaped here, because
Plotly reads its labels as a small HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kerasinit.report._curves import final_scores, learning_curves
from kerasinit.report._distributions import distributions
from kerasinit.report._figures import Figure
from kerasinit.report._layers import dead_units, gradients_over_time, signal_by_depth
from kerasinit.report._series import Series
from kerasinit.report._theory import Prediction


def charts_of(
    members: Sequence[Series],
    index: Callable[[str], int],
    predict: Callable[[Series], Prediction | None],
) -> dict[str, Figure]:
    """All charts of one setting that its records allow, by the name the page knows them by.

    Args:
        members: The series of the setting, best first.
        index: Place of an initializer in the page's list.
        predict: What theory says about a series, or None.
    """
    marked = [(series, index(series.row.initializer), predict(series)) for series in members]
    charts = {
        "loss": learning_curves(marked, "loss", {"type": "log", "title": "training loss"}, 1.0),
        "accuracy": learning_curves(
            marked,
            "val_accuracy",
            {"title": f"validation {members[0].row.score}, %", "rangemode": "tozero"},
            100.0,
        ),
        "gradients": gradients_over_time(marked),
        "signal": signal_by_depth(marked, "signal_rms", "forward", "RMS of the activations"),
        "backward": signal_by_depth(marked, "gradient_rms", "backward", "RMS of the gradients"),
        "activation_bins": distributions(marked, "activation_histogram", "signal_rms", "forward"),
        "gradient_bins": distributions(marked, "gradient_histogram", "gradient_rms", "backward"),
        "units": dead_units(members),
        "seeds": final_scores(members),
    }
    return {name: chart for name, chart in charts.items() if chart}
