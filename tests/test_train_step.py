"""A train step that `compile_train_step` compiles runs as Keras runs the model's own."""

import gc
import weakref

import keras
import numpy as np
import pytest

from kerasinit import _backend

if keras.config.backend() != "tensorflow":
    pytest.skip("other backends have no tf.data", allow_module_level=True)
import tensorflow as tf

X = np.random.default_rng(0).normal(size=(10, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(10, 2)).astype("float32")


def model_compiled_with(**options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("adam", "mse", **options)
    model.optimizer.build(model.trainable_variables)  # else the first step is traced twice
    return model


def compiled_step(model):
    """The compiled step, and the shapes of `x` that it was traced for."""
    shapes, own = [], model.train_step

    def train_step(batch):
        shapes.append(tuple(batch[0].shape))
        return own(batch)

    return _backend.compile_train_step(model, train_step), shapes


def batches(x=X):
    return tf.data.Dataset.from_tensor_slices((x, Y)).batch(4)


def test_one_trace_serves_batches_of_any_size_and_all_epochs():
    step, shapes = compiled_step(model_compiled_with())
    for _ in range(2):
        iterator = iter(batches())
        assert len([step(iterator) for _ in range(3)]) == 3
        with pytest.raises(tf.errors.OutOfRangeError):  # where Keras ends an epoch
            step(iterator)
    assert shapes == [(None, 3)]


@pytest.mark.parametrize("options", [{"jit_compile": True}, {"jit_compile": False}], ids=str)
def test_it_trains_to_the_same_bits(options):
    plain, model = (model_compiled_with(**options) for _ in range(2))
    plain.make_train_function()
    for each, step in ((plain, plain.train_function), (model, compiled_step(model)[0])):
        iterator = iter(batches())
        losses = [float(step(iterator)["loss"]) for _ in range(3)]
        assert int(each.optimizer.iterations) == len(losses)
    for left, right in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_data_is_not_kept():
    step, _ = compiled_step(model_compiled_with())
    iterator = iter(batches())
    step(iterator)
    kept = weakref.ref(iterator)
    del iterator
    gc.collect()
    assert kept() is None


def test_batches_from_elsewhere():
    step, shapes = compiled_step(model_compiled_with())
    step(iter([(tf.constant(X), tf.constant(Y))]))
    assert shapes == [X.shape]


def test_batches_that_are_not_dense():
    model = model_compiled_with()
    own = model.train_step
    step = _backend.compile_train_step(
        model, lambda batch: own((batch[0].to_tensor(shape=(None, 3)), batch[1]))
    )
    ragged = tf.RaggedTensor.from_row_lengths(X.ravel(), [3] * len(X))
    assert np.isfinite(float(step(iter(batches(ragged)))["loss"]))


def test_eager_steps_stay_eager():
    model = model_compiled_with(run_eagerly=True)
    step, shapes = compiled_step(model)
    iterator = iter(batches())
    step(iterator)
    step(iterator)
    assert shapes == [(4, 3)] * 2


def test_functions_that_are_to_run_eagerly_do():
    step, shapes = compiled_step(model_compiled_with())
    tf.config.run_functions_eagerly(True)
    try:
        iterator = iter(batches())
        step(iterator)
        step(iterator)
    finally:
        tf.config.run_functions_eagerly(False)
    assert shapes == [(4, 3)] * 2


def test_several_steps_of_an_execution():
    model = model_compiled_with(steps_per_execution=2)
    compiled_step(model)[0](iter(batches()))
    assert int(model.optimizer.iterations) == 2
