"""Kernels whose results are added, and no stream among them: the sum has the size of one."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit

WIDTH, SAMPLES = 128, 256


def dense(name, **options):
    return layers.Dense(WIDTH, name=name, **options)


def skips_of_wave_net(inputs):
    """Skip outputs of six blocks (van den Oord et al., 2016)."""
    x, skips = inputs[0], []
    for number in range(6):
        h = layers.Dense(WIDTH, "tanh")(x) * layers.Dense(WIDTH, "sigmoid")(x)
        skips.append(dense(f"part{number}")(h))
        x = x + layers.Dense(WIDTH)(h)
    return skips


def wave_net(inputs):
    return layers.Add()(skips_of_wave_net(inputs)), 6


def wave_net_one_by_one(inputs):
    return sum(skips_of_wave_net(inputs)), 6


def graph_sage(inputs):
    """Of a node, and of those around it (Hamilton et al., 2017)."""
    around = layers.Reshape((WIDTH,))(inputs[1] * inputs[0] / 8)
    return dense("part0")(inputs[0]) + dense("part1")(around), 2


def two_inputs(inputs):
    return dense("part0")(inputs[0]) + dense("part1")(inputs[1]), 2


def one_after_the_other(inputs):
    first, second, third = inputs
    return dense("part0")(first) + dense("part1")(second) + dense("part2")(third), 3


def additive_attention(inputs):
    """Query and keys (Bahdanau et al., 2014)."""
    keys = layers.Reshape((8, WIDTH // 8))(inputs[0])
    return dense("part0")(inputs[1])[:, None] + dense("part1")(keys), 2


def dropped(inputs):
    return layers.Dropout(0.1)(dense("part0")(inputs[0])) - dense("part1")(inputs[1]), 2


SUMS = (
    wave_net,
    wave_net_one_by_one,
    graph_sage,
    two_inputs,
    one_after_the_other,
    additive_attention,
    dropped,
)


def halved(total):
    return ops.relu(total / 2)


def normalized(total):
    return layers.LayerNormalization()(total)


def plan_of(make, then=ops.relu):
    """The plan of a network around a sum, and how many kernels that has."""
    inputs = [keras.Input((WIDTH,)) for _ in range(3)]
    total, count = make(inputs)
    x = layers.Dense(WIDTH, "relu")(then(total))
    model = keras.Model(inputs, layers.Dense(1)(x))
    return kerasinit.initialize(model, seed=0, dry_run=True), count


def parts(plan):
    return [row for row in plan if row.path.startswith("part") and row.kind == "kernel"]


@pytest.mark.parametrize("make", SUMS, ids=lambda one: one.__name__)
def test_squared_gains_add_up_to_that_of_one_kernel(make):
    plan, count = plan_of(make)
    alone, _ = plan_of(make, halved)  # the sum is bounded as it is: each kernel as if alone
    squares = [row.gain**2 for row in parts(plan)]
    assert len(squares) == count
    assert sum(squares) == pytest.approx(parts(alone)[0].gain ** 2)


@pytest.mark.parametrize("make", SUMS, ids=lambda one: one.__name__)
def test_the_plan_says_so(make):
    plan, count = plan_of(make)
    says = f"{count} kernels are added: times 1/sqrt({count})"
    assert all(row.reason.endswith(says) for row in parts(plan))


def test_a_sum_of_eight_has_the_variance_that_one_kernel_would_give():
    inputs = [keras.Input((WIDTH,)) for _ in range(8)]
    model = keras.Model(inputs, layers.Add()([layers.Dense(WIDTH)(one) for one in inputs]))
    kerasinit.initialize(model, seed=0)
    rng = np.random.default_rng(0)
    out = model([rng.normal(size=(SAMPLES, WIDTH)).astype("float32") for _ in inputs])
    assert float(ops.convert_to_numpy(ops.var(out))) == pytest.approx(1.0, rel=0.05)


def test_a_deep_net_of_two_kernels_each_keeps_its_size():
    x = inputs = keras.Input((WIDTH,))
    for _ in range(12):
        x = ops.relu(layers.Dense(WIDTH)(x) + layers.Dense(WIDTH)(x))
    model = keras.Model(inputs, x)
    kerasinit.initialize(model, seed=0)
    x = np.random.default_rng(0).normal(size=(SAMPLES, WIDTH)).astype("float32")
    out = float(ops.convert_to_numpy(ops.mean(ops.square(model(x)))))
    assert 0.2 < out < 5.0  # 4,096 with the variance of one in each


@pytest.mark.parametrize("then", [halved, normalized], ids=lambda one: one.__name__)
def test_a_sum_that_is_bounded_anyway_stays(then):
    plan, _ = plan_of(two_inputs, then)
    assert not any("added" in row.reason for row in plan)


def with_input(inputs):
    return dense("part0")(inputs[0]) + inputs[0], 1


def with_relu(inputs):
    return dense("part0")(inputs[0]) + dense("part1", activation="relu")(inputs[1]), 2


def with_itself(inputs):
    part = dense("part0")(inputs[0])
    return layers.Add()([part, part]), 1


def with_words(inputs):
    words = layers.Embedding(4, WIDTH)(ops.cast(inputs[0][:, 0] > 0, "int32"))
    return dense("part0")(inputs[0]) + words, 1


def with_a_stream(inputs):
    """Half of a kernel, shifted by what is made of the other half: a step of a flow."""
    left, right = ops.split(layers.Dense(2 * WIDTH)(inputs[0]), 2, axis=-1)
    return right + dense("part0")(layers.Dense(WIDTH, "relu")(left)), 1


@pytest.mark.parametrize(
    "make",
    [with_input, with_relu, with_itself, with_words, with_a_stream],
    ids=lambda one: one.__name__,
)
def test_sums_with_anything_else_are_left_alone(make):
    plan, _ = plan_of(make)
    assert not any("added" in row.reason for row in plan)
