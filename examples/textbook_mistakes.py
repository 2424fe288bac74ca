"""Shows the textbook mistakes of weight initialization, and the cure beside each.

Plain networks with ReLU, tanh and sigmoid, shallow and deep, are trained on real digits from
zeros, from one constant, from weights that are too small and too large, from the classics
(Xavier, He, Lasagne), and after `kerasinit.initialize(model)`. For each start: whether the units
are copies of each other, how large activations and gradients are in the last and the first
hidden layer, and what the network learned. One picture shows activations and gradients layer by
layer.

    python examples/textbook_mistakes.py [FOLDER]
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kerasinit.experiments import Experiment, Replica, compare, run

SHALLOW, DEEP = 3, 20
ACTIVATIONS = ("relu", "tanh", "sigmoid")
CURE = "initialize(model)"
STARTS = {
    "zeros": "Zeros",
    "constant 0.1": {"class_name": "Constant", "config": {"value": 0.1}},
    "too small: std 0.01": {"class_name": "RandomNormal", "config": {"stddev": 0.01}},
    "too large: std 1": {"class_name": "RandomNormal", "config": {"stddev": 1.0}},
    "Xavier": "kerasinit>XavierUniform",
    "He": "kerasinit>HeNormal",
    "Lasagne": "kerasinit>LasagneUniform",
    CURE: "initialize",
}
PALETTE = (
    "#888888", "#b07aa1", "#4e79a7", "#e15759", "#f28e2b", "#76b7b2", "#9c755f", "#59a14f",
)  # fmt: skip
COLORS = dict(zip(STARTS, PALETTE, strict=True))
SMALLEST = 1e-12  # what the picture's logarithmic axis shows of an exact zero


def experiment() -> Experiment:
    """The eight starts on six networks, two seeds each."""
    return Experiment(
        initializers=[{"label": label, "initializer": start} for label, start in STARTS.items()],
        activations=ACTIVATIONS,
        depths=(SHALLOW, DEEP),
        widths=(64,),
        learning_rates=(0.01,),
        epochs=8,
        seeds=2,
    )


def verdict(replicas: Sequence[Replica]) -> str:
    """The first cause before training, in one word."""
    return replicas[0].start["cause"].replace("_", " ")


def row(label: str, replicas: Sequence[Replica]) -> str:
    """One start of one network, in numbers."""

    def hidden(values: Sequence[Sequence[float]], layer: int) -> float:
        return mean(measured[0][:-1][layer] for measured in values)

    activations = [r.signal_rms for r in replicas]
    gradients = [r.gradient_rms for r in replicas]
    accuracy = median(r.final["val_accuracy"] for r in replicas)
    return (
        f"  {label:<22}{'yes' if replicas[0].symmetric else 'no':<9}"
        f"{hidden(activations, 0):>9.1e} ->{hidden(activations, -1):>9.1e}   "
        f"{hidden(gradients, -1):>9.1e} ->{hidden(gradients, 0):>9.1e}   "
        f"{accuracy:>8.2f}   {verdict(replicas)}"
    )


def picture(cells: dict[tuple[str, int], dict[str, list[Replica]]]) -> go.Figure:
    """Activations (above) and gradients (below) by layer, one column per network."""
    figure = make_subplots(
        rows=2,
        cols=len(cells),
        shared_yaxes=True,
        vertical_spacing=0.1,
        horizontal_spacing=0.015,
        subplot_titles=[f"{activation}, {depth} layers" for activation, depth in cells],
    )
    for column, starts in enumerate(cells.values(), start=1):
        for label, replicas in starts.items():
            for line, field in enumerate(("signal_rms", "gradient_rms"), start=1):
                values = [max(v, SMALLEST) for v in getattr(replicas[0], field)[0][:-1]]
                figure.add_scatter(
                    x=list(range(1, len(values) + 1)),
                    y=values,
                    mode="lines+markers",
                    marker={"size": 4},
                    name=label,
                    legendgroup=label,
                    showlegend=column == line == 1,
                    line={"color": COLORS[label], "width": 3 if label == CURE else 1.5},
                    row=line,
                    col=column,
                )
    figure.update_yaxes(type="log", exponentformat="power", range=[-12.5, 8], dtick=4)
    figure.update_yaxes(title="activation RMS", row=1, col=1)
    figure.update_yaxes(title="gradient RMS (pre-activation)", row=2, col=1)
    figure.update_xaxes(nticks=4)
    figure.update_xaxes(title="hidden layer", row=2)
    figure.update_layout(
        title="Before training: what each start does to activations and gradients",
        template="plotly_white",
        width=1400,
        height=640,
        legend={"orientation": "h", "y": -0.12},
    )
    return figure


def main(folder: Path) -> None:
    """Trains, prints one table per network and writes the picture."""
    run(experiment(), folder)
    replicas = compare(folder, baseline="zeros").replicas
    cells = {
        (activation, depth): {
            label: [
                r
                for r in replicas
                if (r.cell["activation"], r.cell["depth"], r.initializer)
                == (activation, depth, label)
            ]
            for label in STARTS
        }
        for activation in ACTIVATIONS
        for depth in (SHALLOW, DEEP)
    }
    for (activation, depth), starts in cells.items():
        print(f"\n{activation}, {depth} hidden layers")
        print(
            f"  {'start':<22}{'copies':<9}{'activations by depth':>21}   "
            f"{'gradients backwards':>21}   {'accuracy':>8}   verdict at the start"
        )
        for label, group in starts.items():
            print(row(label, group))
    path = folder / "textbook_mistakes.html"
    picture(cells).write_html(path)
    print(f"\nThe picture: {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "kerasinit-runs/textbook_mistakes"))
