"""Which adds join a branch with the skip around it, and which sum something else."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit

WIDTH, BLOCKS = 16, 4


def additive_attention(x, number):
    """Query and keys, each projected, are summed (Bahdanau et al., 2014)."""
    query = layers.Dense(WIDTH)(ops.mean(x, axis=1, keepdims=True))
    scores = layers.Dense(1)(ops.tanh(query + layers.Dense(WIDTH)(x)))
    return layers.Dense(WIDTH, "relu")(x * ops.softmax(scores, axis=1))


def added_mean(x, number):
    """What is spread over the sequence is no stream."""
    mean = layers.Dense(WIDTH)(ops.mean(x, axis=1, keepdims=True))
    return layers.Dense(WIDTH)(layers.Dense(WIDTH, "relu")(x)) + mean


def parallel(x, number):
    """Two branches go around one skip, added one by one (GPT-J, GPT-NeoX)."""
    normalized = layers.LayerNormalization()(x)
    first = layers.Dense(WIDTH, name=f"end{number}")(layers.Dense(32, "relu")(normalized))
    hidden = layers.Dense(32, "relu")(layers.Dense(32, "relu")(normalized))
    return x + first + layers.Dense(WIDTH, name=f"other_end{number}")(hidden)


def longer_first(x, number):
    """As `parallel`; the branch that is added first has more layers, or as many and more calls."""
    normalized = layers.LayerNormalization()(x)
    hidden = layers.Dense(32, "relu")(layers.Dense(32, "relu")(normalized))
    first = layers.Dense(WIDTH, name=f"end{number}")(hidden)
    other = layers.Dense(32, "relu")(normalized)
    return x + first + layers.Dense(WIDTH, name=f"other_end{number}")(other)


def projected(x, number):
    """The skip is projected; a time is added inside the branch."""
    time = layers.Dense(WIDTH)(ops.mean(x, axis=1, keepdims=True))
    inside = layers.Dense(WIDTH)(layers.LayerNormalization()(x)) + time
    end = layers.Dense(WIDTH, name=f"end{number}")(ops.relu(inside))
    return layers.Dense(WIDTH)(x) + end


class AttentionOverWords(layers.Layer):
    """Scores, of which what is padded is taken away (Yang et al., 2016, as in many programs)."""

    supports_masking = True

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 1), name="kernel")

    def call(self, x, mask=None):
        scores = ops.tanh(ops.matmul(x, self.kernel))
        padded = 1.0 - ops.cast(ops.expand_dims(mask, -1), "float32")
        return ops.sum(x * ops.softmax(scores - 1e9 * padded, axis=1), axis=1)


def test_a_mask_that_is_added_to_scores_carries_no_stream():
    words = keras.Input((7,), dtype="int32")
    x = layers.Embedding(20, WIDTH, mask_zero=True)(words)
    x = AttentionOverWords()(layers.Bidirectional(layers.LSTM(8, return_sequences=True))(x))
    plan = kerasinit.initialize(keras.Model(words, layers.Dense(3)(x)), seed=1)
    assert not any("residual" in row.reason for row in plan)


class Experts(layers.Layer):
    """Experts side by side in weights that are called by no usual name."""

    def build(self, shape):
        self.gate = layers.Dense(3, "softmax")
        self.gate.build(shape)
        self.up = self.add_weight(shape=(3, WIDTH, 32), name="experts_up")
        self.down = self.add_weight(shape=(3, 32, WIDTH), name="experts_down")

    def call(self, x):
        hidden = ops.relu(ops.einsum("btd,edf->btef", x, self.up))
        made = ops.einsum("btef,efd->bted", hidden, self.down)
        return ops.sum(made * ops.expand_dims(self.gate(x), -1), axis=2)


def experts(x, number):
    """Every second branch ends in the weights of experts."""
    x = x + layers.Dense(WIDTH, name=f"end{number}")(layers.Dense(32, "relu")(x))
    return x + Experts()(layers.LayerNormalization()(x))


def plan_of(block):
    x = inputs = keras.Input((6, WIDTH))
    for number in range(BLOCKS):
        x = block(x, number)
    return kerasinit.initialize(keras.Model(inputs, layers.Dense(3)(x)), seed=0)


@pytest.mark.parametrize("block", [additive_attention, added_mean], ids=lambda one: one.__name__)
def test_what_is_spread_over_a_sequence_is_no_stream(block):
    assert not any("branches" in row.reason for row in plan_of(block))


@pytest.mark.parametrize(
    ("block", "branches"),
    [
        (parallel, 2 * BLOCKS),
        (longer_first, 2 * BLOCKS),
        (projected, BLOCKS),
        (experts, 2 * BLOCKS),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_each_end_of_a_branch_is_counted_and_nothing_else(block, branches):
    rows = [row for row in plan_of(block) if "branches" in row.reason]
    assert all(row.reason.startswith(f"ends one of {branches} ") for row in rows)
    assert {row.path.partition("/")[0].rstrip("0123456789") for row in rows} <= {
        "end",
        "other_end",
    }
    assert len(rows) == (BLOCKS if block in (projected, experts) else branches)


def tower():
    x = inputs = keras.Input((WIDTH,))
    for _ in range(BLOCKS):
        x = x + layers.Dense(WIDTH)(layers.Dense(WIDTH, "relu")(x))
    return keras.Model(inputs, x)


@pytest.mark.parametrize("shared", [True, False])
def test_a_tower_does_not_count_the_branches_of_another_one(shared):
    """As in a siamese network, or a model of pictures and words."""
    first, second = keras.Input((WIDTH,)), keras.Input((WIDTH,))
    left = tower()
    right = left if shared else tower()
    both = layers.Concatenate()([left(first), right(second)])
    plan = kerasinit.initialize(keras.Model([first, second], layers.Dense(2)(both)), seed=0)
    ends = [row.reason for row in plan if "branches" in row.reason]
    assert len(ends) == (BLOCKS if shared else 2 * BLOCKS)
    assert all(reason.startswith(f"ends one of {BLOCKS} ") for reason in ends)


def conditioned(x, condition, number):
    """A block of a denoiser: the condition is added to the hidden layer of the branch."""
    hidden = layers.Dense(WIDTH)(x) + layers.Dense(WIDTH)(condition)
    return x + layers.Dense(WIDTH, name=f"end{number}")(ops.silu(hidden))


def test_a_condition_of_the_streams_shape_is_no_stream():
    inputs = keras.Input((WIDTH,))
    x, condition = layers.Dense(WIDTH)(inputs), layers.Dense(WIDTH)(inputs)
    for number in range(BLOCKS):
        x = conditioned(x, condition, number)
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(3)(x)), seed=0)
    ends = [row.reason for row in plan if row.path.startswith("end") and row.kind == "kernel"]
    assert all(reason.startswith(f"ends one of {BLOCKS} ") for reason in ends)


def test_the_size_of_a_stream_of_projected_blocks_stays():
    x = inputs = keras.Input((64,))
    for _ in range(16):
        x = layers.Dense(64)(x) + layers.Dense(64)(ops.relu(x))
    model = keras.Model(inputs, x)
    kerasinit.initialize(model, seed=0)
    out = model(keras.random.normal((64, 64), seed=0))
    assert float(ops.convert_to_numpy(ops.std(out))) < 1000


def test_a_trunk_and_its_heads_count_the_longest_way():
    def blocks(x, count):
        for _ in range(count):
            x = x + layers.Dense(WIDTH)(ops.relu(x))
        return x

    inputs = keras.Input((WIDTH,))
    trunk = blocks(layers.Dense(WIDTH)(inputs), 3)
    heads = [layers.Dense(2)(blocks(trunk, count)) for count in (1, 2, 2)]
    plan = kerasinit.initialize(keras.Model(inputs, heads), seed=0)
    counts = [row.reason.split()[3] for row in plan if row.reason.startswith("ends one of")]
    assert sorted(counts) == ["4"] + ["5"] * 7


def shared_expert(x, number):
    """An expert that reads everything beside those that are chosen: one branch, in two parts."""
    y = layers.LayerNormalization()(x)
    gate = layers.Dense(1, "sigmoid")(y)
    hidden = layers.Dense(32, "silu")(y) * layers.Dense(32)(y)
    shared = layers.Dense(WIDTH, name=f"end{number}")(hidden)
    return x + (Experts()(y) + gate * shared)


def test_a_sum_within_a_branch_ends_the_branch():
    rows = [row for row in plan_of(shared_expert) if row.path.startswith("end")]
    reasons = {row.reason for row in rows if row.kind == "kernel"}
    assert reasons == {
        f"ends one of {BLOCKS} residual branches: times 1/sqrt({BLOCKS}) bounds the stream"
    }


@pytest.mark.parametrize(("shared", "branches"), [(True, 4), (False, 1)])
def test_messages_of_one_layer_count_its_calls(shared, branches):
    """`h = relu(start + W(messages of h))`, as in message passing along bonds."""
    inputs = keras.Input((6, WIDTH))
    start = layers.Dense(WIDTH)(inputs)
    h, passes = layers.Dense(WIDTH, "relu")(start), layers.Dense(WIDTH, name="passes0")
    for number in range(4):
        layer = passes if shared else layers.Dense(WIDTH, name=f"passes{number}")
        h = layers.ReLU()(start + layer(2 * h))
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(3)(h)), seed=0)
    ends = [row.reason for row in plan if row.path.startswith("passes") and row.kind == "kernel"]
    assert ends
    assert all(reason.startswith(f"ends one of {branches} ") for reason in ends)


def test_inputs_that_share_a_block_do_not_lengthen_its_stream():
    inside = keras.Input((WIDTH,))
    branch = layers.Dense(WIDTH, name="end")(layers.Dense(WIDTH, "relu")(inside))
    encoder = keras.Model(inside, inside + branch)
    inputs = [keras.Input((WIDTH,)) for _ in range(5)]
    joined = layers.Concatenate()([encoder(one) for one in inputs])
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(2)(joined)), seed=0)
    assert plan["end/kernel"].reason.startswith("ends one of 1 ")


HALVED = {
    "times": lambda x, branch: (x + branch) * np.sqrt(0.5),
    "divided": lambda x, branch: ops.divide(layers.Add()([x, branch]), 2**0.5),
    "rescaled": lambda x, branch: layers.Rescaling(2**-0.5)(x + branch),
    "each": lambda x, branch: 2**-0.5 * x + 2**-0.5 * branch,
}


def halved(join, count=12):
    """Blocks whose sums are scaled at once, as in WaveNet and ConvS2S, and their stream."""
    inputs = keras.Input((64,))
    x = layers.Dense(64)(inputs)
    for _ in range(count):
        x = join(x, layers.Dense(64)(layers.Dense(128, "relu")(x)))
    return keras.Model(inputs, layers.Dense(2)(x)), keras.Model(inputs, x)


@pytest.mark.parametrize("join", HALVED.values(), ids=HALVED)
def test_a_stream_whose_sums_are_halved_keeps_its_size(join):
    model, stream = halved(join)
    kerasinit.initialize(model, seed=0)
    out = stream(keras.random.normal((64, 64), seed=0))
    assert 0.5 < float(ops.convert_to_numpy(ops.std(out))) < 2  # 0.03 with branches scaled, too


@pytest.mark.parametrize(
    "join",
    [
        lambda x, branch: x + 0.5 * branch,
        lambda x, branch: 0.9 * (x + branch),
        lambda x, branch: 2 * (x + branch),
        lambda x, branch: 0.7 * x + branch,
    ],
    ids=["branch", "little", "more", "skip"],
)
def test_other_factors_bound_no_stream(join):
    plan = kerasinit.initialize(halved(join)[0], seed=0)
    assert sum(row.reason.startswith("ends one of 12 ") for row in plan) == 12


class Noted(layers.Layer):
    """Its `build` only notes a size."""

    def build(self, shape):
        self.size = float(shape[-1])

    def call(self, x):
        return x / self.size**0.5


class OfNoted(layers.Layer):
    def __init__(self):
        super().__init__()
        self.first, self.last, self.noted = layers.Dense(WIDTH), layers.Dense(WIDTH), Noted()

    def build(self, shape):
        self.first.build(shape)
        self.last.build(shape)

    def call(self, x):
        return x + self.last(self.first(self.noted(x)))

    def compute_output_shape(self, shape):
        return shape


def test_a_build_that_makes_no_weights_closes_no_block():
    x = inputs = keras.Input((WIDTH,))
    for _ in range(4):
        x = OfNoted()(x)
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(2)(x)), seed=0)
    assert sum(row.reason.startswith("ends one of 4") for row in plan) == 4


class LayerScale(layers.Layer):
    """Touvron et al., 2021 (CaiT)."""

    def __init__(self, start):
        super().__init__()
        self.start = keras.initializers.Constant(start)

    def build(self, shape):
        self.gamma = self.add_weight(shape=shape[-1:], initializer=self.start, name="gamma")

    def call(self, x):
        return x * self.gamma


class ReZero(LayerScale):
    """Bachlechner et al., 2020: the block itself holds one number for each branch."""

    def __init__(self, start):
        super().__init__(start)
        self.dense = layers.Dense(WIDTH)

    def build(self, shape):
        self.dense.build(shape)
        self.gamma = self.add_weight(shape=(), initializer=self.start, name="weight")

    def call(self, x):
        return x + self.gamma * self.dense(x)


def scaled_block(kind, start):
    if kind is ReZero:
        return ReZero(start)
    return lambda x: x + LayerScale(start)(layers.Dense(WIDTH)(x))


@pytest.mark.parametrize("kind", [LayerScale, ReZero], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    ("start", "gain"), [(0.0, 1.0), (1e-5, 1.0), (0.2, 1.0), (0.5, 0.5), (1.0, 0.25), (2.0, 0.25)]
)
def test_a_branch_with_a_learned_factor_is_scaled_by_what_that_leaves(kind, start, gain):
    """Both together are 1/sqrt(16), or the factor alone where it is smaller."""
    x = inputs = keras.Input((WIDTH,))
    for _ in range(16):
        x = scaled_block(kind, start)(x)
    model = keras.Model(inputs, layers.Dense(3)(x))
    for weight in model.weights:
        if len(weight.shape) < 2:
            weight.assign(np.ones(weight.shape))  # what it has learned does not count
    plan = kerasinit.initialize(model, seed=0, reset_optimizer=True)
    ends = [row for row in plan if row.reason.startswith("ends one of 16 ")]
    assert [row.gain for row in ends] == pytest.approx([gain] * 16)
    assert all(("own factor" in row.reason) == (start < 1) for row in ends)


def test_a_stream_starts_anew_after_a_norm():
    """As in a Conformer, whose every block of four branches ends in a norm."""
    x = inputs = keras.Input((WIDTH,))
    for _ in range(3):
        for _ in range(4):
            hidden = layers.Dense(32, "relu")(layers.LayerNormalization()(x))
            x = x + layers.Dense(WIDTH)(hidden)
        x = layers.LayerNormalization()(x)
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(3)(x)), seed=0)
    assert sum(row.reason.startswith("ends one of 4 residual branches") for row in plan) == 12


def test_branches_beside_the_head_are_no_branches_of_its_stream():
    """Deep and cross, and a term of second order that is added to the logit."""
    table = keras.Input((6, 8))
    x = flat = layers.Flatten()(table)
    for _ in range(3):
        x = x + layers.Dense(48)(layers.Dense(16, "relu")(x))
    squares = ops.square(ops.sum(table, axis=1)) - ops.sum(ops.square(table), axis=1)
    second_order = ops.sum(squares, axis=-1, keepdims=True)
    logit = layers.Dense(1, name="logit")(layers.Concatenate()([x, flat])) + second_order
    plan = kerasinit.initialize(keras.Model(table, logit), seed=0)
    assert plan["logit/kernel"].gain == 1.0
    assert sum(row.reason.startswith("ends one of 3 residual branches") for row in plan) == 3


@pytest.mark.parametrize("norm", [layers.Identity, layers.LayerNormalization])
def test_two_streams_that_read_each_other_count_their_own_sums(norm):
    """As in a reversible network; their sizes would grow like Fibonacci's numbers."""
    inputs = keras.Input((WIDTH,))
    first, second = layers.Dense(WIDTH)(inputs), layers.Dense(WIDTH)(inputs)
    for _ in range(BLOCKS):
        first = first + layers.Dense(WIDTH)(layers.Dense(32, "relu")(norm()(second)))
        second = second + layers.Dense(WIDTH)(layers.Dense(32, "relu")(norm()(first)))
    joined = layers.Concatenate()([first, second])
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(3)(joined)), seed=0)
    assert sum(row.reason.startswith(f"ends one of {BLOCKS} ") for row in plan) == 2 * BLOCKS


@pytest.mark.parametrize("wide", [2, 1], ids=["wider", "as wide"])
def test_outputs_that_are_summed_are_no_stream(wide):
    """Wide and deep: layers beside each other, whose sum no weighted layer reads."""
    inputs = keras.Input((WIDTH,))
    hidden = layers.Dense(wide * WIDTH, "relu", name="hidden")(inputs)
    deep = layers.Dense(1)(layers.Dense(WIDTH, "relu")(hidden))
    model = keras.Model(inputs, layers.Dense(1)(inputs) + deep)
    plan = kerasinit.initialize(model, seed=0)
    assert plan["hidden/kernel"].reason.startswith("plain stack, only 0 hidden on the shortest way")
    assert not any("branches" in row.reason for row in plan)


def test_a_last_block_around_its_input_is_a_branch():
    """As of a denoiser that predicts the noise."""
    inputs = keras.Input((WIDTH,))
    end = layers.Dense(WIDTH, name="end")(layers.Dense(32, "relu")(inputs))
    plan = kerasinit.initialize(keras.Model(inputs, inputs + end), seed=0)
    assert plan["end/kernel"].reason.startswith("ends one of 1 ")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_all_branches_of_one_add_are_counted(place):
    """`Add()([x, attention, feed_forward])`, in any order."""

    def block(x, number):
        branches = [
            layers.Dense(WIDTH, name=f"{name}{number}")(layers.Dense(32, "relu")(x))
            for name in ("end", "other_end")
        ]
        branches.insert(place, x)
        return layers.Add()(branches)

    rows = [row for row in plan_of(block) if "branches" in row.reason]
    assert len(rows) == 2 * BLOCKS
    assert all(row.reason.startswith(f"ends one of {2 * BLOCKS} ") for row in rows)


def test_signals_beside_each_other_that_one_add_sums_are_no_branches():
    """As of graph networks with a kernel for each kind of edge: none is the skip of the others."""
    inputs = keras.Input((WIDTH,))
    x = layers.Dense(WIDTH, "relu")(inputs)
    for _ in range(BLOCKS):
        x = layers.ReLU()(layers.Add()([layers.Dense(WIDTH)(x) for _ in range(3)]))
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(3)(x)), seed=0)
    assert not any("branches" in row.reason for row in plan)


def test_outputs_of_several_depths_that_one_add_sums_are_no_branches():
    """The skip connections of a WaveNet, which do not lead into each other."""
    inputs = keras.Input((WIDTH,))
    x, ways = layers.Dense(WIDTH)(inputs), []
    for number in range(BLOCKS):
        hidden = layers.Dense(WIDTH, "tanh")(x)
        ways.append(layers.Dense(WIDTH, name=f"way{number}")(hidden))
        x = x + layers.Dense(WIDTH)(hidden)
    total = layers.ReLU()(layers.Add()(ways))
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(3)(total)), seed=0)
    ends = [plan[f"way{number}/kernel"].reason for number in range(BLOCKS)]
    assert not any("branches" in reason for reason in ends)


@pytest.mark.parametrize(
    "bounded",
    [
        lambda *parts: layers.Rescaling(0.5)(layers.Add()(parts)),
        lambda *parts: layers.Add()([layers.Rescaling(0.5)(part) for part in parts]),
        lambda *parts: layers.LayerNormalization()(layers.Add()(parts)),
    ],
    ids=["halved", "parts halved", "normalized"],
)
def test_one_add_of_several_branches_may_be_bounded_as_it_is(bounded):
    def block(x, number):
        return bounded(x, *(layers.Dense(WIDTH)(layers.Dense(32, "relu")(x)) for _ in range(2)))

    assert not any("branches" in row.reason for row in plan_of(block))


def test_a_last_block_around_a_projection_ends_a_branch_of_its_stream():
    """A network without a head, whose last block changes the width."""
    inputs = keras.Input((WIDTH,))
    x = layers.Dense(WIDTH)(inputs)
    for width in (16, 24, 32):
        end = layers.Dense(width, name=f"end{width}")(layers.Dense(width, "relu")(x))
        x = layers.Add()([layers.Dense(width)(x), end])
    plan = kerasinit.initialize(keras.Model(inputs, x), seed=0)
    ends = [plan[f"end{width}/kernel"].reason for width in (16, 24, 32)]
    assert all(reason.startswith("ends one of 3 ") for reason in ends)


def test_a_stream_of_more_branches_than_python_recurses_is_read():
    inputs = keras.Input((4,))
    x, shared = inputs, layers.Dense(4, name="shared")
    for _ in range(300):
        x = layers.Add()([x, *(shared(x) for _ in range(4))])
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(2)(x)), seed=0, dry_run=True)
    assert plan["shared/kernel"].reason.startswith("ends one of 1200 ")
