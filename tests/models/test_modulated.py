"""Signals that a condition scales and shifts (FiLM, adaLN), turns, or gates: what ends a branch."""

import keras
import pytest
from keras import layers, ops

import kerasinit

WIDTH, BLOCKS = 8, 4


def film(h, condition, number):
    scale = layers.Dense(WIDTH, name=f"scale{number}")(condition)
    return h * (1 + scale) + layers.Dense(WIDTH, name=f"shift{number}")(condition)


def within(x, condition, number):
    """FiLM in the middle of a branch."""
    h = layers.Dense(WIDTH, name=f"up{number}")(layers.LayerNormalization()(x))
    h = ops.relu(film(h, condition, number))
    return x + layers.Dense(WIDTH, name=f"end{number}")(h)


def at_norm(x, condition, number):
    """As in a DiT: FiLM in place of the weights of a norm."""
    h = film(layers.LayerNormalization(center=False, scale=False)(x), condition, number)
    h = layers.Dense(2 * WIDTH, "gelu", name=f"up{number}")(h)
    return x + layers.Dense(WIDTH, name=f"end{number}")(h)


def in_front(x, condition, number):
    """A factor of the condition in front of the end of the branch."""
    end = layers.Dense(WIDTH, name=f"end{number}")(layers.Dense(WIDTH, "relu")(x))
    return x + layers.Dense(WIDTH, name=f"gate{number}")(condition) * end


def behind(x, condition, number):
    end = layers.Dense(WIDTH, name=f"end{number}")(layers.Dense(WIDTH, "relu")(x))
    return x + end * layers.Dense(WIDTH, name=f"gate{number}")(condition)


def scaled_within(x, condition, number):
    """FiLM whose scale has no one to start from."""
    h = layers.Dense(WIDTH, name=f"up{number}")(x)
    scale = layers.Dense(WIDTH, name=f"scale{number}")(condition)
    h = ops.relu(scale * h + layers.Dense(WIDTH, name=f"shift{number}")(condition))
    return x + layers.Dense(WIDTH, name=f"end{number}")(h)


def plan_of(block, depth=1):
    inputs, time = keras.Input((WIDTH,)), keras.Input((1,))
    condition = time
    for number in range(depth):
        condition = layers.Dense(WIDTH, "silu", name=f"time{number}")(condition)
    x = layers.Dense(WIDTH, name="first")(inputs)
    for number in range(BLOCKS):
        x = block(x, condition, number)
    return kerasinit.initialize(keras.Model([inputs, time], layers.Dense(3)(x)), seed=0)


@pytest.mark.parametrize("depth", [1, 2, 6])
@pytest.mark.parametrize(
    "block", [within, scaled_within, at_norm, behind, in_front], ids=lambda one: one.__name__
)
def test_the_layer_on_the_stream_ends_the_branch_and_the_condition_does_not(block, depth):
    ends = [row for row in plan_of(block, depth) if row.reason.startswith("ends one of")]
    names = {row.path.partition("/")[0] for row in ends}
    assert names == {f"end{number}" for number in range(BLOCKS)}
    assert [row.gain for row in ends] == pytest.approx([BLOCKS**-0.5] * BLOCKS)


@pytest.mark.parametrize("depth", [1, 2, 6])
@pytest.mark.parametrize("block", [behind, in_front], ids=lambda one: one.__name__)
def test_what_multiplies_a_branch_is_as_small_as_its_end(block, depth):
    plan = plan_of(block, depth)
    rows = [plan[f"gate{number}/kernel"] for number in range(BLOCKS)]
    assert [row.gain for row in rows] == pytest.approx([BLOCKS**-0.5] * BLOCKS)
    assert {row.reason.partition(":")[0] for row in rows} == {
        "multiplies one of 4 residual branches"
    }


@pytest.mark.parametrize("depth", [1, 2, 6])
@pytest.mark.parametrize("block", [within, scaled_within, at_norm], ids=lambda one: one.__name__)
def test_what_modulates_inside_a_branch_keeps_its_size(block, depth):
    plan = plan_of(block, depth)
    assert [plan[f"scale{number}/kernel"].gain for number in range(BLOCKS)] == [1.0] * BLOCKS


def test_one_modulation_for_all_positions_ends_no_branch_and_is_as_small_as_its_gates():
    """adaLN: one layer makes shifts, scales and gates of a whole block."""
    inputs, time = keras.Input((5, WIDTH)), keras.Input((1,))
    x = layers.Dense(WIDTH)(inputs)
    for number in range(BLOCKS):
        made = ops.expand_dims(layers.Dense(3 * WIDTH, name=f"modulation{number}")(time), 1)
        shift, scale, gate = ops.split(made, 3, axis=-1)
        h = layers.LayerNormalization(center=False, scale=False)(x) * (1 + scale) + shift
        h = layers.Dense(WIDTH, name=f"end{number}")(layers.Dense(WIDTH, "gelu")(h))
        x = x + gate * h
    plan = kerasinit.initialize(keras.Model([inputs, time], layers.Dense(3)(x)), seed=0)
    ends = {row.path for row in plan if row.reason.startswith("ends one of 4 ")}
    assert ends == {f"end{number}/kernel" for number in range(BLOCKS)}
    rows = [plan[f"modulation{number}/kernel"] for number in range(BLOCKS)]
    assert [row.gain for row in rows] == pytest.approx([BLOCKS**-0.5] * BLOCKS)
    assert {row.reason for row in rows} == {
        "multiplies one of 4 residual branches, with a part of its output: "
        "times 1/sqrt(4), as their ends"
    }


def test_an_affine_coupling_carries_no_stream():
    """RealNVP: `b * exp(s(a)) + t(a)`."""
    x = inputs = keras.Input((4,))
    for _ in range(BLOCKS):
        a, b = ops.split(x, 2, axis=-1)
        hidden = layers.Dense(WIDTH, "relu")(a)
        b = b * ops.exp(layers.Dense(2, "tanh")(hidden)) + layers.Dense(2)(hidden)
        x = ops.concatenate([b, a], axis=-1)
    plan = kerasinit.initialize(keras.Model(inputs, x), seed=0)
    reasons = [row.reason for row in plan if row.shape == (2, WIDTH)]
    own = "plain stack, only 0 hidden on the shortest way: its own initializer is as good for relu"
    assert reasons == [own] * BLOCKS


class Turned(layers.Layer):
    """Queries, or keys, with rotary positions."""

    def build(self, shape):
        self.dense = layers.Dense(WIDTH)
        self.dense.build(shape)

    def call(self, x):
        x = self.dense(x)
        cos, sin = ops.ones((5, 1)) * 0.8, ops.ones((5, 1)) * 0.6
        first, second = ops.split(x, 2, axis=-1)
        return x * cos + ops.concatenate([-second, first], axis=-1) * sin


def test_turned_queries_and_keys_do_not_hide_the_norms_of_a_stream():
    x = inputs = keras.Input((5, WIDTH))
    for number in range(BLOCKS):
        query, key = Turned()(x), Turned()(x)
        scores = ops.softmax(ops.matmul(query, ops.swapaxes(key, 1, 2)))
        mixed = ops.matmul(scores, layers.Dense(WIDTH)(x))
        x = layers.LayerNormalization()(x + layers.Dense(WIDTH, name=f"end{number}")(mixed))
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(3)(x)), seed=0)
    ends = [plan[f"end{number}/kernel"] for number in range(BLOCKS)]
    assert [row.gain for row in ends] == [1.0] * BLOCKS
    assert {row.reason for row in ends} == {
        "a LayerNormalization follows and sets the scale: unit variance, no gain is due"
    }


class Rounded(layers.Layer):
    """Straight through: rounded numbers, with the gradient of those before."""

    def build(self, shape):
        self.dense = layers.Dense(WIDTH, name="dense")
        self.dense.build(shape)

    def call(self, x):
        x = self.dense(x)
        return x - ops.stop_gradient(x) + ops.stop_gradient(ops.round(16 * x) / 16)


def test_rounding_is_no_residual_branch():
    x = inputs = keras.Input((WIDTH,))
    for number in range(3):
        x = ops.relu(Rounded(name=f"rounded{number}")(x))
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(2)(x)), seed=0)
    assert plan["rounded1/dense/kernel"].reason.startswith("only 3 hidden on the shortest way")


@pytest.mark.parametrize("act", [ops.sigmoid, ops.silu], ids=lambda one: one.__name__)
@pytest.mark.parametrize("half", [0, 1])
def test_an_activation_of_one_half_is_not_that_of_the_whole_kernel(act, half):
    inputs = keras.Input((WIDTH,))
    x = inputs
    for number in range(7):
        halves = ops.split(layers.Dense(2 * WIDTH, name=f"both{number}")(x), 2, axis=-1)
        x = act(halves[half]) * halves[1 - half]
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(2)(x)), seed=0)
    row = plan["both3/kernel"]
    assert row.gain == 1.0
    assert row.reason.startswith("an activation follows a part of it alone")


def test_an_activation_behind_a_norm_gives_the_end_of_a_branch_no_gain():
    x = inputs = keras.Input((6, 6, WIDTH))
    for number in range(BLOCKS):
        h = layers.Conv2D(WIDTH, 3, padding="same")(ops.relu(layers.GroupNormalization(2)(x)))
        h = ops.relu(layers.GroupNormalization(2)(h))
        x = x + layers.Conv2D(WIDTH, 3, padding="same", name=f"end{number}")(h)
    x = ops.relu(layers.GroupNormalization(2)(x))
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    plan = kerasinit.initialize(model, seed=0)
    assert [plan[f"end{n}/kernel"].gain for n in range(BLOCKS)] == pytest.approx([0.5] * BLOCKS)


@pytest.mark.parametrize(
    ("after", "is_last"),
    [
        (layers.Softmax(), False),
        (layers.Rescaling(2.0), False),
        (layers.UnitNormalization(), True),
        (layers.Lambda(lambda x: ops.sum(x**2, axis=-1)), True),
    ],
    ids=["softmax", "scale", "norm", "sum"],
)
def test_the_output_is_said_to_be_one_where_nothing_else_is_made_of_it(after, is_last):
    inputs = keras.Input((WIDTH,))
    x = layers.Dense(4, name="head")(layers.Dense(WIDTH, "relu")(inputs))
    plan = kerasinit.initialize(keras.Model(inputs, after(x)), seed=0)
    said = "the last kernel before the model's output" if is_last else "the model's output"
    assert plan["head/kernel"].reason.startswith(said)
