"""The picture of the README: a plain network of 50 layers with and without `initialize`.

    python tests/benchmarks/fifty_layers.py   # writes examples/fifty_layers.svg, about a minute

50 ReLU layers of 64 units on scikit-learn's digits, SGD with momentum at a learning rate of 0.004,
20 epochs, three seeds each: the training loss after each epoch.
"""

import math
import tempfile
from pathlib import Path

from kerasinit import experiments

OUT = Path(__file__).parents[2] / "examples" / "fifty_layers.svg"
EPOCHS = 20
SPEC = experiments.Experiment(
    initializers=["glorot_uniform", "initialize"],
    activations=["relu"],
    depths=[50],
    learning_rates=[0.004],
    epochs=EPOCHS,
    seeds=3,
)
LEFT, TOP, RIGHT, BOTTOM = 64, 48, 620, 252  # px, of the axes
DECADES = (-4, 1)  # of the loss
STARTS = {  # initializer -> name, colour, and where the name stands: px, side
    "glorot_uniform": ("Keras' default weights", "#c4590a", (RIGHT, 70, "end")),
    "initialize": (
        "after kerasinit.initialize(model)",
        "#1f5fa8",
        (LEFT + 12, BOTTOM - 16, "start"),
    ),
}


def picture(curves):
    """The curves as one SVG that reads on light and on dark pages."""
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
        for run in curves[start]:
            points = " ".join(
                "{:.1f},{:.1f}".format(*px(epoch, loss)) for epoch, loss in enumerate(run, start=1)
            )
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
            )
        parts.append(
            f'<text x="{x}" y="{y}" text-anchor="{side}" font-weight="bold" '
            f'fill="{colour}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def main():
    """Trains both and writes the picture."""
    with tempfile.TemporaryDirectory() as folder:
        experiments.run(SPEC, folder)
        replicas = experiments.compare(folder).replicas
    curves = {
        start: [one.curves["loss"] for one in replicas if one.initializer == start]
        for start in STARTS
    }
    for start, runs in curves.items():
        print(start, [f"{run[-1]:.3g}" for run in runs])
    OUT.write_text(picture(curves), encoding="utf-8")


if __name__ == "__main__":
    main()
