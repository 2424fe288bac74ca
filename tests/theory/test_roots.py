"""The root finder finds roots."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasinit.theory._roots import find_root, find_roots


@given(st.floats(-0.99, 0.99))
def test_any_bracketed_root_is_found(root):
    found = find_root(lambda x: math.tanh(3 * (x - root)), -1.0, 1.0)
    assert found == pytest.approx(root, rel=1e-9, abs=1e-12)


def test_a_root_at_the_end_is_found():
    assert find_root(lambda x: x - 2, 0.0, 2.0) == 2.0


def test_equal_signs_are_refused():
    with pytest.raises(ValueError, match="signs at the two ends must differ"):
        find_root(lambda x: x * x + 1, -1.0, 1.0)


@pytest.mark.parametrize("grid", [[-1.0, 0.0, 1.0], [-1.0, -0.3, 0.4, 1.0]])
def test_a_root_is_found_on_and_between_grid_points(grid):
    assert find_roots(math.sin, grid) == pytest.approx([0.0], abs=1e-12)


def test_a_run_of_zeros_and_a_pole_are_no_roots():
    assert find_roots(lambda x: max(x, 0.0), [-2.0, -1.0, 0.0, 1.0]) == []
    assert find_roots(lambda x: -math.inf if x < 0 else 1.0, [-1.0, 1.0]) == []
