"""GradientStats records the real gradient and leaves the training as it was."""

import copy
import json
import pickle

import keras
import numpy as np
import pytest

from kerasinit.callbacks import GradientStats

BATCH = 16


def weights(model):
    return [np.array(w) for w in model.get_weights()]


def dense_gradients(model, x, y):
    """Gradients of the mean squared error of the two-layer tanh network, by hand."""
    w1, b1, w2, b2 = weights(model)
    hidden = np.tanh(x @ w1 + b1)
    error = 2 * (hidden @ w2 + b2 - y) / y.size
    inner = (error @ w2.T) * (1 - hidden**2)
    return {
        "first/kernel": x.T @ inner,
        "first/bias": inner.sum(axis=0),
        "last/kernel": hidden.T @ error,
        "last/bias": error.sum(axis=0),
    }


@pytest.fixture(scope="module")
def one_step():
    """Gradients by hand, and the row that the callback recorded of the same step."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, 6)).astype("float32")
    y = rng.normal(size=(BATCH, 3)).astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation="tanh", name="first"),
            keras.layers.Dense(3, name="last"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.5), "mse")
    before = dict(zip(("first/kernel", "b1", "last/kernel", "b2"), weights(model), strict=True))
    gradients = dense_gradients(model, x, y)
    stats = GradientStats()
    history = model.fit(x, y, batch_size=BATCH, verbose=0, callbacks=[stats]).history
    return gradients, stats.history[0], history, before


EXPECTED = {
    "norm": np.linalg.norm,
    "rms": lambda g: np.sqrt(np.mean(g**2)),
    "mean": np.mean,
    "std": np.std,
    "min": np.min,
    "max": np.max,
    "total": np.sum,
    "count": np.size,
    "zero_fraction": lambda g: np.mean(g == 0),
    "non_finite": lambda g: np.sum(~np.isfinite(g)),
}


@pytest.mark.parametrize("statistic", EXPECTED)
@pytest.mark.parametrize("variable", ["first/kernel", "first/bias", "last/kernel", "last/bias"])
def test_statistics_are_those_of_the_gradient_by_hand(one_step, variable, statistic):
    gradients, row, _, _ = one_step
    expected = EXPECTED[statistic](gradients[variable])
    assert row["variables"][variable][statistic] == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_the_logs_hold_the_global_norm_and_the_extreme_layers(one_step):
    gradients, _, history, _ = one_step
    squares = {name: np.sum(g**2) for name, g in gradients.items()}
    layers = [
        np.sqrt(squares[f"{layer}/kernel"] + squares[f"{layer}/bias"])
        for layer in ("first", "last")
    ]
    assert history["grad_norm"] == pytest.approx([np.sqrt(sum(squares.values()))], rel=1e-4)
    assert history["grad_norm_min"] == pytest.approx([min(layers)], rel=1e-4)
    assert history["grad_norm_max"] == pytest.approx([max(layers)], rel=1e-4)


def test_a_layer_adds_up_its_variables(one_step):
    gradients, row, _, _ = one_step
    whole = np.concatenate([gradients["last/kernel"].ravel(), gradients["last/bias"]])
    layer = row["layers"]["last"]
    assert layer["norm"] == pytest.approx(np.linalg.norm(whole), rel=1e-4)
    assert layer["std"] == pytest.approx(np.std(whole), rel=1e-4)
    assert layer["count"] == whole.size


def test_the_bias_gradient_stands_for_the_pre_activation_gradient(one_step):
    gradients, row, _, _ = one_step
    expected = np.sqrt(np.mean(gradients["first/bias"] ** 2))
    assert row["layers"]["first"]["signal_gradient_rms"] == pytest.approx(expected, rel=1e-4)


def test_the_weight_norm_is_that_before_the_update(one_step):
    _, row, _, before = one_step
    expected = np.linalg.norm(before["first/kernel"])
    assert row["variables"]["first/kernel"]["weight_norm"] == pytest.approx(expected, rel=1e-5)


def test_the_update_ratio_of_plain_descent_is_the_step_over_the_weight(one_step):
    gradients, row, _, before = one_step
    step = 0.5 * np.linalg.norm(gradients["last/kernel"])
    expected = step / np.linalg.norm(before["last/kernel"])
    assert row["layers"]["last"]["update_ratio"] == pytest.approx(expected, rel=1e-4)


def test_the_update_ratio_of_a_zero_variable_is_unknown(one_step):
    assert one_step[1]["variables"]["last/bias"]["update_ratio"] is None


def test_the_histogram_holds_every_entry_of_a_small_gradient(one_step):
    histogram = one_step[1]["variables"]["first/kernel"]["histogram"]
    assert (len(histogram), sum(histogram)) == (32, 48)


@pytest.fixture(scope="module", params=[16, 11], ids=["equal", "rest"])
def plainly(request, make_model, train):
    """A size of batches, the weights after a training without the callback, and the losses."""
    model = make_model()
    history = train(model, epochs=3, batch_size=request.param).history
    return request.param, weights(model), history["loss"]


@pytest.mark.parametrize("every", [1, 2, 10])
def test_training_gives_the_same_weights_bit_for_bit(make_model, train, plainly, every):
    batch, expected, losses = plainly
    model = make_model()
    within = train(model, GradientStats(every), epochs=3, batch_size=batch)
    for left, right in zip(expected, weights(model), strict=True):
        np.testing.assert_array_equal(left, right)
    assert losses == within.history["loss"]


@pytest.mark.skipif(keras.config.backend() == "torch", reason="each step is run as it is")
def test_nothing_is_compiled_again_once_each_step_was_seen(data):
    traced = []

    class Traced(keras.Sequential):
        def train_step(self, *arguments):
            traced.append(len(arguments))
            return super().train_step(*arguments)

    model = Traced([keras.Input((6,)), keras.layers.Dense(3)])
    model.compile("adam", "mse")
    stats = GradientStats(2)
    fit = {"batch_size": 11, "verbose": 0, "callbacks": [stats]}  # the last batch is smaller
    model.fit(*data, epochs=2, **fit)
    seen = len(traced)
    model.fit(*data, epochs=2, **fit)
    assert len(traced) == seen > 0
    assert len(stats.history) == 10


def test_training_with_dropout_and_batch_normalization_is_bit_identical(train):
    def trained(*callbacks):
        keras.utils.set_random_seed(0)
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input((6,)),
                layers.Dense(32, activation="gelu"),
                layers.BatchNormalization(),
                layers.Dropout(0.3),
                layers.Dense(32, use_bias=False),
                layers.LayerNormalization(),
                layers.Dense(3, activation="softmax"),
            ]
        )
        model.compile(keras.optimizers.AdamW(0.01, clipnorm=0.5), "categorical_crossentropy")
        train(model, *callbacks, epochs=2)
        return weights(model)

    for left, right in zip(trained(), trained(GradientStats()), strict=True):
        np.testing.assert_array_equal(left, right)


class Factors(keras.layers.Layer):
    """A scale whose gradient is a chain of products and quotients."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, inputs):
        return inputs * (self.scale * 0.7 * 1.3 / 3.0)


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.01}, {"clipnorm": 0.1}], ids=str)
def test_a_compiler_that_reorders_factors_changes_no_momentum(options):
    """TensorFlow's does where a product has one reader, as a normalization's gradient has."""

    def trained(*callbacks):
        keras.utils.set_random_seed(0)
        norm = keras.layers.BatchNormalization()
        model = keras.Sequential([keras.Input((6, 4)), norm, Factors(), keras.layers.Flatten()])
        model.add(keras.layers.Dense(1))
        rule = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True, **options)
        model.compile(rule, "mse", jit_compile=False)
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(64, 6, 4)).astype("float32"), rng.normal(size=(64, 1))
        model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[*callbacks])
        return [*weights(model), *map(keras.ops.convert_to_numpy, rule.variables)]

    for left, right in zip(trained(), trained(GradientStats()), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(("every", "steps"), [(1, 6), (2, 3), (4, 2), (100, 1)])
def test_every_nth_step_is_recorded(make_model, train, every, steps):
    stats = GradientStats(every)
    train(make_model(), stats, epochs=2)
    assert [row["step"] for row in stats.history] == list(range(0, 6, every))[:steps]


def test_skipped_steps_show_the_last_recorded_norm(make_model, train):
    stats = GradientStats(every=100)
    history = train(make_model(), stats, epochs=2).history
    assert history["grad_norm"][0] == history["grad_norm"][1]


def test_a_second_training_continues_the_history(make_model, train):
    model, stats = make_model(), GradientStats()
    train(model, stats)
    train(model, stats)
    assert [row["step"] for row in stats.history] == [0, 1, 2, 3, 4, 5]


def test_history_keeps_the_last_steps(make_model, train):
    stats = GradientStats(history_size=2)
    train(make_model(), stats, epochs=2)
    assert [row["step"] for row in stats.history] == [4, 5]
    assert len(stats.history[:]) == 2


def test_the_loss_of_a_row_is_that_of_its_step(make_model, train, data):
    stats, model = GradientStats(), make_model()
    first = model.evaluate(*(array[:BATCH] for array in data), verbose=0)
    train(model, stats)
    assert stats.history[0]["loss"] == pytest.approx(first, rel=1e-4)


def test_rows_are_plain_json(one_step):
    row = one_step[1]
    assert json.loads(json.dumps(row)) == row


def test_compiling_again_is_noticed(make_model, train):
    model, stats = make_model(), GradientStats()
    train(model, stats)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    train(model, stats)
    assert stats.history[-1]["variables"]["first/kernel"]["update_ratio"] == 0.0


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda stats: pickle.loads(pickle.dumps(stats))],
    ids=["copy", "pickle"],
)
def test_a_copy_keeps_the_results_and_records_trainings_of_its_own(make_model, train, copied):
    stats = GradientStats(2)
    fresh = copied(stats)
    train(make_model(), stats)
    recorded = len(stats.history)
    later = copied(stats)
    assert list(later.history) == list(stats.history)
    train(make_model(), later)
    train(make_model(), fresh)
    assert (len(fresh.history), len(stats.history), len(later.history)) == (
        recorded,
        recorded,
        2 * recorded,
    )


def test_one_callback_serves_two_models(make_model, train):
    stats = GradientStats()
    train(make_model(), stats)
    train(make_model(seed=5), stats)
    assert len(stats.history) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "`every` must be a whole number.*Received: every=0"),
        ({"every": 1.5}, "`every` must be a whole number.*Received: every=1.5"),
        ({"every": True}, "`every` must be a whole number"),
        ({"activations_every": -1}, "`activations_every` must be a whole number"),
        ({"history_size": 0}, "`history_size` must be a whole number"),
        ({"budget": 1.0}, "`budget` must be a share.*Received: budget=1.0"),
        ({"on_verdict": "ignore"}, "`on_verdict` must be one of.*Received: on_verdict='ignore'"),
        ({"path": "rows.parquet"}, "`path` must end in one of.*Received: path='rows.parquet'"),
    ],
    ids=lambda value: next(iter(value.items()))[0] if isinstance(value, dict) else "",
)
def test_bad_arguments_are_refused_at_construction(arguments, message):
    with pytest.raises(ValueError, match=message):
        GradientStats(**arguments)


def test_a_rate_that_a_callback_sets_is_changed_there(make_model, data):
    model, stats = make_model(), GradientStats(on_verdict=lambda verdict: None)
    steered = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-9)
    model.fit(*data, epochs=20, batch_size=8, verbose=0, callbacks=[steered, stats])
    assert [one.cause for one in stats.verdicts] == ["small_updates"]
    assert stats.verdicts[0].fix.startswith("# let LearningRateScheduler give the rate *")


def test_a_callback_is_printed_by_what_it_holds_and_found(make_model, data):
    stats = GradientStats(history_size=3)
    assert repr(stats) == "<GradientStats: 0 steps in history, found: nothing>"
    make_model().fit(*data, batch_size=8, epochs=2, verbose=0, callbacks=[stats])
    assert repr(stats).startswith("<GradientStats: 3 steps in history, found: ")
