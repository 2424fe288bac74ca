"""How results show themselves: short reprs, tables for notebooks, lines of 80 columns."""

import dataclasses
import math

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit
from kerasinit.experiments import Comparison, ComparisonRow, Estimate


@pytest.fixture(scope="module")
def model():
    names = ["a_hidden_layer_with_quite_a_long_name_of_its_own", "second", "head"]
    stack = [layers.Dense(4, "tanh", name=name) for name in names]
    return keras.Sequential([keras.Input((3,)), *stack], name="stack")


@pytest.fixture(scope="module")
def plan(model):
    return kerasinit.initialize(model, seed=1, dry_run=True)


@pytest.fixture(scope="module")
def diagnosis(model):
    return kerasinit.diagnose(model, np.random.default_rng(0).normal(size=(16, 3)))


def row(**changes):
    values = {
        "cell": {"activation": "relu", "depth": 3},
        "initializer": "he_normal",
        "learning_rate": 0.1,
        "rank": 1,
        "rank_interval": (1, 1),
        "replicas": 3,
        "train_accuracy": Estimate(0.9),
        "val_accuracy": Estimate(0.9, 0.8, 1.0),
        "val_accuracy_by_seed": (0.9, 0.9, 0.9),
        "trained_share": 1.0,
        "epochs_to_target": 1.0,
        "first_gradient": 1.0,
        "last_gradient": 1.0,
        "verdict": "healthy",
        "evidence": "",
        "difference": None,
        "conclusion": "baseline",
    }
    return ComparisonRow(**{**values, **changes})


@pytest.fixture(scope="module")
def comparison():
    lost = row(
        initializer="<b>", diverged=3, val_accuracy=Estimate(math.nan), conclusion="undetermined"
    )
    return Comparison({}, "he_normal", (), (row(), lost))


INITIALIZERS = {
    "HeNormal(gain='relu', seed=None)": lambda: kerasinit.HeNormal(),
    "HeNormal(gain='auto', truncate=2.0, seed=42)": lambda: kerasinit.HeNormal(
        42, gain="auto", truncate=2.0
    ),
    "Auto(seed=None)": lambda: kerasinit.Auto(),
    "OddPart(activation='gelu', depth=3, seed=None)": lambda: kerasinit.OddPart(
        activation="gelu", depth=3
    ),
    "XavierUniform(gain='gelu', seed=None)": lambda: kerasinit.XavierUniform(
        gain=keras.activations.gelu
    ),
    "XavierUniform(gain=1.0, seed=SeedGenerator(...))": lambda: kerasinit.XavierUniform(
        seed=keras.random.SeedGenerator(1)
    ),
}


@pytest.mark.parametrize("text", INITIALIZERS)
def test_an_initializer_shows_its_gain_its_seed_and_what_is_not_usual(text):
    assert repr(INITIALIZERS[text]()) == text


def test_a_notebook_shows_an_initializer_and_what_it_is_for():
    text = kerasinit.HeNormal(gain=keras.layers.LeakyReLU(0.1))._repr_html_()
    assert text.startswith("<code>HeNormal(gain=LeakyReLU(...), seed=None)</code>")
    assert "keep the forward signal" in text


def test_an_initializer_with_a_config_of_its_own_has_a_repr():
    class Own(kerasinit.LayerInitializer):
        def __init__(self, scale):
            super().__init__()

        def draw(self, shape, dtype, *, seed, site):
            raise NotImplementedError

        def get_config(self):
            return {"scale": 1.0}

    assert repr(Own(1.0)) == "Own(...)"


def test_a_misspelt_argument_is_told_under_the_name_of_its_class():
    with pytest.raises(TypeError, match=r"^XavierUniform\.__init__\(\) got .* 'gian'"):
        kerasinit.XavierUniform(gian=2)


@pytest.mark.parametrize("name", ["plan", "diagnosis", "comparison"])
def test_a_result_fits_a_terminal_of_80_columns(name, request):
    lines = str(request.getfixturevalue(name)).splitlines()
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("plan", "<Plan for 'stack': would change 6 of 6 variables, seed=1>"),
        ("diagnosis", "<Diagnosis of 3 layers: "),
        ("comparison", "<Comparison of 2 initializers in 1 setting(s): 0 trainings, baseline"),
    ],
)
def test_a_repr_is_one_short_line(name, start, request):
    text = repr(request.getfixturevalue(name))
    assert text.startswith(start)
    assert len(text) < 200
    assert "\n" not in text


@pytest.mark.parametrize("name", ["plan", "diagnosis", "comparison"])
def test_a_notebook_gets_a_table(name, request):
    text = request.getfixturevalue(name)._repr_html_()
    assert text.startswith("<table>")
    assert text.count("<tr>") > 2


def test_names_are_text_in_a_notebook(comparison):
    assert "<td" in comparison._repr_html_()
    assert "<b>" not in comparison._repr_html_()


def test_no_name_is_cut(plan, diagnosis):
    for text in (str(plan), str(diagnosis)):
        assert "a_hidden_layer_with_quite_a_long_name_of_its_own" in text


def test_a_plan_says_each_reason_once(plan):
    reasons = {row.reason for row in plan.rows}
    text = " ".join(str(plan).split())
    assert {text.count(reason) for reason in reasons} == {1}


def test_an_initializer_that_diverged_has_no_accuracy(comparison):
    assert "diverged" in str(comparison)
    assert "nan" not in str(comparison)


def test_columns_of_long_names_have_a_line_each():
    wide = keras.Sequential([keras.Input((3,)), layers.Dense(4, name="n" * 90)])
    lines = str(kerasinit.initialize(wide, seed=1, dry_run=True)).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("n" * 70))
    assert (len(lines[at]), lines[at + 1][:30].split()) == (80, ["n" * 10 + "/kernel"])


def test_a_row_can_be_made_without_a_count_of_divergence():
    names = [field.name for field in dataclasses.fields(ComparisonRow)]
    assert names.index("diverged") == names.index("replicas") + 1
    assert row().diverged == 0
