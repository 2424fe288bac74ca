"""What a record says of the start is what `measure` and `diagnose` say of the same model."""

import functools
import sys
import types

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit
from kerasinit.experiments import RECORD_BINS, Experiment, compare, run

PROBED = 64  # training examples that a run measures with


def plain_model(input_shape, classes):
    x = inputs = keras.Input(input_shape)
    for number in range(3):
        x = layers.Dense(6, "relu", name=f"hidden_{number}")(x)
    return keras.Model(inputs, layers.Dense(classes, name="head")(x))


def bounded_model(input_shape, classes):
    x = inputs = keras.Input(input_shape)
    for number in range(3):
        x = layers.Dense(6, "tanh", name=f"hidden_{number}")(x)
    return keras.Model(inputs, layers.Dense(classes, name="head")(x))


def normalized_model(input_shape, classes):
    x = inputs = keras.Input(input_shape)
    x = layers.Dense(6, name="hidden")(x)
    x = layers.Activation("tanh")(layers.BatchNormalization()(x))
    return keras.Model(inputs, layers.Dense(classes, name="head")(x))


def convolved_model(input_shape, classes):
    x = inputs = keras.Input(input_shape)
    x = layers.Reshape((1, *input_shape, 1))(x)
    options = {"padding": "same", "activation": "tanh"}
    x = layers.DepthwiseConv2D((1, 2), depth_multiplier=4, name="depthwise", **options)(x)
    x = layers.SeparableConv2D(4, (1, 2), name="separable", **options)(x)
    return keras.Model(inputs, layers.Dense(classes, name="head")(layers.Flatten()(x)))


def rectified_model(input_shape, classes):
    """Rectifiers as layers of their own, and a layer that is called twice."""
    x = inputs = keras.Input(input_shape)
    shared = layers.Dense(2, name="shared")
    for layer in (layers.Dense(2, name="first"), shared, shared, layers.Dense(2, name="last")):
        x = layers.ReLU()(layer(x))
    return keras.Model(inputs, layers.Dense(classes, name="head")(x))


def narrow_model(input_shape, classes):
    x = inputs = keras.Input(input_shape)
    for k in range(4):
        x = layers.ReLU()(layers.Dense(2, name=f"narrow_{k}")(x))
    return keras.Model(inputs, layers.Dense(classes, name="head")(x))


def constant(value):
    return {"label": f"{value}", "class_name": "Constant", "config": {"value": value}}


def normal(stddev):
    config = {"stddev": stddev}
    return {"label": f"normal {stddev}", "class_name": "RandomNormal", "config": config}


STARTS = (normal(0.7), normal(0.01), normal(9.0), constant(0.3), "zeros")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The records of a run of a model of ours, with the data it was trained on."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(96, 2)), np.arange(96) % 2
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype("float32")
    data = tmp_path_factory.mktemp("data") / "data.npz"
    np.savez(data, x=x, y=y, x_val=x[:40], y_val=y[:40])

    def trained(make, initializers, **changes):
        module = types.ModuleType("my_models")
        module.make = make
        options = {"epochs": 1, "seeds": 1, "batch_size": 32, "learning_rates": 0.01, **changes}
        out = tmp_path_factory.mktemp("run")
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "my_models", module)
            spec = Experiment(
                models="my_models:make", data=str(data), activations="linear",
                depths=1, widths=8, initializers=initializers, **options,
            )  # fmt: skip
            run(spec, out)
        return spec, compare(out).replicas, x, y

    return trained


@pytest.fixture(scope="module")
def faulty(recorded):
    """The same of `STARTS`; each model is trained once."""
    return functools.cache(lambda make: recorded(make, STARTS))


@pytest.mark.parametrize(
    "make", [plain_model, bounded_model, normalized_model, convolved_model, rectified_model]
)
def test_every_replica_is_measured_as_diagnose_measures_it(make, faulty):
    assert_measured_alike(make, *faulty(make))


def test_a_start_that_overflows_is_measured_as_diagnose_measures_it(recorded):
    spec, records, x, y = recorded(plain_model, ("he_normal", constant(1e30)))
    assert [record.start["cause"] for record in records] == ["healthy", "non_finite"]
    assert_measured_alike(plain_model, spec, records, x, y)


def assert_measured_alike(make, spec, records, x, y):
    """Raises unless each record says what `diagnose` says of a model of its own."""
    model = make((2,), 2)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert {record.mapped for record in records} == {True}
    for record in records:
        kerasinit.initialize(model, spec.rules[record.initializer], seed=record.seed)
        assert_says_the_same(record, kerasinit.diagnose(model, x[:PROBED], y[:PROBED]))


def assert_says_the_same(record, alone):
    """Raises unless a record holds the numbers of a diagnosis."""
    rows = alone.layers
    assert record.layers == [row.name for row in rows]
    for name, found, expected in (
        ("signal_rms", record.signal_rms[0], [row.activation_rms for row in rows]),
        ("gradient_norms", record.gradient_norms[0], [row.weight_gradient_norm for row in rows]),
        ("gradient_rms", record.gradient_rms[0], [PROBED * row.gradient_rms for row in rows]),
        ("dead_share", record.dead_share, [row.dead_share or 0.0 for row in rows]),
    ):
        expected = np.where(np.isfinite(expected), expected, np.nan)  # as records hold it
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5, err_msg=name)
    copied = any((row.duplicate_share or 0) >= 0.5 for row in rows if not row.is_output)
    assert record.symmetric == copied
    first = {"cause": "healthy", "where": "", "evidence": ""}
    # What a record says of its start holds for all its learning rates.
    known_of_all = [one for one in alone.verdicts if not one.cause.endswith("_updates")]
    if known_of_all:
        first = {key: value for key, value in known_of_all[0].to_dict().items() if key in first}
    known = {**first, "evidence": first["evidence"].partition(", first in sample")[0]}
    assert record.start == known  # of samples, a record knows none


def test_the_starts_show_faults_of_many_kinds(faulty):
    _, records, *_ = faulty(bounded_model)
    assert len({record.start["cause"] for record in records}) >= 4


def test_a_rectifier_is_named_as_the_verdicts_know_it(recorded):
    """Only a stack of rectifiers can be too narrow."""
    _, records, *_ = recorded(narrow_model, ("he_normal",), seeds=12)
    assert "too_narrow" in {record.start["cause"] for record in records}


def test_there_is_a_number_for_each_measurement_and_layer(recorded):
    _, records, *_ = recorded(plain_model, ("he_normal", "zeros"), epochs=2)
    for record in records:
        assert record.measured_epochs == [0, 1, 2]
        for table in (record.gradient_norms, record.signal_rms, record.gradient_rms):
            assert np.shape(table) == (3, 4)


def test_a_histogram_counts_every_finite_value_once(recorded):
    _, records, *_ = recorded(plain_model, ("he_normal", normal(1e-3)))
    for record in records:
        for shares in (*record.activation_histogram, *record.gradient_histogram):
            assert sum(shares) == pytest.approx(1.0, abs=3e-3)


@pytest.fixture
def showing(recorded):
    """The record of a model whose first layer gives the same values for every example."""

    def record(values):
        def make(input_shape, classes):
            inputs = keras.Input(input_shape)
            given = ops.zeros_like(inputs[:, :1]) + np.array(values, "float32")
            first = layers.Dense(len(values), use_bias=False, kernel_initializer="identity")
            return keras.Model(inputs, layers.Dense(classes)(first(given)))

        _, (found,), *_ = recorded(make, ("identity",))
        return found

    return record


BIN_OF = {
    0.0: 0,
    1e-38: 0,
    2.0**-33: 0,
    2.0**-32: 1,
    -1.0: 33,
    2.0**8: RECORD_BINS.count - 1,
    1e30: RECORD_BINS.count - 1,
}


@pytest.fixture(scope="module")
def histograms(recorded):
    """Of units that always give one value each, by the value."""

    def make(input_shape, classes):
        inputs = keras.Input(input_shape)
        x = layers.Dense(1, use_bias=False)(ops.ones_like(inputs[:, :1]))
        return keras.Model(inputs, layers.Dense(classes)(x))

    _, records, *_ = recorded(make, tuple(map(constant, BIN_OF)))
    return {float(record.initializer): record.activation_histogram[0] for record in records}


@pytest.mark.parametrize("value", BIN_OF)
def test_a_value_falls_into_its_power_of_two(histograms, value):
    assert np.argmax(histograms[value]) == BIN_OF[value]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_counted_nowhere(showing, value):
    assert sum(showing([value]).activation_histogram[0]) == 0


def test_a_mean_square_does_not_overflow(showing):
    assert showing([1e30] * 4).signal_rms[0][0] == pytest.approx(1e30, rel=1e-5)
