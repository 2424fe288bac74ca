"""The picture of the README: a plain network of 50 layers with and without `initialize`.

    python tests/benchmarks/fifty_layers.py   # writes examples/fifty_layers.svg, some minutes

50 ReLU layers of 64 units on scikit-learn's digits, SGD with momentum, 20 epochs, three seeds each:
the training loss after each epoch, from each start at the learning rate that suits it best. All
rates are printed.
"""

import math
import tempfile
from pathlib import Path
from statistics import median

from kerasinit import experiments

OUT = Path(__file__).parents[2] / "examples" / "fifty_layers.svg"
EPOCHS = 20
SPEC = experiments.Experiment(
    initializers=["glorot_uniform", "initialize"],
    activations=["relu"],
    depths=[50],
    learning_rates=[0.1, 0.03, 0.01, 0.003, 0.001, 0.0003],
    epochs=EPOCHS,
    seeds=3,
)
LEFT, TOP, RIGHT, BOTTOM = 64, 60, 620, 252  # px, of the axes
DECADES = (-4, 1)  # of the loss
STARTS = {  # initializer -> name, colour, and where the name stands: px, side
    "glorot_uniform": ("Keras' default weights", "#c4590a", (RIGHT, 70, "end")),
    "initialize": (
        "after kerasinit.initialize(model)",
        "#1f5fa8",
        (LEFT + 12, BOTTOM - 16, "start"),
    ),
}


def best(rates):
    """The rate whose runs end with the lowest median loss."""

    def end(rate):
        losses = [run[-1] for run in rates[rate]]
        return median(loss if math.isfinite(loss) else math.inf for loss in losses)

    return min(rates, key=end)


def picture(curves):
    """The curves of each start and its rate, as one SVG that reads on light and on dark pages."""
    low, high = DECADES

    def px(epoch, loss):
        share = (math.log10(max(loss, 10**low)) - low) / (high - low)
        return (
            LEFT + (RIGHT - LEFT) * (epoch - 1) / (EPOCHS - 1),
            BOTTOM - (BOTTOM - TOP) * share,
        )

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 300" role="img" '
        'font-family="Helvetica, Arial, sans-serif" font-size="13">',
        "<title>Training loss of a plain network of 50 ReLU layers</title>",
        '<rect width="640" height="300" rx="6" fill="#ffffff"/>',
        '<text x="16" y="26" font-size="15" font-weight="bold" fill="#1b1f24">'
        "A plain network of 50 ReLU layers on digits: training loss</text>",
        '<text x="16" y="43" font-size="11" fill="#57606a">Three seeds each, each start at the '
        f"best of {len(SPEC.learning_rates)} learning rates</text>",
    ]
    for decade in range(low, high + 1):
        y = px(1, 10.0**decade)[1]
        parts.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#e1e4e8"/>')
        text = {0: "1", 1: "10"}.get(
            decade, f'10<tspan dy="-5" font-size="10">\u2212{-decade}</tspan>'
        )
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#57606a">{text}</text>'
        )
    for epoch in (1, 5, 10, 15, 20):
        x = px(epoch, 1)[0]
        place = f'x="{x:.1f}" y="{BOTTOM + 18}" text-anchor="middle"'
        parts.append(f'<text {place} fill="#57606a">{epoch}</text>')
    parts.append(f'<text x="{RIGHT}" y="290" text-anchor="end" fill="#57606a">epoch</text>')
    for start, (name, colour, (x, y, side)) in STARTS.items():
        rate, runs = curves[start]
        for run in runs:
            points = " ".join(
                "{:.1f},{:.1f}".format(*px(epoch, loss)) for epoch, loss in enumerate(run, start=1)
            )
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
            )
        parts.append(
            f'<text x="{x}" y="{y}" text-anchor="{side}" font-weight="bold" '
            f'fill="{colour}">{name}<tspan font-weight="normal">, rate {rate:g}</tspan></text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def main():
    """Trains both and writes the picture."""
    with tempfile.TemporaryDirectory() as folder:
        experiments.run(SPEC, folder)
        replicas = experiments.compare(folder).replicas
    curves = {}
    for start in STARTS:
        rates = {rate: [] for rate in SPEC.learning_rates}
        for one in replicas:
            if one.initializer == start:
                rates[one.cell["learning_rate"]].append(one.curves["loss"])
        for rate, runs in rates.items():
            print(f"{start:16} {rate:<8g}", *(f"{run[-1]:.3g}" for run in runs))
        curves[start] = best(rates), rates[best(rates)]
    OUT.write_text(picture(curves), encoding="utf-8")


if __name__ == "__main__":
    main()
