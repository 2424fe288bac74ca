"""Growth in residual and BatchNorm nets: closed forms and simulations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasinit.theory import batch_norm_growth, branch_scale, residual_growth


def test_plain_residual_nets_double_their_variance_per_block():
    assert residual_growth(20) == pytest.approx(2.0**20)


def test_normalized_residual_nets_grow_linearly():
    assert residual_growth(20, normalized=True) == 21


@given(st.integers(1, 1000), st.floats(1.0, 100.0))
def test_the_branch_scale_gives_the_wanted_growth(depth, growth):
    scale = branch_scale(depth, growth=growth)
    assert residual_growth(depth, branch_scale=scale) == pytest.approx(growth, rel=1e-9)


@pytest.mark.parametrize("batch", [4, 8, 16, 32])
def test_linear_batch_norm_nets_have_their_closed_form(batch):
    assert batch_norm_growth("linear", batch) == pytest.approx((batch - 2) / (batch - 3))


@pytest.mark.parametrize(("batch", "simulated"), [(8, 1.806), (32, 1.521), (128, 1.466)])
def test_relu_batch_norm_nets_grow_as_simulated(batch, simulated):
    assert batch_norm_growth("relu", batch) == pytest.approx(simulated, rel=0.05)


def test_the_infinite_batch_is_the_published_constant():
    assert batch_norm_growth("relu") == pytest.approx(math.pi / (math.pi - 1), rel=1e-12)


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu", "elu", "sigmoid"])
def test_batch_norm_nets_never_shrink_the_gradient(name):
    assert batch_norm_growth(name) >= 1


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: residual_growth(0), "`depth` must be an integer >= 1"),
        (lambda: residual_growth(3, branch_scale=math.inf), "`branch_scale` must be a finite"),
        (lambda: branch_scale(3, growth=0.5), "`growth` must be a finite number >= 1"),
        (lambda: batch_norm_growth("relu", 3), "infinite below 4 samples"),
        (lambda: batch_norm_growth(lambda x: x * 0 + np.pi), "is constant"),
    ],
)
def test_impossible_nets_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
