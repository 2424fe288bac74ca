"""Chrono: units of LSTMs and GRUs start to remember for the time that the task asks for."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit

UNITS = 128


def recurrent(layer, length=100, features=3):
    return keras.Sequential([keras.Input((length, features)), layer, layers.Dense(1, name="head")])


def gates(layer, count):
    bias = np.asarray(layer.get_weights()[-1], "float64")
    rows = bias if bias.ndim > 1 else bias[None]
    return rows.reshape(len(rows), count, -1)


def assert_forgets_uniformly(keeping_bias, time_steps):
    """1 / (1 - sigmoid(b)) = 1 + exp(b) is uniform from 2 to T."""
    times = 1 + np.exp(keeping_bias)
    assert 2 <= times.min() <= times.max() <= time_steps * (1 + 1e-5)
    width = time_steps - 2
    assert times.mean() == pytest.approx(2 + width / 2, abs=5 * width / np.sqrt(12 * times.size))
    assert times.std() == pytest.approx(width / np.sqrt(12), rel=0.15)


def test_the_check_of_times_notices_biases_that_are_uniform_themselves():
    biases = np.random.default_rng(0).uniform(0, np.log(99), UNITS)
    with pytest.raises(AssertionError, match=r"\d"):
        assert_forgets_uniformly(biases, 100)


def test_an_lstm_forgets_in_2_to_t_steps_and_lets_in_what_it_forgets():
    layer = layers.LSTM(UNITS)
    kerasinit.initialize(recurrent(layer), time_steps=400, seed=1)
    ((lets_in, keeps, cell, output),) = gates(layer, 4)
    assert_forgets_uniformly(keeps, 400)
    np.testing.assert_array_equal(lets_in, -keeps)
    assert not cell.any()
    assert not output.any()


@pytest.mark.parametrize("reset_after", [True, False])
def test_the_update_gate_of_a_gru_keeps_its_state(reset_after):
    layer = layers.GRU(UNITS, reset_after=reset_after)
    kerasinit.initialize(recurrent(layer), time_steps=400, seed=1)
    rows = gates(layer, 3)
    assert len(rows) == 1 + reset_after
    assert_forgets_uniformly(rows[0, 0], 400)
    assert not rows[0, 1:].any()
    assert not rows[1:].any()  # the biases of the recurrent kernels are added to the others


@pytest.mark.parametrize("cell", [layers.LSTM, layers.GRU])
def test_a_state_decays_as_the_biases_say(cell):
    """Without kernels a state is multiplied by one number in each step: u / (1 + u)."""
    layer = cell(8, return_state=True)
    model = keras.Sequential([keras.Input((50, 3)), layer])
    kerasinit.initialize(model, time_steps=100, seed=2)
    kernel, recurrent_kernel, bias = layer.get_weights()
    layer.set_weights([0 * kernel, 0 * recurrent_kernel, bias])
    ones = ops.ones((1, 8))
    start = [0 * ones, ones] if cell is layers.LSTM else [ones]
    state = np.asarray(ops.convert_to_numpy(layer(ops.zeros((1, 50, 3)), initial_state=start)[-1]))
    times = np.exp(gates(layer, 4 if cell is layers.LSTM else 3)[0, int(cell is layers.LSTM)])
    np.testing.assert_allclose(state[0], (times / (1 + times)) ** 50, rtol=1e-3)


def bidirectional():
    return layers.Bidirectional(layers.LSTM(4))


def stacked():
    return layers.RNN(layers.StackedRNNCells([layers.LSTMCell(4), layers.GRUCell(4)]))


def convolutional():
    return keras.Sequential([layers.Reshape((100, 3, 1)), layers.ConvLSTM1D(4, 2)])


@pytest.mark.parametrize(
    ("build", "biases"), [(bidirectional, 2), (stacked, 2), (convolutional, 1)]
)
def test_the_length_is_read_from_the_input(build, biases):
    plan = kerasinit.initialize(recurrent(build()), "chrono", seed=1)
    told = [row for row in plan if "2 to 100 steps (the length of its input)" in row.reason]
    assert len(told) == biases


class Tagger(keras.Model):
    def __init__(self):
        super().__init__()
        self.memory, self.head = layers.LSTM(4, name="memory"), layers.Dense(2)

    def build(self, shape):
        self.memory.build(shape)
        self.head.build((None, 4))

    def call(self, x):
        return self.head(self.memory(x))


@pytest.mark.parametrize(("length", "told"), [(60, "2 to 60 steps"), (None, None)])
def test_a_length_that_only_a_trace_made_up_is_none(length, told):
    model = Tagger()
    model.build((None, length, 3))
    if told is None:
        with pytest.raises(ValueError, match=r"'memory' has no fixed length.*time_steps=\.\.\."):
            kerasinit.initialize(model, "chrono", seed=1)
    else:
        plan = kerasinit.initialize(model, "chrono", seed=1)
        assert told in plan["memory/lstm_cell/bias"].reason


def test_a_seed_repeats_the_biases_and_layers_differ():
    model = recurrent(keras.Sequential([layers.LSTM(4, return_sequences=True), layers.LSTM(4)]))
    kerasinit.initialize(model, "chrono", seed=7)
    first = [w.copy() for w in model.get_weights()]
    kerasinit.initialize(model, "chrono", seed=7)
    for old, new in zip(first, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    biases = [w for w in first if w.shape == (16,)]
    assert not np.array_equal(*biases)


def test_what_no_gate_needs_is_as_without():
    model = recurrent(layers.LSTM(4))
    kerasinit.initialize(model, seed=3)
    plain = [w.copy() for w in model.get_weights()]
    kerasinit.initialize(model, time_steps=50, seed=3)
    same = [np.array_equal(*pair) for pair in zip(plain, model.get_weights(), strict=True)]
    assert same == [True, True, False, True, True]


def test_a_rule_that_names_the_bias_comes_first():
    model = recurrent(layers.LSTM(4))
    plan = kerasinit.initialize(model, [("lstm_cell/bias", "ones"), "chrono"], seed=3)
    assert plan["lstm_cell/bias"].initializer == "Ones()"
    plan = kerasinit.initialize(model, [("head", "zeros")], time_steps=9, seed=3)
    assert plan["lstm_cell/bias"].initializer == "ChronoBias(time_steps=9, units=4)"
    assert plan["head/kernel"].initializer == "Zeros()"


def test_gates_that_are_no_sigmoids_are_left_to_the_rules():
    model = recurrent(layers.LSTM(4, recurrent_activation="hard_sigmoid"))
    row = kerasinit.initialize(model, time_steps=50, seed=3)["lstm_cell/bias"]
    assert "no chrono bias, whose gates are sigmoids, not hard_sigmoid" in row.reason


def test_frozen_layers_keep_their_biases():
    layer = layers.LSTM(4)
    model = recurrent(layer)
    layer.trainable = False
    before = layer.get_weights()[-1]
    kerasinit.initialize(model, time_steps=50, seed=3)
    np.testing.assert_array_equal(layer.get_weights()[-1], before)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (0, "`time_steps` must be an integer >= 1. Received: time_steps=0"),
        (1, "`time_steps` must be at least 2. Received: 1"),
        (2.5, r"`time_steps` must be an integer >= 1. Received: time_steps=2\.5"),
        ("100", "Received: time_steps='100'"),
        (True, "Received: time_steps=True"),
    ],
)
def test_times_that_mean_nothing_are_refused(steps, message):
    model = recurrent(layers.LSTM(4))
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        kerasinit.initialize(model, time_steps=steps)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("options", [{"rules": "chrono"}, {"time_steps": 9}])
@pytest.mark.parametrize("layer", [layers.SimpleRNN(4), layers.LSTM(4, use_bias=False)])
def test_a_model_without_such_gates_is_refused(layer, options):
    with pytest.raises(ValueError, match=r"has no LSTM or GRU with a bias"):
        kerasinit.initialize(recurrent(layer), **options)
