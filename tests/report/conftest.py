"""Run directories with plausible made-up records: a page of any size without any training."""

import base64
import gzip
import html
import json
import math
import re

import numpy as np
import pytest

from kerasinit import report
from kerasinit.experiments import Replica, compare

# Per layer: factor of the activations, factor of the backward signal, for a deep plain net.
PHYSICS = {
    "zeros": (0.0, 0.0),
    "random_normal 0.01": (0.06, 0.06),
    "random_normal 1": (4.0, 4.0),
    "glorot_uniform": (0.71, 0.71),
    "glorot_normal": (0.72, 0.70),
    "he_normal": (0.98, 0.97),
    "orthogonal": (0.72, 0.72),
    "kerasinit>Auto": (1.0, 1.0),
}
CONFIGS = {
    f"random_normal {std}": {
        "label": f"random_normal {std}",
        "class_name": "RandomNormal",
        "config": {"stddev": float(std)},
    }
    for std in ("0.01", "1")
}
BINS = 42  # zeros, 2**-32 ... 2**8


def histogram(rms):
    """Shares of a zero-mean normal of this size in the bins of the records."""
    edges = [0.0, *(2.0 ** np.arange(-32, 9)), math.inf]
    if rms == 0 or not math.isfinite(rms):
        return [1.0, *[0.0] * (BINS - 1)] if rms == 0 else []
    shares = np.diff([math.erf(min(edge / rms, 30) / math.sqrt(2)) for edge in edges])
    return [round(float(share), 4) for share in shares]


def replica(cell, initializer, seed, epochs=12, layers=None):
    """One made-up replica."""
    rng = np.random.default_rng([seed, cell["depth"], len(initializer)])
    forward, backward = PHYSICS.get(initializer, (1.0, 0.95))
    layers = layers or [f"dense_{index}" for index in range(cell["depth"] + 1)]
    depth = len(layers)
    rms = np.array([forward ** (index + 1) for index in range(depth)])
    gradient = np.array([0.3 * backward ** (depth - 1 - index) for index in range(depth)])
    rms, gradient = (v * np.exp(0.08 * rng.standard_normal(depth)) for v in (rms, gradient))
    reach = abs(math.log10(gradient[0] / gradient[-1])) if gradient[0] > 0 else math.inf
    blown = forward > 1.5 and cell["depth"] > 10
    trained = reach < 2.5 and not blown
    best = 0.98 - 0.02 * reach + 0.01 * rng.standard_normal() if trained else 0.1
    pace = np.arange(1, epochs + 1) / (2.0 + reach if trained else 1.0)
    accuracy = 0.1 + (best - 0.1) * (1 - np.exp(-pace)) * (1 if trained else 0.0)
    loss = 2.303 * np.exp(-pace) + 0.05 if trained else np.full(epochs, 2.303)
    if blown:
        loss = np.array([3.0e4, 2.0e7] + [math.nan] * (epochs - 2))
    measured = sorted({0, epochs // 2, epochs})
    growth = [1 + 0.5 * index * (1 if trained else 0) for index in range(len(measured))]
    cause = "healthy"
    if initializer == "zeros":
        cause = "symmetric"
    elif blown:
        cause = "exploding"
    elif reach > 2.5:
        cause = "vanishing"
    verdict = {
        "cause": cause,
        "where": layers[0],
        "evidence": f"the gradient changes by {reach:.1f} decades",
    }
    reached = [index + 1 for index, value in enumerate(accuracy) if value >= 0.9]
    return Replica(
        cell=cell,
        initializer=initializer,
        seed=seed,
        curves={
            "loss": [float(v) for v in loss],
            "accuracy": [float(v) for v in np.clip(accuracy + 0.01, 0, 1)],
            "val_loss": [float(v) for v in loss * 1.1],
            "val_accuracy": [float(v) for v in accuracy],
        },
        epochs_to_target=reached[0] if reached else None,
        trained=trained,
        layers=layers,
        measured_epochs=measured,
        gradient_norms=[[float(v) for v in factor * gradient] for factor in growth],
        signal_rms=[[float(v) for v in rms] for _ in growth],
        gradient_rms=[[float(v) for v in factor * gradient] for factor in growth],
        activation_histogram=[histogram(float(v)) for v in rms],
        gradient_histogram=[histogram(float(v)) for v in gradient],
        dead_share=[0.5 * (index / depth) if forward < 0.8 else 0.02 for index in range(depth)],
        symmetric=initializer == "zeros",
        start=verdict,
        end=verdict,
        seconds=0.4,
        versions={"kerasinit": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0"},
    )


@pytest.fixture(scope="session")
def make_comparison(tmp_path_factory):
    """Makes the comparison of a made-up run: initializers x settings x seeds."""

    def make(
        initializers=tuple(PHYSICS),
        settings=(("relu", 3), ("tanh", 3)),
        seeds=3,
        model="mlp",
        **options,
    ):
        out = tmp_path_factory.mktemp("run")
        cells = [
            {"model": model, "data": "digits", "activation": activation, "depth": depth,
             "width": 64, "learning_rate": 0.05}
            for activation, depth in settings
        ]  # fmt: skip
        spec = {
            "activations": sorted({activation for activation, _ in settings}),
            "depths": sorted({depth for _, depth in settings}),
            "initializers": [CONFIGS.get(name, name) for name in initializers],
            "epochs": 12,
            "seeds": list(range(seeds)),
            "target": 0.9,
        }
        (out / "spec.json").write_text(json.dumps({"kind": "kerasinit experiment", "spec": spec}))
        lines = [
            replica(cell, initializer, seed, **options).to_line() + "\n"
            for cell in cells for initializer in initializers for seed in range(seeds)
        ]  # fmt: skip
        (out / "records.jsonl").write_text("".join(lines), "utf-8")
        return compare(out)

    return make


class Page:
    """A written page: its text, and what its script unpacks.

    Args:
        path: The file.
    """

    def __init__(self, path):
        with path.open(encoding="utf-8", newline="") as stream:
            self.text = stream.read()
        packed = re.search(r'<script id="page-data" type="[^"]*">([^<]*)</script>', self.text)
        self.data = json.loads(
            gzip.decompress(base64.b64decode(packed[1])), parse_constant=pytest.fail
        )

    def code(self, number):
        """The text of a `<pre><code>` of the page: 0 is the command, 1 the specification."""
        return html.unescape(
            re.findall(r"<pre><code>(.*?)</code></pre>", self.text, re.DOTALL)[number]
        )

    @property
    def map(self):
        """The trainable-depth map: heads of groups and columns, then initializer and cells."""
        (table,) = re.findall(r'<table class="map">.*?</table>', self.text, re.DOTALL) or [""]
        return [
            [html.unescape(re.sub(r"<.*?>", "", cell)) for cell in cells]
            for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
            if (cells := re.findall(r"<t[hd][ >].*?</t[hd]>", row, re.DOTALL))
        ]


@pytest.fixture(scope="session")
def opened():
    """Opens a written page."""
    return Page


@pytest.fixture(scope="session")
def page_of(tmp_path_factory):
    """The page that `kerasinit.report.write` makes of a comparison."""

    def make(comparison):
        return Page(report.write(comparison, tmp_path_factory.mktemp("page") / "report.html"))

    return make
