"""Fixtures of the room."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def of_small_draws(quick_compilation):
    """All tests of the room draw many shapes."""
