"""The odd-part point is the one under which deep nets were trained."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasinit.theory import Activation, expectation, odd_part, resolve

DEPTHS = (10, 30, 50, 200, 1000)
# (length, gain) at each depth, zeta = 1.5.
TABLE = {
    "mish": [(1, 0.8863), (1, 0.8863), (1, 0.8863), (0.684, 0.8730), (0.234, 0.8487)],
    "elu": [(1, 0.6543), (0.512, 0.6185), (0.238, 0.5857), (0.0423, 0.5389), (0.00726, 0.5166)],
    "selu": [(1, 0.5043), (0.231, 0.4345), (0.121, 0.4142), (0.0247, 0.3832), (0.00446, 0.3678)],
    "tanh": [
        (0.291, 1.2275),
        (0.135, 1.1178),
        (0.0982, 1.0882),
        (0.0438, 1.0415),
        (0.0184, 1.0179),
    ],
    "softsign": [
        (0.0771, 1.4084),
        (0.0196, 1.2128),
        (0.0108, 1.1597),
        (0.00234, 1.0757),
        (0.000432, 1.0329),
    ],
    "sigmoid": [(1, 4.8013), (0.542, 4.4712), (0.393, 4.3528), (0.175, 4.1662), (0.0735, 4.0718)],
    "hard_sigmoid": [(1, 6.0150), (1, 6.0150), (1, 6.0150), (0.974, 6.0132), (0.734, 6.0026)],
}
CELLS = [(name, depth, *TABLE[name][at]) for name in TABLE for at, depth in enumerate(DEPTHS)]


def chi(name, length):
    """Growth of the squared gradient on the odd part."""
    activation = resolve(name)
    kinks = tuple(sorted({0.0, *activation.kinks, *(-k for k in activation.kinks)}))

    def psi(u):
        return activation.function(u) - activation.function(-u)

    def slope(u):
        return activation.derivative(u) + activation.derivative(-u)

    above = expectation(lambda u: slope(u) ** 2, length=length, kinks=kinks)
    return length * above / expectation(lambda u: psi(u) ** 2, length=length, kinks=kinks)


@pytest.mark.parametrize(("name", "depth", "length", "gain"), CELLS)
def test_the_table_of_trained_nets_is_met(name, depth, length, gain):
    point = odd_part(name, depth)
    # The table prints three and five digits of roots found to about 1e-3.
    assert point.length == pytest.approx(length, rel=5e-3)
    assert point.gain == pytest.approx(gain, abs=1.01e-4)


@pytest.mark.parametrize(("name", "depth", "length", "gain"), CELLS)
def test_the_gradient_grows_by_zeta_below_length_one(name, depth, length, gain):
    point = odd_part(name, depth)
    growth = chi(name, point.length) ** depth
    if point.length < 1:
        assert growth == pytest.approx(1.5, rel=1e-6)
    else:
        assert growth <= 1.5


@pytest.mark.parametrize("depth", [1, 50, 1000])
@pytest.mark.parametrize("name", ["relu", "gelu", "silu", "softplus", "squareplus"])
def test_a_linear_odd_part_needs_no_depth(name, depth):
    point = odd_part(name, depth)
    assert (point.kind, point.length) == ("mirror", 1.0)
    assert point.gain == pytest.approx(1, rel=1e-12)


@given(st.floats(-0.9, 0.9))
def test_leaky_relu_has_gain_one_over_one_plus_slope(slope):
    assert odd_part("leaky_relu", negative_slope=slope).gain == pytest.approx(1 / (1 + slope))


@pytest.mark.parametrize(
    ("name", "kind", "offset"),
    [
        ("tanh", "bias", 0),
        ("softsign", "bias", 0),
        ("sigmoid", "bias", 0.5),
        ("hard_sigmoid", "bias", 0.5),
        ("linear", "bias", 0),
        ("relu", "mirror", 0),
        ("softplus", "mirror", math.log(2)),
        ("elu", "mirror", 0),
    ],
)
def test_the_kind_follows_from_the_even_part(name, kind, offset):
    point = odd_part(name)
    assert point.kind == kind
    assert point.offset == pytest.approx(offset, abs=1e-12)


@pytest.mark.parametrize("name", ["tanh", "softsign", "sigmoid", "elu", "selu", "mish", "erf"])
def test_the_gradient_never_shrinks_on_an_odd_part(name):
    for length in (0.01, 0.3, 1.0, 5.0):
        assert chi(name, length) >= 1 - 1e-12


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "gelu"])
def test_the_gain_keeps_the_length(name):
    point = odd_part(name, 30)
    activation = resolve(name)

    def psi(u):
        return activation.function(u) - activation.function(-u)

    kept = expectation(lambda u: psi(u) ** 2, length=point.length)
    scale = point.gain / 2 if point.kind == "bias" else point.gain
    assert scale**2 * kept == pytest.approx(point.length, rel=1e-10)


@given(st.integers(1, 500), st.integers(1, 500))
def test_deeper_nets_start_shorter(first, second):
    low, high = sorted((first, second))
    assert odd_part("tanh", high).length <= odd_part("tanh", low).length


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("tanh", 0), "`depth` must be an integer >= 1.*Received: depth=0.*hidden layers"),
        (("tanh", 2.5), "`depth` must be an integer >= 1"),
        (("tanh", True), "`depth` must be an integer >= 1"),
        (("tanh", 50, 1.0), "`zeta` is a growth.*Received: zeta=1.0"),
        (("tanh_shrink",), "no slope at small inputs"),
        ((Activation("square", np.square, lambda x: 2 * x, ()),), "is even"),
    ],
)
def test_what_has_no_point_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        odd_part(*arguments)
