"""Blocks of other people's: whatever stands around a branch, its end is found."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit

BLOCKS, WIDTH = 24, 32
X = np.random.default_rng(0).normal(size=(128, WIDTH)).astype("float32")


class DropPath(layers.Layer):
    def __init__(self, rate):
        super().__init__()
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, x, training=False):
        if not training:
            return x
        kept = keras.random.uniform((ops.shape(x)[0], 1), seed=self.seed_generator)
        return x / (1 - self.rate) * ops.floor(1 - self.rate + kept)


class LayerScale(layers.Layer):
    def build(self, shape):
        self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones", name="gamma")

    def call(self, x):
        return self.gamma * x


def stack(*, first=None, before_add=None, last=None):
    x = inputs = keras.Input((WIDTH,))
    x = layers.Dense(WIDTH)(x)
    x = first()(x) if first else x
    for number in range(BLOCKS):
        h = layers.LayerNormalization()(x)
        h = layers.Dense(4 * WIDTH, activation="gelu")(h)
        h = layers.Dense(WIDTH, name=f"end{number}")(h)
        x = layers.Add()([x, before_add()(h) if before_add else h])
    return keras.Model(inputs, last()(x) if last else x), keras.Model(inputs, x)


@pytest.mark.parametrize(
    "around",
    [
        {"first": layers.LayerNormalization, "last": lambda: layers.Dense(3)},
        {"before_add": lambda: DropPath(0.1), "last": lambda: layers.Dense(3)},
        {"before_add": LayerScale, "last": lambda: layers.Dense(3)},
        {"last": layers.LayerNormalization},
        {},
    ],
    ids=["norm in front", "drop path", "layer scale", "norm is the output", "stream is the output"],
)
def test_every_branch_end_is_scaled_and_bounds_the_stream(around):
    model, stream = stack(**around)
    plan = kerasinit.initialize(model, seed=0)
    gains = [plan[f"end{number}/kernel"].gain for number in range(BLOCKS)]
    assert gains == pytest.approx([BLOCKS**-0.5] * BLOCKS)
    values = ops.convert_to_numpy(stream(X))
    assert 1 < np.sqrt(np.mean(np.square(values))) < 1.7


@keras.saving.register_keras_serializable("tests")
class Attention(layers.Layer):
    """Window attention in small: two Dense, a position bias of its own, a mask for the batch."""

    def __init__(self, *, own_weight, knows_batch):
        super().__init__()
        self.activation = keras.activations.gelu  # not that of the kernels
        self.qkv, self.proj = layers.Dense(3 * WIDTH, name="qkv"), layers.Dense(WIDTH, name="proj")
        self.own_weight, self.knows_batch = own_weight, knows_batch

    def build(self, shape):
        self.qkv.build(shape)
        self.proj.build(shape)
        if self.own_weight:
            self.position = self.add_weight(shape=(shape[1], shape[1]), name="position")

    def call(self, x):
        q, k, v = ops.split(self.qkv(x), 3, axis=-1)
        scores = ops.matmul(q, ops.transpose(k, (0, 2, 1)))
        if self.own_weight:
            scores = scores + self.position
        if self.knows_batch:
            scores = scores + ops.broadcast_to(ops.zeros((1, 5, 5)), (ops.shape(x)[0], 5, 5))
        return self.proj(ops.matmul(ops.softmax(scores), v))


@pytest.mark.parametrize("own_weight", [False, True])
@pytest.mark.parametrize("knows_batch", [False, True])
def test_a_block_is_opened_in_spite_of(own_weight, knows_batch):
    x = inputs = keras.Input((5, WIDTH))
    for _ in range(4):
        block = Attention(own_weight=own_weight, knows_batch=knows_batch)
        x = x + block(layers.LayerNormalization()(x))
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(3)(x)), seed=0)
    rows = [row for row in plan if row.path.endswith(("qkv/kernel", "proj/kernel"))]
    assert [row.gain for row in rows] == pytest.approx([1, 0.5] * 4)


@keras.saving.register_keras_serializable("tests")
class Closed(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.activation = keras.activations.gelu
        self.up, self.down = layers.Dense(8, "relu", name="up"), layers.Dense(8, name="down")

    def build(self, shape):
        self.up.build(shape)
        self.down.build(shape)

    def call(self, x):
        return self.down(self.up(ops.convert_to_tensor(ops.convert_to_numpy(x))))

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


def test_a_block_that_cannot_be_opened_says_why():
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(2)(inputs + Closed(name="closed")(inputs)))
    plan = kerasinit.initialize(model, seed=0)
    up, down = plan["up/kernel"], plan["down/kernel"]
    assert (round(up.gain, 4), down.gain) == (1.4142, 1.0)  # each for its own activation
    assert up.reason.startswith("alone (inside 'closed': ")
    assert "Error" in up.reason


def deepnorm(blocks, dropout):
    x = inputs = keras.Input((5, 16))
    for number in range(blocks):
        a = layers.MultiHeadAttention(2, 8, name=f"att{number}")(x, x)
        a = layers.Dropout(dropout)(a) if dropout else a
        x = layers.LayerNormalization()(1.86 * x + a)
        f = layers.Dense(32, activation="gelu")(x)
        x = layers.LayerNormalization()(1.86 * x + layers.Dense(16, name=f"down{number}")(f))
    return keras.Model(inputs, layers.Dense(3)(x))


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize(
    ("rules", "gain"),
    [("deepnorm", 48**-0.25), ("t-fixup", 0.67 * 6**-0.25), (None, 1.0)],
)
def test_scaled_skips_are_skips(dropout, rules, gain):
    plan = kerasinit.initialize(deepnorm(6, dropout), rules, seed=0)
    for path in ("att0/attention_output/kernel", "down0/kernel"):
        assert plan[path].gain == pytest.approx(gain)


def test_weightless_layers_do_not_hide_the_output():
    class Shuffle(layers.Layer):
        def call(self, x):
            return ops.reshape(x, (-1, 16, 16, 1))

    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    own = {"kernel_initializer": "lecun_normal", "name": "last"}
    x = layers.Conv2D(4, 3, padding="same", **own)(x)
    plan = kerasinit.initialize(keras.Model(inputs, Shuffle()(x)), seed=0)
    reason = "the last kernel before the model's output: unit variance at any width"
    assert plan["last/kernel"].reason == reason


class PixelAttention(layers.Layer):
    """Of a U-Net: Keras finds no shape for capital letters in an equation."""

    def build(self, shape):
        self.query, self.key, self.value, self.end = (layers.Dense(shape[-1]) for _ in range(4))
        for dense in (self.query, self.key, self.value, self.end):
            dense.build(shape)

    def call(self, x):
        batch, height, width, _ = ops.shape(x)
        scores = ops.einsum("bhwc, bHWc->bhwHW", self.query(x), self.key(x))
        shares = ops.softmax(ops.reshape(scores, (batch, height, width, height * width)))
        shares = ops.reshape(shares, (batch, height, width, height, width))
        return x + self.end(ops.einsum("bhwHW,bHWc->bhwc", shares, self.value(x)))


def test_capital_letters_in_an_equation_close_no_block():
    x = inputs = keras.Input((4, 4, 8))
    for _ in range(3):
        x = PixelAttention()(x)
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(2)(x)), seed=0)
    assert sum(row.reason.startswith("ends one of 3 residual branches") for row in plan) == 3
