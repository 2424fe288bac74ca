"""Variance-scaled draws: exact distributions, arguments and their errors."""

import math

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

import kerasinit
from kerasinit.initializers import (
    HeNormal,
    HeUniform,
    LasagneNormal,
    LasagneUniform,
    LecunNormal,
    LecunUniform,
    XavierNormal,
    XavierUniform,
)

L = keras.layers
CLASSES = (
    XavierUniform,
    XavierNormal,
    LasagneUniform,
    LasagneNormal,
    HeUniform,
    HeNormal,
    LecunUniform,
    LecunNormal,
)
NORMAL = tuple(cls for cls in CLASSES if "Normal" in cls.__name__)
UNIFORM = tuple(cls for cls in CLASSES if "Uniform" in cls.__name__)
SHAPE = (400, 250)  # 100,000 values: the standard error of a variance is below 0.5 %
# Written out from the papers, not through the code under test.
STD = {
    "Xavier": math.sqrt(2 / (400 + 250)),
    "Lasagne": math.sqrt(2 / (400 + 250)),
    "He": math.sqrt(2 / 400),
    "Lecun": math.sqrt(1 / 400),
}
CUT_STD = {1.0: 0.5395600937548969, 2.0: 0.8796256610342398, 3.0: 0.9865783925581086}


def by_name(cls):
    return cls.__name__


def family(cls):
    return cls.__name__.removesuffix("Uniform").removesuffix("Normal")


def sample(initializer, shape=SHAPE, **options):
    tensor = initializer(shape, **options)
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")).astype("float64").ravel()


def assert_moments(values, std):
    """Mean and variance within five standard errors of a distribution as wide as the normal."""
    assert abs(values.mean()) < 5 * std / math.sqrt(values.size), f"actual mean {values.mean()}"
    actual, error = values.var() / std**2, 5 * math.sqrt(2 / values.size)
    assert abs(actual - 1) < error, f"actual variance {actual} of the expected one"


def assert_distributed(values, distribution):
    result = stats.kstest(values, distribution.cdf)
    assert result.pvalue > 1e-4, f"actual distance {result.statistic}"


@pytest.mark.parametrize("cls", CLASSES, ids=by_name)
def test_the_moments_are_those_of_the_paper(cls):
    assert_moments(sample(cls(seed=1)), STD[family(cls)])


def test_the_moment_check_notices_three_percent_of_variance():
    with pytest.raises(AssertionError, match="actual variance"):
        assert_moments(1.03**0.5 * sample(HeNormal(seed=1)), STD["He"])


def test_the_moment_check_notices_a_shifted_mean():
    values = sample(HeNormal(seed=1))
    with pytest.raises(AssertionError, match="actual mean"):
        assert_moments(values + 0.03 * values.std(), STD["He"])


@pytest.mark.parametrize("cls", UNIFORM, ids=by_name)
def test_uniform_values_are_uniform(cls):
    limit = math.sqrt(3) * STD[family(cls)]
    values = sample(cls(seed=1))
    assert np.abs(values).max() <= limit * (1 + 1e-6)
    assert_distributed(values, stats.uniform(-limit, 2 * limit))


@pytest.mark.parametrize("cls", NORMAL, ids=by_name)
def test_normal_values_are_normal(cls):
    assert_distributed(sample(cls(seed=1)), stats.norm(0, STD[family(cls)]))


@pytest.mark.parametrize("cut", [0.02, 0.5, 1.0, 2.0, 3.0, 4.5, 6.0], ids=str)
def test_truncated_values_are_truncated_at_the_same_variance(cut):
    values = sample(LecunNormal(truncate=cut, seed=1))
    before = STD["Lecun"] / float(stats.truncnorm.std(-cut, cut))
    assert np.abs(values).max() <= cut * before * (1 + 1e-6)
    assert_moments(values, STD["Lecun"])
    assert_distributed(values, stats.truncnorm(-cut, cut, scale=before))


def test_a_cut_at_the_mean_leaves_a_uniform_distribution():
    limit = math.sqrt(3) * STD["Lecun"]
    values = sample(LecunNormal(truncate=1e-30, seed=1))
    assert_distributed(values, stats.uniform(-limit, 2 * limit))


@pytest.mark.parametrize(("cut", "std"), CUT_STD.items(), ids=str)
def test_the_scale_is_corrected_for_the_cut(cut, std):
    # Golden values: scipy.stats.truncnorm.std(-cut, cut).
    limit = cut * STD["Lecun"] / std
    assert np.abs(sample(LecunNormal(truncate=cut, seed=1))).max() == pytest.approx(limit, rel=0.1)


def test_the_distribution_check_notices_a_normal_instead_of_a_truncated():
    scale = STD["Lecun"] / CUT_STD[2.0]
    with pytest.raises(AssertionError, match="actual distance"):
        assert_distributed(sample(LecunNormal(seed=1)), stats.truncnorm(-2, 2, scale=scale))


def test_the_distribution_check_notices_a_uniform_of_the_same_variance():
    with pytest.raises(AssertionError, match="actual distance"):
        assert_distributed(sample(LecunUniform(seed=1)), stats.norm(0, STD["Lecun"]))


@pytest.mark.parametrize(
    ("mode", "std"),
    [("fan_in", 0.0707107), ("fan_out", 0.1414214), ("fan_avg", 0.0894427), ("fan_geo", 0.1)],
)
def test_each_mode_divides_by_its_fan(mode, std):
    # Golden values: jax.nn.initializers.variance_scaling(2, mode, "normal") of (400, 100).
    assert_moments(sample(HeNormal(mode=mode, seed=1), (400, 100)), std)


@pytest.mark.parametrize(
    ("gain", "factor"),
    [
        (2.0, 2.0),
        (np.float32(0.5), 0.5),
        (3, 3.0),
        ("relu", math.sqrt(2)),
        (keras.activations.relu, math.sqrt(2)),
        (keras.layers.LeakyReLU(negative_slope=0.2), math.sqrt(2 / 1.04)),
        (keras.ops.tanh, 1.5925374197),
        (lambda x: 2 * x, 0.5),
        ("auto", 1.0),
    ],
    ids=["float", "numpy", "int", "name", "function", "layer", "op", "lambda", "auto"],
)
def test_the_gain_multiplies_the_weights(gain, factor):
    ratio = sample(LecunNormal(gain=gain, seed=1), (20, 10)) / sample(LecunNormal(seed=1), (20, 10))
    np.testing.assert_allclose(ratio, factor, rtol=1e-5)


@pytest.mark.parametrize(
    ("cls", "activation", "factor"),
    [
        (L.Dense, "relu", math.sqrt(2)),
        (L.Dense, "gelu", 1.5335304412),
        (L.Dense, L.LeakyReLU(negative_slope=0.2), math.sqrt(2 / 1.04)),
        (L.Dense, lambda x: 2 * x, 0.5),
        (L.Dense, None, 1.0),
        (L.Dense, "softmax", 1.0),
        (L.Dense, L.Softmax(), 1.0),
        (L.SimpleRNN, "relu", math.sqrt(2)),
        (L.LSTM, "relu", 1.0),
    ],
    ids=lambda value: getattr(value, "name", getattr(value, "__name__", str(value))),
)
def test_the_automatic_gain_is_that_of_the_layers_activation(cls, activation, factor):
    shape = (None, 20) if cls is L.Dense else (None, 3, 20)
    kernels = []
    for gain in ("auto", 1.0):
        layer = cls(10, activation=activation, kernel_initializer=HeNormal(gain=gain, seed=1))
        if cls is not L.Dense:
            layer.cell.recurrent_initializer = keras.initializers.Zeros()
        layer.build(shape)
        kernels.append(keras.ops.convert_to_numpy(layer.weights[0]))
    np.testing.assert_allclose(kernels[0] / kernels[1], factor, rtol=1e-5)


@pytest.mark.parametrize("cls", CLASSES, ids=by_name)
def test_the_arguments_survive_a_config(cls):
    options = {"input_axes": [0], "output_axes": [1], "batch_axes": [2], "seed": 3}
    cut = 2.0 if cls in NORMAL else None
    initializer = cls(gain="gelu", mode="fan_geo", truncate=cut, **options)
    config = initializer.get_config()
    assert config == {"gain": "gelu", "mode": "fan_geo", "truncate": cut, **options}
    assert cls.from_config(config).get_config() == config


def test_an_activation_layer_as_gain_survives_its_config():
    initializer = HeNormal(gain=keras.layers.LeakyReLU(negative_slope=0.2), seed=1)
    again = HeNormal.from_config(initializer.get_config())
    np.testing.assert_array_equal(sample(initializer, (3, 4)), sample(again, (3, 4)))


def test_a_registered_function_as_gain_survives_its_config():
    @keras.saving.register_keras_serializable("test_scaled")
    def doubled(x):
        return 2 * x

    initializer = HeNormal(gain=doubled, seed=1)
    again = HeNormal.from_config(initializer.get_config())
    np.testing.assert_array_equal(sample(initializer, (3, 4)), sample(again, (3, 4)))


def test_an_unregistered_function_as_gain_cannot_be_saved():
    with pytest.raises(ValueError, match="can only be saved once it is registered"):
        HeNormal(gain=lambda x: 2 * x).get_config()


def test_an_unregistered_function_as_gain_works_in_attention():
    layer = L.MultiHeadAttention(2, 4, kernel_initializer=HeNormal(gain=lambda x: 2 * x, seed=1))
    layer.build((None, 5, 8), (None, 5, 8))
    assert layer.query_dense.kernel.shape == (8, 2, 4)


@pytest.mark.parametrize("gain", [0, -1.0, math.inf, math.nan, 1e39, 1e-46, True], ids=str)
def test_a_gain_that_is_no_positive_number_is_refused(gain):
    with pytest.raises(ValueError, match=r"`gain` must be a number from .* Received: gain="):
        HeNormal(gain=gain)


@pytest.mark.parametrize("gain", [None, [1.0]], ids=str)
def test_a_gain_of_another_type_is_refused(gain):
    with pytest.raises(TypeError, match=r"`gain` must be a number > 0, an activation or 'auto'"):
        HeNormal(gain=gain)


def test_an_unknown_activation_gets_near_matches():
    with pytest.raises(ValueError, match=r"`gain` must be .*'gellu'.*gelu"):
        HeNormal(gain="gellu")


def test_an_unknown_mode_gets_near_matches():
    with pytest.raises(ValueError, match=r"`mode` must be one of .*'fan_inn'. Did you mean"):
        HeNormal(mode="fan_inn")


@pytest.mark.parametrize("cut", [0, -2.0, math.inf, math.nan, "2", True], ids=repr)
def test_a_cut_that_is_no_positive_number_is_refused(cut):
    with pytest.raises(
        ValueError, match=r"`truncate` must be a number from .*`truncate=2.0` is usual"
    ):
        HeNormal(truncate=cut)


def test_a_uniform_distribution_is_not_cut():
    with pytest.raises(ValueError, match=r"a uniform one has no tails. Received: truncate=2"):
        HeUniform(truncate=2.0)


def test_one_kind_of_axes_alone_is_refused():
    with pytest.raises(ValueError, match=r"`input_axes` and `output_axes` must be given together"):
        HeNormal(input_axes=[0])


def test_an_axis_named_twice_is_refused():
    with pytest.raises(ValueError, match=r"`batch_axes` must not name an axis twice"):
        HeNormal(batch_axes=[0, 0])


def test_axes_that_are_no_integers_are_refused():
    with pytest.raises(TypeError, match=r"`input_axes` must be a sequence of integers"):
        HeNormal(input_axes=["a"], output_axes=[1])


def test_an_axis_that_does_not_exist_is_refused_with_the_shape():
    with pytest.raises(ValueError, match=r"`output_axes` must name axes .*\(3, 4\)"):
        HeNormal(input_axes=[0], output_axes=[2])((3, 4))


def test_an_axis_of_both_kinds_is_refused():
    with pytest.raises(ValueError, match=r"must not share an axis"):
        HeNormal(input_axes=[0], output_axes=[-2])((3, 4))


def test_a_scalar_is_refused():
    with pytest.raises(ValueError, match=r"`shape` must have at least one axis. Received"):
        HeNormal()(())


def test_an_integer_dtype_is_refused():
    with pytest.raises(ValueError, match=r"`dtype` must be a floating-point dtype.*'int32'"):
        HeNormal()((3, 4), dtype="int32")


def test_half_precision_is_the_rounded_float32_draw():
    wide, half = (HeNormal(seed=1)((40, 50), dtype=dtype) for dtype in ("float32", "bfloat16"))
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(keras.ops.cast(half, "float32")),
        keras.ops.convert_to_numpy(keras.ops.cast(keras.ops.cast(wide, "bfloat16"), "float32")),
    )


def test_the_classes_are_variance_scalings_for_einsum_dense():
    assert issubclass(HeNormal, keras.initializers.VarianceScaling)
    assert (HeNormal().scale, HeNormal().distribution) == (pytest.approx(2), "untruncated_normal")


def test_the_gain_is_that_of_the_theory():
    ratio = sample(HeNormal(gain="mish", seed=1), (3, 4)) / sample(
        HeNormal(gain=1.0, seed=1), (3, 4)
    )
    np.testing.assert_allclose(ratio, kerasinit.gain("mish"), rtol=1e-5)


NUMBERS = st.one_of(st.none(), st.booleans(), st.floats(), st.integers(-2, 2), st.just("1"))
AXES = st.one_of(st.none(), st.lists(st.integers(-3, 3), max_size=2))
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "gain": st.one_of(NUMBERS, st.sampled_from(["auto", "relu", "softmax", "no"])),
        "mode": st.sampled_from(["fan_in", "fan_out", "fan_avg", "fan_geo", "fan", "", None]),
        "truncate": NUMBERS,
        "seed": NUMBERS,
        "input_axes": AXES,
        "output_axes": AXES,
        "batch_axes": AXES,
    },
)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(cls=st.sampled_from(CLASSES), config=CONFIGS)
def test_any_config_draws_finite_weights_or_names_the_argument(cls, config):
    try:
        tensor = cls(**config)((3, 4))
    except (ValueError, TypeError) as error:
        if any(f"`{name}`" in str(error) for name in config):
            return
        raise
    drawn = keras.ops.convert_to_numpy(tensor)
    assert drawn.shape == (3, 4)
    assert np.isfinite(drawn).all()
