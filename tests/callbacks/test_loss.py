"""The loss of recent steps is recovered from Keras' running mean."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasinit.callbacks._loss import RecentLoss


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=30), st.integers(1, 5))
def test_the_mean_of_the_steps_in_between_comes_back(losses, every):
    recent = RecentLoss()
    for end in range(every, len(losses) + 1, every):
        found = recent.since(float(np.mean(losses[:end])), epoch=0, steps=end)
        assert found == pytest.approx(np.mean(losses[end - every : end]), rel=1e-6, abs=1e-6)


def test_an_epoch_begins_anew():
    recent = RecentLoss()
    recent.since(8.0, epoch=0, steps=1)
    assert recent.since(2.0, epoch=1, steps=4) == 2.0


def test_the_loss_of_one_batch_is_taken_as_it_is():
    recent = RecentLoss(running=False)
    assert [recent.since(loss, epoch=0, steps=n) for n, loss in ((1, 3.0), (2, 1.0))] == [3.0, 1.0]


def test_no_loss_is_none():
    assert RecentLoss().since(None, epoch=0, steps=1) is None


def test_a_loss_that_is_not_finite_shows():
    recent = RecentLoss()
    recent.since(1.0, epoch=0, steps=1)
    assert math.isnan(recent.since(math.nan, epoch=0, steps=2))
