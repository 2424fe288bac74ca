"""Trainings inside trainings, interrupted anywhere: nothing of a callback is left behind."""

import importlib.util
from pathlib import Path

from hypothesis import given, settings

LAW = Path(__file__).parents[2] / "callbacks" / "test_attachment.py"


def attach(count, where):
    """The property test of the callbacks' room, with more examples."""
    spec = importlib.util.spec_from_file_location("attachment_law", LAW)
    law = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(law)
    world, tried = law.World(), 0
    check = law.test_nothing_is_left_of_any_training.hypothesis.inner_test

    @settings(max_examples=count, deadline=None, database=None)
    @given(law.anything)
    def nothing_is_left(training):
        nonlocal tried
        tried += 1
        check(world, training)

    try:
        nothing_is_left()
    except AssertionError as error:
        yield f"{error} {getattr(error, '__notes__', '')}"
    yield from [""] * tried
