"""`rules=None`: the right initializer for each place, each with its reason."""

import functools

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit

RNG = np.random.default_rng(0)


def chain(*parts, shape=(16,)):
    return keras.Sequential([keras.Input(shape), *parts])


def kernels(plan):
    return [row for row in plan if row.kind == "kernel"]


def dense(units=16, activation=None, **options):
    return layers.Dense(units, activation=activation, **options)


class Generated(layers.Layer):
    """A matrix that another network generates, as in hypernetworks."""

    def __init__(self, units, **options):
        super().__init__()
        self.units = units
        self.kernel_of = layers.Dense(units * units, **options)

    def call(self, context, x):
        kernel = ops.reshape(self.kernel_of(context), (-1, self.units, self.units))
        return ops.einsum("bi,bio->bo", x, kernel)


def hypernetwork(**options):
    context, inputs = keras.Input((4,)), keras.Input((6,))
    code, x = dense(16, "relu")(context), dense(8)(inputs)
    for _ in range(2):
        x = ops.relu(Generated(8, **options)(code, x))
    return keras.Model([context, inputs], Generated(8, **options)(code, x))


class TestWhatFollows:
    @pytest.mark.parametrize(
        ("follower", "name", "gain"),
        [
            (lambda: layers.Activation("gelu"), "gelu", 1.5335304),
            (layers.ReLU, "relu", 2**0.5),
            (lambda: layers.LeakyReLU(0.2), "leaky_relu", 1.3867505),
            (layers.PReLU, "leaky_relu", 2**0.5),
            (lambda: layers.ELU(), "elu", 1.2451983),
        ],
        ids=["Activation", "ReLU", "LeakyReLU", "PReLU", "ELU"],
    )
    def test_a_separate_activation_layer_counts(self, follower, name, gain):
        tower = keras.Sequential([layer for _ in range(6) for layer in (dense(), follower())])
        inputs = [keras.Input((16,)) for _ in range(2)]  # called twice, it is no plain stack
        x = layers.Concatenate()([tower(one) for one in inputs])
        row = kernels(kerasinit.initialize(keras.Model(inputs, dense(4)(x)), seed=1))[0]
        assert row.gain == pytest.approx(gain, rel=1e-6)
        assert name in row.reason

    def test_an_operation_counts_as_an_activation(self):
        inputs = keras.Input((16,))
        model = keras.Model(inputs, dense(4)(keras.ops.silu(dense()(inputs))))
        assert "silu" in kernels(kerasinit.initialize(model, seed=1))[0].reason

    @pytest.mark.parametrize("order", [1, -1], ids=["norm first", "activation first"])
    @pytest.mark.parametrize("initializer", ["glorot_uniform", "he_normal"])
    def test_what_a_norm_reads_keeps_its_own_size(self, initializer, order):
        """Any size goes through; a larger one turns more slowly at the author's rate."""
        after = [layers.LayerNormalization(), layers.Activation("gelu")][::order]
        hidden = layers.Dense(64, kernel_initializer=initializer, name="hidden")
        model = chain(hidden, *after, dense(4))
        before = ops.convert_to_numpy(hidden.kernel).std()
        plan = kerasinit.initialize(model, seed=1)
        assert plan["hidden/kernel"].reason.startswith("a LayerNormalization follows")
        assert ops.convert_to_numpy(hidden.kernel).std() == pytest.approx(before, rel=0.1)

    def test_what_a_norm_reads_has_unit_gain_where_its_author_named_no_scale(self):
        hidden = layers.Dense(64, kernel_initializer="random_normal")
        model = chain(hidden, layers.LayerNormalization(), layers.ReLU(), dense(4))
        row = kernels(kerasinit.initialize(model, seed=1))[0]
        assert (row.initializer, row.gain) == ("LecunNormal()", 1.0)

    def test_the_start_of_a_normalized_stream_has_unit_gain(self):
        """Its size counts beside those of the branches."""
        x = inputs = keras.Input((16,))
        x = layers.Dense(64, name="start")(x)
        for _ in range(2):
            x = x + dense(64)(dense(64, "relu")(layers.LayerNormalization()(x)))
        plan = kerasinit.initialize(keras.Model(inputs, dense(4)(x)), seed=1)
        assert plan["start/kernel"].gain == pytest.approx(1.0)

    @pytest.mark.parametrize("initializer", ["glorot_uniform", "he_normal"])
    def test_a_batch_normalization_starts_where_its_moving_variance_does(self, initializer):
        hidden = layers.Dense(64, kernel_initializer=initializer)
        model = chain(hidden, layers.BatchNormalization(), layers.ReLU(), dense(4))
        kerasinit.initialize(model, seed=1)
        values = keras.random.normal((2000, 16), seed=0)
        assert np.square(ops.convert_to_numpy(hidden(values))).mean() == pytest.approx(1, rel=0.2)

    def test_the_output_layer_has_unit_gain(self):
        model = chain(dense(), layers.BatchNormalization(), dense(4, "softmax"))
        row = kernels(kerasinit.initialize(model, seed=1))[-1]
        assert (row.initializer, row.gain) == ("LecunNormal()", 1.0)

    def test_a_branch_on_an_open_stream_is_scaled_down(self, build):
        plan = kerasinit.initialize(build("transformer_encoder"), seed=1)
        ends = [row for row in kernels(plan) if "residual branches" in row.reason]
        assert [row.gain for row in ends] == pytest.approx([0.5] * 4)

    def test_the_skip_itself_is_not_scaled(self):
        inputs = keras.Input((8,))
        stem = dense(8)(inputs)
        model = keras.Model(inputs, dense(2)(stem + dense(8)(dense(8, "relu")(stem))))
        rows = kernels(kerasinit.initialize(model, seed=1))
        assert ["residual branches" in row.reason for row in rows] == [False, False, True, False]

    def test_a_normalized_stream_needs_no_scaling(self):
        x = inputs = keras.Input((8,))
        for _ in range(2):
            x = layers.LayerNormalization()(x + dense(8)(dense(8, "relu")(x)))
        plan = kerasinit.initialize(keras.Model(inputs, dense(2)(x)), seed=1)
        assert not any("residual branches" in row.reason for row in plan)

    def test_recurrent_kernels_are_orthogonal_and_embeddings_keep_their_scale(self, build):
        plan = kerasinit.initialize(build("lstm"), seed=1)
        recurrent = {row.initializer for row in plan if row.path.endswith("recurrent_kernel")}
        assert recurrent == {"Orthogonal()"}
        assert plan["embedding/embeddings"].initializer == "RandomUniform()"

    def test_without_a_graph_the_own_activation_decides(self):
        class Stubborn(keras.Model):
            def __init__(self):
                super().__init__()
                self.dense = dense(4, "relu")

            def call(self, x):
                return self.dense(keras.ops.convert_to_numpy(x))

        model = Stubborn()
        model.dense.build((2, 3))
        model.built = True
        row = kernels(kerasinit.initialize(model, seed=1))[0]
        assert row.reason.startswith("alone (no graph could be read: ValueError: 'stubborn' does")
        assert row.reason.endswith("): He for its activation, relu")


def stream(*before, activation="gelu", after=layers.Identity, first=layers.Identity, blocks=3):
    """A residual network: what stands before the hidden layer of a branch, and after each sum."""
    inputs = keras.Input((8, 8, 32))
    x = first()(layers.Dense(64, name="stem")(inputs))
    for number in range(blocks):
        h = x
        for make in before:
            h = make()(h)
        h = layers.Dense(128, activation=activation, name=f"up{number}")(h)
        x = after()(x + layers.Dense(64, name=f"down{number}")(h))
    return keras.Model(inputs, layers.Dense(64, name="head")(x))


def squares(model):
    """Mean square that each kernel gives to outputs from inputs of unit mean square."""
    kerasinit.initialize(model, seed=1)
    dense_layers = [layer for layer in model.layers if isinstance(layer, layers.Dense)]
    kernels = {layer.name: layer.get_weights()[0] for layer in dense_layers}
    return {name: float(kernel.var() * len(kernel)) for name, kernel in kernels.items()}


def convolved():
    return layers.DepthwiseConv2D(3, padding="same")


class TestShortBranches:
    UPS, DOWNS = ("up0", "up1", "up2"), ("down0", "down1", "down2")

    @pytest.mark.parametrize("first", [layers.Identity, layers.LayerNormalization])
    @pytest.mark.parametrize(
        "before",
        [
            [layers.LayerNormalization],
            [layers.BatchNormalization],
            [layers.LayerNormalization, lambda: layers.Dropout(0.1)],
            [convolved, layers.LayerNormalization],
        ],
        ids=["layer norm", "batch norm", "dropout", "ConvNeXt"],
    )
    def test_hidden_kernels_have_unit_gain(self, before, first):
        """With that of tanh, a net of 6 blocks ended 1.5 times worse than from its own start."""
        found = squares(stream(*before, first=first))
        assert [found[name] for name in self.UPS] == pytest.approx([1.0] * 3, rel=0.05)

    NOT_BEHIND_NORMS = pytest.mark.parametrize(
        "parts",
        [{}, {"after": layers.LayerNormalization}, {"first": layers.LayerNormalization}],
        ids=["no norm", "post-norm", "a norm before the whole stream"],
    )

    @NOT_BEHIND_NORMS
    @pytest.mark.parametrize("activation", ["gelu", "tanh"])
    def test_smooth_activations_need_no_norm_for_it(self, parts, activation):
        """With their gain, test losses were 1.36 times as high (median of 18 small networks)."""
        found = squares(stream(activation=activation, **parts))
        assert [found[name] for name in self.UPS] == pytest.approx([1.0] * 3, rel=0.05)

    @NOT_BEHIND_NORMS
    def test_rectifiers_that_read_no_norm_have_their_gain(self, parts):
        found = squares(stream(activation="relu", **parts))
        assert [found[name] for name in self.UPS] == pytest.approx([2.0] * 3, rel=0.05)

    @pytest.mark.parametrize("before", [[], [layers.LayerNormalization]], ids=["no norm", "norm"])
    def test_ends_and_what_is_in_no_branch_stay_as_without_norms(self, before):
        found = squares(stream(*before))
        assert [found[name] for name in self.DOWNS] == pytest.approx([1 / 3] * 3, rel=0.05)
        assert found["head"] == pytest.approx(1.0, rel=0.1)

    def test_the_plan_says_why(self):
        plan = kerasinit.initialize(stream(layers.LayerNormalization), seed=1)
        reason = "short residual branch: no gain for gelu"
        assert {plan[f"{name}/kernel"].reason for name in self.UPS} == {reason}

    def test_a_sigmoid_keeps_its_gain(self):
        plan = kerasinit.initialize(stream(layers.LayerNormalization, activation="sigmoid"))
        assert plan["up0/kernel"].gain > 1.5

    def test_an_activation_that_enlarges_keeps_its_smaller_gain(self):
        plan = kerasinit.initialize(stream(layers.LayerNormalization, activation="exponential"))
        assert plan["up0/kernel"].gain == pytest.approx(np.exp(-1.0), rel=1e-6)


def headed(*after, units=96, width=32):
    """Words, a norm, what stands behind it, and an output."""
    words = keras.Input((8,), dtype="int32")
    x = layers.LayerNormalization()(layers.Embedding(16, width)(words))
    for make in after:
        x = make()(x)
    return keras.Model(words, layers.Dense(units, name="head")(x))


class TestOutputsThatWiden:
    @pytest.mark.parametrize(
        "after",
        [
            [],
            [layers.ReLU],
            [layers.GlobalAveragePooling1D],
            [lambda: lambda x: x[:, 0]],
        ],
        ids=["a norm", "an activation", "pooled", "the first token"],
    )
    def test_behind_a_norm_they_have_the_gain_of_glorot(self, after):
        """From unit variance, 15 of 15 such networks ended higher on new data, in each seed."""
        row = kernels(kerasinit.initialize(headed(*after), seed=1))[-1]
        assert row.gain == pytest.approx((2 * 32 / (32 + 96)) ** 0.5)
        assert row.reason.endswith("wider than the norm before it: the gain of its own initializer")

    @pytest.mark.parametrize(
        ("model", "gain"),
        [
            (lambda: headed(units=20), 1.0),  # by Glorot it would be larger
            (lambda: headed(lambda: layers.LSTM(32)), 1.0),  # states are small
        ],
        ids=["narrower", "no norm"],
    )
    def test_others_have_unit_variance(self, model, gain):
        row = kernels(kerasinit.initialize(model(), seed=1))[-1]
        assert row.gain == pytest.approx(gain)
        assert row.reason == "the model's output: unit variance at any width"


class TestPlainStacks:
    def test_roles_and_depth_come_from_the_graph(self):
        plan = kerasinit.initialize(chain(*[dense(16, "gelu") for _ in range(5)], dense(4)), seed=1)
        reasons = [row.reason for row in kernels(plan)]
        assert all("5 hidden layers" in reason for reason in reasons)
        assert ["first" in r for r in reasons] == [True] + [False] * 5
        assert ["last" in r for r in reasons] == [False] * 5 + [True]

    def test_shallow_stacks_stay_unmirrored_and_say_so(self):
        plan = kerasinit.initialize(chain(dense(16, "gelu"), dense(4)), seed=1)
        first = kernels(plan)[0]
        assert first.reason.startswith("plain stack, only 1 hidden, too shallow to need a gain")
        assert first.initializer == "Orthogonal()"

    @pytest.mark.parametrize(
        ("own", "square", "reason"),
        [
            ("he_normal", 2.0, "own initializer is as good for relu"),
            ("kerasinit>HeUniform", 2.0, "own initializer is as good for relu"),
            ("glorot_uniform", 1.6, "own initializer is as good for relu"),  # 2 * 64 / (64 + 16)
            (keras.initializers.VarianceScaling(2.0, "fan_out"), 2.0, "gain of its own"),  # 8
            ("lecun_normal", 1.0, "own initializer is as good for relu"),
            ("random_normal", 1.0, "too shallow to need a gain for relu"),
            ("zeros", 1.0, "too shallow to need a gain for relu"),
        ],
    )
    def test_shallow_rectifiers_start_as_by_their_own_scaled_initializers(
        self, own, square, reason
    ):
        """Plain gradient descent is slower from smaller weights, Adam from larger (shallow.py)."""
        own_size = {"kernel_initializer": own}
        model = chain(dense(64, "relu"), dense(16, "relu", **own_size), dense(4, **own_size))
        plan = kerasinit.initialize(model, seed=1)
        _, hidden, last = kernels(plan)
        assert reason in hidden.reason
        assert ("gain of its own initializer" in last.reason) == (square > 1)
        kernel, _ = model.layers[1].get_weights()
        np.testing.assert_allclose(kernel.var(), square / 64, rtol=0.1)  # of 1024 entries

    @pytest.mark.parametrize(
        ("activation", "own", "square"),
        [
            ("relu", "glorot_uniform", 2 * 8 / 520),
            ("leaky_relu", "kerasinit>XavierNormal", 2 * 8 / 520),
            ("relu", keras.initializers.VarianceScaling(1e-4), 2 * 8 / 520),
            ("relu", keras.initializers.VarianceScaling(0.5), 0.5),
            ("relu", "random_normal", 1.0),
            ("tanh", "random_normal", 1.0),
            ("gelu", "glorot_uniform", 2 * 8 / 520),
            ("tanh", "glorot_uniform", 2 * 8 / 520),
            ("elu", "he_normal", 1.0),
        ],
    )
    def test_a_first_layer_that_widens_is_small(self, activation, own, square):
        """Nearer to a line, it ends lower on smooth targets (tests/benchmarks/smooth.py)."""
        widening = dense(512, activation, kernel_initializer=own)
        model = keras.Sequential([keras.Input((8,)), widening, dense(64, activation), dense(4)])
        kerasinit.initialize(model, seed=1)
        kernel, _ = model.layers[0].get_weights()
        np.testing.assert_allclose(kernel.var(), square / 8, rtol=0.1)  # of 4096 entries

    @pytest.mark.parametrize("depth", [2, 6])
    def test_a_stack_of_tanh_on_data_starts_near_a_line(self, depth):
        """Of its outputs' variance, a plane explains all but 10 %; from unit length 15 and more."""
        model = chain(*(dense(64, "tanh") for _ in range(depth)), dense(8), shape=(8,))
        kerasinit.initialize(model, seed=1)
        x = np.random.default_rng(0).normal(size=(2000, 8)).astype("float32")
        y = keras.ops.convert_to_numpy(model(x))
        planes = np.column_stack([x, np.ones(len(x))])
        rest = y - planes @ np.linalg.lstsq(planes, y, rcond=None)[0]
        assert rest.var() < 0.1 * y.var()

    @pytest.mark.parametrize(
        ("activation", "depth", "words"),
        [
            ("relu", 6, "a tenth of its inputs' mean square"),
            ("gelu", 6, "a tenth of its inputs' mean square"),
            ("gelu", 2, "the gain of its own initializer, at most 1"),
            ("tanh", 2, "no larger than by its own initializer"),
            ("tanh", 6, "as small as in 50 layers, near a line"),
            ("elu", 6, "as small as in 50 layers, near a line"),
        ],
    )
    def test_a_first_layer_on_data_says_why_it_is_small(self, activation, depth, words):
        model = chain(*(dense(32, activation) for _ in range(depth)), dense(1), shape=(8,))
        first, *others = kernels(kerasinit.initialize(model, seed=1))
        assert words in first.reason
        assert not any(words in row.reason for row in others)

    def test_a_first_layer_that_is_not_small_is_not_called_so(self):
        model = chain(*(dense(16, "relu") for _ in range(40)), dense(1), shape=(8,))
        first = kernels(kerasinit.initialize(model, seed=1))[0]
        assert first.gain == 1.0
        assert "small" not in first.reason

    @pytest.mark.parametrize("activation", ["tanh", "elu", "gelu"])
    def test_convolutions_on_data_start_by_their_own_depth(self, activation):
        convolution = functools.partial(layers.Conv2D, 8, 3, activation=activation)
        model = chain(*(convolution() for _ in range(6)), layers.Flatten(), shape=(16, 16, 1))
        first, *others = kernels(kerasinit.initialize(model, seed=1))
        assert "small" not in first.reason
        assert "a tenth" not in first.reason
        assert all("depth=" in row.initializer for row in others[:-1])

    def test_a_stack_on_what_a_layer_learned_keeps_its_size(self):
        """An embedding's rows are small already."""
        model = keras.Sequential(
            [
                keras.Input((4,), dtype="int32"),
                keras.layers.Embedding(10, 8),
                keras.layers.Flatten(),
                dense(64, "gelu"),
                dense(1),
            ]
        )
        plan = kerasinit.initialize(model, seed=1)
        assert kernels(plan)[0].gain == 1.0

    @pytest.mark.parametrize(("norm", "own"), [(False, True), (True, False)])
    def test_a_first_layer_of_a_residual_net_without_norms_is_no_larger_than_its_own(
        self, norm, own
    ):
        """From unit gain it diverged, where ten columns become 64 (SGD at 0.05)."""
        x = inputs = keras.Input((10,))
        x = dense(64, name="stem")(x)
        for _ in range(3):
            y = keras.layers.LayerNormalization()(x) if norm else x
            x = x + dense(64)(dense(64, "relu")(y))
        model = keras.Model(inputs, dense(1)(x))
        stem = kerasinit.initialize(model, seed=1)["stem/kernel"]
        assert stem.gain == pytest.approx((2 * 10 / 74) ** 0.5 if own else 1.0, rel=1e-6)

    def test_an_output_that_widens_is_as_small_as_by_its_own_initializer(self):
        """An autoencoder of digits with 32 hidden units ends with 15 % less test loss (Adam)."""
        plan = kerasinit.initialize(chain(dense(32, "relu"), dense(64), shape=(64,)), seed=1)
        last = kernels(plan)[-1]
        assert last.gain == pytest.approx((2 * 32 / 96) ** 0.5, rel=1e-6)
        assert "gain of its own initializer" in last.reason

    def test_an_output_that_its_author_made_small_stays_small(self):
        """A policy's, as in PPO."""
        small = keras.initializers.Orthogonal(gain=0.01)
        model = chain(dense(32, "tanh"), dense(32, "tanh"), dense(4, kernel_initializer=small))
        plan = kerasinit.initialize(model, seed=1)
        assert kernels(plan)[-1].reason == "the model's output, which its author made small"
        kernel, _ = model.layers[-1].get_weights()
        np.testing.assert_allclose(np.linalg.svd(kernel, compute_uv=False), 0.01, rtol=1e-4)

    @pytest.mark.parametrize(
        "small",
        [
            keras.initializers.RandomUniform(-0.003, 0.003),  # DDPG
            keras.initializers.RandomNormal(stddev=0.01),
            keras.initializers.TruncatedNormal(stddev=0.01),
        ],
        ids=lambda one: type(one).__name__,
    )
    def test_an_output_that_alone_is_told_a_small_deviation_keeps_it(self, small):
        model = chain(dense(32, "tanh"), dense(32, "tanh"), dense(400, kernel_initializer=small))
        own = model.layers[-1].get_weights()[0].std()
        plan = kerasinit.initialize(model, seed=1)
        assert kernels(plan)[-1].reason == "the model's output, which its author made small"
        assert model.layers[-1].get_weights()[0].std() == pytest.approx(own, rel=0.05)

    def test_a_small_deviation_that_all_layers_have_is_no_choice_for_the_output(self):
        small = {"kernel_initializer": keras.initializers.RandomNormal(stddev=0.01)}
        model = chain(dense(32, "tanh", **small), dense(32, "tanh", **small), dense(4, **small))
        assert "small" not in kernels(kerasinit.initialize(model, seed=1))[-1].reason

    @pytest.mark.parametrize(
        ("options", "name"),
        [
            ({}, "GlorotUniform()"),
            ({"kernel_initializer": keras.initializers.RandomNormal(0.0, 0.01)}, "RandomNormal("),
        ],
        ids=["Keras", "small"],
    )
    def test_generated_weights_start_as_their_author_wrote(self, options, name):
        """Entries of unit variance made the signal 2.8 times larger in each layer of 8."""
        plan = kerasinit.initialize(hypernetwork(**options), seed=1)
        rows = [row for row in kernels(plan) if "generated" in row.path]
        assert [row.initializer.startswith(name) for row in rows] == [True] * 3
        assert not any("model's output" in row.reason for row in rows)

    def test_a_kernel_whose_output_is_spread_over_a_given_graph_is_the_output(self):
        graph, inputs = keras.Input((5, 5)), keras.Input((5, 8))
        x = ops.matmul(graph, dense(16, "relu")(inputs))
        plan = kerasinit.initialize(
            keras.Model([graph, inputs], ops.matmul(graph, dense(3)(x))), seed=1
        )
        assert kernels(plan)[-1].reason.startswith("the last kernel before the model's output")

    def test_the_way_that_passes_fewest_layers_is_said_where_there_are_several(self):
        inputs = keras.Input((8,))
        deep = dense(16, "relu")(dense(16, "relu")(inputs))
        model = keras.Model(inputs, dense(1)(keras.layers.concatenate([inputs, deep])))
        first = kernels(kerasinit.initialize(model, seed=1))[0]
        assert "only 0 hidden on the shortest way" in first.reason

    def test_a_start_that_is_smaller_than_glorots_is_not_called_its_own(self):
        tiny = dense(64, "relu", kernel_initializer=keras.initializers.VarianceScaling(0.01))
        first = kernels(kerasinit.initialize(chain(tiny, dense(4), shape=(8,)), seed=0))[0]
        assert "the gain of `glorot_uniform`, at most" in first.reason

    def test_shallow_convolutions_keep_unit_gain(self):
        """A U-Net ends with a test loss 2 % higher by more (never_worse.py)."""
        convolution = keras.layers.Conv2D
        stack = [convolution(16, 3, activation="relu"), convolution(16, 3, activation="relu")]
        model = keras.Sequential([keras.Input((8, 8, 4)), *stack, convolution(1, 3)])
        rows = kernels(kerasinit.initialize(model, seed=1))
        assert [row.initializer for row in rows] == [
            "Orthogonal()",
            "Orthogonal()",
            "LecunNormal()",
        ]
        assert all(row.gain == 1.0 for row in rows)

    def test_shallow_convolutions_keep_the_gain_that_their_author_chose(self):
        convolution = keras.layers.Conv2D(16, 3, activation="relu", kernel_initializer="he_uniform")
        model = keras.Sequential([keras.Input((8, 8, 4)), convolution, keras.layers.Conv2D(1, 3)])
        first, _ = kernels(kerasinit.initialize(model, seed=1))
        assert first.reason.endswith("He for relu, as its author chose")

    def test_a_sigmoid_stack_gets_its_bias(self):
        model = chain(*[dense(16, "sigmoid") for _ in range(5)], dense(4))
        kerasinit.initialize(model, seed=1)
        kernel, bias = model.layers[2].get_weights()
        np.testing.assert_allclose(bias, -0.5 * kernel.sum(axis=0), rtol=1e-4, atol=1e-5)

    def test_a_sigmoid_stack_without_biases_is_left_to_single_layers(self):
        model = chain(*[dense(16, "sigmoid", use_bias=False) for _ in range(5)])
        assert not any("OddPart" in row.initializer for row in kerasinit.initialize(model, seed=1))

    @pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "softplus"])
    @pytest.mark.parametrize("widths", [[16] * 9, [16, 31, 7, 31, 16, 33, 5, 16, 16]], ids=str)
    def test_the_start_is_a_linear_map(self, activation, widths):
        model = chain(*[dense(width, activation) for width in widths], dense(4))
        kerasinit.initialize(model, seed=1)
        first, second = RNG.normal(size=(2, 8, 16)).astype("float32")
        sum_of_both = model(first) + model(second)
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(model(first + second)),
            keras.ops.convert_to_numpy(sum_of_both),
            atol=2e-4,
        )

    def test_a_bottleneck_is_not_halved_by_pairs(self):
        code = dense(4, "relu")
        around = [dense(32, "relu") for _ in range(8)]
        model = chain(*around[:4], code, *around[4:], dense(32))
        kerasinit.initialize(model, seed=1)
        assert np.linalg.matrix_rank(code.get_weights()[0], tol=1e-3) == 4

    @pytest.mark.parametrize(
        "between",
        [
            [layers.Flatten],
            [lambda: layers.AveragePooling2D(2), layers.Flatten],
            [lambda: layers.ZeroPadding2D(1), lambda: layers.UpSampling2D(2), layers.Flatten],
            [layers.GlobalAveragePooling2D],
            [lambda: layers.Dropout(0.5), lambda: layers.Reshape((9 * 7,))],
        ],
        ids=["flatten", "pooling", "padding", "global pooling", "reshape"],
    )
    def test_pairs_survive_what_keeps_channels_apart(self, between):
        convolutions = [
            layers.Conv2D(width, 3, strides=stride, padding="same", activation="gelu")
            for width, stride in [(8, 1), (7, 2), (6, 1), (7, 1)]
        ]
        parts = [make() for make in between]
        model = chain(*convolutions, *parts, dense(12, "relu"), dense(4), shape=(6, 6, 3))
        plan = kerasinit.initialize(model, seed=1)
        assert all("plain stack, 5 hidden" in row.reason for row in kernels(plan))
        x = RNG.normal(size=(4, 6, 6, 3)).astype("float32")
        np.testing.assert_allclose(  # linear: the even parts cancel everywhere
            keras.ops.convert_to_numpy(model(x)),
            -keras.ops.convert_to_numpy(model(-x)),
            atol=1e-5,
        )

    def test_a_first_convolution_uses_all_its_taps_in_pairs(self):
        convolutions = [layers.Conv2D(7, 3, padding="same", activation="relu") for _ in range(4)]
        model = chain(*convolutions, layers.Conv2D(2, 3), shape=(6, 6, 1))
        kerasinit.initialize(model, seed=1)
        first, second = (model.layers[index].get_weights()[0] for index in (0, 1))
        assert np.count_nonzero(first) == first.size
        np.testing.assert_array_equal(first[..., :3], -first[..., 3:6])
        assert np.count_nonzero(second[0]) == 0

    def test_max_pooling_keeps_the_net_odd(self):
        convolutions = [layers.Conv2D(8, 3, padding="same", activation="relu") for _ in range(4)]
        model = chain(
            *convolutions, layers.MaxPooling2D(2), layers.Flatten(), dense(4), shape=(6, 6, 3)
        )
        kerasinit.initialize(model, seed=1)
        x = RNG.normal(size=(4, 6, 6, 3)).astype("float32")
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(model(x)),
            -keras.ops.convert_to_numpy(model(-x)),
            atol=1e-5,
        )

    def test_large_kernels_of_normal_blocks_keep_the_pairs(self, monkeypatch):
        monkeypatch.setattr("kerasinit.models._odd_part_rule.LARGE", 100)
        convolutions = [layers.Conv2D(7, 3, padding="same", activation="gelu") for _ in range(3)]
        parts = [*convolutions, layers.Flatten(), dense(40, "relu"), dense(30, "relu"), dense(4)]
        model = chain(*parts, shape=(4, 4, 3))
        plan = kerasinit.initialize(model, seed=1)
        assert sum("so large that normal blocks" in row.reason for row in plan) == 3
        x = RNG.normal(size=(4, 4, 4, 3)).astype("float32")
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(model(x)),
            -keras.ops.convert_to_numpy(model(-x)),
            atol=1e-5,
        )

    def test_two_heads_on_one_trunk_share_its_pairs(self):
        x = inputs = keras.Input((16,))
        for _ in range(5):
            x = dense(16, "gelu")(x)
        model = keras.Model(inputs, [dense(3)(x), dense(1, "sigmoid")(x)])
        plan = kerasinit.initialize(model, seed=1)
        assert [row.reason.count("last") for row in kernels(plan)] == [0] * 5 + [1, 1]

    @pytest.mark.parametrize(
        "breaker",
        [layers.LayerNormalization, lambda: layers.Lambda(lambda x: keras.ops.flip(x, axis=-1))],
        ids=["norm", "unknown"],
    )
    def test_what_breaks_pairs_ends_the_stack(self, breaker):
        model = chain(
            *[dense(16, "gelu") for _ in range(5)],
            breaker(),
            *[dense(16, "gelu") for _ in range(5)],
            dense(4),
        )
        rows = kernels(kerasinit.initialize(model, seed=1))
        assert ["OddPart" in row.initializer for row in rows] == [True] * 11
        assert "last" in rows[4].reason
        assert "first" in rows[5].reason

    def test_activations_may_change_on_the_way(self):
        names = ["tanh", "gelu", "sigmoid", "selu", "relu", "softsign", "tanh", "silu"]
        model = chain(*[dense(64, name) for name in names], dense(8), shape=(64,))
        kerasinit.initialize(model, seed=1)
        x = RNG.normal(size=(64, 64)).astype("float32")
        last = kerasinit.signals.measure(model, x).layers[-2]
        assert 0.5 < last.preactivation_mean_square < 1.5  # silu: length 1
        assert last.preactivation_variance > 0.25 * last.preactivation_mean_square

    @pytest.mark.parametrize("depth", [4, 50])
    def test_dense_layers_of_selu_normalize_themselves(self, depth):
        model = chain(*[dense(64, "selu") for _ in range(depth)], dense(8), shape=(64,))
        rows = kernels(kerasinit.initialize(model, seed=1))
        assert {row.initializer for row in rows[:-1]} == {"Orthogonal()"}
        x = RNG.normal(size=(256, 64)).astype("float32")
        last = kerasinit.signals.measure(model, x).layers[-2]
        assert last.preactivation_mean_square == pytest.approx(1.0, rel=0.1)

    def test_what_their_gradient_grows_by_sets_how_deep(self):
        # E f'^2 = 1.0716 a layer: the square grows by 32 through 50 layers, by 65 through 60.
        deep = chain(*[dense(8, "selu") for _ in range(60)], dense(4), shape=(8,))
        assert "OddPart" in kernels(kerasinit.initialize(deep, seed=1))[3].initializer
        images = chain(*[layers.Conv2D(8, 3, activation="selu", padding="same") for _ in range(6)],
                       layers.Flatten(), dense(4), shape=(4, 4, 1))  # fmt: skip
        assert "OddPart" in kernels(kerasinit.initialize(images, seed=1))[3].initializer

    def test_a_frozen_layer_ends_the_stack(self):
        model = chain(*[dense(16, "gelu") for _ in range(9)], dense(4))
        model.layers[4].trainable = False
        rows = kernels(kerasinit.initialize(model, seed=1))
        assert not rows[4].changed
        assert "4 hidden" in rows[8].reason


class TestDeepNets:
    """Fifty plain layers: gradients of one size, inputs that stay apart (issue 4)."""

    @pytest.mark.parametrize(("activation", "seed"), [("gelu", 0), ("tanh", 1)])
    def test_the_signal_reaches_both_ends(self, activation, seed):
        model = chain(*[dense(64, activation) for _ in range(50)], dense(10), shape=(64,))
        kerasinit.initialize(model, seed=seed)
        x = np.random.default_rng(seed).normal(size=(64, 64)).astype("float32")
        y = np.random.default_rng(seed).integers(0, 10, 64)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss)
        rows = kerasinit.signals.measure(model, x, y).layers
        growth = np.log(rows[0].gradient_rms ** 2 / rows[-2].gradient_rms ** 2)
        assert abs(growth) < 1
        assert rows[-2].preactivation_variance > 0.25 * rows[-2].preactivation_mean_square

    def test_thirty_gelu_layers_learn_the_digits(self):
        datasets = pytest.importorskip("sklearn.datasets")
        x, y = datasets.load_digits(return_X_y=True)
        x = ((x - x.mean()) / x.std()).astype("float32")
        model = chain(*[dense(64, "gelu") for _ in range(30)], dense(10), shape=(64,))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.004, momentum=0.9), loss, metrics=["accuracy"])
        reached = {}
        for rules, epochs in ((None, 5), ("glorot_uniform", 2)):
            kerasinit.initialize(model, rules, seed=1, reset_optimizer=True)
            model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
            reached[rules] = model.evaluate(x, y, verbose=0)[1]
        assert reached[None] > 0.9
        assert reached["glorot_uniform"] < 0.3


def test_a_zero_gamma_of_its_author_stays_and_is_told_as_such():
    inputs = keras.Input((8,))
    norm = layers.BatchNormalization(gamma_initializer="zeros", name="end")
    x = inputs + norm(layers.Dense(8)(inputs))
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(2)(x)), seed=0)
    assert plan["end/gamma"].initializer == "Zeros()"
    assert plan["end/gamma"].reason.startswith("zero on purpose")
    assert plan["end/beta"].reason == "a norm starts as the identity"


@pytest.mark.parametrize(
    ("activations", "reasons"),
    [
        (
            ["relu"] * 4,
            ["mirrored pairs cancel the part of relu that is the same for x and -x"] * 5,
        ),
        (["tanh"] * 4, ["tanh has no part that is the same for x and -x"] * 5),
        (
            ["sigmoid"] * 4,
            [
                f"{whose} bias cancels the part of sigmoid that is the same for x and -x"
                for whose in ["the next layer's"] * 4 + ["its"]
            ],
        ),
        (
            ["relu", "relu", "relu", "linear"],
            ["mirrored pairs cancel the part of relu that is the same for x and -x"] * 4
            + ["linear has no part that is the same for x and -x"],
        ),
    ],
    ids=["relu", "tanh", "sigmoid", "a linear layer between"],
)
def test_a_reason_names_the_activation_whose_even_part_is_cancelled(activations, reasons):
    hidden = [layers.Dense(16, activation) for activation in activations]
    model = keras.Sequential([keras.Input((16,)), *hidden, layers.Dense(2)])
    rows = kernels(kerasinit.initialize(model, dry_run=True))
    assert [row.reason.partition(": ")[2] for row in rows] == reasons


class GlobalResponseNormalization(layers.Layer):
    """Of ConvNeXt V2: channels compete, the signal goes through beside them."""

    def build(self, shape):
        self.gamma = self.add_weight(name="gamma", shape=shape[-1:], initializer="zeros")

    def call(self, x):
        length = ops.sqrt(ops.sum(ops.square(x), axis=(1, 2), keepdims=True))
        return x + self.gamma * x * length / (ops.mean(length, axis=-1, keepdims=True) + 1e-6)


class LayerScale(layers.Layer):
    def build(self, shape):
        tiny = keras.initializers.Constant(1e-5)
        self.gamma = self.add_weight(name="gamma", shape=shape[-1:], initializer=tiny)

    def call(self, x):
        return x * self.gamma


@pytest.mark.parametrize("layer", [GlobalResponseNormalization, LayerScale])
def test_what_only_scales_channels_is_no_norm(layer):
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(8, 3, activation="gelu", name="before")(inputs)
    x = layers.Conv2D(8, 3, name="after")(layer(name="scale")(x))
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    before = ops.convert_to_numpy(model.get_layer("scale").gamma)
    plan = kerasinit.initialize(model, seed=0)
    np.testing.assert_array_equal(ops.convert_to_numpy(model.get_layer("scale").gamma), before)
    assert plan["scale/gamma"].reason == "the layer's own initializer"
    assert "sets the scale" not in plan["before/kernel"].reason


@pytest.mark.skipif(not hasattr(layers, "ReversibleEmbedding"), reason="new in Keras 3.12")
def test_a_projection_onto_words_is_no_table_of_rows():
    words = keras.Input((5,), dtype="int32")
    table = layers.ReversibleEmbedding(20, 8, tie_weights=False, name="words")
    model = keras.Model(words, table(layers.Dense(8)(table(words)), reverse=True))
    plan = kerasinit.initialize(model, seed=0)
    assert "one row is read at a time" in plan["words/embeddings"].reason
    assert plan["words/reverse_embeddings"].reason == "the layer's own initializer"


@pytest.mark.parametrize("rectify", [lambda x: ops.maximum(x, 0), lambda x: ops.maximum(0.0, x)])
def test_a_maximum_with_zero_is_a_relu(rectify):
    def plan(rectify):
        inputs = keras.Input((16,))
        x = inputs
        for number in range(6):
            x = rectify(layers.Dense(16, name=f"dense{number}")(x))
        model = keras.Model(inputs, layers.Dense(2, name="last")(x))
        return [(row.initializer, row.reason) for row in kerasinit.initialize(model, seed=0)]

    assert plan(rectify) == plan(ops.relu)


def test_a_maximum_with_another_number_is_no_relu():
    inputs = keras.Input((16,))
    x = ops.maximum(layers.Dense(16, name="hidden")(inputs), 1.0)
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(2)(x)), seed=0)
    assert "relu" not in plan["hidden/kernel"].reason


def test_a_stack_behind_joined_inputs_starts_as_small_as_one_on_data():
    inputs = [keras.Input((6,)), keras.Input((4,))]
    x = layers.concatenate([layers.Dense(16, "relu")(one) for one in inputs])
    x = layers.Dense(32, "relu", name="first")(x)
    for _ in range(5):
        x = layers.Dense(32, "relu")(x)
    plan = kerasinit.initialize(keras.Model(inputs, layers.Dense(1)(x)), seed=0)
    assert plan["first/kernel"].gain == pytest.approx(0.1**0.5)
    assert "from a tenth of its inputs' mean square" in plan["first/kernel"].reason
