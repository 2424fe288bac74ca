"""Blocks whose `call` works on numbers and is hard to trace: they are opened all the same."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit

BLOCKS, WIDTH = 4, 8


class Attention(layers.Layer):
    """One head: what the tests change is how it is called and what it returns."""

    def __init__(self):
        super().__init__()
        self.qkv, self.proj = layers.Dense(3 * WIDTH, name="qkv"), layers.Dense(WIDTH, name="proj")

    def build(self, shape):
        self.qkv.build(shape)
        self.proj.build(shape)

    def attend(self, x, bias=None):
        q, k, v = ops.split(self.qkv(x), 3, axis=-1)
        scores = ops.matmul(q, ops.transpose(k, (0, 2, 1)))
        scores = scores if bias is None else scores + bias
        return self.proj(ops.matmul(ops.softmax(scores), v))

    def call(self, x):
        return self.attend(x)


class KnowsLength(Attention):
    """As the causal mask of every decoder."""

    def call(self, x):
        places = ops.arange(ops.shape(x)[1])
        mask = ops.cast(places[:, None] < places, x.dtype)
        return self.attend(x, -1e9 * mask)


class ReturnsNone(Attention):
    """As the attention of T5, whose position bias may be None."""

    def call(self, x):
        return self.attend(x), None


class ReturnsTwo(Attention):
    """Its shape rule knows of one result."""

    def call(self, x):
        return self.attend(x), x

    def compute_output_shape(self, shape):
        return shape


class ReturnsConstant(Attention):
    """A result that no input is needed for."""

    def call(self, x):
        return self.attend(x), ops.ones((2, 3))


class MaskOfInputs(Attention):
    """Adds a mask made from its inputs to the scores: no residual branch."""

    def call(self, x):
        mask = ops.cast(ops.equal(ops.sum(x, -1), 0), x.dtype)
        return self.attend(x, -1e9 * mask[:, None, :])


class WithoutTraining(Attention):
    """Its block hands it `training`, which Keras drops."""

    def call(self, x):
        return self.attend(x)


class Bias(layers.Layer):
    """Adds a bias of its own to scores, as ALiBi."""

    def call(self, scores):
        return ops.add(scores, ops.ones((1, 1, ops.shape(scores)[-1])))


class ScaledScores(KnowsLength):
    """Keras records what is scaled by a number as sparse, of which a sum has another shape."""

    def __init__(self):
        super().__init__()
        self.bias = Bias()

    def attend(self, x, bias=None):
        q, k, v = ops.split(self.qkv(x), 3, axis=-1)
        scores = self.bias((ops.matmul(q, ops.transpose(k, (0, 2, 1))) + bias) * 0.5)
        return self.proj(ops.reshape(ops.matmul(scores, v), ops.shape(x)))


@pytest.fixture(
    params=[
        KnowsLength,
        ReturnsNone,
        ReturnsTwo,
        ReturnsConstant,
        MaskOfInputs,
        WithoutTraining,
        ScaledScores,
    ],
    ids=lambda kind: kind.__name__,
)
def model(request):
    class Block(layers.Layer):
        def __init__(self):
            super().__init__()
            self.norm, self.attention = layers.LayerNormalization(), request.param()

        def build(self, shape):
            self.norm.build(shape)
            self.attention.build(shape)

        def call(self, x, training=False):
            hands_on = {"training": training} if request.param is WithoutTraining else {}
            result = self.attention(self.norm(x), **hands_on)
            return x + (result[0] if isinstance(result, (tuple, list)) else result)

    x = inputs = keras.Input((None, WIDTH))
    for _ in range(BLOCKS):
        x = Block()(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


def kernels(plan, name):
    return [row for row in plan if row.path.endswith(f"{name}/kernel")]


def test_the_end_of_its_branch_is_found(model):
    plan = kerasinit.initialize(model, seed=0)
    assert [row.gain for row in kernels(plan, "proj")] == [pytest.approx(0.5)] * BLOCKS
    assert [row.gain for row in kernels(plan, "qkv")] == [pytest.approx(1.0)] * BLOCKS
    assert not any("alone" in row.reason for row in plan)


@pytest.mark.parametrize(
    ("rules", "words"), [("gpt", "residual projection"), ("residual", "last layer of one of 4")]
)
def test_a_preset_scales_the_end_of_its_branch_and_nothing_else(model, rules, words):
    plan = kerasinit.initialize(model, rules, seed=0)
    assert [row.path for row in plan if words in row.reason] == [
        row.path for row in kernels(plan, "proj")
    ]


def test_its_graph_is_as_before_a_look_at_it(model):
    x = np.ones((2, 5, WIDTH), "float32")
    kerasinit.initialize(model, seed=0)
    nodes = {layer.name: len(layer._inbound_nodes) for layer in model._flatten_layers()}
    first = keras.ops.convert_to_numpy(model(x))
    kerasinit.initialize(model, seed=0)
    assert nodes == {layer.name: len(layer._inbound_nodes) for layer in model._flatten_layers()}
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(x)), first)


def test_a_model_that_cannot_be_traced_says_why():
    class Eager(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.last = layers.Dense(4, "relu"), layers.Dense(2)

        def call(self, x):
            if isinstance(x, keras.KerasTensor):
                raise RuntimeError("needs numbers")
            return self.last(self.first(x))

    model = Eager()
    model.first.build((None, 3))
    model.last.build((None, 4))
    model.built = True
    reasons = {row.reason for row in kerasinit.initialize(model, seed=0) if row.kind == "kernel"}
    assert all(reason.startswith("alone (no graph could be read: ") for reason in reasons)
    with pytest.raises(ValueError, match="could not be traced: "):
        kerasinit.initialize(model, "gpt", seed=0)
