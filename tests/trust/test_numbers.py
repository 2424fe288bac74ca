"""Numbers that no weight can have are refused by name, at construction; configs are JSON."""

import inspect
import json
import math

import keras
import numpy as np
import pytest

from kerasinit import initializers
from kerasinit.experiments import Experiment

NO_NUMBERS = (1e-40, 1e300, 10**400, -(10**400), -1.0, math.nan, math.inf, np.float32("inf"), True,
              "many", None, [1.0], np.ones(2), 1j)  # fmt: skip
NEEDED = {"activation": "tanh", "scale": 2}
NUMERIC = {
    "gain": 1.5, "truncate": 2.0, "omega": 30.0, "stddev": 0.01, "nonzero_fraction": 0.5,
    "bias_std": 0.1, "zeta": 2.0, "input_mean_square": 1.0, "depth": 7, "nonzero_count": 3,
    "scale": 2,
}  # fmt: skip
MAY_BE_NONE = ("truncate", "stddev", "nonzero_fraction", "nonzero_count")


def classes():
    for name in initializers.__all__:
        found = getattr(initializers, name)
        if isinstance(found, type) and issubclass(found, keras.initializers.Initializer):
            if not inspect.isabstract(found):
                yield found


def arguments_of(kind):
    parameters = inspect.signature(kind).parameters
    return {name: NEEDED[name] for name in parameters if name in NEEDED}


ARGUMENTS = [
    pytest.param(kind, name, id=f"{kind.__name__}-{name}")
    for kind in classes() for name in inspect.signature(kind).parameters if name in NUMERIC
]  # fmt: skip


def test_every_numeric_argument_is_known():
    numeric = {
        name
        for kind in classes()
        for name, parameter in inspect.signature(kind).parameters.items()
        if "float" in str(parameter.annotation) or "int" in str(parameter.annotation)
    }
    assert numeric - {"seed", "initializer"} <= {*NUMERIC, "paired_inputs"}


@pytest.mark.parametrize(("kind", "name"), ARGUMENTS)
def test_what_is_no_usual_number_is_refused_by_name(kind, name):
    given = arguments_of(kind)
    for value in NO_NUMBERS:
        if value is None and name in MAY_BE_NONE:
            continue
        with pytest.raises((ValueError, TypeError), match=name):
            kind(**{**given, name: value})


@pytest.mark.parametrize(("kind", "name"), ARGUMENTS)
def test_scalars_of_numpy_become_json(kind, name):
    value = NUMERIC[name]
    scalar = np.int64(value) if isinstance(value, int) else np.float32(value)
    if kind.__name__.endswith("Uniform") and name == "truncate":
        return  # nothing to cut off
    made = kind(**{**arguments_of(kind), name: scalar})
    again = kind.from_config(json.loads(json.dumps(made.get_config(), allow_nan=False)))
    assert again.get_config() == made.get_config()


@pytest.mark.parametrize("name", ["input_axes", "output_axes", "batch_axes"])
@pytest.mark.parametrize("value", [1.5, math.nan, np.float32(1), 1j, "x", [1.5], np.ones(2)])
def test_what_is_no_axis_is_refused_by_name(name, value):
    with pytest.raises((ValueError, TypeError), match=name):
        initializers.HeNormal(**{name: value})


@pytest.mark.parametrize("name", ["epochs", "batch_size", "depths", "widths", "learning_rates",
                                  "target", "shuffle_seed", "seeds"])  # fmt: skip
@pytest.mark.parametrize(
    "value",
    [10**400, -(10**400), 1e300, 1e-40, math.nan, math.inf, -1, True, "3", None, 1j, [None]],
    ids=str,
)  # fmt: skip
def test_a_spec_refuses_by_name(name, value):
    if name == "target" and value == 1e-40:
        return  # an accuracy, if a small one
    with pytest.raises(ValueError, match=name):
        Experiment(**{name: value})


def test_a_spec_takes_what_numpy_counts():
    spec = Experiment(
        depths=np.arange(1, 3), widths=np.int64(4), learning_rates=np.float32(0.5),
        epochs=np.int32(2), seeds=np.arange(2), target=np.float64(0.5), batch_size=np.int64(8),
        optimizer={"class_name": "SGD", "config": {"momentum": np.float32(0.5)}},
        initializers=[{"class_name": "Constant", "config": {"value": np.float32(0.5)}}],
    )  # fmt: skip
    plain = json.loads(json.dumps(spec.to_dict(), allow_nan=False))
    assert plain == spec.to_dict()
    assert Experiment.from_dict(plain) == spec
    assert (spec.depths, spec.widths, spec.seeds) == ((1, 2), (4,), (0, 1))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("initializers", [lambda shape, dtype=None: None]),
        ("initializers", [{"class_name": "Constant", "config": {"value": math.nan}}]),
        ("initializers", [{1, 2}]),
        ("optimizer", {"class_name": "SGD", "config": {"momentum": object()}}),
    ],
    ids=["function", "NaN", "set", "object"],
)
def test_a_spec_that_is_no_text_is_refused(key, value):
    with pytest.raises(ValueError, match=key):
        Experiment(**{key: value})
