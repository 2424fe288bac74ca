import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

from kerasinit.experiments import RECORD_BINS
from kerasinit.experiments._data import load
from kerasinit.experiments._measures import histogram, rms, signals_of, strengths, verdict
from kerasinit.experiments._stacking import Weights
from kerasinit.experiments._trainer import Trainer
from kerasinit.signals import measure

SGD = {"class_name": "SGD", "config": {}}


def plain_model():
    x = inputs = keras.Input((2,))
    for _ in range(3):
        x = layers.Dense(6, "relu")(x)
    return keras.Model(inputs, layers.Dense(2)(x))


def normalized_model():
    x = inputs = keras.Input((2,))
    x = layers.Dense(6)(x)
    x = layers.Activation("tanh")(layers.BatchNormalization()(x))
    return keras.Model(inputs, layers.Dense(2)(x))


def convolved_model():
    x = inputs = keras.Input((2,))
    x = layers.Reshape((1, 2, 1))(x)
    x = layers.DepthwiseConv2D((1, 2), depth_multiplier=4, padding="same", activation="tanh")(x)
    x = layers.SeparableConv2D(4, (1, 2), padding="same", activation="relu")(x)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))


def rectified_model():
    """Too narrow, with its rectifiers as layers of their own, and a layer that is called twice."""
    x = inputs = keras.Input((2,))
    shared = layers.Dense(2)
    for layer in (layers.Dense(2), shared, shared, layers.Dense(2)):
        x = layers.ReLU()(layer(x))
    return keras.Model(inputs, layers.Dense(2)(x))


def weights_of(model, kind):
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if kind == "random":
            variable.assign(rng.normal(0, 0.7, variable.shape))
        elif variable.name != "gamma":
            variable.assign(np.full(variable.shape, 0.3 if kind == "constant" else 0.0))
    return Weights.of(model)


@pytest.fixture(scope="module")
def dataset():
    return load("circle")


@pytest.mark.parametrize("make", [plain_model, normalized_model, convolved_model, rectified_model])
def test_every_replica_is_measured_as_diagnose_measures_it(make, dataset):
    model = make()
    kinds = ("random", "constant", "zeros")
    starts = [weights_of(model, kind) for kind in kinds]
    trainer = Trainer(model, dataset, optimizer=SGD, batch_size=64, replicas=3)
    trainer.load(Weights.stack(starts), 0.1)
    together = signals_of(model, trainer.calls, trainer.probe(), trainer.weights(), 2)
    for kind, found in zip(kinds, together, strict=True):
        weights_of(model, kind)
        alone = measure(model, trainer.probe_x, dataset.y[: len(trainer.probe_x)])
        assert len(alone.layers) == len(found.layers)
        assert found.loss == pytest.approx(alone.loss, rel=1e-4)
        assert found.chance_loss == pytest.approx(alone.chance_loss, rel=1e-4)
        for ours, theirs in zip(found.layers, alone.layers, strict=True):
            assert_same_numbers(ours, theirs)
        assert verdict(found) == verdict(alone)


def test_a_rectifier_is_named_as_the_verdicts_know_it(dataset):
    model = rectified_model()
    trainer = Trainer(model, dataset, optimizer=SGD, batch_size=64, replicas=1)
    trainer.load(Weights.stack([weights_of(model, "random")]), 0.1)
    (found,) = signals_of(model, trainer.calls, trainer.probe(), trainer.weights(), 2)
    assert [row.activation for row in found.layers] == [*["relu"] * 4, None]
    assert len({row.name for row in found.layers}) == 5


def assert_same_numbers(ours, theirs):
    for entry in dataclasses.fields(theirs):
        if entry.name.endswith("histogram"):
            continue
        own, other = getattr(ours, entry.name), getattr(theirs, entry.name)
        if isinstance(other, float):
            assert own == pytest.approx(other, rel=1e-3, abs=1e-6), entry.name
        else:
            assert own == other, entry.name


def test_strengths_have_a_row_per_replica_and_a_column_per_layer(dataset):
    model = plain_model()
    trainer = Trainer(model, dataset, optimizer=SGD, batch_size=64, replicas=2)
    start = weights_of(model, "random")
    trainer.load(Weights.stack([start, start]), 0.1)
    found = strengths(model, trainer.calls, trainer.probe())
    for array in (found.gradient_norms, found.signal_rms, found.gradient_rms):
        assert array.shape == (2, 4)
        np.testing.assert_allclose(array[0], array[1], rtol=1e-5)


def test_a_histogram_counts_every_finite_value_once():
    values = np.random.default_rng(0).normal(size=(2, 1000)) * np.array([[1.0], [1e-3]])
    np.testing.assert_allclose(histogram(values).sum(axis=1), 1.0, atol=1e-3)


@pytest.mark.parametrize(
    ("value", "position"),
    [
        (0.0, 0),
        (1e-38, 0),
        (2.0**-33, 0),
        (2.0**-32, 1),
        (-1.0, 33),
        (2.0**8, RECORD_BINS.count - 1),
        (1e30, RECORD_BINS.count - 1),
    ],
)
def test_a_value_falls_into_its_power_of_two(value, position):
    assert histogram(np.array([[value]]))[0].argmax() == position


def test_a_value_that_is_not_finite_is_counted_nowhere():
    assert histogram(np.array([[np.nan, np.inf]])).sum() == 0


def test_a_mean_square_does_not_overflow():
    assert rms(np.full((1, 4), 1e30, "float32"))[0] == pytest.approx(1e30, rel=1e-5)
