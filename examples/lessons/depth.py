"""Deep against shallow: a start that does for 2 layers fails at 24.

python examples/lessons/depth.py [FOLDER]
"""

from statistics import median

from lesson import Lesson, line, panels, powers, show, trained

STARTS = {
    "glorot_uniform": "glorot_uniform",
    "he_normal": "he_normal",
    "initialize(model)": "initialize",
}
DEPTHS = (2, 24)


def lesson() -> Lesson:
    """Accuracy by depth, relu, from three starts."""
    replicas = trained(
        STARTS, activations=("relu",), depths=DEPTHS, widths=(32,), epochs=8, seeds=3,
        learning_rates=(0.02,),
    )  # fmt: skip
    picture = panels("Accuracy by depth, relu", "First gradient / last gradient")
    text = [f"{'':20}" + "".join(f"{depth:>4} layers" for depth in DEPTHS)]
    ends = {}
    for color, name in zip((2, 4, 7), STARTS, strict=True):
        mine = [[r for r in replicas if (r.initializer, r.cell["depth"]) == (name, depth)]
                for depth in DEPTHS]  # fmt: skip
        shares = [median(r.final["val_accuracy"] for r in group) for group in mine]
        ratios = [median(r.gradient_rms[0][0] / r.gradient_rms[0][-1] for r in group)
                  for group in mine]  # fmt: skip
        line(picture, DEPTHS, shares, name, color=color)
        line(picture, DEPTHS, ratios, name, color=color, col=2)
        ends[name] = shares
        text.append(f"{name:20}" + "".join(f"{share:>11.2f}" for share in shares))
    picture.update_xaxes(title="hidden layers", tickvals=DEPTHS)
    picture.update_yaxes(title="validation accuracy", rangemode="tozero", row=1, col=1)
    powers(picture, col=2)
    shallow = min(shares[0] for shares in ends.values())
    deep = ", ".join(f"{shares[-1]:.2f} from {name}" for name, shares in ends.items())
    text.append(f"With {DEPTHS[0]} layers every start reaches {shallow:.2f}; with {DEPTHS[-1]}, "
                f"{deep}.")  # fmt: skip
    return Lesson(picture, "\n".join(text))


if __name__ == "__main__":
    show(lesson)
