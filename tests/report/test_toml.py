"""Specs as TOML: what is written can be read back."""

import dataclasses
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.fixture(scope="session")
def written(make_comparison, page_of):
    """The specification that a page shows, as TOML, of a comparison with this spec."""
    smallest = make_comparison(("zeros",), settings=(("relu", 1),), seeds=1)

    def text(spec):
        return page_of(dataclasses.replace(smallest, spec=spec)).code(1)

    return text


@given(st.dictionaries(keys, values, max_size=5))
def test_round_trip(written, spec):
    assert tomllib.loads(written(spec)) == spec


def test_none_is_left_out(written):
    assert tomllib.loads(written({"a": None, "b": [1, None], "c": {"d": None}})) == {
        "b": [1],
        "c": {},
    }


@pytest.mark.parametrize("name", ["plain", "with space", "a.b", "", '"', "ü"])
def test_keys_survive(written, name):
    assert tomllib.loads(written({name: {name: 1}})) == {name: {name: 1}}


def test_spec_of_a_run_survives(make_comparison, page_of):
    comparison = make_comparison()
    assert tomllib.loads(page_of(comparison).code(1)) == comparison.spec
