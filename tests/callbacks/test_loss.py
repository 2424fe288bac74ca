"""The loss of recent steps is recovered from the running mean that Keras reports."""

import keras
import numpy as np
import pytest

from kerasinit.callbacks import GradientStats

COMPILED = keras.config.backend() == "jax"  # XLA takes long on TensorFlow
STEPS, BATCH = 7, 4


class Losses(keras.callbacks.Callback):
    """The running mean of the loss after each step, by epoch."""

    def __init__(self):
        super().__init__()
        self.means = []

    def on_epoch_begin(self, epoch, logs=None):
        self.means.append([])

    def on_train_batch_end(self, batch, logs=None):
        self.means[-1].append(float(logs["loss"]))

    @property
    def losses(self):
        """The loss of each step."""
        counts = np.arange(1, STEPS + 1)
        return np.diff(np.multiply(self.means, counts), axis=1, prepend=0.0)


def trained(model, every):
    x = np.random.default_rng(0).normal(size=(STEPS * BATCH, 6)).astype("float32")
    losses, stats = Losses(), GradientStats(every=every, on_verdict=lambda verdict: None)
    options = {"batch_size": BATCH, "epochs": 3, "shuffle": False, "verbose": 0}
    model.fit(x, x[:, :3] * x[:, 3:], callbacks=[stats, losses], **options)
    return losses, stats.history


@pytest.mark.parametrize("every", [1, 2, 3, 8])
def test_a_row_has_the_mean_of_its_epochs_steps_since_the_row_before(make_model, every):
    told, rows = trained(make_model(optimizer=keras.optimizers.SGD(0.1)), every)
    before = -1
    for row in rows:
        epoch, last = divmod(row["step"], STEPS)
        first = max(before + 1 - epoch * STEPS, 0)
        expected = told.losses[epoch, first : last + 1].mean()
        assert row["loss"] == pytest.approx(expected, rel=1e-4, abs=1e-6)
        before = row["step"]


def test_the_loss_of_one_batch_is_taken_as_it_is(own_model):
    keras.utils.set_random_seed(0)
    model = own_model("loss")
    model.compile("sgd", "mse")
    told, rows = trained(model, 2)
    means = np.ravel(told.means)
    assert [row["loss"] for row in rows] == pytest.approx(means[::2].tolist(), rel=1e-6)


def test_no_loss_is_none(own_model):
    model = own_model("my_loss")
    model.compile("sgd", "mse")
    x = np.ones((BATCH, 6), "float32")
    stats = GradientStats()
    model.fit(x, x[:, :3], batch_size=BATCH, verbose=0, callbacks=[stats])
    assert stats.history[0]["loss"] is None


def test_a_loss_that_is_not_finite_shows(make_model):
    model = make_model()
    x = np.ones((3 * BATCH, 6), "float32")
    x[BATCH : 2 * BATCH] = np.nan
    stats = GradientStats(on_verdict=lambda verdict: None)
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0}
    model.fit(x, x[:, :3], callbacks=[stats], **options)
    losses = [row["loss"] for row in stats.history]
    assert losses[0] > 0
    assert losses[1:] == [None, None]


several_steps_in_a_call = pytest.mark.skipif(
    keras.config.backend() == "torch", reason="Keras has no steps_per_execution on torch"
)


@several_steps_in_a_call
def test_the_last_call_of_an_epoch_may_execute_fewer_steps(make_model):
    model = make_model()
    model.compile(keras.optimizers.SGD(0.0), "mse", steps_per_execution=3, jit_compile=COMPILED)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(STEPS * BATCH, 6)).astype("float32")
    y = rng.normal(size=(STEPS * BATCH, 3)).astype("float32")
    stats = GradientStats(on_verdict=lambda verdict: None)
    model.fit(x, y, batch_size=BATCH, epochs=2, shuffle=False, verbose=0, callbacks=[stats])
    assert [row["step"] for row in stats.history] == [2, 5, 6, 9, 12, 13]
    last = np.mean(np.square(model.predict(x[-BATCH:], verbose=0) - y[-BATCH:]))
    assert stats.history[2]["loss"] == pytest.approx(last, rel=1e-3)


@several_steps_in_a_call
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize(("steps", "expected"), [(6, [2, 5]), (7, [2, 5, 6])])
def test_the_last_call_may_execute_fewer_steps_of_data_of_unknown_length(
    make_model, steps, expected
):
    model = make_model()
    model.compile(keras.optimizers.SGD(0.0), "mse", steps_per_execution=3, jit_compile=COMPILED)
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(BATCH, 6)), rng.normal(size=(BATCH, 3))) for _ in range(steps)]
    stats = GradientStats(on_verdict=lambda verdict: None)
    model.fit((batch for batch in batches), shuffle=False, verbose=0, callbacks=[stats])
    assert [row["step"] for row in stats.history] == expected
    first, losses = 0, []
    for row in stats.history:
        own = batches[first : row["step"] + 1]
        losses.append(np.mean([np.mean((model.predict_on_batch(x) - y) ** 2) for x, y in own]))
        first = row["step"] + 1
    assert [row["loss"] for row in stats.history] == pytest.approx(losses, rel=1e-3)


@several_steps_in_a_call
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_the_next_epoch_goes_on_after_a_last_call_of_fewer_steps(make_model):
    tf = pytest.importorskip("tensorflow")
    model = make_model()
    model.compile("sgd", "mse", steps_per_execution=3, jit_compile=COMPILED)
    batch = np.ones((BATCH, 6), "float32"), np.ones((BATCH, 3), "float32")
    data = tf.data.Dataset.from_tensors(batch).repeat(4).filter(lambda x, y: True)
    stats = GradientStats(on_verdict=lambda verdict: None)
    model.fit(data, epochs=2, shuffle=False, verbose=0, callbacks=[stats])
    assert [row["step"] for row in stats.history] == [2, 3, 6, 7]
