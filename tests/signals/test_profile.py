"""How a quantity changes with depth."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from kerasinit.signals import measure
from kerasinit.signals._profile import Profile, gradient_profile

POSITIVE = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=40)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("depth", [2, 3, 10, 30])
def test_a_geometric_profile_gives_its_factor(factor, depth):
    assert Profile(tuple(factor**i for i in range(depth))).per_layer == pytest.approx(factor)


@given(POSITIVE)
def test_what_only_shrinks_does_not_grow(values):
    profile = Profile(tuple(sorted(values, reverse=True)))
    assert 0 < profile.shrinks_to <= profile.grows_to <= 1


# With an odd number of pairs of layers (or too few for a trend) one slope is the median.
ONE_MEDIAN = POSITIVE.filter(lambda values: len(values) < 4 or len(values) % 4 in (2, 3))


@given(ONE_MEDIAN)
def test_what_shrinks_grows_by_as_much_the_other_way(values):
    there, back = Profile(tuple(values)), Profile(tuple(values[::-1]))
    assert there.shrinks_to == pytest.approx(1 / back.grows_to, rel=1e-6)


@given(POSITIVE, st.floats(1e-3, 1e3))
def test_units_do_not_matter(values, unit):
    one, other = Profile(tuple(values)), Profile(tuple(unit * v for v in values))
    assert other.shrinks_to == pytest.approx(one.shrinks_to, rel=1e-6)
    assert other.grows_to == pytest.approx(one.grows_to, rel=1e-6)


def test_one_broken_layer_in_the_middle_shows_at_the_ends():
    assert 1e-6 < Profile((1.0,) * 5 + (1e-5,) * 5).shrinks_to <= 1e-5


def test_every_fourth_layer_may_be_odd():
    values = np.where(np.arange(16) % 4 == 1, 1e-6, 1.0)
    profile = Profile(tuple(values))
    assert (profile.shrinks_to, profile.grows_to) == (1.0, 1.0)


def test_zero_is_less_than_anything():
    assert Profile((1.0, 0.0, 0.0, 0.0)).shrinks_to == 0.0


def test_layers_beside_the_way_of_the_gradient_are_left_out():
    """Such as the last block of a tower whose tokens nothing reads."""
    x = inputs = keras.Input((8,))
    for _ in range(4):
        x = layers.Dense(8, "tanh")(x)
    side = x
    for _ in range(3):
        side = layers.Dense(8, "tanh")(side)
    model = keras.Model(inputs, layers.Dense(2)(x) + 0.0 * layers.Dense(2)(side))
    rows = measure(model, np.ones((4, 8), "float32"), np.ones((4, 2), "float32")).layers
    assert sum(row.gradient_norm == 0 for row in rows) == 4
    assert len(gradient_profile(rows).values) == 5
    assert min(gradient_profile(rows).values) > 0
