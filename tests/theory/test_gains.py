"""Gains are those of exact quadrature."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kerasinit
from kerasinit.theory import gain

# Forward, centered and backward gains, from independent quadrature (ten digits).
TABLE = [
    ("linear", {}, 1, 1, 1),
    ("relu", {}, 1.4142135624, 1.7128585504, 1.4142135624),
    ("leaky_relu", {"negative_slope": 0.01}, 1.4141428570, 1.7048316272, 1.4141428570),
    ("leaky_relu", {"negative_slope": 0.2}, 1.3867504906, 1.5464600604, 1.3867504906),
    ("leaky_relu", {"negative_slope": 0.3}, 1.3545709230, 1.4633055299, 1.3545709230),
    ("prelu", {}, 1.3719887, 1.5046096, 1.3719887),
    ("relu6", {}, 1.4142135652, 1.7128585552, 1.4142135642),
    ("elu", {}, 1.2451983007, 1.2708434179, 1.2234285576),
    ("celu", {}, 1.2451983007, 1.2708434179, 1.2234285576),
    ("selu", {}, 1.0, 1.0, 0.9660257770),
    ("gelu", {}, 1.5335304412, 1.7009262434, 1.4811144127),
    ("gelu", {"approximate": True}, 1.5335805217, 1.7009165617, 1.4811680581),
    ("silu", {}, 1.6765324703, 1.7871872221, 1.6233202580),
    ("mish", {}, 1.4868475813, 1.5920253811, 1.4447552326),
    ("hard_silu", {}, 1.7366572128, 1.8138714738, 1.6700763674),
    ("tanh", {}, 1.5925374197, 1.5925374197, 1.4674135916),
    ("sigmoid", {}, 1.8462285453, 4.8013133720, 4.7226460859),
    ("hard_sigmoid", {}, 1.8978404248, 6.0150344835, 6.0081158252),
    ("softplus", {}, 1.0418668355, 1.9191259801, 1.8462285453),
    ("softsign", {}, 2.3375333631, 2.3375333631, 2.0957806089),
    ("log_sigmoid", {}, 1.0418668355, 1.9191259801, 1.8462285453),
    ("tanh_shrink", {}, 2.3383675301, 2.3383675301, 1.9881388232),
    ("sin", {}, 1.5208666232, 1.5208666232, 1.3272506003),
    ("relu_squared", {}, 0.8164965809, 0.8944271910, 0.7071067812),
    ("exponential", {}, 0.3678794412, 0.4627064574, 0.3678794412),
    ("erf", {}, 1.4671670, 1.4671670, (4 / math.pi / 5**0.5) ** -0.5),
    ("hard_tanh", {}, 1.3920361, 1.3920361, 1.2102871),
]
PORTED = {
    **dict.fromkeys(["linear", "conv1d", "conv2d", "conv3d", "sigmoid"], 1),
    **dict.fromkeys(["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"], 1),
    "tanh": 1.6666666666666667,
    "relu": 1.4142135623730951,
    "leaky_relu": 1.4141428569978354,
    "selu": 0.75,
}


@pytest.mark.parametrize(
    ("name", "parameters", "forward", "centered", "backward"),
    TABLE,
    ids=[f"{row[0]}{row[1] or ''}" for row in TABLE],
)
def test_gains_are_exact(name, parameters, forward, centered, backward):
    tolerance = 2e-9 if len(f"{forward}") > 10 or forward == 1 else 5e-8
    assert gain(name, **parameters) == pytest.approx(forward, rel=tolerance)
    assert gain(name, "centered", **parameters) == pytest.approx(centered, rel=tolerance)
    assert gain(name, "backward", **parameters) == pytest.approx(backward, rel=tolerance)


def test_the_gain_check_notices_a_wrong_digit():
    with pytest.raises(AssertionError, match=r"1\.718"):
        assert gain("silu") == pytest.approx(1.718, rel=1e-6)


def test_the_gain_is_a_public_name_of_the_package():
    assert kerasinit.gain is gain


def test_the_elu_gain_is_sirens_constant():
    assert gain("elu") ** 2 == pytest.approx(1.5505188080679277, abs=1e-12)


@given(st.floats(-2.0, 2.0))
def test_leaky_relu_has_hes_formula(slope):
    expected = math.sqrt(2 / (1 + slope**2))
    assert gain("leaky_relu", negative_slope=slope) == pytest.approx(expected, rel=1e-12)


@given(st.floats(0.1, 10.0))
def test_scaling_an_activation_divides_its_gain(scale):
    tanh = kerasinit.theory.resolve("tanh")
    scaled = kerasinit.theory.Activation(
        "scaled", lambda x: scale * tanh.function(x), lambda x: scale * tanh.derivative(x), ()
    )
    for moment in kerasinit.theory.MOMENTS:
        assert gain(scaled, moment) == pytest.approx(gain("tanh", moment) / scale, rel=1e-12)


@pytest.mark.parametrize("name", ["tanh", "gelu", "silu", "elu", "selu", "softsign", "sigmoid"])
def test_the_gain_keeps_the_mean_square_of_a_random_layer(name):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 4096))
    outputs = keras.ops.convert_to_numpy(
        getattr(keras.activations, name)(keras.ops.convert_to_tensor(x.astype("float32")))
    )
    # 262,144 values: the mean square is known to about 0.3 %.
    assert gain(name) ** 2 * np.mean(outputs**2) == pytest.approx(1, rel=0.015)


def test_the_mean_square_check_notices_five_percent():
    x = np.random.default_rng(0).standard_normal(262_144)
    with pytest.raises(AssertionError, match="1 ±"):
        assert 1.05 * gain("tanh") ** 2 * np.mean(np.tanh(x) ** 2) == pytest.approx(1, rel=0.015)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("relu", "sideways"), r"`moment` must be one of \('forward', 'backward', 'centered'\)"),
        (("rleu",), "Did you mean 'relu'"),
        ((lambda x: 0 * x,), "has no 'forward' gain"),
        ((lambda x: 0 * x + 1, "backward"), "has no 'backward' gain"),
    ],
    ids=["moment", "name", "zero", "constant"],
)
def test_what_has_no_gain_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        gain(*arguments)
