"""A broken model is diagnosed, gets the fix that the diagnosis prints, and is healthy."""

import keras
import pytest
from keras import layers

import kerasinit

BROKEN = {
    "vanishing": ("sigmoid", keras.initializers.RandomNormal(stddev=0.05)),
    "exploding": ("relu", keras.initializers.RandomNormal(stddev=1.0)),
    "symmetric": ("tanh", keras.initializers.Constant(0.1)),
}


@pytest.mark.parametrize("cause", BROKEN)
def test_the_printed_fix_makes_a_broken_model_healthy(cause, zoo):
    activation, initializer = BROKEN[cause]
    x, y = zoo.data()
    hidden = [
        layers.Dense(64, activation, kernel_initializer=initializer.clone()) for _ in range(12)
    ]
    model = keras.Sequential([keras.Input(x.shape[1:]), *hidden, layers.Dense(zoo.CLASSES)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
    before = kerasinit.diagnose(model, x, y)
    assert not before.healthy
    assert f"Root cause: {cause}" in str(before)
    assert before.verdicts[0].fix.startswith("kerasinit.initialize(model)")
    kerasinit.initialize(model)
    after = kerasinit.diagnose(model, x, y)
    assert after.healthy
    assert "Healthy" in str(after)
    losses = model.fit(x, y, epochs=3, batch_size=32, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
