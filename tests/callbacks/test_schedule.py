"""Steps are recorded as often as a budget allows, by a clock that the test holds."""

import pytest

from kerasinit.callbacks._schedule import Schedule


def taken(schedule, step):
    """Whether a step is recorded, as it is then."""
    due = schedule.due(step)
    if due:
        schedule.record(step)
    return due


def recorded(schedule, steps, seconds=None):
    found = []
    for step in range(steps):
        measures = schedule.measures(step)
        due = taken(schedule, step)
        if due:
            found.append(step)
        if seconds and measures:
            schedule.observe(due, seconds[due])
    return found


@pytest.mark.parametrize(("every", "expected"), [(1, [2, 5, 8, 11]), (4, [2, 8])])
def test_accumulated_gradients_are_recorded_at_the_update(every, expected):
    assert recorded(Schedule(every, accumulation=3), 12) == expected


@pytest.mark.parametrize(
    ("cost", "budget", "every"), [(0.5, 0.01, 50), (0.019, 0.01, 2), (0.001, 0.01, 1)]
)
def test_a_budget_sets_how_often(cost, budget, every):
    schedule = Schedule(budget=budget)
    recorded(schedule, 200, seconds={False: 1.0, True: 1.0 + cost})
    assert schedule.every == every


def test_a_budget_counts_what_is_done_between_steps():
    schedule = Schedule(budget=0.01)
    seconds = {False: 1.0, True: 1.095}
    records = 0
    for step in range(5000):
        due = taken(schedule, step)
        schedule.observe(due, seconds[due])
        records += due
        if due and records % 10 == 0:  # of ten records, one has them all worked out
            schedule.observe_between(1.0)
    assert schedule.every == pytest.approx(19.5, abs=1)  # (0.095 + 0.1) / 0.01


def test_a_budget_keeps_its_share():
    schedule = Schedule(budget=0.05)
    steps = 2000
    found = recorded(schedule, steps, seconds={False: 1.0, True: 1.3})
    assert 0.3 * len(found) / steps == pytest.approx(0.05, rel=0.2)


def test_a_recording_that_is_free_is_done_at_each_step():
    schedule = Schedule(budget=0.01)
    recorded(schedule, 100, seconds={False: 1.0, True: 0.9})
    assert schedule.every == 1


def test_few_steps_are_timed_once_the_cost_is_known():
    schedule = Schedule(budget=0.01)
    recorded(schedule, 200, seconds={False: 1.0, True: 1.5})
    assert schedule.every == 50
    timed, due = [], []
    for step in range(200, 300):
        timed += [step] if schedule.measures(step) else []
        due += [step] if taken(schedule, step) else []
    assert timed == [step for record in due for step in (record - 1, record)]


def test_few_steps_are_waited_for_once_the_cost_is_known():
    schedule = Schedule(budget=0.01)
    seconds = {False: 1.0, True: 1.095}
    recorded(schedule, 500, seconds)
    waited = 0
    for step in range(500, 2500):
        measured = schedule.measures(step)
        due = taken(schedule, step)
        if measured:
            waited += 1
            schedule.observe(due, seconds[due])
    assert schedule.every == 10
    assert 0 < waited <= 2 * 200 / 10  # the recorded step and the one before, every tenth time


def test_another_training_knows_the_cost():
    schedule = Schedule(budget=0.01)
    seconds = {False: 1.0, True: 1.5}
    recorded(schedule, 200, seconds)
    assert recorded(schedule.again(), 120, seconds) == [0, 50, 100]


def test_a_step_that_was_due_and_never_came_is_due_again():
    schedule = Schedule(3)
    assert [schedule.due(0), schedule.due(0)] == [True, True]


def test_without_a_budget_no_step_is_timed():
    assert not any(Schedule(2).measures(step) for step in range(10))
