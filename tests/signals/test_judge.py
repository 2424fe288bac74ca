"""Healthy models get no verdict, faulty ones the right root cause: a table of real models."""

import dataclasses
import math

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit
from kerasinit.signals import CAUSES, judge, measure

# name of the builder in `models.py`, its arguments, the data
HEALTHY = {
    "he_relu_3": ("mlp", ("relu", 3, "he_normal"), "data"),
    "he_relu_10": ("mlp", ("relu", 10, "he_normal"), "data"),
    "he_uniform_relu_10": ("mlp", ("relu", 10, "he_uniform"), "data"),
    "he_relu_30_wide": ("mlp", ("relu", 30, "he_normal", 256), "data"),
    "orthogonal_relu_30": ("mlp", ("relu", 30, ("orthogonal", 2**0.5)), "data"),
    "glorot_relu_10": ("mlp", ("relu", 10, "glorot_uniform"), "data"),
    "glorot_tanh_10": ("mlp", ("tanh", 10, "glorot_normal"), "data"),
    "glorot_tanh_50": ("mlp", ("tanh", 50, "glorot_uniform"), "data"),
    "orthogonal_tanh_50": ("mlp", ("tanh", 50, "orthogonal"), "data"),
    "lecun_selu_30": ("mlp", ("selu", 30, ("scaled", 1.0)), "data"),
    "he_gelu_10": ("mlp", ("gelu", 10, "he_normal"), "data"),
    "glorot_gelu_10": ("mlp", ("gelu", 10, "glorot_uniform"), "data"),
    "he_silu_3": ("mlp", ("silu", 3, "he_normal"), "data"),
    "glorot_sigmoid_3": ("mlp", ("sigmoid", 3, "glorot_uniform"), "data"),
    "auto_sigmoid_3": ("mlp", ("sigmoid", 3, "kerasinit>Auto"), "data"),
    "auto_sigmoid_20": ("mlp", ("sigmoid", 20, "kerasinit>Auto"), "data"),
    "no_hidden_layer": ("mlp", ("relu", 0, "he_normal"), "data"),
    "batch_norm_10": ("batch_norm_mlp", (10,), "data"),
    "batch_norm_30": ("batch_norm_mlp", (30,), "data"),
    "cnn": ("cnn", (), "images"),
    "resnet": ("resnet", (), "images"),
    "lstm": ("lstm", (), "tokens"),
    "transformer": ("transformer", (), "tokens"),
}
if keras.config.backend() == "tensorflow":  # JAX compiles its 150 layers for half a minute
    HEALTHY["mobilenet"] = ("mobilenet", (), "photos")
FAULTY = {
    "zeros": (("relu", 3, "zeros"), "symmetric"),
    "zeros_sigmoid_10": (("sigmoid", 10, "zeros"), "symmetric"),
    "constant": (("tanh", 3, ("constant", 0.01)), "symmetric"),
    "constant_deep": (("relu", 10, ("constant", 0.01)), "symmetric"),
    "small_sigmoid": (("sigmoid", 10, ("normal", 0.01)), "vanishing"),
    "small_tanh": (("tanh", 10, ("normal", 0.01)), "vanishing"),
    "small_relu": (("relu", 10, ("normal", 0.01)), "vanishing"),
    "small_relu_underflow": (("relu", 50, ("normal", 0.01)), "vanishing"),
    "small_relu_shallow": (("relu", 3, ("normal", 0.01)), "bad_scale"),
    "glorot_relu_30": (("relu", 30, "glorot_uniform"), "vanishing"),
    "glorot_sigmoid_10": (("sigmoid", 10, "glorot_uniform"), "vanishing"),
    "large_sigmoid": (("sigmoid", 3, ("scaled", 400.0)), "bad_scale"),
    "large_relu": (("relu", 10, ("normal", 1.0)), "exploding"),
    "large_relu_overflow": (("relu", 60, ("normal", 1.0)), "exploding"),
    "large_tanh": (("tanh", 10, ("normal", 1.0)), "exploding"),
}


def test_targets_that_led_to_weights_of_nan_are_the_root():
    made = keras.Sequential([keras.Input((4,)), layers.Dense(3, "softmax", name="head")])
    made.compile("sgd", "sparse_categorical_crossentropy")
    made.layers[-1].kernel.assign(np.full((4, 3), np.nan))
    x, y = np.ones((8, 4), "float32"), np.arange(8) % 4 + 1
    found = judge(measure(made, x, y))
    assert [verdict.cause for verdict in found] == ["bad_targets", "non_finite"]
    assert [verdict.cause for verdict in judge(measure(made, x, y % 3))] == ["non_finite"]


class Rounded(keras.constraints.Constraint):
    def __call__(self, w):
        return keras.ops.round(w)


def test_a_constraint_that_keeps_weights_at_zero_is_named():
    zeros = {"kernel_initializer": "zeros", "kernel_constraint": Rounded()}
    stack = [layers.Dense(16, "relu", **zeros) for _ in range(2)]
    made = keras.Sequential([keras.Input((16,)), *stack, layers.Dense(1)])
    made.compile("adam", "mse")
    x = np.random.default_rng(0).standard_normal((32, 16)).astype("float32")
    (found,) = kerasinit.diagnose(made, x, x[:, :1]).verdicts
    assert (found.cause, "Rounded" in found.evidence) == ("symmetric", True)
    assert found.fix.startswith("#")
    assert "leave that constraint out" in found.fix


def kernel(zoo, spec):
    if isinstance(spec, str):
        return spec
    maker, value = spec
    return getattr(zoo, maker)(value)


def build(zoo, builder, arguments):
    if builder != "mlp":
        return getattr(zoo, builder)(*arguments)
    activation, depth, initializer, *width = arguments
    wide = {"width": width[0]} if width else {}
    return zoo.mlp(activation, depth, kernel(zoo, initializer), **wide)


def causes(model, x, y=None):
    return [verdict.cause for verdict in judge(measure(model, x, y))]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_model_gets_no_verdict(zoo, name):
    builder, arguments, data = HEALTHY[name]
    x, y = getattr(zoo, data)()
    assert judge(measure(build(zoo, builder, arguments), x, y)) == ()


@pytest.mark.parametrize("name", FAULTY)
def test_a_faulty_model_gets_its_root_cause_first(zoo, name):
    arguments, cause = FAULTY[name]
    x, y = zoo.data()
    assert causes(build(zoo, "mlp", arguments), x, y)[0] == cause


@pytest.mark.parametrize("name", ["zeros", "small_tanh", "large_relu"])
def test_the_cause_shows_without_targets(zoo, name):
    arguments, cause = FAULTY[name]
    assert causes(build(zoo, "mlp", arguments), zoo.data()[0])[0] == cause


def test_relus_that_a_bias_holds_down_are_dead_where_the_bias_is(zoo):
    model = zoo.mlp("relu", 3, "he_normal")
    layer = model.get_layer("hidden_1")
    layer.bias.assign(np.full(64, -10.0))
    first, *_ = judge(measure(model, *zoo.data()))
    assert (first.cause, first.where) == ("dead_units", "hidden_1")
    assert "64 of 64" in first.evidence


def test_a_tanh_pushed_to_its_ends_is_saturated(zoo):
    model = zoo.mlp("tanh", 5, "glorot_uniform")
    layer = model.get_layer("hidden_2")
    layer.bias.assign(np.resize([-6.0, 6.0], 64))
    first, *_ = judge(measure(model, *zoo.data()))
    assert (first.cause, first.where) == ("saturated", "hidden_2")


def test_one_layer_of_copies_is_found(zoo):
    model = zoo.mlp("relu", 3, "he_normal")
    for name in ("hidden_1", "hidden_2"):
        model.get_layer(name).kernel.assign(np.full((64, 64), 0.02))
    first, *_ = judge(measure(model, *zoo.data()))
    assert (first.cause, first.where) == ("symmetric", "hidden_1")


def test_one_layer_of_the_wrong_scale_is_found(zoo):
    model = zoo.mlp("relu", 3, "he_normal")
    layer = model.get_layer("hidden_1")
    layer.kernel.assign(layer.kernel * 0.005)
    first, *_ = judge(measure(model, *zoo.data()))
    assert (first.cause, first.where) == ("bad_scale", "hidden_1")


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # the fault under test
def test_a_softmax_over_one_unit_is_constant(zoo):
    model = keras.Sequential(
        [
            keras.Input((zoo.FEATURES,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(1, activation="softmax", name="head"),
        ]
    )
    model.compile("sgd", "mse")
    x, y = zoo.data()
    first, *_ = judge(measure(model, x, y % 2))
    assert (first.cause, first.where) == ("constant_output", "head")
    assert "sigmoid" in first.fix


def test_a_blocked_gradient_is_told_where_it_stops(zoo):
    inputs = keras.Input((zoo.FEATURES,))
    x = layers.Dense(64, activation="relu", name="below")(inputs)
    x = layers.Dense(64, activation="relu", name="blocked")(x)
    x = keras.ops.stop_gradient(x)
    model = keras.Model(inputs, layers.Dense(zoo.CLASSES)(x))
    first, *_ = judge(measure(model, zoo.data()[0]))
    assert (first.cause, first.where) == ("zero_gradient", "blocked")


def test_a_frozen_part_below_a_blocked_gradient_is_healthy(zoo):
    inputs = keras.Input((zoo.FEATURES,))
    frozen = layers.Dense(64, activation="relu", trainable=False)
    x = keras.ops.stop_gradient(frozen(inputs))
    model = keras.Model(inputs, layers.Dense(zoo.CLASSES)(x))
    assert causes(model, zoo.data()[0]) == []


def test_a_last_layer_of_zeros_is_healthy(zoo):
    model = zoo.mlp("relu", 3, "he_normal")
    head = model.get_layer("head")
    head.kernel.assign(np.zeros(head.kernel.shape))
    assert causes(model, *zoo.data()) == []


def test_a_summed_loss_is_unexpected(zoo):
    loss = keras.losses.SparseCategoricalCrossentropy(reduction="sum")
    model = zoo.mlp("relu", 3, "he_normal", loss=loss)
    first, *_ = judge(measure(model, *zoo.data()))
    assert (first.cause, first.where) == ("unexpected_loss", "loss")
    assert "doubles" in first.evidence


def test_a_wild_output_layer_gives_an_unexpected_loss(zoo):
    model = zoo.mlp("relu", 3, "he_normal")
    head = model.get_layer("head")
    head.kernel.assign(head.kernel * 20)
    assert causes(model, *zoo.data()) == ["unexpected_loss"]


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_raw_bytes_as_input_are_the_root_of_what_follows(zoo, activation):
    x, y = zoo.data()
    raw = (x - x.min()) / (x.max() - x.min()) * 255
    assert causes(zoo.mlp(activation, 3, "he_normal"), raw, y)[0] == "unscaled_input"


def test_raw_bytes_behind_a_rescaling_are_healthy(zoo):
    x, y = zoo.data()
    raw = (x - x.min()) / (x.max() - x.min()) * 255
    model = keras.Sequential(
        [
            keras.Input((zoo.FEATURES,)),
            layers.Rescaling(1 / 127.5, -1),
            zoo.mlp("relu", 3, "he_normal"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert causes(model, raw, y) == []


def test_tiny_input_is_unscaled(zoo):
    x, y = zoo.data()
    assert causes(zoo.mlp("relu", 3, "he_normal"), 1e-5 * x, y) == ["unscaled_input"]


def test_nan_in_the_input_is_found_there(zoo):
    x, y = zoo.data()
    x[3, 5] = np.nan
    first, *_ = judge(measure(zoo.mlp("relu", 3, "he_normal"), x, y))
    assert (first.cause, first.where) == ("non_finite", "input")
    assert first.evidence.startswith("1 input value")


def test_nan_in_a_weight_is_found_in_its_layer(zoo):
    model = zoo.mlp("relu", 3, "he_normal")
    layer = model.get_layer("hidden_1")
    values = keras.ops.convert_to_numpy(layer.kernel).copy()
    values[0, 0] = np.inf
    layer.kernel.assign(values)
    first, *_ = judge(measure(model, *zoo.data()))
    assert (first.cause, first.where) == ("non_finite", "hidden_1")


def test_nan_that_a_layer_makes_itself_is_found_in_it(zoo):
    model = keras.Sequential(
        [
            keras.Input((zoo.FEATURES,)),
            layers.Dense(64, name="sound"),
            layers.Dense(64, activation=keras.ops.log, name="logarithm"),
            layers.Dense(zoo.CLASSES),
        ]
    )
    first, *_ = judge(measure(model, zoo.data()[0]))
    assert (first.cause, first.where) == ("non_finite", "logarithm")


def test_a_trained_model_is_not_blamed_for_its_scale(zoo):
    x, y = zoo.data()
    model = zoo.mlp("relu", 3, zoo.normal(0.05))
    assert causes(model, x, y) == ["bad_scale"]
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    for _ in range(40):
        model.train_on_batch(x, y)
    assert causes(model, x, y) == []


@pytest.mark.parametrize(("drift", "expected"), [(1.0, []), (-1.0, []), (-4.0, ["too_narrow"])])
def test_a_narrow_stack_is_blamed_for_the_drift_that_is_seen(zoo, drift, expected):
    signals = measure(zoo.mlp("relu", 30, zoo.orthogonal(2**0.5)), *zoo.data())
    *hidden, head = signals.layers  # 5 * 30 / 64 = 2.3 > 1: narrow enough to drift
    drifted = (
        dataclasses.replace(row, preactivation_mean_square=math.exp(drift * i / 29), input_rms=None)
        for i, row in enumerate(hidden)
    )
    found = judge(dataclasses.replace(signals, layers=(*drifted, head)))
    assert [verdict.cause for verdict in found] == expected


def test_a_narrow_stack_is_not_blamed_for_what_lies_between_its_layers(zoo):
    signals = measure(zoo.mlp("relu", 30, zoo.orthogonal(2**0.5)), *zoo.data())
    *hidden, head = signals.layers
    drifted = (
        dataclasses.replace(
            row,
            preactivation_mean_square=math.exp(-4.0 * i / 29),
            activation_rms=1.0,
            input_rms=math.exp(-2.0 / 29),
        )
        for i, row in enumerate(hidden)
    )
    assert "too_narrow" not in [
        verdict.cause for verdict in judge(dataclasses.replace(signals, layers=(*drifted, head)))
    ]


def test_verdicts_are_distinct_causes_of_the_list(zoo):
    found = causes(zoo.mlp("relu", 10, zoo.normal(1.0)), *zoo.data())
    assert len(set(found)) == len(found)
    assert set(found) <= set(CAUSES)
