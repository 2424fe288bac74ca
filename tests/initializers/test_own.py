"""A user's own initializer on the public bases: what it gets without writing it."""

import json

import keras
import numpy as np
import pytest

import kerasinit
from kerasinit.initializers import LayerInitializer, ScaledInitializer, split_seed

L = keras.layers


@keras.saving.register_keras_serializable("test_own")
class Ring(LayerInitializer):
    """Weights of one size and random signs, in a layer that keeps its input's length."""

    def __init__(self, *, size=1.0, seed=None):
        super().__init__(seed=seed)
        self.size = size

    def draw(self, shape, dtype, *, seed, site):
        size = self.size / self.fans(shape, site).fan_in ** 0.5
        signs = keras.ops.sign(keras.random.uniform(shape, -1.0, 1.0, dtype=dtype, seed=seed))
        return size * signs


@keras.saving.register_keras_serializable("test_own")
class Shrinking(ScaledInitializer):
    """He's rule, divided by the number of blocks; takes no axes itself."""

    def __init__(self, *, blocks, seed=None):
        super().__init__(gain="relu", mode="fan_in", seed=seed)
        self.blocks = blocks

    def std(self, fans, site=None):
        return super().std(fans, site) / self.blocks


OWN = [
    lambda **options: Ring(size=2.0, **options),
    lambda **options: Shrinking(blocks=4, **options),
]
every_own = pytest.mark.parametrize("make", OWN, ids=["layer", "scaled"])


def values(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_the_layer_gives_the_fans():
    layer = L.DepthwiseConv2D(3, depthwise_initializer=Ring(seed=1))
    layer.build((None, 8, 8, 16))
    np.testing.assert_allclose(np.abs(values(layer.kernel)), 1 / 3, rtol=1e-6)


def test_the_standard_deviation_is_the_users():
    kernel = values(Shrinking(blocks=4, seed=1)((300, 300)))
    assert kernel.std() == pytest.approx((2 / 300) ** 0.5 / 4, rel=0.02)


@every_own
def test_the_config_is_plain_and_makes_the_same(make):
    config = keras.initializers.serialize(make(seed=np.int64(3)))
    again = keras.initializers.deserialize(json.loads(json.dumps(config)))
    np.testing.assert_array_equal(values(again((4, 6))), values(make(seed=3)((4, 6))))


@every_own
def test_one_instance_gives_different_kernels(make):
    shared = make(seed=1)
    one, two = (L.Dense(4, kernel_initializer=shared) for _ in range(2))
    model = keras.Sequential([keras.Input((4,)), one, two])
    assert not np.array_equal(values(model.layers[0].kernel), values(model.layers[1].kernel))


@every_own
def test_a_model_that_uses_it_is_saved_and_loaded(make, tmp_path):
    model = keras.Sequential([keras.Input((4,)), L.Dense(3, kernel_initializer=make(seed=1))])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.layers[0].kernel_initializer.get_config() == make(seed=1).get_config()


@every_own
@pytest.mark.parametrize(
    "layer",
    [
        lambda start: L.EinsumDense("abc,cd->abd", (3, 5), kernel_initializer=start),
        lambda start: L.MultiHeadAttention(2, 4, kernel_initializer=start),
    ],
    ids=["einsum", "attention"],
)
def test_layers_that_copy_their_initializer_take_it(make, layer):
    built = layer(make(seed=1))
    built.build(*[(None, 3, 4)] * (2 if isinstance(built, L.MultiHeadAttention) else 1))
    assert all(np.isfinite(values(weight)).all() for weight in built.weights)


@every_own
def test_a_whole_model_is_filled_with_it(make):
    x = keras.Input((5, 8))
    y = L.MultiHeadAttention(2, 4)(L.EinsumDense("abc,cd->abd", (5, 8))(x), x)
    model = keras.Model(x, y)
    plan = kerasinit.initialize(model, make(), seed=1)
    assert {row.initializer for row in plan.rows if row.kind == "kernel"} <= {
        "Ring(size=2)",
        "Shrinking(blocks=4)",
    }
    assert all(np.isfinite(values(weight)).all() for weight in model.weights)


def test_an_argument_that_is_not_kept_is_named():
    class Forgetful(LayerInitializer):
        def __init__(self, *, size, seed=None):
            super().__init__(seed=seed)

        def draw(self, shape, dtype, *, seed, site):
            return keras.ops.zeros(shape, dtype)

    with pytest.raises(TypeError, match=r"must keep the argument `size` as `self\.size`"):
        Forgetful(size=1.0).get_config()


def test_a_second_draw_differs_from_the_first():
    first, second = (keras.random.normal((8,), seed=s) for s in (1, split_seed(1, 0)))
    assert np.abs(values(first) - values(second)).min() > 0
