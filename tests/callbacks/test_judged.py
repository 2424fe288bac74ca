import math

import numpy as np
import pytest
from kerasinit.callbacks._judged import judged
from kerasinit.callbacks._plan import COLUMNS

from kerasinit.callbacks import GradientStats
from kerasinit.callbacks._record import Record


@pytest.fixture
def records(make_model, train):
    stats = GradientStats(activations_every=2)
    train(make_model(), stats, epochs=2)
    return list(stats.history.records)


def test_several_records_are_judged_as_each_by_itself(records):
    assert len(records) == 6
    assert judged(records) == [found for record in records for found in judged([record])]


def test_the_pulse_is_the_norm_of_the_whole_gradient(records):
    for record, (pulse, step) in zip(records, judged(records), strict=True):
        assert pulse.step == step.step == record.step
        expected = math.hypot(*record.rows[:, COLUMNS.index("norm")].tolist())
        assert pulse.grad_norm == pytest.approx(expected, rel=1e-12)
        assert pulse.grad_norm == pytest.approx(record.grad_norm, rel=1e-12)
        assert pulse.finite


@pytest.mark.parametrize(("column", "value"), [("non_finite", 3), ("weight_norm", math.inf)])
def test_what_is_not_finite_makes_the_pulse_infinite(records, column, value):
    rows = records[0].rows.copy()
    rows[-1, COLUMNS.index(column)] = value
    broken = Record(records[0].names, rows, step=9, epoch=0)
    (before, _), (pulse, _) = judged([records[0], broken])
    assert before.finite
    assert not pulse.finite
    assert pulse.grad_norm == broken.grad_norm == math.inf


def test_numbers_at_the_ends_of_float32_are_judged(records):
    for size in (1e-38, 3e38):
        rows = np.full_like(records[0].rows, size)
        rows[:, COLUMNS.index("non_finite")] = 0
        ((pulse, step),) = judged([Record(records[0].names, rows, step=0, epoch=0)])
        assert 0 < pulse.grad_norm < math.inf
        assert all(0 < layer.gradient_rms < math.inf for layer in step.layers)
