"""Copies train as the model would, and leave it as it is."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit

from .models import CLASSES, OwnStep, X, classifier, state_of, with_own_step

STEPS = 4  # that all copies take


def trained(model, x=X, y=CLASSES):
    """What copies of a model do, each batch all of the data."""
    return kerasinit.learning_rate(model, x, y, batch_size=len(x))


def by_train_on_batch(model, rate, x=X, y=CLASSES):
    model.compile(type(model.optimizer).from_config(
        model.optimizer.get_config() | {"learning_rate": rate}), model.loss)  # fmt: skip
    losses = []
    for _ in range(STEPS):
        model.reset_metrics()  # older versions of Keras return a running mean
        losses.append(float(model.train_on_batch(x, y)))
    return losses


def convolutional():
    model = keras.Sequential([
        keras.Input((6,)), layers.Reshape((3, 2, 1)), layers.Conv2D(3, 2, padding="same"),
        layers.BatchNormalization(), layers.Flatten(), layers.Dropout(0.3, seed=1),
        layers.Dense(3, "softmax", kernel_regularizer="l2"),
    ])  # fmt: skip
    model.compile(keras.optimizers.Adam(1e-3, clipnorm=0.5), "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize(
    "make",
    [
        classifier,
        lambda: classifier(optimizer=keras.optimizers.Lamb(1e-3)),
        lambda: classifier(optimizer=keras.optimizers.AdamW(1e-3, weight_decay=0.1)),
        with_own_step,
    ],
    ids=["sgd", "lamb", "adamw", "own-step"],
)
def test_copies_have_the_losses_of_the_model_itself(make):
    model = make()
    before = state_of(model)
    advice = trained(model)
    assert state_of(model) == before
    start = model.get_weights()
    for curve in advice.curves[2::8]:
        model.set_weights(start)
        expected = by_train_on_batch(model, curve.rate)
        assert curve.losses[:STEPS] == pytest.approx(expected, rel=1e-4)


def test_convolutions_statistics_dropout_and_penalties_train_as_in_the_model():
    model = convolutional()
    x, y = np.tile(X[:1], (16, 1)), np.tile(CLASSES[:1], 16)  # so that their order is no matter
    before = state_of(model)
    advice = trained(model, x, y)
    assert state_of(model) == before
    curve = advice.curves[5]
    expected = by_train_on_batch(model, curve.rate, x, y)
    assert curve.losses[:STEPS] == pytest.approx(expected, rel=1e-3)


def test_all_copies_drop_the_same_units():
    model = keras.Sequential([keras.Input((6,)), layers.Dropout(0.5), layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert len({curve.losses[0] for curve in trained(model).curves}) == 1


class Interrupts(keras.Model):
    """Is interrupted in its third step."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)
        self.calls = 0

    def call(self, x):
        return self.dense(x)

    def train_on_batch(self, *arguments, **options):
        self.calls += 1
        if self.calls == 3:
            raise KeyboardInterrupt
        return super().train_on_batch(*arguments, **options)

    def train_step(self, *arguments):
        return super().train_step(*arguments)


def test_an_interrupted_trial_leaves_the_model_as_it_was():
    model = Interrupts()
    model(X[:2])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = state_of(model)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        trained(model)
    assert state_of(model) == before


class Notes(OwnStep):
    """Keeps books of its steps, in lists and dicts."""

    def __init__(self):
        super().__init__()
        self.seen, self.counts, self.by_kind = [], {"steps": 0}, {"train": []}

    def train_step(self, *arguments):
        self.seen.append("a step")
        self.counts["steps"] += 1
        self.by_kind["train"].append(self.counts["steps"])
        return super().train_step(*arguments)

    @property
    def books(self):
        return self.seen, self.counts, self.by_kind


@pytest.mark.parametrize("call", [kerasinit.learning_rate, kerasinit.prepare])
def test_what_a_model_notes_of_its_steps_is_as_before(call):
    model = with_own_step(Notes)
    seen = model.seen
    seen.append("mine")
    call(model, X, CLASSES)
    assert model.seen is seen
    assert model.books == (["mine"], {"steps": 0}, {"train": []})


class OtherName(OwnStep):
    """Knows its optimizer by a name of its own."""

    def compile(self, optimizer, loss):
        super().compile(optimizer, loss)
        self.books = {"optimizer": self.optimizer}

    def train_step(self, *arguments):
        vars(self)["optimizer"] = self.books["optimizer"]
        return super().train_step(*arguments)


@pytest.mark.parametrize("steps", [0, 1], ids=["new", "trained"])
def test_an_optimizer_with_a_second_name_is_not_stepped_and_its_rate_is_searched(steps):
    model, usual = with_own_step(OtherName), with_own_step()
    for _ in range(steps):
        model.train_on_batch(X, CLASSES)
    usual.set_weights(model.get_weights())
    before = state_of(model)
    advice = trained(model)
    assert state_of(model) == before
    expected = trained(usual)
    for curve, other in zip(advice.curves, expected.curves, strict=True):
        assert curve.losses == pytest.approx(other.losses, rel=1e-4)


class TwoOptimizers(OwnStep):
    """Steps an optimizer, too, that nothing but this module knows."""

    def train_step(self, *arguments):
        weights = self.trainable_variables
        UNKNOWN.apply([keras.ops.zeros(weight.shape) for weight in weights], weights)
        return super().train_step(*arguments)


UNKNOWN = keras.optimizers.Adam()


def test_a_step_by_an_optimizer_that_the_model_does_not_hold_is_refused_before_it_is_taken():
    model = with_own_step(TwoOptimizers)
    UNKNOWN.build(model.trainable_variables)
    before = state_of(model)
    with pytest.raises(ValueError, match=r"another optimizer steps \(keras's Adam\)"):
        trained(model)
    assert state_of(model) == before
    assert int(UNKNOWN.iterations) == 0
    assert "apply" not in vars(keras.optimizers.Optimizer)


class ByHand(OwnStep):
    """Moves its weights without an optimizer."""

    def train_step(self, *arguments):
        found = super().train_step(*arguments)
        if keras.config.backend() == "jax":
            logs, (trainable, *others) = found
            return logs, ([0.9 * value for value in trainable], *others)
        for weight in self.trainable_variables:
            weight.assign(0.9 * weight + 0.1)
        return found


def test_a_model_that_trains_without_its_optimizer_is_told_so():
    model = with_own_step(ByHand)
    model.dense.bias.assign([1.0, 2.0, 3.0])
    before = state_of(model)
    with pytest.raises(ValueError, match="at a learning rate of 0, all weights moved"):
        trained(model)
    assert state_of(model) == before


class HidesState(layers.Layer):
    """Holds a variable as a stateful RNN does: it is none of the layer's own."""

    def build(self, shape):
        vars(self)["hidden"] = [keras.Variable(1.0, trainable=False)]

    def call(self, x):
        self.hidden[0].assign_add(1.0)
        return x


def test_a_variable_that_a_layer_hides_is_as_before():
    inner = HidesState()
    model = keras.Sequential([keras.Input((6,)), inner, layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    inner.hidden[0].assign(1.0)
    trained(model)
    assert float(inner.hidden[0]) == 1.0


class Counting(keras.losses.MeanSquaredError):
    """Keeps notes of its calls."""

    def __init__(self):
        super().__init__()
        self.count, self.notes = 0, []

    def call(self, y_true, y_pred):
        self.count += 1
        self.notes.append("a call")
        return super().call(y_true, y_pred)


def test_what_a_loss_notes_of_its_calls_is_as_before():
    loss = Counting()
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    model.compile("sgd", loss)
    trained(model, y=X[:, :1])
    kerasinit.prepare(model, X, X[:, :1], dry_run=True)
    assert (loss.count, loss.notes) == (0, [])


def test_data_that_does_not_fit_is_told_with_the_cause():
    y = CLASSES.astype("float32")[:, None].repeat(2, 1)
    with pytest.raises(ValueError, match="cannot be trained on this data"):
        trained(classifier(), y=y)
