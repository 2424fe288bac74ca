"""A model has the same weights whatever it is used for first."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasinit.initializers import Auto, HeNormal

X, Y = np.ones((2, 4), "float32"), np.zeros((2, 4), "float32")


class Lazy(keras.Model):
    """Its layers are built when it is called."""

    def __init__(self, *starts):
        super().__init__(name="lazy")
        self.stack = [layers.Dense(4, kernel_initializer=start) for start in starts]

    def call(self, x):
        for layer in self.stack:
            x = layer(x)
        return x


def chain(*starts):
    return keras.Sequential([layers.Dense(4, kernel_initializer=start) for start in starts])


USES = {
    "call": lambda model: model(X),
    "predict": lambda model: model.predict(X, verbose=0),
    "fit": lambda model: model.fit(X, Y, epochs=1, verbose=0),
    "test on batch": lambda model: model.test_on_batch(X, Y),
}


def kernels_after(use, make, starts):
    keras.utils.clear_session()
    model = make(*starts)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    USES[use](model)
    return [keras.ops.convert_to_numpy(w) for w in model.weights if w.path.endswith("kernel")]


@pytest.mark.parametrize("make", [Lazy, chain], ids=["subclassed", "sequential"])
@pytest.mark.parametrize("use", USES)
def test_the_first_use_of_a_model_does_not_change_its_weights(use, make):
    shared = HeNormal(seed=3)
    first, second = kernels_after(use, make, [shared, shared])
    assert np.abs(first - second).max() > 0.01
    expected = kernels_after("call", make, [HeNormal(seed=3)] * 2)
    np.testing.assert_array_equal([first, second], expected)


@pytest.mark.parametrize("make", [Lazy, chain], ids=["subclassed", "sequential"])
@pytest.mark.parametrize("use", USES)
def test_the_first_use_of_a_model_does_not_hide_the_activation(use, make):
    model = make()
    layer = layers.Dense(4, "relu", kernel_initializer=Auto(seed=1))
    model.add(layer) if isinstance(model, keras.Sequential) else model.stack.append(layer)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    USES[use](model)
    kernel = keras.ops.convert_to_numpy(layer.kernel)
    np.testing.assert_allclose(kernel.T @ kernel, 2 * np.eye(4), atol=1e-5)
