"""What an author fixed stays: variables not trained, given values, zeros on purpose."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit


def numpy(variable):
    return np.array(ops.convert_to_numpy(variable))


class Blur(layers.Layer):
    def build(self, shape):
        window = np.outer([1, 2, 1], [1, 2, 1]) / 16
        window = np.repeat(window[:, :, None, None], shape[-1], axis=2)
        self.kernel = self.add_weight(
            name="kernel",
            shape=window.shape,
            initializer=keras.initializers.Constant(window),
            trainable=False,
        )

    def call(self, x):
        return ops.depthwise_conv(x, self.kernel, strides=2, padding="same")


def blurred():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            Blur(name="blur"),
            layers.Flatten(),
            layers.Dense(2, name="head"),
        ]
    )


IMAGES = np.random.default_rng(0).normal(size=(8, 8, 8, 3)).astype("float32")
SWEEPING = {
    "best": kerasinit.initialize,
    "one": lambda model: kerasinit.initialize(model, "he_normal"),
    "kernels": lambda model: kerasinit.initialize(model, [("kernel", "he_normal")]),
    "class": lambda model: kerasinit.initialize(model, [(layers.Layer, "he_normal")]),
    "data": lambda model: kerasinit.initialize(model, data=IMAGES),
    "reset": kerasinit.reset,
}


@pytest.mark.parametrize("call", SWEEPING.values(), ids=SWEEPING)
def test_a_filter_that_is_not_trained_stays(call):
    model = blurred()
    kernel = model.get_layer("blur").kernel
    kernel.assign(3 * kernel)  # not even its own initializer gives it
    before = numpy(kernel)
    row = call(model)["blur/kernel"]
    np.testing.assert_array_equal(numpy(kernel), before)
    assert not row.changed
    assert row.reason == "not trainable: fixed by its author"


def test_a_rule_that_names_a_fixed_variable_wins_and_says_so():
    model = blurred()
    plan = kerasinit.initialize(model, [("blur/kernel", "ones"), ("kernel", "he_normal")])
    assert (numpy(model.get_layer("blur").kernel) == 1).all()
    assert plan["blur/kernel"].reason == (
        "rule 'blur/kernel' names it, against: not trainable: fixed by its author"
    )


@pytest.mark.parametrize("call", [kerasinit.initialize, kerasinit.reset])
def test_a_lora_base_stays_with_its_bias(call):
    model = keras.Sequential(
        [keras.Input((16,)), layers.Dense(32, "relu", name="base"), layers.Dense(4)]
    )
    layer = model.get_layer("base")
    layer.enable_lora(2)
    layer.bias.assign(np.arange(32.0))
    kernel = numpy(layer._kernel)
    plan = call(model, seed=1)
    np.testing.assert_array_equal(numpy(layer._kernel), kernel)
    np.testing.assert_array_equal(numpy(layer.bias), np.arange(32.0))
    assert plan["base/lora_kernel_a"].changed
    assert not numpy(layer.lora_kernel_b).any()


@pytest.mark.parametrize("call", [kerasinit.initialize, kerasinit.reset])
def test_quantized_layers_compute_what_they_did(call):
    dense = [layers.Dense(32, activation="relu"), layers.Dense(4)]
    model = keras.Sequential(dense)
    model.build((None, 16))
    dense[0].bias.assign(np.ones(32))
    for layer in dense:
        layer.quantize("int8")
    x = np.random.default_rng(0).normal(size=(8, 16)).astype("float32")
    before = numpy(model(x))
    call(model, seed=1)
    np.testing.assert_array_equal(numpy(model(x)), before)


def test_fourier_filters_stay():
    stft = layers.STFTSpectrogram(frame_length=64, frame_step=32, fft_length=64)
    model = keras.Sequential(
        [keras.Input((256, 1)), stft, layers.GlobalAveragePooling1D(), layers.Dense(2)]
    )
    tone = np.sin(2 * np.pi * 8 * np.arange(256) / 64)[None, :, None].astype("float32")
    before = numpy(stft(tone))
    kerasinit.initialize(model, seed=1)
    np.testing.assert_allclose(numpy(stft(tone)), before, rtol=1e-5)


def ramp(shape, dtype=None):
    return ops.reshape(ops.arange(int(np.prod(shape)), dtype=dtype), shape)


@pytest.mark.parametrize(
    "initializer",
    [ramp, keras.initializers.Constant(np.arange(64.0).reshape(8, 8)), "identity"],
    ids=["callable", "array", "identity"],
)
@pytest.mark.parametrize("rules", [None, "he_normal"])
def test_a_kernel_that_starts_from_given_values_keeps_them(initializer, rules):
    kernels = [layers.Dense(8, "relu") for _ in range(4)]
    given = layers.Dense(8, name="given", kernel_initializer=initializer)
    model = keras.Sequential([keras.Input((8,)), *kernels, given, layers.Dense(2)])
    before = numpy(given.kernel)
    plan = kerasinit.initialize(model, rules, seed=1)
    np.testing.assert_array_equal(numpy(given.kernel), before)
    assert "same values at each call" in plan["given/kernel"].reason


class Unit(keras.initializers.Initializer):
    """Columns of length one, of the seed that a class of the user's takes from Keras."""

    def __call__(self, shape, dtype=None):
        return ops.normalize(keras.random.normal(shape, dtype=dtype), axis=0)


@pytest.mark.parametrize(
    ("constraint", "initializer", "kept"),
    [
        (keras.constraints.NonNeg(), keras.initializers.RandomUniform(0, 0.1), True),
        (keras.constraints.UnitNorm(), Unit(), True),
        (keras.constraints.NonNeg(), "glorot_uniform", False),
        (keras.constraints.MaxNorm(3.0), "glorot_uniform", False),
        (keras.constraints.MaxNorm(1.0), keras.initializers.RandomNormal(stddev=1e-3), False),
        (keras.constraints.MinMaxNorm(0.0, 1.0), "random_normal", False),
        (keras.constraints.NonNeg(), keras.initializers.Constant(0.05), False),
    ],
    ids=["convex", "unit", "neither", "both", "ball", "shell", "copies"],
)
def test_a_start_within_its_constraint_stays_within(constraint, initializer, kept):
    kernel = {"kernel_constraint": constraint, "kernel_initializer": initializer}
    hidden = [layers.Dense(8, "softplus", **kernel) for _ in range(2)]
    model = keras.Sequential([keras.Input((8,)), *hidden, layers.Dense(2)])
    plan = kerasinit.initialize(model, seed=1)
    for layer in hidden:
        assert ("fulfils its" in plan[layer.kernel.path].reason) == kept
        if kept:
            after = numpy(layer.kernel)
            np.testing.assert_allclose(constraint(after), after, atol=1e-6)


def test_one_value_everywhere_is_cured():
    wrong = layers.Dense(8, "relu", kernel_initializer=keras.initializers.Constant(0.1))
    model = keras.Sequential([keras.Input((8,)), wrong, layers.Dense(2)])
    kerasinit.initialize(model, seed=1)
    assert numpy(wrong.kernel).std() > 0


def test_statistics_of_norms_are_reset():
    norm = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3), norm])
    norm.moving_variance.assign([9.0, 9.0, 9.0])
    kerasinit.initialize(model, seed=1)
    assert numpy(norm.moving_variance).tolist() == [1, 1, 1]


def test_the_vector_of_a_spectral_normalization_goes_with_the_kernel_inside():
    wrapper = layers.SpectralNormalization(layers.Dense(3))
    model = keras.Sequential([keras.Input((4,)), wrapper, layers.Dense(2)])
    before = numpy(wrapper.vector_u)
    wrapper.layer.trainable = False
    kerasinit.initialize(model, seed=1)
    np.testing.assert_array_equal(numpy(wrapper.vector_u), before)
    wrapper.layer.trainable = True
    kerasinit.initialize(model, seed=1)
    assert (numpy(wrapper.vector_u) != before).any()


def zeros(units, **options):
    return layers.Dense(units, kernel_initializer="zeros", name="zero", **options)


def residual():
    x = inputs = keras.Input((8,))
    for _ in range(3):
        x = x + layers.Dense(8)(layers.Dense(8, "relu")(x))
    return keras.Model(inputs, layers.Dense(2)(x + zeros(8)(layers.Dense(8, "relu")(x))))


def adapter():
    inputs = keras.Input((8,))
    base = layers.Dense(8, trainable=False)(inputs)
    return keras.Model(inputs, base + zeros(8)(layers.Dense(2, use_bias=False)(inputs)))


def head():
    hidden = [layers.Dense(8, "gelu") for _ in range(6)]
    return keras.Sequential([keras.Input((8,)), *hidden, zeros(3)])


def gate():
    inputs = keras.Input((8,))
    h = layers.Dense(8)(inputs)
    return keras.Model(inputs, layers.Dense(2)(h * (1 + zeros(8)(inputs))))


def coupling():
    inputs = keras.Input((8,))
    left, right = inputs[:, :4], inputs[:, 4:]
    scale, shift = ops.split(zeros(8)(layers.Dense(16, "relu")(left)), 2, axis=-1)
    return keras.Model(inputs, ops.concatenate([left, right * ops.exp(scale) + shift], axis=-1))


def control():
    image, hint = keras.Input((8, 8, 3)), keras.Input((8, 8, 1))
    zero = layers.Conv2D(4, 1, kernel_initializer="zeros", name="zero")
    x = layers.Conv2D(4, 3, padding="same", activation="silu")(image)
    x = x + zero(layers.Conv2D(4, 3, padding="same", activation="silu")(hint))
    return keras.Model([image, hint], layers.Conv2D(3, 1)(x))


def denoiser():
    # "zero" as DDPM writes it
    tiny = keras.initializers.VarianceScaling(1e-10, "fan_avg", "uniform")
    last = layers.Conv2D(3, 1, kernel_initializer=tiny, name="zero")
    return keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, activation="silu"), last])


@keras.saving.register_keras_serializable("tests")
class Opaque(layers.Layer):
    """A composite block with a weight of its own, so that it is read as one call."""

    def __init__(self):
        super().__init__()
        self.first, self.zero = layers.Dense(8, "relu"), zeros(8)

    def build(self, shape):
        self.first.build(shape)
        self.zero.build(shape)
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def call(self, x):
        return x + self.factor * self.zero(self.first(x))


def block():
    return keras.Sequential([keras.Input((8,)), Opaque(), layers.Dense(2)])


ON_PURPOSE = [residual, adapter, head, gate, coupling, control, denoiser, block]


@pytest.mark.parametrize("build", ON_PURPOSE, ids=lambda build: build.__name__)
@pytest.mark.parametrize("rules", [None, "he_normal"])
def test_zeros_on_purpose_stay(build, rules):
    model = build()
    plan = kerasinit.initialize(model, rules, seed=1)
    (row,) = [row for row in plan if row.path.endswith("zero/kernel")]
    (kernel,) = [v for v in model.variables if v.path.endswith("zero/kernel")]
    assert np.abs(numpy(kernel)).max() < 1e-4
    assert row.reason.startswith("zero on purpose: ")


@pytest.mark.parametrize(("stddev", "is_kept"), [(0.001, True), (0.05, False)])
def test_an_adapter_that_starts_near_nothing_does_so_again(stddev, is_kept):
    """Houlsby et al., 2019: near the identity, so that a frozen network goes on as it was."""
    near_nothing = keras.initializers.TruncatedNormal(stddev=stddev)
    inputs = keras.Input((16,))
    x = inputs
    for number in range(2):
        h = layers.Dense(16, trainable=False)(layers.LayerNormalization(trainable=False)(x))
        up = layers.Dense(16, kernel_initializer=near_nothing, name=f"up{number}")
        x = x + h + up(layers.Dense(4, "gelu", kernel_initializer=near_nothing)(h))
    model = keras.Model(inputs, x)
    plan = kerasinit.initialize(model, seed=1)
    ends = [row for row in plan if row.path.startswith("up") and row.kind == "kernel"]
    assert len(ends) == 2
    assert all(("near nothing" in row.reason) == is_kept for row in ends)


def test_a_rule_that_names_a_zero_kernel_draws_it():
    model = head()
    plan = kerasinit.initialize(model, [("zero", "he_normal")], seed=1)
    assert numpy(model.layers[-1].kernel).std() > 0
    assert "names it, against: zero on purpose" in plan["zero/kernel"].reason


def test_data_does_not_scale_zeros_on_purpose():
    model = head()
    x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
    plan = kerasinit.initialize(model, data=x, seed=1)
    assert not numpy(model.layers[-1].kernel).any()
    assert plan["zero/kernel"].tries is None


def middle():
    return keras.Sequential(
        [keras.Input((8,)), layers.Dense(8, "tanh"), zeros(8, activation="tanh"), layers.Dense(2)]
    )


def everything():
    start = {"kernel_initializer": "zeros"}
    return keras.Sequential(
        [keras.Input((8,)), zeros(8, activation="relu"), layers.Dense(2, **start)]
    )


def twice():
    x = inputs = keras.Input((8,))
    first = zeros(8, activation="relu")
    second = layers.Dense(8, kernel_initializer="zeros", name="second")
    return keras.Model(inputs, layers.Dense(2)(x + second(first(x))))


@pytest.mark.parametrize("build", [middle, everything, twice], ids=lambda build: build.__name__)
def test_zeros_that_stop_the_signal_are_cured(build):
    model = build()
    kerasinit.initialize(model, seed=1)
    (kernel,) = [v for v in model.variables if v.path.endswith("zero/kernel")]
    assert numpy(kernel).std() > 0.1
