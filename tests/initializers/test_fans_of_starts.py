"""What the fans and the layer make of a draw, in closed form."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasinit import theory
from kerasinit.initializers import Auto, HeNormal, LecunNormal, OddPartBias, Siren, XavierNormal
from kerasinit.layers import Fans


def values(tensor):
    return keras.ops.convert_to_numpy(tensor).astype("float64")


@pytest.mark.parametrize(
    ("mode", "fans", "std"),
    [
        ("fan_in", (4, 9), 1 / 2), ("fan_out", (4, 9), 1 / 3), ("fan_avg", (4, 14), 1 / 3),
        ("fan_geo", (2, 8), 1 / 2), ("fan_in", (1, 9), 1.0), ("fan_in", (1.05, 9), 1.05**-0.5),
        ("fan_in", (0.5, 9), 1.0), ("fan_in", (0, 0), 1.0), ("fan_in", (2.25, 1), 2 / 3),
    ],
    ids=str,
)  # fmt: skip
def test_the_variance_is_one_over_the_fan_and_one_at_most(mode, fans, std):
    assert LecunNormal(mode=mode).std(Fans(*fans)) == pytest.approx(std)
    assert XavierNormal(mode=mode, gain=3.0).std(Fans(*fans)) == pytest.approx(3 * std)


@pytest.mark.parametrize("cut", [None, 2.0])
def test_the_scale_is_the_square_of_the_gain_as_keras_has_it(cut):
    start = XavierNormal(gain=3.0, truncate=cut)
    assert start.scale == pytest.approx(9.0)
    name = "untruncated_normal" if cut is None else "truncated_normal"
    assert start.distribution == name


@pytest.mark.parametrize(
    ("first", "omega", "gain", "fan", "limit"),
    [
        (True, 30.0, 1.0, 4, 1 / 4), (True, 1.0, 2.0, 4, 1 / 2), (False, 30.0, 1.0, 6, 1 / 30),
        (False, 1.0, 2.5, 24, 1.25), (True, 30.0, 1.0, 0.5, 1.0), (False, 1.0, 1.0, 0, 6**0.5),
        (True, 30.0, 1.0, 1.05, 1 / 1.05),
    ],
)  # fmt: skip
def test_the_limit_of_a_sine_layer_has_its_closed_form(first, omega, gain, fan, limit):
    assert Siren(first=first, omega=omega, gain=gain).limit(fan) == pytest.approx(limit)


def test_outputs_that_the_user_names_differently_are_the_users():
    start = HeNormal(input_axes=[1], output_axes=[0, 2], seed=1)  # all positions are outputs
    layer = layers.Conv1D(200, 9, kernel_initializer=start)
    layer.build((None, 20, 50))
    assert values(layer.kernel).std() == pytest.approx((2 / 50) ** 0.5, rel=0.02)


def test_experts_of_an_equation_are_no_outputs():
    layer = layers.EinsumDense(
        "bei,eio->beo", (4, 100), kernel_initializer=LecunNormal(mode="fan_out", seed=1)
    )
    layer.build((None, 4, 50))
    assert values(layer.kernel).std() == pytest.approx(0.1, rel=0.02)


def test_embeddings_of_auto_have_no_mean():
    layer = layers.Embedding(2000, 20, embeddings_initializer=Auto(seed=1))
    layer.build()
    assert values(layer.embeddings).mean() == pytest.approx(0, abs=0.025)  # five standard errors


@pytest.mark.parametrize("activation", ["sigmoid", "softplus"])
def test_the_common_mean_is_damped_by_one_factor_for_any_number_of_inputs(activation):
    """The direction of equal inputs is shorter than those at right angles to it."""
    shares = []
    for inputs in (2, 3, 32):
        layer = layers.Dense(inputs, activation, kernel_initializer=Auto(seed=1))
        layer.build((None, inputs))
        lengths = np.linalg.svd(values(layer.kernel), compute_uv=False)
        np.testing.assert_allclose(lengths[:-1], lengths[0], rtol=1e-4)
        shares.append(lengths[-1] / lengths[0])
        assert np.sum(lengths**2) / inputs == pytest.approx(total_of(activation), rel=1e-3)
    np.testing.assert_allclose(shares, shares[0], rtol=1e-3)
    assert 0.01 < shares[0] < 0.9


def test_experts_are_damped_one_by_one():
    layer = layers.EinsumDense(
        "bei,eio->beo", (3, 8), activation="sigmoid", kernel_initializer=Auto(seed=1)
    )
    layer.build((None, 3, 8))
    for expert in values(layer.kernel):
        lengths = np.linalg.svd(expert, compute_uv=False)
        np.testing.assert_allclose(lengths[:-1], lengths[0], rtol=1e-4)
        assert lengths[-1] < 0.2 * lengths[0]


def total_of(activation):
    """The square of the gain that keeps the gradient."""
    return theory.gain(activation, "backward") ** 2


@pytest.mark.parametrize("depth_multiplier", [1, 2])
def test_a_separable_convolution_of_any_weights_is_centred_by_its_bias(depth_multiplier):
    layer = layers.SeparableConv1D(
        6, 3, depth_multiplier=depth_multiplier, depthwise_initializer="he_normal",
        pointwise_initializer="he_normal", bias_initializer=OddPartBias(activation="sigmoid"),
    )  # fmt: skip
    outputs = layer(keras.ops.full((2, 7, 4), 0.5))
    np.testing.assert_allclose(values(outputs), 0, atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda bias: layers.EinsumDense("ab,bc->ac", 6, bias_axes="c", bias_initializer=bias),
        lambda bias: layers.Conv1DTranspose(6, 4, strides=2, bias_initializer=bias),
        lambda bias: layers.Conv1D(6, 3, groups=2, bias_initializer=bias),
    ],
    ids=["einsum", "transposed", "groups"],
)
def test_a_layer_of_any_weights_is_centred_by_its_bias(make):
    layer = make(OddPartBias(activation="sigmoid"))
    shape = (2, 4) if isinstance(layer, layers.EinsumDense) else (2, 9, 4)
    outputs = values(layer(keras.ops.full(shape, 0.5)))
    inner = outputs if outputs.ndim == 2 else outputs[:, 3:-3]
    if isinstance(layer, layers.Conv1DTranspose):  # every second entry meets an input
        inner = inner[:, : inner.shape[1] // 2 * 2].reshape(2, -1, 2, 6).mean(axis=2)
    np.testing.assert_allclose(inner, 0, atol=1e-5)
