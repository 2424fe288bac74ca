"""Copies train as the model would, and leave it as it is."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasinit.experiments._stacking import Weights
from kerasinit.preparation._batches import batches_of
from kerasinit.preparation._task import task_of
from kerasinit.preparation._trial import Trial, outputs_of

from .models import CLASSES, X, classifier, state_of, with_own_step

RATES = (0.3, 0.01)


def trained(model, steps=4):
    """Losses of copies at `RATES`, the trial, and the batches."""
    batches = batches_of(X, CLASSES, None, batch_size=16, steps=steps)
    trial = Trial(task_of(model), batches, outputs_of(model, batches.items[0][0]))
    copies = [trial.start(Weights.of(model), rate) for rate in RATES]
    copies, first = trial.advance(copies, 0, steps // 2)
    _, second = trial.advance(copies, steps // 2, steps)
    return np.concatenate([first, second], axis=1), trial, batches


def by_train_on_batch(model, batches, rate):
    model.compile(type(model.optimizer).from_config(
        model.optimizer.get_config() | {"learning_rate": rate}), model.loss)  # fmt: skip
    return [float(model.train_on_batch(x, y)) for x, y, _ in batches.items]


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
    losses, _, batches = trained(model)
    assert state_of(model) == before
    start = model.get_weights()
    for row, rate in zip(losses, RATES, strict=True):
        model.set_weights(start)
        assert row == pytest.approx(by_train_on_batch(model, batches, rate), rel=1e-4)


def test_convolutions_statistics_dropout_and_penalties_are_mapped(backend):
    model = convolutional()
    before = state_of(model)
    losses, trial, batches = trained(model)
    assert state_of(model) == before
    assert "mapped" in trial.cost.way
    if backend != "torch":  # whose dropout draws from a generator of its own
        assert losses[0] == pytest.approx(by_train_on_batch(model, batches, RATES[0]), rel=1e-3)


def test_a_train_step_of_the_users_runs_one_copy_after_the_other():
    _, trial, _ = trained(with_own_step())
    assert trial.cost.way == "one after the other (it has a `train_step` of its own)"
    assert trial.cost.steps == len(RATES) * 4


def test_what_cannot_be_mapped_runs_one_copy_after_the_other(monkeypatch):
    def refuses(*arguments):
        raise RuntimeError("no rule for this operation")

    monkeypatch.setattr("kerasinit.preparation._mapped.MappedCopies.advance", refuses)
    losses, trial, _ = trained(classifier())
    assert losses.shape == (len(RATES), 4)
    assert "cannot be mapped: no rule for this operation" in trial.cost.way


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


def test_data_that_does_not_fit_is_told_with_the_cause():
    model = classifier()
    batches = batches_of(
        X, CLASSES.astype("float32")[:, None].repeat(2, 1), None, batch_size=16, steps=2
    )
    with pytest.raises(ValueError, match="cannot be trained on this data"):
        Trial(task_of(model), batches, outputs_of(model, batches.items[0][0]))
