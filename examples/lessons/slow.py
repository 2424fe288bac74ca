"""Slow convergence: a start that trains in the end, many epochs later.

python examples/lessons/slow.py [FOLDER]
"""

from statistics import mean, median

from lesson import Lesson, line, normal, panels, show, trained

STARTS = {
    "N(0, 0.1²)": normal(0.1),
    "glorot_uniform": "glorot_uniform",
    "he_normal": "he_normal",
    "initialize(model)": "initialize",
}
EPOCHS, TARGET = 30, 0.9


def lesson() -> Lesson:
    """Learning curves of one network from four starts."""
    replicas = trained(
        STARTS, activations=("tanh",), depths=(5,), widths=(32,), epochs=EPOCHS, seeds=3,
        learning_rates=(0.01,), target=TARGET,
    )  # fmt: skip
    picture = panels("Training loss, tanh, 5 layers", "Validation accuracy")
    text, epochs = [f"{'':20}epoch that reaches {TARGET:.0%}"], {}
    for color, name in zip((1, 2, 4, 7), STARTS, strict=True):
        mine = [r for r in replicas if r.initializer == name]
        for column, curve in enumerate(("loss", "val_accuracy"), start=1):
            values = [mean(r.curves[curve][epoch] for r in mine) for epoch in range(EPOCHS)]
            line(picture, range(1, EPOCHS + 1), values, name, color=color, col=column)
        epochs[name] = median(r.epochs_to_target or EPOCHS + 1 for r in mine)
        text.append(f"{name:20}{epochs[name]:.0f}" + (" or more" if epochs[name] > EPOCHS else ""))
    picture.update_xaxes(title="epoch")
    slowest, fastest = max(epochs, key=epochs.__getitem__), min(epochs, key=epochs.__getitem__)
    text.append(f"{slowest} needs {epochs[slowest] / epochs[fastest]:.1f} times the epochs of "
                f"{fastest}.")  # fmt: skip
    return Lesson(picture, "\n".join(text))


if __name__ == "__main__":
    show(lesson)
