"""What the optimizer would do first, and what nothing can be learned from."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit
from kerasinit.signals import measure

SGD, Adam = keras.optimizers.SGD, keras.optimizers.Adam


def data():
    x = np.random.default_rng(0).standard_normal((64, 8)).astype("float32")
    return x, x[:, :1]


def model(optimizer, *stack, loss="mse"):
    keras.utils.set_random_seed(0)
    stack = stack or (layers.Dense(32, "relu"), layers.Dense(32, "relu"))
    made = keras.Sequential([keras.Input((8,)), *stack, layers.Dense(1, name="head")])
    made.compile(optimizer, loss)
    return made


RATES = {
    "sgd": (SGD(0.01), []),
    "sgd_schedule": (SGD(keras.optimizers.schedules.ExponentialDecay(0.01, 9, 0.5)), []),
    "warm_up": (Adam(keras.optimizers.schedules.CosineDecay(0.0, 99, warmup_target=1e-2,
                                                            warmup_steps=99)), []),
    "momentum": (SGD(0.01, momentum=0.9, nesterov=True), []),
    "adam": (Adam(1e-3), []),
    "adam_high": (Adam(0.03), []),
    "sgd_too_high": (SGD(10.0), ["large_updates"]),
    "adam_too_high": (Adam(1.0), ["large_updates"]),
    "adam_too_low": (Adam(1e-6), ["small_updates"]),
    "sgd_too_low": (SGD(1e-7), ["small_updates"]),
    "rmsprop_too_low": (keras.optimizers.RMSprop(1e-6), ["small_updates"]),
}  # fmt: skip


@pytest.mark.parametrize("name", RATES)
def test_a_rate_that_is_far_off_is_named_before_training(name):
    optimizer, expected = RATES[name]
    made = model(type(optimizer).from_config(optimizer.get_config()))
    found = kerasinit.diagnose(made, *data()).verdicts
    assert [verdict.cause for verdict in found] == expected
    assert all(1e-4 <= verdict.remedy.value <= 1 for verdict in found)


@pytest.mark.parametrize(("rate", "expected"), [(0.1, []), (1000.0, ["large_updates"])])
def test_a_high_rate_is_right_for_a_linear_model_whose_loss_it_lowers(rate, expected):
    """A line through points far from zero: one weight near zero says nothing of the rate."""
    x = np.linspace(-2, 2, 64, dtype="float32")[:, None]
    start = keras.initializers.Constant(0.05)
    line = keras.Sequential([keras.Input((1,)), layers.Dense(1, kernel_initializer=start)])
    line.compile(Adam(rate), "mse")
    found = kerasinit.diagnose(line, x, 34 + 11 * x).verdicts
    assert [verdict.cause for verdict in found] == expected


def test_a_high_rate_is_wrong_for_a_recurrent_layer_that_is_alone():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((15, 3)), layers.LSTM(1)])
    model.compile(Adam(1.0), "mse")
    x = np.random.default_rng(0).normal(size=(64, 15, 3)).astype("float32")
    found = kerasinit.diagnose(model, x, x.mean(axis=(1, 2))[:, None]).verdicts
    assert [verdict.cause for verdict in found] == ["large_updates"]


@pytest.mark.parametrize(("offset", "line"), [(0.0, "x = (x - "), (22.0, "y = (y - ")])
def test_targets_are_scaled_with_the_inputs_if_they_are_far_from_outputs_of_size_one(offset, line):
    x, y = data()
    (found,) = kerasinit.diagnose(model(Adam(1e-3)), 200 * x, y + offset).verdicts
    assert found.cause == "unscaled_input"
    assert line in found.fix
    assert ("y = " in found.fix) == bool(offset)


def test_rates_follow_the_steps_that_will_be_taken():
    """The first step of RMSprop is larger than later ones; one layer can make all diverge."""
    x, y = data()
    slow = model(keras.optimizers.RMSprop(1e-6))
    assert kerasinit.diagnose(slow, x, y).verdicts[0].remedy.value == 1e-3
    fast = model(SGD(10.0))
    found = kerasinit.diagnose(fast, x, y)
    exec(found.verdicts[0].fix, {"model": fast})
    assert kerasinit.diagnose(fast, x, y).healthy


def test_the_first_update_of_gradient_descent_has_its_closed_form():
    made = model(SGD(0.05), layers.Dense(16, "tanh", name="below"))
    x, y = data()
    signals = measure(made, x, y)
    before = [ops.convert_to_numpy(v) for v in made.trainable_variables]
    made.train_on_batch(x, y)
    after = [ops.convert_to_numpy(v) for v in made.trainable_variables]
    ratio = np.linalg.norm(after[0] - before[0]) / np.linalg.norm(before[0])
    assert signals.layers[0].update_ratio == pytest.approx(ratio, rel=1e-3)
    assert signals.updated_loss == pytest.approx(
        made.evaluate(x, y, batch_size=64, verbose=0), rel=1e-4
    )


@pytest.mark.parametrize(("by_name", "expected"), [(False, (5e-4, 0)), (True, (0, 0))])
def test_the_first_update_decays_what_the_optimizer_decays(by_name, expected):
    made = model(SGD(1e-3, weight_decay=0.5))
    kept = {"var_names": ["kernel"]} if by_name else {"var_list": made.layers[-1].variables}
    made.optimizer.exclude_from_weight_decay(**kept)
    x, _ = data()
    y = ops.convert_to_numpy(made(x))  # so that there is no gradient
    first, *_, last = measure(made, x, y).layers
    assert (first.update_ratio, last.update_ratio) == pytest.approx(expected, rel=1e-3, abs=1e-8)


def test_a_frozen_model_is_not_trainable():
    made = model("adam")
    made.trainable = False
    (found,) = kerasinit.diagnose(made, *data()).verdicts
    assert (found.cause, found.where) == ("not_trainable", "model")
    exec(found.fix, {"model": made})
    assert kerasinit.diagnose(made, *data()).healthy


def test_a_batch_of_one_is_nothing_to_normalize():
    made = model("adam", layers.Dense(8), layers.BatchNormalization(name="norm"))
    x, y = data()
    first, *_ = kerasinit.diagnose(made, x[:1], y[:1]).verdicts
    assert (first.cause, first.where) == ("single_sample", "norm")
    assert kerasinit.diagnose(made, x, y).healthy


def test_outputs_that_rounding_makes_equal_are_constant():
    class Rounded(layers.Dense):
        def call(self, inputs):
            return ops.matmul(inputs, ops.round(self.kernel / 10))

    made = model("adam", layers.Dense(8, "relu"), Rounded(8, name="rounded"))
    first, *_ = kerasinit.diagnose(made, *data()).verdicts
    assert (first.cause, first.where) == ("constant_output", "rounded")


@pytest.mark.parametrize("layer", [layers.LSTM, layers.GRU, layers.SimpleRNN])
@pytest.mark.parametrize("factor", [1, 25])
def test_gates_that_large_weights_hold_are_saturated(layer, factor):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).standard_normal((32, 6, 3)).astype("float32")
    made = keras.Sequential([keras.Input((6, 3)), layer(8, name="loop"), layers.Dense(1)])
    made.layers[0].set_weights([factor * weight for weight in made.layers[0].get_weights()])
    share = measure(made, x).layers[0].saturated_share
    assert share > 0.5 if factor > 1 else share < 0.05


def test_a_penalty_is_no_part_of_the_loss_of_the_data():
    regularizer = keras.regularizers.L2(1e-2)
    hidden = layers.Dense(
        512, "relu", kernel_regularizer=regularizer, kernel_initializer="he_normal"
    )
    keras.utils.set_random_seed(0)
    made = keras.Sequential([keras.Input((8,)), hidden, layers.Dense(1, "sigmoid")])
    made.compile("adam", "binary_crossentropy")
    x, y = data()
    signals = measure(made, x, y > 0)
    plain = keras.losses.binary_crossentropy((y > 0).astype("float32"), made(x))
    assert signals.data_loss == pytest.approx(
        float(ops.convert_to_numpy(ops.mean(plain))), rel=1e-4
    )
    assert signals.penalty == pytest.approx(
        1e-2 * float(ops.convert_to_numpy(ops.sum(hidden.kernel**2))), rel=1e-4
    )


def test_a_model_that_adds_its_loss_is_judged_by_it():
    class Penalty(layers.Layer):
        def call(self, inputs):
            self.add_loss(ops.mean(inputs**2))
            return inputs

    inputs = keras.Input((8,))
    made = keras.Model(inputs, Penalty()(layers.Dense(4)(inputs)))
    made.compile("adam")
    x, _ = data()
    assert measure(made, x).loss == pytest.approx(
        float(ops.convert_to_numpy(ops.mean(made(x) ** 2))), rel=1e-4
    )


def test_the_gate_of_a_product_is_told_from_an_activation():
    inputs = keras.Input((8,))
    gate = layers.Dense(
        8, "sigmoid", bias_initializer=keras.initializers.Constant(-4.0), name="gate"
    )
    hidden = layers.Dense(8, name="value")(inputs) * layers.Reshape((8,))(gate(inputs))
    made = keras.Model(inputs, layers.Dense(1)(hidden))
    rows = {row.name: row.is_gate for row in measure(made, data()[0]).layers}
    assert rows == {"value": False, "gate": True, "dense": False}
    assert kerasinit.diagnose(made, data()[0]).healthy


def test_the_states_of_an_encoder_are_enough():
    first, second = keras.Input((5, 4)), keras.Input((5, 4))
    _, h, c = layers.LSTM(6, return_state=True, name="encoder")(first)
    decoded = layers.LSTM(6, name="decoder")(second, initial_state=[h, c])
    made = keras.Model([first, second], layers.Dense(2)(decoded))
    x = [np.random.default_rng(k).standard_normal((16, 5, 4)) for k in range(2)]
    assert kerasinit.diagnose(made, x).healthy


def test_numbers_of_tokens_are_no_signal_whatever_their_type():
    inputs = keras.Input((6,))  # float32, as many examples leave it
    pooled = layers.GlobalAveragePooling1D()(layers.Embedding(100, 8)(inputs))
    made = keras.Model(inputs, layers.Dense(2)(pooled))
    assert kerasinit.diagnose(made, np.arange(96).reshape(16, 6)).healthy


def test_theory_stands_beside_the_measurement():
    made = model(
        "adam", *(layers.Dense(64, "relu", kernel_initializer="he_normal") for _ in range(4))
    )
    rows = measure(made, data()[0]).layers
    for row in rows[:-1]:
        far = abs(np.log(row.activation_rms / row.predicted_rms)) / row.predicted_spread
        assert far < 4


@pytest.mark.parametrize("std", [0.01, 0.003])
def test_a_small_head_does_not_set_the_rate_alone(std):
    """Its relative step is large since its weights are small: 0.001 would train nothing."""
    head = layers.Dense(4, "softmax", kernel_initializer=keras.initializers.RandomNormal(0, std, 1))
    stack = [layers.Dense(32, "tanh") for _ in range(2)]
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((16,)), *stack, head])
    model.compile(keras.optimizers.SGD(100.0), "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((512, 16)).astype("float32")
    found = kerasinit.diagnose(model, x, (x @ rng.standard_normal((16, 4))).argmax(1)).verdicts[0]
    assert found.cause == "large_updates"
    assert found.remedy.value in (0.01, 0.1)


@pytest.mark.parametrize(
    ("hidden", "activation", "rate", "size", "diverges"),
    [
        (1, "relu", 1e-3, 100, False), (2, "relu", 1e-3, 100, False), (2, "relu", 1e-2, 300, True),
        (4, "relu", 1e-2, 300, True), (2, "relu", 1e-1, 1, False), (1, "tanh", 1e-2, 100, False),
        (2, "tanh", 1e-2, 50, False), (2, "sigmoid", 1e-2, 100, False),
    ],
)  # fmt: skip
def test_descent_on_squares_to_far_targets_is_told_where_it_diverges(
    hidden, activation, rate, size, diverges
):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).standard_normal((128, 10)).astype("float32")
    y = size * np.sin(x[:, :1] + x[:, 1:2])
    stack = [layers.Dense(48, activation) for _ in range(hidden)]
    model = keras.Sequential([keras.Input((10,)), *stack, layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    found = [verdict.cause for verdict in kerasinit.diagnose(model, x, y).verdicts]
    assert found == ["bad_targets"] * diverges
    losses = [float(model.train_on_batch(x, y)) for _ in range(150)]
    falls = losses[-1] < losses[0] / 2 and max(losses) < 2 * losses[0]
    assert falls is not diverges
