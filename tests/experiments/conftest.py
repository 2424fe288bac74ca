"""One tiny finished run, trained once, and records made up by hand."""

import json

import pytest

from kerasinit.experiments import Experiment, Replica, run

CELL = {
    "model": "mlp",
    "data": "gauss",
    "activation": "relu",
    "depth": 2,
    "width": 8,
    "learning_rate": 0.1,
}


def tiny_spec(**changes):
    values = {
        "data": "gauss",
        "activations": ("relu",),
        "depths": (2,),
        "widths": (8,),
        "initializers": ("zeros", "glorot_uniform", "he_normal"),
        "learning_rates": (0.1,),
        "epochs": 2,
        "seeds": 2,
        "batch_size": 64,
    }
    return Experiment(**{**values, **changes})


def made_replica(initializer="he_normal", seed=0, val_accuracy=0.9, **changes):
    values = {
        "cell": CELL,
        "initializer": initializer,
        "seed": seed,
        "curves": {
            "loss": [1.0, 0.5],
            "accuracy": [0.5, val_accuracy],
            "val_loss": [1.0, 0.5],
            "val_accuracy": [0.5, val_accuracy],
        },
        "epochs_to_target": 2,
        "trained": val_accuracy > 0.7,
        "layers": ["hidden_1", "hidden_2", "output"],
        "measured_epochs": [0, 2],
        "gradient_norms": [[1.0, 2.0, 4.0], [1.0, 1.0, 1.0]],
        "signal_rms": [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]],
        "gradient_rms": [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]],
        "activation_histogram": [[1.0]] * 3,
        "gradient_histogram": [[1.0]] * 3,
        "dead_share": [0.0, 0.0, 0.0],
        "symmetric": False,
        "start": {"cause": "healthy", "where": "", "evidence": ""},
        "end": {"cause": "healthy", "where": "", "evidence": ""},
        "seconds": 0.1,
        "versions": {"keras": "3"},
    }
    return Replica(**{**values, **changes})


def write_run(out, spec, replicas):
    """A run directory as `run` leaves it, with these replicas."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "spec.json").write_text(json.dumps({"kind": "kerasinit experiment", "spec": spec}))
    lines = [replica.to_line() + "\n" for replica in replicas]
    (out / "records.jsonl").write_text("".join(lines), "utf-8")
    return out


def claim(spec, out):
    """Runs until everything is checked, and stops before the first training."""

    def stop(event):
        raise KeyboardInterrupt("before the first training")

    with pytest.raises(KeyboardInterrupt, match="before the first training"):
        run(spec, out, on_event=stop)
    return out


@pytest.fixture(scope="module", autouse=True)
def of_short_trainings(quick_compilation):
    """All of these tests train small models, for an epoch or two."""


@pytest.fixture
def spec():
    return tiny_spec()


@pytest.fixture(scope="session")
def replica():
    return made_replica


@pytest.fixture(scope="session")
def tiny():
    return tiny_spec


@pytest.fixture(scope="session")
def written():
    return write_run


@pytest.fixture(scope="session")
def claimed():
    return claim


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Directory of a finished tiny run. Do not write into it."""
    out = tmp_path_factory.mktemp("finished") / "run"
    run(tiny_spec(), out)
    return out
