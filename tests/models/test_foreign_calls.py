"""What a foreign `call` does beside calling layers: weights, functions of the backend, slices."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit

BLOCKS, WIDTH = 4, 8
of_jax = pytest.mark.skipif(keras.config.backend() != "jax", reason="functions of JAX")


class Branch(layers.Layer):
    """`x + f(x)`; what the tests change is how the branch ends."""

    def __init__(self, units=WIDTH):
        super().__init__()
        self.up, self.down = layers.Dense(16, name="up"), layers.Dense(units, name="down")

    def build(self, shape):
        self.up.build(shape)
        self.down.build((*shape[:-1], 16))
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")
        self.matrix = self.add_weight(shape=(WIDTH, WIDTH), initializer="identity", name="matrix")

    def inside(self, x):
        return self.down(ops.relu(self.up(x)))

    def call(self, x):
        return x + self.inside(x)


class WeightInFront(Branch):
    def call(self, x):
        return x + self.scale * self.inside(x)


class NumberInFront(Branch):
    def call(self, x):
        return x + np.sqrt(1.0) * self.inside(x)  # a number of numpy


class TensorInFront(Branch):
    def call(self, x):
        return ops.ones((WIDTH,)) * self.inside(x) + x


class Shifted(Branch):
    def call(self, x):
        return x + (self.inside(x) + self.matrix[0])


class Activated(Branch):
    def call(self, x):
        return x + ops.relu(self.inside(x))


class Gated(Branch):
    def __init__(self):
        super().__init__(2 * WIDTH)

    def call(self, x):
        value, gate = ops.split(self.inside(x), 2, axis=-1)
        return x + value * ops.sigmoid(gate)


class Sliced(Branch):
    def __init__(self):
        super().__init__(2 * WIDTH)

    def call(self, x):
        return x + self.inside(x)[..., :WIDTH]


class Subtracted(Branch):
    def call(self, x):
        return x - self.inside(x)


class Cast(Branch):
    def call(self, x):
        return ops.cast(x, "float32") + ops.cast(self.inside(x), "float32")


class AsksForRank(Branch):
    def call(self, x):
        return x + self.inside(x) if ops.ndim(x) > 1 else x


class OwnMatrix(Branch):
    """A kernel of its own beside its layers."""

    def build(self, shape):
        super().build(shape)
        self.kernel = self.add_weight(shape=(WIDTH, WIDTH), name="kernel")

    def call(self, x):
        return x + self.inside(ops.matmul(x, self.kernel))


def raw_functions():
    """Addition, activation and product as the backend has them."""
    name = keras.config.backend()
    if name == "tensorflow":
        import tensorflow as tf

        return tf.add, tf.nn.relu, tf.matmul
    if name == "jax":
        import jax

        return (
            lambda x, y: jax.numpy.add(x, y),
            lambda x: jax.nn.relu(x),
            lambda x, y: jax.numpy.matmul(x, y),
        )
    import torch

    return torch.add, torch.nn.functional.relu, torch.matmul


class OfTheBackend(Branch):
    def call(self, x):
        add, relu, _ = raw_functions()
        return add(x, self.down(relu(self.up(x))))


class Wrapped(layers.Wrapper):
    """A wrapper with a `call` of its own."""

    def build(self, shape=None):
        self.layer.build(shape)
        self.built = True

    def call(self, x):
        return x + self.layer(x)


def wrapped():
    return Wrapped(layers.Dense(WIDTH, "relu", name="down"))


ENDS = [
    WeightInFront,
    NumberInFront,
    TensorInFront,
    Shifted,
    Activated,
    Gated,
    Sliced,
    Subtracted,
    Cast,
    AsksForRank,
    OwnMatrix,
    OfTheBackend,
    wrapped,
]


def stack(make):
    x = inputs = keras.Input((5, WIDTH))
    for _ in range(BLOCKS):
        x = make()(x)
    return keras.Model(inputs, layers.Dense(3)(x))


@pytest.mark.parametrize("make", ENDS, ids=lambda make: make.__name__)
def test_the_end_of_a_branch_is_found(make):
    plan = kerasinit.initialize(stack(make), seed=0)
    rows = [row for row in plan if row.path.endswith("down/kernel")]
    assert len(rows) == BLOCKS
    for row in rows:
        assert row.reason.startswith("ends one of 4 residual branches")
    for row in plan:
        if row.path.endswith("up/kernel"):
            assert row.gain == pytest.approx(2**0.5)


def test_a_doubly_residual_stack_is_bounded():
    """N-BEATS: each block takes its backcast away and adds its forecast."""
    inputs = keras.Input((WIDTH,))
    rest, forecasts = inputs, []
    for number in range(6):
        hidden = layers.Dense(16, "relu")(layers.Dense(16, "relu")(rest))
        both = layers.Dense(2 * WIDTH, name=f"theta{number}")(hidden)
        rest = layers.Subtract()([rest, both[:, :WIDTH]])
        forecasts.append(both[:, WIDTH:])
    model = keras.Model(inputs, [rest, layers.Add()(forecasts)])
    kerasinit.initialize(model, seed=0)
    x = np.random.default_rng(0).normal(size=(256, WIDTH)).astype("float32")
    assert ops.convert_to_numpy(model(x)[0]).std() < 2


@keras.saving.register_keras_serializable("tests")
class Linear(layers.Layer):
    """As in the guides of Keras: weights without Keras' names, and what follows in the call."""

    def __init__(self, units, activation=None, **options):
        super().__init__(**options)
        self.units, self.act = units, activation

    def build(self, shape):
        start = {"initializer": "random_normal"}
        self.w = self.add_weight(shape=(shape[-1], self.units), name="w", **start)
        self.b = self.add_weight(shape=(self.units,), name="b", initializer="zeros")

    def call(self, x):
        x = ops.matmul(x, self.w) + self.b
        return x if self.act is None else self.act(x)


class Backwards(Linear):
    def call(self, x):
        return raw_functions()[2](x, self.w.value)


class Cosine(Linear):
    """Whose kernel is no matrix that multiplies the signal as it is."""

    def call(self, x):
        return ops.matmul(x, self.w / ops.norm(self.w, axis=0, keepdims=True))


def test_a_kernel_that_somebody_made_is_read_by_its_use():
    hidden = [Linear(32, ops.relu, name=name) for name in ("first", *"abcde")]
    last = Linear(3, name="last")
    plan = kerasinit.initialize(keras.Sequential([keras.Input((16,)), *hidden, last]), seed=0)
    assert plan["first/w"].gain == pytest.approx(2**0.5)
    assert plan["first/w"].reason == "relu follows: He for relu"
    assert plan["last/w"].reason == "the model's output: unit variance at any width"


def test_a_kernel_in_a_function_of_the_backend_is_read():
    layer = Backwards(3, name="raw")
    plan = kerasinit.initialize(keras.Sequential([keras.Input((16,)), layer]), seed=0)
    assert plan["raw/w"].reason == "the model's output: unit variance at any width"


def test_a_kernel_of_unknown_use_keeps_its_own_start():
    layer = Cosine(3, name="cosine")
    plan = kerasinit.initialize(keras.Sequential([keras.Input((16,)), layer]), seed=0)
    assert plan["cosine/w"].initializer.startswith("RandomNormal")
    assert plan["cosine/w"].reason == (
        "what its layer does with it is not known: its own initializer"
    )


class Named(Linear):
    def call(self, x):
        return ops.einsum("...i,io->...o", x, self.w)


class InFront(Linear):
    """A square kernel, whose rows make the outputs."""

    def call(self, x):
        return ops.transpose(ops.einsum("oi,ib->ob", self.w, ops.transpose(x)))


@pytest.mark.parametrize(("kind", "is_read"), [(Named, True), (InFront, False)])
def test_a_kernel_in_a_sum_over_named_axes_is_read_where_it_is_the_last(kind, is_read):
    model = keras.Sequential([keras.Input((16,)), kind(16, name="named")])
    reason = kerasinit.initialize(model, seed=0)["named/w"].reason
    assert reason.startswith("the model's output") == is_read


@of_jax
def test_a_convolution_of_jax_has_another_kernel():
    import jax

    class Window(Linear):
        def build(self, shape):
            self.w = self.add_weight(shape=(4, 4, 3, 3), initializer="random_normal", name="w")

        def call(self, x):
            return jax.lax.conv(x, self.w.value, (1, 1), "SAME")

    plan = kerasinit.initialize(keras.Sequential([keras.Input((4, 8, 8)), Window(4)]), seed=0)
    assert next(iter(plan)).reason.endswith("does with it is not known: its own initializer")


class Tied(OwnMatrix):
    """Its kernel is transposed before its use."""

    def call(self, x):
        return ops.matmul(self.inside(x), ops.transpose(self.kernel))


def test_a_kernel_that_is_changed_before_its_use_still_mixes():
    inputs = keras.Input((5, WIDTH))
    plan = kerasinit.initialize(keras.Model(inputs, Tied()(inputs)), seed=0)
    row = next(row for row in plan if row.path.endswith("down/kernel"))
    assert not row.reason.startswith("the model's output")
    row = next(row for row in plan if row.path.endswith("tied/kernel"))
    assert row.reason == "what its layer does with it is not known: its own initializer"


def test_zero_ends_of_branches_stay_before_a_zero_head():
    """DDPM: the last convolution of each block starts at zero, and that of the model, too."""
    x = inputs = keras.Input((8,))
    for number in range(3):
        h = layers.Dense(8, "silu")(x)
        x = x + layers.Dense(8, kernel_initializer="zeros", name=f"zero{number}")(h)
    model = keras.Model(inputs, layers.Dense(2, kernel_initializer="zeros", name="zero3")(x))
    plan = kerasinit.initialize(model, seed=0)
    rows = [row for row in plan if "zero" in row.path and row.kind == "kernel"]
    assert [row.reason.startswith("zero on purpose") for row in rows] == [True] * 4


@pytest.mark.parametrize("after", [False, True], ids=["own", "layer"])
def test_an_activation_without_a_name_is_no_obstacle(after):
    def steep(x):
        return ops.leaky_relu(x, 0.3)

    x = inputs = keras.Input((8,))
    for _ in range(6):
        x = layers.Activation(steep)(layers.Dense(8)(x)) if after else layers.Dense(8, steep)(x)
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(2)(x)), seed=0)
    assert sum("mirrored pairs" in row.reason for row in plan if row.kind == "kernel") == 7


def network():
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(8, "relu"), layers.Dense(2, name="values")]
    )


class Agent(keras.Model):
    """A network, and a copy that the `call` does not use."""

    def __init__(self):
        super().__init__()
        self.online, self.target = network(), network()
        self.target.set_weights(self.online.get_weights())

    def call(self, x):
        return self.online(x)


def test_a_copy_that_the_call_does_not_use_stays_equal():
    agent = Agent()
    agent(np.ones((2, 4), "float32"))
    plan = kerasinit.initialize(agent, seed=0)
    for online, target in zip(agent.online.weights, agent.target.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(online), ops.convert_to_numpy(target))
    assert any("a copy (average, target) that stays equal" in row.reason for row in plan)
    assert not any("alone" in row.reason for row in plan)


class Solver(keras.Model):
    """Its `call` asks numbers what to do: its parts are read one by one."""

    def __init__(self):
        super().__init__()
        self.network = stack(Branch)
        self.head = layers.Dense(3)

    def call(self, x):
        if isinstance(x, keras.KerasTensor):
            raise TypeError("needs numbers")
        return self.head(self.network(x))


def test_the_parts_of_a_model_that_needs_numbers_are_read():
    solver = Solver()
    solver.network.build((None, 5, WIDTH))
    solver.head.build((None, 3))
    solver.built = True
    plan = kerasinit.initialize(solver, seed=0)
    ends = [row for row in plan if row.reason.startswith("ends one of 4")]
    assert len(ends) == BLOCKS


class Tokens(keras.Model):
    """A weight of a model whose constructor takes no arguments of Keras."""

    def __init__(self):
        super().__init__()
        self.head = layers.Dense(2)

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 4), initializer="ones", name="token")
        self.head.build(shape)
        self.built = True

    def call(self, x):
        return self.head(x + self.token)


def test_weights_of_a_class_without_a_config_are_reset():
    model = Tokens()
    model(np.ones((2, 4), "float32"))
    model.token.assign(np.zeros((1, 4)))
    kerasinit.reset(model, seed=0)
    assert ops.convert_to_numpy(model.token).tolist() == [[1, 1, 1, 1]]


class Highway(layers.Layer):
    """`t * h(x) + (1 - t) * x`: its gate bounds the stream, at any depth."""

    def __init__(self):
        super().__init__()
        self.gate, self.hidden = layers.Dense(WIDTH, "sigmoid"), layers.Dense(WIDTH, "relu")

    def call(self, x):
        gate = self.gate(x)
        return gate * self.hidden(x) + (1 - gate) * x


def test_a_gated_skip_is_no_residual_stream():
    plan = kerasinit.initialize(stack(Highway), seed=0)
    assert not any("residual" in row.reason for row in plan)


class Film(Branch):
    """Scaled and shifted by a condition inside the branch: adds that are of another stream."""

    def build(self, shape):
        super().build(shape)
        self.scales, self.shifts = layers.Dense(16), layers.Dense(16)
        self.scales.build(shape)
        self.shifts.build(shape)

    def inside(self, x):
        hidden = self.up(x) * (1 + self.scales(x)) + self.shifts(x)
        return self.down(ops.relu(hidden))


def test_an_add_inside_a_branch_is_not_one_of_its_stream():
    plan = kerasinit.initialize(stack(Film), seed=0)
    ends = [row for row in plan if row.path.endswith("down/kernel")]
    assert [row.gain for row in ends] == pytest.approx([0.5] * BLOCKS)


class Slopes(Branch):
    """A PReLU by the function of torch, which knows of no layer and keeps no initializer."""

    def call(self, x):
        import torch

        return x + self.down(torch.nn.functional.prelu(self.up(x), self.scale.value[None]))


@pytest.mark.skipif(keras.config.backend() != "torch", reason="a function of torch")
def test_a_prelu_of_torch_is_an_activation_and_no_layer():
    plan = kerasinit.initialize(stack(Slopes), seed=0)
    ups = [row.reason for row in plan if row.path.endswith("up/kernel")]
    assert ups == ["prelu follows: He for prelu"] * BLOCKS


def test_a_long_chain_of_sums_is_walked_once():
    """Each sum has two ways up to the one before: 2**40 in all."""
    x = inputs = keras.Input((WIDTH,))
    for _ in range(40):
        x = x + ops.tanh(x)
    model = keras.Model(inputs, layers.Dense(3)(x))
    plan = kerasinit.initialize(model, seed=0)
    assert not any("residual" in row.reason for row in plan)


def test_keras_is_left_as_it_was():
    classes = (keras.Variable, keras.KerasTensor)
    before = [dict(vars(one)) for one in classes]
    kerasinit.initialize(stack(Branch), seed=0)
    assert [dict(vars(one)) for one in classes] == before
    with pytest.raises((TypeError, ValueError), match=r"KerasTensor|__jax_array__"):
        raw_functions()[1](keras.Input((3,)))


class MovesTowards(Branch):
    """`old + share * (new - old)`, as in RWKV: a blend of two projections, bounded as it is."""

    def build(self, shape):
        super().build(shape)
        self.old, self.share = layers.Dense(WIDTH, name="old"), layers.Dense(WIDTH, "sigmoid")
        self.old.build(shape)
        self.share.build(shape)

    def inside(self, x):
        old, new = self.old(x), self.up(x)[..., :WIDTH]
        blend = old + (new - old) * self.share(x)
        return self.down(ops.concatenate([blend, blend], axis=-1))


def test_a_blend_is_no_residual_branch():
    plan = kerasinit.initialize(stack(MovesTowards), seed=0)
    ends = {row.path.rpartition("/")[0] for row in plan if row.reason.startswith("ends one of")}
    assert {path.rpartition("/")[2] for path in ends} == {"down"}
    assert next(row for row in plan if "down/kernel" in row.path).gain == pytest.approx(0.5)


class Angles(layers.Layer):
    """Reports the shape of its input, where its `call` adds an axis (a rotary embedding)."""

    def call(self, positions):
        return ops.expand_dims(ops.cast(positions, "float32"), -1) * ops.ones((WIDTH,))

    def compute_output_shape(self, shape):
        return shape


class Turned(Branch):
    def call(self, x, angles):
        return x + self.inside(x * ops.reshape(angles, (1, -1, WIDTH)))


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="Keras does not build it")
def test_a_block_is_opened_by_the_shapes_that_its_inputs_really_have():
    x = inputs = keras.Input((None, WIDTH))
    positions = keras.Input(batch_shape=(None,), dtype="int32")
    angles = Angles()(positions)
    for _ in range(BLOCKS):
        x = Turned()(x, angles)
    plan = kerasinit.initialize(keras.Model([inputs, positions], x), seed=0)
    ends = [row for row in plan if row.reason.startswith("ends one of 4")]
    assert len(ends) == BLOCKS


class Unrolled(Branch):
    """Its steps are written into an array of TensorFlow, one by one."""

    def inside(self, x):
        import tensorflow as tf

        steps = tf.TensorArray("float32", size=5)
        state = 0.0
        for step in range(5):
            state = 0.5 * state + x[:, step]
            steps = steps.write(step, state)
        state = steps.read(4)
        return super().inside(ops.transpose(steps.stack(), (1, 0, 2)) + state[:, None])


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="an array of TensorFlow")
def test_an_array_of_steps_is_read():
    import tensorflow as tf

    own = tf.TensorArray.write
    plan = kerasinit.initialize(stack(Unrolled), seed=0)
    assert sum(row.reason.startswith("ends one of 4") for row in plan) == BLOCKS
    assert tf.TensorArray.write is own


class Mixture(Branch):
    """Experts whose results are stacked, weighed and summed."""

    def build(self, shape):
        super().build(shape)
        self.other, self.shares = layers.Dense(WIDTH, name="down"), layers.Dense(2, "softmax")
        self.other.build((*shape[:-1], 16))
        self.shares.build(shape)

    def inside(self, x):
        hidden = ops.relu(self.up(x))
        experts = ops.stack([self.down(hidden), self.other(hidden)], axis=-2)
        return ops.sum(experts * ops.expand_dims(self.shares(x), -1), axis=-2)


def test_every_expert_of_a_mixture_ends_its_branch():
    plan = kerasinit.initialize(stack(Mixture), seed=0)
    ends = [row for row in plan if row.reason.startswith("ends one of 4")]
    assert sum(row.path.endswith("down/kernel") for row in ends) == len(ends) == 2 * BLOCKS


class Positions(layers.Layer):
    """A table that is looked up for every place of its input."""

    def build(self, shape):
        self.position_embeddings = self.add_weight(shape=shape[1:], name="embeddings")

    def call(self, x):
        return ops.broadcast_to(self.position_embeddings, ops.shape(x))


def test_an_added_position_is_no_residual_branch():
    inputs = keras.Input((5,), dtype="int32")
    x = layers.Embedding(9, WIDTH)(inputs)
    x = x + Positions()(x)
    for _ in range(BLOCKS):
        x = Branch()(x)
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(3)(x)), seed=0)
    assert sum(row.reason.startswith("ends one of 4") for row in plan) == BLOCKS


@pytest.mark.parametrize("blocks", [4, 24])
def test_branches_through_a_relu_do_not_add_up_their_means(blocks):
    """As in a temporal convolutional network."""
    x = inputs = keras.Input((64,))
    for number in range(blocks):
        x = x + layers.Dense(64, "relu", name=f"end{number}")(layers.Dense(64, "relu")(x))
    model = keras.Model(inputs, x)
    plan = kerasinit.initialize(model, seed=0)
    common = 1 / np.pi  # of the mean square of a relu, its mean's
    expected = 2**0.5 / (blocks * (1 + (blocks - 1) * common)) ** 0.5
    assert plan["end0/kernel"].gain == pytest.approx(expected)
    x = np.random.default_rng(0).normal(size=(256, 64)).astype("float32")
    assert np.sqrt(np.mean(np.square(ops.convert_to_numpy(model(x))))) < 2


class Closed(layers.Layer):
    """Heads in a block whose `call` needs numbers."""

    def __init__(self):
        super().__init__()
        self.policy, self.value = layers.Dense(3, name="policy"), layers.Dense(1, name="value")

    def build(self, shape):
        self.policy.build(shape)
        self.value.build(shape)

    def call(self, x):
        if isinstance(x, keras.KerasTensor):
            raise TypeError("needs numbers")
        return self.policy(x), self.value(x)

    def compute_output_spec(self, x):
        return keras.KerasTensor((None, 3)), keras.KerasTensor((None, 1))


def test_heads_that_cannot_be_read_are_refused_with_the_real_reason():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, Closed()(inputs))
    with pytest.raises(ValueError, match=r"Not read inside 'closed.*TypeError: needs numbers"):
        kerasinit.initialize(model, "rl")


class Numbers(layers.Layer):
    """Keras cannot tell what it returns."""

    def call(self, x):
        return x

    def compute_output_spec(self, x):
        raise NotImplementedError("needs numbers")


@pytest.mark.parametrize("verb", [kerasinit.initialize, kerasinit.reset])
def test_layers_that_are_not_built_are_named(verb):
    model = keras.Sequential([layers.Dense(8), Numbers(), layers.Dense(2, name="later")])
    model.build((None, 4))
    with pytest.warns(UserWarning, match="are not built and have no weights yet: later"):
        verb(model, seed=0)


@pytest.mark.parametrize("key", [None, slice(0, None), Ellipsis], ids=["None", "0:", "..."])
def test_a_key_alone_hides_nothing(key):
    class Keyed(layers.Layer):
        def __init__(self):
            super().__init__()
            self.hidden, self.out = layers.Dense(8, "relu", name="hidden"), layers.Dense(4)

        def call(self, x):
            branch = self.out(self.hidden(x))[key]
            return x + (branch[0] if key is None else branch)

        def compute_output_shape(self, shape):
            return shape

    inputs = keras.Input((4,))
    block = Keyed()
    block.hidden.build((None, 4))
    block.out.build((None, 8))
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(2)(block(inputs))), seed=0)
    reasons = [row.reason for row in plan if row.kind == "kernel"]
    assert [reason.split(" ")[0] for reason in reasons] == ["relu", "ends", "the"]


class Joined(layers.Layer):
    """Adds a skip and its branch: scaled (Inception-ResNet), or dropped with a probability."""

    def call(self, inputs, training=False):
        skip, branch = inputs
        if training:
            return skip + branch * ops.cast(keras.random.uniform(()) < 0.5, branch.dtype)
        return skip + 0.5 * branch

    def compute_output_shape(self, shapes):
        return shapes[0]


def test_a_layer_without_weights_that_adds_a_branch_hides_nothing():
    x = inputs = keras.Input((4,))
    for number in range(3):
        hidden = layers.Dense(8, "relu")(x)
        x = Joined()([x, layers.Dense(4, name=f"end{number}")(hidden)])
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(2)(x)), seed=0)
    ends = [row for row in plan if row.reason.startswith("ends one of 3")]
    assert [row.path for row in ends] == [f"end{number}/kernel" for number in range(3)]


@keras.saving.register_keras_serializable()
class BuiltByItsCall(layers.Layer):
    """Tells its shape by a rule of its own, so that Keras need not call it to make a graph."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = layers.Dense(4, name="inner")
        self.unused = layers.Dense(4, name="unused")
        self.add = layers.Add()

    def build(self, shape):
        self.scale = self.add_weight(shape=(4,), initializer="ones", name="scale")

    def call(self, x):
        return self.add([x, self.scale * self.inner(x)])

    def compute_output_shape(self, shape):
        return shape


def test_looking_at_a_model_builds_nothing_and_names_what_is_not_built():
    model = keras.Sequential([keras.Input((4,)), BuiltByItsCall(name="block"), layers.Dense(2)])
    assert len(model.variables) == 3
    for verb in (kerasinit.initialize, kerasinit.reset):
        with pytest.warns(UserWarning, match="have no weights yet: unused, inner"):
            verb(model, seed=0, dry_run=True)
    assert len(model.variables) == 3
    assert not model.get_layer("block").inner.built
    model(np.ones((2, 4), "float32"))
    with pytest.warns(UserWarning, match="have no weights yet: unused"):  # nobody calls it
        plan = kerasinit.initialize(model, seed=0)
    assert "residual branches" in plan["inner/kernel"].reason


def test_a_layer_that_returns_a_number_beside_its_tensor_hides_nothing():
    class Doubled(keras.layers.Layer):
        def call(self, x):
            return 2 * x, 0.0

        def compute_output_spec(self, x):
            return keras.KerasTensor(x.shape, x.dtype), keras.KerasTensor((), x.dtype)

    inputs = keras.Input((8,))
    doubled, _ = Doubled()(keras.layers.Dense(8, "relu")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, name="head")(doubled))
    assert kerasinit.initialize(model, seed=0)["head/kernel"].reason.startswith(
        "the model's output"
    )


def test_a_branch_that_reads_a_difference_is_no_blend():
    inputs = x = keras.Input((16,))
    for _ in range(4):
        x = x + keras.layers.Dense(16)(x - 1.0)
    plan = kerasinit.initialize(keras.Model(inputs, keras.layers.Dense(2)(x)), seed=0)
    assert sum(row.reason.startswith("ends one of 4") for row in plan) == 4


class Autoencoder(keras.Model):
    """Adds a loss and counts it while it is called."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = layers.Dense(16, "relu"), layers.Dense(WIDTH, name="decoder")
        self.mean, self.spread = layers.Dense(4), layers.Dense(4)
        self.divergence = keras.metrics.Mean()

    def call(self, x):
        hidden = self.encoder(x)
        mean, spread = self.mean(hidden), self.spread(hidden)
        divergence = ops.mean(ops.square(mean) + ops.exp(spread) - spread)
        self.add_loss(divergence)
        self.divergence.update_state(divergence)
        return self.decoder(mean + ops.exp(0.5 * spread))


def test_a_loss_and_a_count_in_the_call_hide_nothing():
    model = Autoencoder()
    model(np.ones((2, WIDTH), "float32"))
    plan = kerasinit.initialize(model, seed=0)
    assert plan["decoder/kernel"].reason.startswith("the model's output")
    assert float(model.divergence.count) == 1.0


class Fixed(layers.Layer):
    """Fills its kernel when it is built."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 4), initializer="zeros", trainable=False)
        self.w.assign(ops.full((shape[-1], 4), 3.0))

    def call(self, x):
        return ops.matmul(x, self.w)


class BuildsLate(keras.Model):
    """Its own `build` leaves out one layer, which is built when it is called."""

    def __init__(self):
        super().__init__()
        self.first, self.fixed = layers.Dense(WIDTH, "relu"), Fixed()
        self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def build(self, shape):
        self.first.build(shape)
        self.built = True

    def call(self, x):
        count = self.steps.assign(self.steps + 1)
        return self.fixed(self.first(x)) + 0 * ops.cast(count, x.dtype)


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_a_layer_assigns_as_it_is_built_stays_and_counters_do_not_move(dry_run):
    model = BuildsLate()
    model.build((None, WIDTH))
    with pytest.warns(UserWarning, match="have no weights yet: fixed"):
        kerasinit.initialize(model, seed=0, dry_run=dry_run)
    assert float(ops.convert_to_numpy(model.steps)) == 0
    assert not model.fixed.built
    model(np.ones((2, WIDTH), "float32"))
    np.testing.assert_array_equal(ops.convert_to_numpy(model.fixed.w), 3.0)
    assert float(ops.convert_to_numpy(model.steps)) == 1


class Rotation(layers.Layer):
    """An invertible step of a flow (Glow, Kingma and Dhariwal, 2018)."""

    def __init__(self, initializer="orthogonal", **options):
        super().__init__(**options)
        self.initializer = keras.initializers.get(initializer)

    def build(self, shape):
        size = (shape[-1], shape[-1])
        self.kernel = self.add_weight(name="kernel", shape=size, initializer=self.initializer)

    def call(self, x):
        return ops.matmul(x, self.kernel)


def by_numpy(shape, dtype=None):
    factor, _ = np.linalg.qr(np.random.normal(size=shape))  # noqa: NPY002
    return ops.convert_to_tensor(factor, dtype)


@pytest.mark.parametrize("initializer", ["orthogonal", by_numpy])
def test_a_kernel_that_its_author_made_orthogonal_stays_so(initializer):
    inputs = keras.Input((WIDTH,))
    left, right = ops.split(Rotation(initializer, name="rotation")(inputs), 2, axis=-1)
    moved = right + layers.Dense(WIDTH // 2, kernel_initializer="zeros")(
        layers.Dense(16, "relu")(left)
    )
    model = keras.Model(inputs, ops.concatenate([left, moved], axis=-1))
    plan = kerasinit.initialize(model, seed=0)
    kernel = model.layers[1].get_weights()[0]
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(WIDTH), atol=1e-5)
    assert plan["rotation/kernel"].reason.endswith("orthogonal, as its author chose")


def test_one_column_is_not_called_orthogonal():
    def normal(shape, dtype=None):
        return keras.random.normal(shape, dtype=dtype)

    inputs = keras.Input((WIDTH,))
    x = layers.Dense(WIDTH, "relu")(inputs)
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer=normal, name="head")(x))
    plan = kerasinit.initialize(model, seed=0, dry_run=True)
    assert "orthogonal" not in plan["head/kernel"].reason


def test_an_orthogonal_kernel_has_the_size_of_its_place():
    x = inputs = keras.Input((32,))
    for number in range(BLOCKS):
        inside = layers.Dense(64, "relu", kernel_initializer="orthogonal")(x)
        x = x + layers.Dense(32, kernel_initializer="orthogonal", name=f"end{number}")(inside)
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(3)(x)), seed=0)
    ends = [row for row in plan if row.path.startswith("end") and row.kind == "kernel"]
    assert [row.gain for row in ends] == pytest.approx([BLOCKS**-0.5] * BLOCKS)
    assert all(row.initializer == "Orthogonal()" for row in ends)


class OwnMish(layers.Layer):
    def call(self, x):
        return x * ops.tanh(ops.softplus(x))


class OwnSwish(keras.Operation):
    def call(self, x):
        return x * ops.sigmoid(x)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


class AsksForPixels(layers.Layer):
    def call(self, x):
        assert x.shape[-1] == WIDTH
        return ops.relu(x)


@pytest.mark.parametrize(
    ("make", "name", "gain"),
    [
        (OwnMish, "ownmish", kerasinit.gain("mish")),
        (OwnSwish, "ownswish", kerasinit.gain("silu")),
        (lambda: layers.Lambda(ops.relu), "relu", 2**0.5),
        (lambda: layers.Lambda(lambda x: ops.maximum(x, 0.0)), "<lambda>", 2**0.5),
        (lambda: layers.Lambda(lambda x: 3.0 * x), "linear", 1.0),
        (lambda: layers.Lambda(lambda x: x - ops.mean(x, -1, keepdims=True)), "linear", 1.0),
        (AsksForPixels, "linear", 1.0),
    ],
    ids=["layer", "operation", "Lambda", "lambda", "scale", "mixing", "fails"],
)
def test_an_activation_that_somebody_wrote_is_one(make, name, gain):
    x = inputs = keras.Input((WIDTH,))
    for _ in range(6):
        x = make()(layers.Dense(WIDTH)(x))
    tower = keras.Model(inputs, x)
    inputs = [keras.Input((WIDTH,)) for _ in range(2)]  # called twice, it is no plain stack
    x = layers.Concatenate()([tower(one) for one in inputs])
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(3)(x)), seed=0)
    first = next(row for row in plan if row.kind == "kernel")
    said = f"{name} follows: He for {name}"
    assert first.reason == (
        "no activation follows: keeps the variance of its input" if name == "linear" else said
    )
    assert first.gain == pytest.approx(gain, rel=1e-4)


class OwnSum(keras.Operation):
    def call(self, x, y):
        return x + y

    def compute_output_spec(self, x, y):
        return keras.KerasTensor(x.shape, x.dtype)


def test_an_operation_that_somebody_wrote_is_opened():
    x = inputs = keras.Input((WIDTH,))
    for _ in range(BLOCKS):
        x = OwnSum()(x, layers.Dense(WIDTH)(layers.Dense(16, "relu")(x)))
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(3)(x)), seed=0)
    assert sum(row.reason.startswith(f"ends one of {BLOCKS} ") for row in plan) == BLOCKS


class Seen(layers.Layer):
    def __init__(self):
        super().__init__()
        self.count, self.shapes = 0, []

    def call(self, x):
        self.add_loss(ops.sum(x))
        self.count += 1
        self.shapes.append(x.shape)
        return ops.relu(x)


def with_seen():
    return keras.Sequential([keras.Input((WIDTH,)), layers.Dense(4), Seen(), layers.Dense(2)])


def test_looking_at_an_activation_leaves_no_trace_in_it():
    model = with_seen()
    seen = model.layers[1]
    before = (seen.count, list(seen.shapes))
    kerasinit.initialize(model, seed=0)
    assert model.losses == []
    assert (seen.count, list(seen.shapes)) == before


def test_a_model_with_an_activation_of_its_own_is_let_go():
    model = with_seen()
    kerasinit.initialize(model, seed=0)
    kernel = weakref.ref(model.layers[0].kernel)
    del model
    keras.backend.clear_session()
    gc.collect()
    assert kernel() is None
