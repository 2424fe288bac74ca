"""Does one call train everything? Plain stacks of any activation and depth, on digits.

Every cell trains a plain MLP of width 64 with SGD (momentum 0.9) from each start, at the learning
rates 0.1, 0.02 and 0.004; the best rate by the median over the seeds counts. The accuracy is the
best validation accuracy over the epochs, as in the published tables this is compared with.

    python tests/benchmarks/one_call.py grid --out runs/grid       # 12 activations x 4 depths
    python tests/benchmarks/one_call.py deep --out runs/deep       # 200 and 1,000 layers (*)
    python tests/benchmarks/one_call.py other --out runs/other     # a second data set
    python tests/benchmarks/one_call.py widths --out runs/widths   # layers of unequal widths
    python tests/benchmarks/one_call.py cnn --out runs/cnn         # plain CNNs
    python tests/benchmarks/one_call.py easy --out runs/easy       # where most starts do
    python tests/benchmarks/one_call.py rates --out runs/rates     # optimizers as Keras makes them

A run that was interrupted goes on; the table is printed from the records.
(*) 1,000 layers (`--depths 1000`) rather on torch, which has nothing to trace: TensorFlow was
still tracing after 12 minutes.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from kerasinit.experiments import Event, Experiment, Replica, compare, run

ACTIVATIONS = (
    "relu", "leaky_relu", "tanh", "gelu", "silu", "mish",
    "elu", "selu", "softplus", "sigmoid", "hard_sigmoid", "softsign",
)  # fmt: skip
RIVALS = (
    "glorot_uniform",
    "he_normal",
    "lecun_normal",
    "orthogonal",
    "kerasinit>Auto",
    "lsuv",
)
OURS = "initialize"
DELTA = {  # at the gain of the activation
    "label": "delta_orthogonal",
    "class_name": "kerasinit>DeltaOrthogonal",
    "config": {"gain": "auto"},
}
LEARNING_RATES = (0.1, 0.02, 0.004)
KINDS = ("grid", "deep", "other", "widths", "cnn", "easy", "rates")

Cell = tuple[Any, ...]


def grid(
    activations: tuple[str, ...], depths: tuple[int, ...], seeds: int, rivals: bool
) -> list[Experiment]:
    """The 48 cells, one experiment per activation: its critical point is a rival too."""
    return [
        Experiment(
            initializers=(*RIVALS, *critical(activation), OURS) if rivals else (OURS,),
            activations=(activation,),
            depths=depths,
            learning_rates=LEARNING_RATES,
            epochs=20,
            seeds=seeds,
        )
        for activation in activations
    ]


def critical(activation: str) -> tuple[dict[str, Any], ...]:
    """The edge of chaos with biases of standard deviation 0.2, where it exists."""
    try:
        from kerasinit.initializers import Critical

        Critical(activation=activation, bias_std=0.2)
    except ValueError:
        return ()
    config = {"activation": activation, "bias_std": 0.2}
    return ({"label": "critical", "class_name": "kerasinit>Critical", "config": config},)


def deep(seeds: int, depths: tuple[int, ...]) -> list[Experiment]:
    """200 and 1,000 layers, at rates of about 1/depth."""
    two_hundred = Experiment(
        initializers=(OURS,),
        activations=("relu", "gelu", "tanh", "sigmoid"),
        depths=(200,),
        learning_rates=(0.004, 0.001),
        epochs=20,
        seeds=seeds,
    )
    thousand = Experiment(
        initializers=(OURS,),
        activations=("relu", "tanh"),
        depths=(1000,),
        learning_rates=(0.001, 0.0002),
        epochs=20,
        seeds=seeds,
    )
    return [e for e in (two_hundred, thousand) if e.depths[0] in depths]


def other(seeds: int) -> list[Experiment]:
    """A second data set."""
    return [
        Experiment(
            data=("breast_cancer",),
            initializers=("glorot_uniform", "he_normal", "orthogonal", OURS),
            activations=("relu", "gelu", "tanh", "sigmoid"),
            depths=(3, 30, 50),
            learning_rates=LEARNING_RATES,
            epochs=20,
            seeds=seeds,
        )
    ]


def widths(seeds: int) -> list[Experiment]:
    """Layers that widen and narrow, and layers of odd widths."""
    return [
        Experiment(
            models=("one_call:hourglass", "one_call:odd_widths"),
            initializers=("glorot_uniform", "he_normal", "orthogonal", OURS),
            activations=("relu", "gelu", "tanh", "sigmoid"),
            depths=(5, 30),
            learning_rates=LEARNING_RATES,
            epochs=20,
            seeds=seeds,
        )
    ]


def hourglass(input_shape: Any, classes: int, *, depth: int, activation: str) -> keras.Model:
    """Hidden layers of 64-128-256-128-64 units, over and over."""
    return stack(input_shape, classes, (64, 128, 256, 128, 64), depth, activation)


def odd_widths(input_shape: Any, classes: int, *, depth: int, activation: str) -> keras.Model:
    """Hidden layers of odd widths, over and over."""
    return stack(input_shape, classes, (65, 97, 63, 81, 49), depth, activation)


def stack(
    input_shape: Any, classes: int, units: tuple[int, ...], depth: int, activation: str
) -> keras.Model:
    """A plain stack of `depth` hidden layers of the given widths in turn."""
    hidden = [layers.Dense(n, activation) for n in itertools.islice(itertools.cycle(units), depth)]
    return keras.Sequential([keras.Input(input_shape), *hidden, layers.Dense(classes)])


def batch_norm(
    input_shape: Any, classes: int, *, depth: int, width: int, activation: str
) -> keras.Model:
    """Hidden layers with batch normalization before the activation."""
    model = keras.Sequential([keras.Input(input_shape)])
    for _ in range(depth):
        model.add(layers.Dense(width, use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.Activation(activation))
    model.add(layers.Dense(classes))
    return model


def cnn(seeds: int, activations: tuple[str, ...], depths: tuple[int, ...]) -> list[Experiment]:
    """Plain convolutional stacks; 100 layers, as all deep nets, at rates of about 1/depth."""
    return [
        Experiment(
            models=("cnn",),
            widths=(16,),
            initializers=("he_normal", DELTA, OURS),
            activations=activations,
            depths=(depth,),
            learning_rates=(0.02, 0.004) if depth < 100 else (0.004, 0.001),
            epochs=8,
            seeds=seeds,
        )
        for depth in depths
    ]


def easy(seeds: int) -> list[Experiment]:
    """Shallow nets, norms, residual nets and Adam: where a plain start is as good."""
    starts = ("glorot_uniform", "he_normal", "orthogonal", OURS)
    shared = {"initializers": starts, "epochs": 20, "seeds": seeds}
    sgd = {"activations": ("relu", "tanh", "gelu"), "learning_rates": LEARNING_RATES, **shared}
    return [
        Experiment(depths=(1, 2, 3), **sgd),
        Experiment(models=("one_call:batch_norm",), depths=(3, 10), **sgd),
        Experiment(models=("resnet",), depths=(3,), widths=(16,), **sgd),
        Experiment(
            depths=(3, 10, 30),
            activations=("relu", "tanh", "gelu"),
            optimizer="adam",
            learning_rates=(0.003, 0.001, 0.0003),
            **shared,
        ),
    ]


def rates(
    activations: tuple[str, ...], depths: tuple[int, ...], seeds: int, rivals: bool
) -> list[Experiment]:
    """12 activations x 2 depths under four optimizers, at the rates that Keras gives them."""
    sgd, momentum = ({"class_name": "SGD", "config": {"momentum": m}} for m in (0.0, 0.9))
    return [
        Experiment(
            initializers=(*RIVALS, OURS) if rivals else (OURS,),
            activations=activations,
            depths=depths,
            optimizer=optimizer,
            learning_rates=(rate,),
            epochs=20,
            seeds=seeds,
        )
        for optimizer, rate in (("adam", 1e-3), ("rmsprop", 1e-3), (momentum, 1e-2), (sgd, 1e-2))
    ]


def best_accuracies(replicas: tuple[Replica, ...]) -> dict[Cell, dict[str, np.ndarray]]:
    """Per cell and start: the best accuracy of each seed, at the best learning rate."""
    by_rate: dict[tuple[Cell, str], dict[float, list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for replica in replicas:
        cell = {**replica.cell}
        rate = cell.pop("learning_rate")
        finite = [a for a in replica.curves["val_accuracy"] if np.isfinite(a)]
        diverged = not np.isfinite(replica.final["loss"])
        best = 0.0 if diverged or not finite else max(finite)
        by_rate[tuple(cell.values()), replica.initializer][rate].append(best)
    result: dict[Cell, dict[str, np.ndarray]] = defaultdict(dict)
    for (cell_key, label), rates in by_rate.items():
        result[cell_key][label] = np.array(max(rates.values(), key=np.median))
    return result


def table(cells: dict[Cell, dict[str, np.ndarray]]) -> str:
    """Markdown: median [lowest, highest] over the seeds; a missing start is a dash."""
    labels = [OURS, *dict.fromkeys(n for c in cells.values() for n in c if n != OURS)]
    lines = [
        f"| model | data | activation | depth | {' | '.join(labels)} |",
        "|---" * (4 + len(labels)) + "|",
    ]
    for (model, data, activation, depth, _), starts in cells.items():
        model = model.removeprefix("one_call:")
        entries = []
        for label in labels:
            seeds = starts.get(label)
            text = "-"
            if seeds is not None:
                text = ours(starts) if label == OURS else f"{np.median(seeds):.2f}"
            entries.append(text)
        lines.append(f"| {model} | {data} | {activation} | {depth} | {' | '.join(entries)} |")
    return "\n".join(lines)


def by_depth(cells: dict[Cell, dict[str, np.ndarray]], entry: Any) -> str:
    """Markdown: a row per activation, a column per depth, entries by a function of the starts."""
    depths = sorted({cell[3] for cell in cells})
    lines = [f"| activation | {' | '.join(map(str, depths))} |", "|---" * (1 + len(depths)) + "|"]
    for activation in dict.fromkeys(cell[2] for cell in cells):
        found = {cell[3]: starts for cell, starts in cells.items() if cell[2] == activation}
        entries = [entry(found[depth]) if depth in found else "-" for depth in depths]
        lines.append(f"| {activation} | {' | '.join(entries)} |")
    return "\n".join(lines)


def ours(starts: dict[str, np.ndarray]) -> str:
    """Median [lowest, highest] of `initialize`."""
    seeds = starts[OURS]
    return f"{np.median(seeds):.3f} [{seeds.min():.3f}, {seeds.max():.3f}]"


def best_other(starts: dict[str, np.ndarray]) -> str:
    """Median of the best other start, and its name."""
    medians = {name: float(np.median(seeds)) for name, seeds in starts.items() if name != OURS}
    if not medians:
        return "-"
    best = max(medians, key=medians.__getitem__)
    return f"{medians[best]:.3f} {best.removeprefix('kerasinit>')}"


def summary(cells: dict[Cell, dict[str, np.ndarray]]) -> str:
    """Lowest median of ours, and the largest distance to the best other start."""
    own = {cell: float(np.median(starts[OURS])) for cell, starts in cells.items()}
    behind = {
        cell: max((float(np.median(v)) for n, v in starts.items() if n != OURS), default=0.0)
        - own[cell]
        for cell, starts in cells.items()
    }
    worst, furthest = min(own, key=own.__getitem__), max(behind, key=behind.__getitem__)
    return (
        f"{len(cells)} cells; lowest median {own[worst]:.3f} at {worst}; furthest behind the best "
        f"other start: {behind[furthest]:+.3f} at {furthest}"
    )


def main() -> None:
    """Runs what was asked for and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=KINDS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--activations", nargs="*", help="of `grid`, `cnn`, `rates`")
    parser.add_argument("--depths", nargs="*", type=int, help="of those and `deep`")
    parser.add_argument("--ours-only", action="store_true", help="leave the other starts out")
    arguments = parser.parse_args()
    sys.setrecursionlimit(20_000)  # Keras builds a functional model of 1,000 layers by recursion
    experiments = {
        "grid": lambda: grid(
            tuple(arguments.activations or ACTIVATIONS),
            tuple(arguments.depths or (3, 10, 30, 50)),
            arguments.seeds,
            not arguments.ours_only,
        ),
        "deep": lambda: deep(arguments.seeds, tuple(arguments.depths or (200, 1000))),
        "other": lambda: other(arguments.seeds),
        "widths": lambda: widths(arguments.seeds),
        "cnn": lambda: cnn(
            arguments.seeds,
            tuple(arguments.activations or ("relu", "gelu", "tanh")),
            tuple(arguments.depths or (20, 40, 100)),
        ),
        "easy": lambda: easy(arguments.seeds),
        "rates": lambda: rates(
            tuple(arguments.activations or ACTIVATIONS),
            tuple(arguments.depths or (10, 50)),
            arguments.seeds,
            not arguments.ours_only,
        ),
    }[arguments.what]()

    def tell(event: Event) -> None:
        if event.kind in ("cell_end", "note"):
            print(event.kind, event.cell, event.message, f"{event.done}/{event.total}", flush=True)

    replicas: list[Replica] = []
    start = time.perf_counter()
    for number, experiment in enumerate(experiments):
        label = experiment.activations[0] if arguments.what == "grid" else str(number)
        run(experiment, arguments.out / label, on_event=tell)
        baseline = "glorot_uniform" if "glorot_uniform" in experiment.initializers else OURS
        found = compare(arguments.out / label, baseline=baseline).replicas
        replicas.extend(found)
        print(table(best_accuracies(found)), flush=True)
        print(experiment.optimizer["class_name"], summary(best_accuracies(found)), flush=True)
    cells = best_accuracies(tuple(replicas))
    if arguments.what == "grid":
        print(by_depth(cells, ours), by_depth(cells, best_other), sep="\n\n")
    if arguments.what != "rates":  # whose cells differ in the optimizer alone
        print(summary(cells))
    print(f"{len(replicas)} trainings, {time.perf_counter() - start:.0f} s in this call")


if __name__ == "__main__":
    main()
