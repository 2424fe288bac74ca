"""The recorded trainings are those of Keras, and say what the textbook says."""

import keras
import numpy as np
import pytest

import kerasinit
from kerasinit import playground
from kerasinit.experiments import _data
from kerasinit.playground._curve import curve_of


def network(activation="tanh"):
    hidden = [keras.layers.Dense(8, activation) for _ in range(3)]
    return keras.Sequential([keras.Input((2,)), *hidden, keras.layers.Dense(1)])


def weights_of(film, frame):
    pairs = zip(film.kernels, film.biases, strict=True)
    return [array[frame] for pair in pairs for array in pair]


@pytest.mark.parametrize("start", ["zeros", "constant", "glorot_uniform"])
def test_the_first_frame_is_the_start_itself(reel, starts, start):
    model = network()
    (rule,) = [one.rule for one in starts if one.name == start]
    kerasinit.initialize(model, rule, seed=0)
    first = weights_of(reel.film_of(start), 0)
    for found, variable in zip(first, model.get_weights(), strict=True):
        assert found.shape == variable.shape
        if start != "glorot_uniform":  # a draw depends on the names of the layers
            np.testing.assert_array_equal(found, variable)


def test_loss_and_accuracy_are_those_of_keras_at_the_recorded_weights(reel):
    film, data = reel.film_of("initialize"), _data.load("xor")
    model = network()
    model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    for frame, epoch in enumerate(reel.epochs):
        if frame % 10 == 0:
            model.set_weights(weights_of(film, frame))
            loss = model.evaluate(data.x_val, data.y_val[:, None], verbose=0)
            assert loss == pytest.approx(film.test_loss[epoch], rel=1e-4)
            right = (np.asarray(model.predict(data.x_val, verbose=0))[:, 0] > 0) == data.y_val
            assert right.mean() == pytest.approx(film.test_accuracy[epoch], abs=1e-6)


def test_the_trainings_begin_before_the_first_step(reel):
    assert reel.epochs[0] == 0
    assert reel.steps[-1] == reel.epochs[-1] * (468 // 32)
    assert len(reel.epochs) == len(reel.films[0].kernels[0])


def test_zeros_stay_zero_and_have_no_gradient(reel):
    film = reel.film_of("zeros")
    assert not any(kernel.any() for kernel in film.kernels)
    assert not film.gradient_rms.any()
    assert (film.distinct_units == 1).all()


def test_units_that_start_equal_stay_equal_while_they_learn(reel):
    film = reel.film_of("constant")
    assert (film.distinct_units == 1).all()
    assert film.gradient_rms[0].all()
    assert not np.array_equal(film.kernels[0][0], film.kernels[0][-1])


@pytest.mark.parametrize("start", ["glorot_uniform", "initialize"])
def test_random_starts_learn_with_different_units(reel, start):
    film = reel.film_of(start)
    assert (film.distinct_units == 8).all()
    assert np.median(film.seeds_accuracy) > 0.9


def test_the_same_call_gives_the_same_film(starts):
    one, two = (playground.film("xor", "relu", starts[-1:], epochs=1) for _ in range(2))
    np.testing.assert_array_equal(one.films[0].kernels[0], two.films[0].kernels[0])
    np.testing.assert_array_equal(one.films[0].test_loss, two.films[0].test_loss)


def test_unknown_data_is_refused(starts):
    with pytest.raises(ValueError, match=r"`data` must be one of .* Received: data='square'"):
        playground.film("square", "tanh", starts)


@pytest.mark.parametrize("name", ["orthogonal", "kerasinit>HeNormal", "lsuv"])
def test_a_start_may_be_any_initializer_of_a_string(name):
    assert playground.find_start(name).rule == name


def test_an_unknown_start_comes_with_near_names():
    with pytest.raises(ValueError, match=r"Near matches: 'random_normal_0\.1'"):
        playground.find_start("random_normal_01")


@pytest.mark.parametrize(
    "name", ["tanh", "relu", "sigmoid", "gelu", "selu", "silu", "softplus", "elu", "leaky_relu"]
)
def test_the_page_draws_with_the_activation_of_keras(name):
    curve = curve_of(name)
    x = np.linspace(-20, 20, 4001)
    exact = keras.ops.convert_to_numpy(getattr(keras.activations, name)(x.astype("float32")))
    np.testing.assert_allclose(curve(x), exact, atol=2e-4)


@pytest.mark.parametrize(
    ("name", "words"),
    [("exponential", "faster than a line"), ("softmax", "mixes the units"), ("tanhh", "'tanh'")],
)
def test_an_activation_that_cannot_be_drawn_is_refused(name, words):
    with pytest.raises(ValueError, match=words):
        curve_of(name)
