"""The picture of the README: a plain network of 50 layers with and without `initialize`.

    python tests/benchmarks/fifty_layers.py   # writes examples/fifty_layers.svg, 1 to 2 minutes

50 ReLU layers of 64 units on scikit-learn's digits, SGD with momentum at a learning rate of 0.004,
20 epochs, three seeds each: the training loss after each epoch.
"""

import math
from pathlib import Path

import keras
from sklearn.datasets import load_digits

import kerasinit

OUT = Path(__file__).parents[2] / "examples" / "fifty_layers.svg"
DEPTH, WIDTH, EPOCHS, SEEDS = 50, 64, 20, 3
RATE = 0.004
LEFT, TOP, RIGHT, BOTTOM = 64, 48, 620, 252  # px, of the axes
DECADES = (-3, 1)  # of the loss
STARTS = {
    "Keras' default weights": ("#c4590a", lambda model, seed: None),
    "after kerasinit.initialize(model)": (
        "#1f5fa8",
        lambda model, seed: kerasinit.initialize(model, seed=seed),
    ),
}


def losses(prepare, seed):
    """Training loss of each epoch."""
    keras.utils.set_random_seed(seed)
    x, y = load_digits(return_X_y=True)
    x = ((x - x.mean()) / x.std()).astype("float32")
    hidden = [keras.layers.Dense(WIDTH, "relu") for _ in range(DEPTH)]
    model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])
    prepare(model, seed)
    model.compile(
        keras.optimizers.SGD(RATE, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model.fit(x, y, batch_size=64, epochs=EPOCHS, verbose=0).history["loss"]


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
    for name, runs in curves.items():
        colour = STARTS[name][0]
        for run in runs:
            points = " ".join(
                "{:.1f},{:.1f}".format(*px(epoch, loss)) for epoch, loss in enumerate(run, start=1)
            )
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
            )
        y = px(1, max(run[-1] for run in runs))[1] - 12
        parts.append(
            f'<text x="{RIGHT}" y="{y:.1f}" text-anchor="end" font-weight="bold" '
            f'fill="{colour}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def main():
    """Trains both and writes the picture."""
    curves = {}
    for name, (_, prepare) in STARTS.items():
        curves[name] = [losses(prepare, seed) for seed in range(SEEDS)]
        print(name, [f"{run[-1]:.3g}" for run in curves[name]])
    OUT.write_text(picture(curves), encoding="utf-8")


if __name__ == "__main__":
    main()
