"""`initialize` and `reset` on built models: what changes, what repeats, what is refused."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit


@pytest.fixture
def model():
    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(16, activation="relu", name="hidden"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(4, name="head"),
        ],
        name="small",
    )


def arrays(variables):
    return [keras.ops.convert_to_numpy(v + 0) for v in variables]


def values(model):
    return arrays(model.weights)


def assert_same(first, second):
    for left, right in zip(first, second, strict=True):
        np.testing.assert_array_equal(left, right)


def assert_kernels_differ(first, second):
    for left, right in zip(first, second, strict=True):
        if left.ndim >= 2:
            assert not np.array_equal(left, right)


def test_a_seed_repeats_the_weights(model):
    kerasinit.initialize(model, "he_normal", seed=3)
    first = values(model)
    kerasinit.initialize(model, "he_normal", seed=3)
    assert_same(first, values(model))


def test_another_seed_changes_every_kernel(model):
    kerasinit.initialize(model, "he_normal", seed=3)
    first = values(model)
    kerasinit.initialize(model, "he_normal", seed=4)
    assert_kernels_differ(first, values(model))


def test_no_seed_draws_anew_each_time(model):
    kerasinit.reset(model)
    first = values(model)
    kerasinit.reset(model)
    assert_kernels_differ(first, values(model))


def test_set_random_seed_fixes_the_fresh_seed(model):
    keras.utils.set_random_seed(5)
    kerasinit.reset(model)
    first = values(model)
    keras.utils.set_random_seed(5)
    kerasinit.reset(model)
    assert_same(first, values(model))


def test_the_plan_names_the_seed_that_repeats_it(model):
    plan = kerasinit.reset(model)
    first = values(model)
    kerasinit.reset(model, seed=plan.seed)
    assert_same(first, values(model))


def test_one_initializer_leaves_biases_to_their_layer(model):
    plan = kerasinit.initialize(model, keras.initializers.Ones())
    kernel, bias = model.get_layer("hidden").get_weights()
    assert (kernel == 1).all()
    assert (bias == 0).all()
    assert plan["hidden/bias"].reason == "the layer's own initializer"


def test_a_shared_initializer_gives_equal_layers_different_kernels():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(4)])
    kerasinit.initialize(model, keras.initializers.HeNormal(seed=7), seed=1)
    first, _, second, _ = model.get_weights()
    assert not np.array_equal(first, second)


def test_the_same_architecture_built_again_draws_the_same_weights():
    def build():
        return keras.Sequential([keras.Input((4,)), layers.Dense(5), layers.Dense(3)])

    first, second = build(), build()
    kerasinit.initialize(first, "glorot_normal", seed=2)
    kerasinit.initialize(second, "glorot_normal", seed=2)
    assert_same(values(first), values(second))


def test_dry_run_changes_nothing(model):
    before = values(model)
    plan = kerasinit.initialize(model, "he_normal", dry_run=True)
    assert_same(before, values(model))
    assert plan.dry_run
    assert "would change" in str(plan)


def test_a_seed_generator_moves_on(model):
    generator = keras.random.SeedGenerator(3)
    kerasinit.initialize(model, "he_normal", seed=generator)
    first = values(model)
    kerasinit.initialize(model, "he_normal", seed=generator)
    assert_kernels_differ(first, values(model))


def test_a_seed_of_another_type_is_refused(model):
    with pytest.raises(TypeError, match=r"`seed` must be an int.*Received: seed='three'"):
        kerasinit.reset(model, seed="three")


def test_an_unbuilt_model_is_refused():
    with pytest.raises(ValueError, match=r"'empty' has no weights yet\. Build it first"):
        kerasinit.initialize(keras.Sequential([layers.Dense(2)], name="empty"), "he_normal")


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match=r"must be a Keras model or layer.*Received: .*list"):
        kerasinit.reset([1, 2])


def test_a_frozen_layer_is_left_alone_and_named(model):
    model.get_layer("hidden").trainable = False
    before = model.get_layer("hidden").get_weights()
    plan = kerasinit.initialize(model, "he_normal", seed=3)
    assert_same(before, model.get_layer("hidden").get_weights())
    assert plan["hidden/kernel"].reason == "frozen: its layer has trainable=False"
    assert plan["head/kernel"].changed


def test_an_initializer_that_cannot_fill_a_kernel_changes_nothing(model):
    before = values(model)
    with pytest.raises(ValueError, match=r"Identity\(.*cannot fill '.*conv.*Nothing was changed"):
        kerasinit.initialize(
            keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3, name="conv")]),
            keras.initializers.Identity(),
        )
    assert_same(before, values(model))


def test_a_function_that_draws_nan_gives_the_old_weights_back(model):
    before = values(model)

    def broken(shape, dtype=None):
        return keras.ops.full(shape, 1.0 if shape[0] == 8 else float("nan"), dtype=dtype)

    with pytest.raises(ValueError, match=r"broken drew values that are not finite"):
        kerasinit.initialize(model, broken)
    assert_same(before, values(model))


def test_a_function_of_the_wrong_shape_is_refused(model):
    def square(shape, dtype=None):
        return keras.ops.ones((2, 2), dtype=dtype)

    before = values(model)
    with pytest.raises(
        ValueError, match=r"square returned shape \(2, 2\) for 'small/hidden/kernel'"
    ):
        kerasinit.initialize(model, square)
    assert_same(before, values(model))


def test_compile_state_and_optimizer_stay(model):
    model.compile("adam", "mse")
    model.fit(np.ones((4, 8)), np.ones((4, 4)), verbose=0)
    optimizer = model.optimizer
    slots = arrays(optimizer.variables)
    with pytest.warns(UserWarning, match="holds learned weights"):
        kerasinit.initialize(model, "he_normal")
    assert model.optimizer is optimizer
    assert_same(slots, arrays(optimizer.variables))


def test_reset_restores_the_moving_statistics(model):
    model.get_layer("norm").moving_mean.assign(np.full(16, 3.0))
    kerasinit.reset(model)
    (mean,) = arrays([model.get_layer("norm").moving_mean])
    assert (mean == 0).all()


@pytest.mark.parametrize("redraw", [kerasinit.reset, kerasinit.initialize])
def test_equal_seeds_still_differ_after_a_redraw_and_a_reload(redraw, tmp_path):
    model = keras.Sequential([keras.Input((4,))])
    for _ in range(2):
        model.add(layers.Dense(4, kernel_initializer=kerasinit.initializers.HeNormal(seed=7)))
    redraw(model, seed=1)
    first, second = (keras.ops.convert_to_numpy(layer.kernel) for layer in model.layers)
    assert not np.array_equal(first, second)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(loaded.layers[1].kernel), second)


def plain_stack():
    return keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(2)])


def stacks_in_a_graph():
    inputs = keras.Input((5, 4))
    lstm = layers.Bidirectional(layers.LSTM(3, return_sequences=True))
    x = keras.Sequential([lstm, layers.TimeDistributed(layers.Dense(4))])(inputs)
    inner = keras.Sequential([layers.Dense(4), keras.Sequential([layers.Dense(4)])])
    return keras.Model(inputs, inner(layers.Flatten()(x)))


@pytest.mark.parametrize("build", [plain_stack, stacks_in_a_graph])
@pytest.mark.parametrize("call", [kerasinit.initialize, kerasinit.reset])
def test_a_loaded_model_draws_what_it_drew_before(build, call, tmp_path):
    model = build()
    call(model, seed=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    kerasinit.reset(loaded, seed=2)
    call(loaded, seed=1)  # Keras has left the names of outer layers out of its paths
    trained = [one.trainable_variables for one in (loaded, model)]
    assert_same(*map(arrays, trained))
