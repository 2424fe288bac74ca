"""Specs as TOML: what is written can be read back."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasinit.report._toml import to_toml

scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=True),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
)
keys = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)
inline = st.one_of(
    scalars, st.lists(scalars, max_size=4), st.dictionaries(keys, scalars, max_size=3)
)
values = st.recursive(
    st.one_of(scalars, st.lists(inline, max_size=4)),
    lambda inner: st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(keys, values, max_size=5))
def test_round_trip(spec):
    assert tomllib.loads(to_toml(spec)) == spec


def test_none_is_left_out():
    assert tomllib.loads(to_toml({"a": None, "b": [1, None], "c": {"d": None}})) == {
        "b": [1],
        "c": {},
    }


@pytest.mark.parametrize("name", ["plain", "with space", "a.b", "", '"', "ü"])
def test_keys_survive(name):
    assert tomllib.loads(to_toml({name: {name: 1}})) == {name: {name: 1}}


def test_spec_of_a_run_survives(make_comparison):
    spec = make_comparison().spec
    assert tomllib.loads(to_toml(spec)) == spec
