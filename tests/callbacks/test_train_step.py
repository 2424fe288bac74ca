"""On TensorFlow, a step that is measured runs as Keras runs the model's own."""

import gc
import weakref

import keras
import numpy as np
import pytest

from kerasinit.callbacks import GradientStats

if keras.config.backend() != "tensorflow":
    pytest.skip("other backends have no tf.data", allow_module_level=True)
import tensorflow as tf

X = np.random.default_rng(0).normal(size=(10, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(10, 2)).astype("float32")


class Traced(keras.Sequential):
    """Notes the shape of `x` whenever its step is traced, or run eagerly."""

    def train_step(self, batch):
        self.shapes.append(tuple(batch[0].shape))
        return super().train_step(batch)


def model_compiled_with(kind=Traced, **options):
    keras.utils.set_random_seed(0)
    model = kind([keras.Input((3,)), keras.layers.Dense(2)])
    model.shapes = []
    model.compile("adam", "mse", **options)
    return model


def batches(x=X):
    return tf.data.Dataset.from_tensor_slices((x, Y)).batch(4)


def fit(model, data, epochs=1):
    """Trains the model, watched; the losses of the steps."""
    stats = GradientStats()
    model.fit(data, epochs=epochs, shuffle=False, verbose=0, callbacks=[stats])
    return [row["loss"] for row in stats.history]


def test_one_trace_serves_batches_of_any_size_and_all_epochs():
    model = model_compiled_with()
    model.optimizer.build(model.trainable_variables)  # else the first step is traced twice
    assert len(fit(model, batches(), epochs=2)) == 6
    assert model.shapes == [(None, 3)]


@pytest.mark.parametrize("options", [{"jit_compile": True}, {"jit_compile": False}], ids=str)
def test_it_trains_to_the_same_bits(options):
    plain, model = (model_compiled_with(**options) for _ in range(2))
    plain.fit(batches(), epochs=2, shuffle=False, verbose=0)
    fit(model, batches(), epochs=2)
    assert int(plain.optimizer.iterations) == int(model.optimizer.iterations) == 6
    for left, right in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_data_is_not_kept():
    model, data = model_compiled_with(), batches()
    fit(model, data)
    kept = weakref.ref(data)
    del data
    gc.collect()
    assert kept() is None


class Ragged(Traced):
    def train_step(self, batch):
        return super().train_step((batch[0].to_tensor(shape=(None, 3)), batch[1]))


def test_batches_that_are_not_dense():
    ragged = tf.RaggedTensor.from_row_lengths(X.ravel(), [3] * len(X))
    assert np.isfinite(fit(model_compiled_with(Ragged), batches(ragged))).all()


def test_eager_steps_stay_eager():
    model = model_compiled_with(run_eagerly=True)
    fit(model, batches())
    assert model.shapes == [(4, 3), (4, 3), (2, 3)]


def test_functions_that_are_to_run_eagerly_do():
    model = model_compiled_with()
    tf.config.run_functions_eagerly(True)
    try:
        fit(model, batches())
    finally:
        tf.config.run_functions_eagerly(False)
    assert model.shapes == [(4, 3), (4, 3), (2, 3)]


def test_several_steps_of_an_execution():
    model = model_compiled_with(steps_per_execution=2)
    assert len(fit(model, batches().take(2))) == 1
    assert int(model.optimizer.iterations) == 2
