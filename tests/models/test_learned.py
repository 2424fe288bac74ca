"""Learned weights are not drawn anew without a word, and nothing else is called learned."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit

LEARNED = "holds learned weights"
TRUNCATED_STD = 0.8796256610342398  # std of N(0, 1) cut at +-2 (scipy.stats.truncnorm.std(-2, 2))


def network(**options):
    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(16, "sigmoid", name="first", **options),
            *[layers.Dense(16, "sigmoid", **options) for _ in range(5)],
            layers.Dense(3, name="head", **options),
        ]
    )


def trained(model):
    model.compile("sgd", "mse")
    model.fit(np.ones((32, 8)), np.ones((32, 3)), epochs=3, verbose=0)
    return model


def loaded(tmp_path):
    model = trained(network())
    model.save(tmp_path / "model.keras")
    return keras.models.load_model(tmp_path / "model.keras")


def other_kernels():
    model = network(use_bias=False)
    model.set_weights([3 * values for values in model.get_weights()])
    return model


@pytest.mark.parametrize(
    "build",
    [lambda _: trained(network()), loaded, lambda _: other_kernels()],
    ids=["fit", "file", "kernels"],
)
def test_learned_weights_are_warned_of_once(build, tmp_path):
    model = build(tmp_path)
    with pytest.warns(UserWarning, match=rf"{LEARNED} .*first.*trainable = False.*None") as found:
        kerasinit.initialize(model, seed=1)
    assert len([one for one in found if LEARNED in str(one.message)]) == 1
    kerasinit.initialize(model, seed=2)  # a start of ours, whatever its biases


@pytest.mark.parametrize(
    "call",
    [
        lambda model: kerasinit.initialize(model, reset_optimizer=True),
        lambda model: kerasinit.initialize(model, [("head", "he_normal"), (".", None)]),
        kerasinit.reset,
    ],
    ids=["training anew", "kept by rule", "reset"],
)
def test_what_loses_nothing_unawares_does_not_warn(call):
    call(_all_but_head_trained())


def _all_but_head_trained():
    model = trained(network())
    model.get_layer("head").set_weights(network().get_layer("head").get_weights())
    return model


def test_frozen_layers_are_not_lost():
    model = _all_but_head_trained()
    for layer in model.layers[:-1]:
        layer.trainable = False
    before = model.layers[0].get_weights()
    kerasinit.initialize(model, seed=1)
    np.testing.assert_array_equal(before[0], model.layers[0].get_weights()[0])


def test_a_rule_without_an_initializer_keeps_what_it_finds():
    model = trained(network())
    before = model.get_layer("first").get_weights()
    with pytest.warns(UserWarning, match=LEARNED):
        plan = kerasinit.initialize(model, [("first", None), (".", "he_normal")])
    for old, new in zip(before, model.get_layer("first").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert plan["first/bias"].reason == "rule 'first' keeps it"


def test_fresh_models_and_what_we_drew_are_not_learned(architecture):
    kerasinit.initialize(architecture, seed=1)
    kerasinit.initialize(architecture, seed=2)
    kerasinit.reset(architecture, seed=3)
    kerasinit.initialize(architecture, seed=4)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    "initializer",
    [
        "he_normal",
        "he_uniform",
        "lecun_normal",
        "glorot_uniform",
        "random_normal",
        "random_uniform",
        "truncated_normal",
        keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
        "kerasinit>HeNormal",
    ],
    ids=str,
)
def test_a_fresh_kernel_of_any_initializer_is_not_learned(initializer, dtype):
    layer = layers.Conv2D(16, 3, dtype=dtype, kernel_initializer=initializer, use_bias=False)
    kerasinit.initialize(keras.Sequential([keras.Input((8, 8, 16)), layer]), seed=1)


@pytest.mark.parametrize(
    "initializer",
    [keras.initializers.RandomNormal(stddev=0.0), keras.initializers.RandomUniform(0.0, 0.0)],
    ids=["normal", "uniform"],
)
@pytest.mark.parametrize("factor", [0.0, 1e-3])
def test_random_starts_without_width_have_learned_when_they_are_not_zero(initializer, factor):
    layer = layers.Dense(4, kernel_initializer=initializer, use_bias=False)
    model = keras.Sequential([keras.Input((4,)), layer])
    layer.set_weights([factor * np.ones((4, 4))])
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        kerasinit.initialize(model, "he_normal", seed=0)
    assert any(LEARNED in str(one.message) for one in found) == (factor != 0)


@pytest.mark.parametrize("beyond", [1, 2])
def test_a_few_entries_of_a_truncated_normal_may_lie_beyond_its_cut(beyond):
    """As torch draws them: of 65,536 fresh entries one lies beyond, one time in four."""
    model = keras.Sequential(
        [keras.Input((64,)), layers.Dense(64, kernel_initializer="he_normal", use_bias=False)]
    )
    (values,) = model.get_weights()
    std = (2 / 64) ** 0.5
    values.reshape(-1)[:beyond] = 2.5 * std / TRUNCATED_STD
    model.set_weights([values])
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        kerasinit.initialize(model, seed=0)
    assert any(LEARNED in str(one.message) for one in found) == (beyond == 2)


def test_a_small_kernel_that_was_trained_is_learned():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(256, 16)).astype("float32")
    options = {"kernel_initializer": "he_normal", "use_bias": False}
    stack = [layers.Dense(16, "relu", **options), layers.Dense(2, **options)]
    model = keras.Sequential([keras.Input((16,)), *stack])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(x, np.tanh(2 * x[:, :2]), epochs=30, verbose=0)
    with pytest.warns(UserWarning, match=LEARNED):
        kerasinit.initialize(model, seed=0)


def test_fresh_truncated_normals_are_not_called_learned():
    for seed in range(10):
        keras.utils.set_random_seed(seed)
        model = keras.Sequential(
            [keras.Input((512,)), layers.Dense(512, kernel_initializer="he_normal")]
        )
        kerasinit.initialize(model, seed=0)


def test_a_dry_run_warns_of_learned_weights_too():
    with pytest.warns(UserWarning, match=LEARNED):
        kerasinit.initialize(trained(network()), dry_run=True)


@pytest.mark.parametrize("is_trained", [True, False])
def test_a_trained_adapter_is_warned_of_and_a_new_one_is_not(is_trained):
    model = network()
    adapted = model.get_layer("first")
    adapted.enable_lora(2)
    if is_trained:
        adapted.lora_kernel_b.assign(np.ones((2, 16)))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        kerasinit.initialize(model, seed=1, dry_run=True)
    assert any("lora_kernel_b" in str(one.message) for one in found) == is_trained
