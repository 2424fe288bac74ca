"""Verdicts over a window of training steps, from plain numbers."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasinit.signals import TRAINING_CAUSES, LayerStep, TrainingStep, judge_window

NAMES = ("a", "b", "c", "d", "e", "f")


def layer(name, **fields):
    healthy = {"gradient_rms": 1e-3, "weight_rms": 0.1, "update_ratio": 1e-3}
    return LayerStep(name, **(healthy | {"signal_gradient_rms": 1e-3} | fields))


def steps(count=20, *, loss=lambda i: 2.3, start=100, overflow=lambda i: False, **fields):
    """Records of six layers; a field is a value, or a function of (record, layer)."""

    def value(field, i, k):
        return field(i, k) if callable(field) else field

    return [
        TrainingStep(
            start + i,
            loss(i),
            tuple(
                layer(name, **{key: value(field, i, k) for key, field in fields.items()})
                for k, name in enumerate(NAMES)
            ),
            overflow(i),
        )
        for i in range(count)
    ]


def falling(i):
    return 2.3 * 0.97**i


def causes(window, **kwargs):
    return [verdict.cause for verdict in judge_window(window, **kwargs)]


SMALL_FIRST = {
    "signal_gradient_rms": lambda i, k: 10.0 ** (k - 8),
    "update_ratio": lambda i, k: 10.0 ** (k - 8),
}
FAULTY = {
    "nan_loss": (steps(loss=lambda i: math.nan if i == 19 else 2.3), "non_finite"),
    "nan_gradient": (steps(gradient_rms=lambda i, k: math.nan if i == 19 else 1), "non_finite"),
    "counted": (steps(non_finite=lambda i, k: int(i == 19 and k == 2)), "non_finite"),
    "only_overflow": (steps(overflow=lambda i: True), "non_finite"),
    "no_gradient": (steps(gradient_rms=lambda i, k: 0.0 if k == 3 else 1e-3), "zero_gradient"),
    "vanishing": (steps(**SMALL_FIRST), "vanishing"),
    "doubling": (steps(gradient_rms=lambda i, k: 2.5**i), "exploding"),
    "a_new_level": (steps(gradient_rms=lambda i, k: 1e-3 if i < 13 else 1.0), "exploding"),
    "dead": (steps(dead_share=lambda i, k: 0.9 if k == 1 else 0.4), "dead_units"),
    "saturated": (steps(saturated_share=lambda i, k: 0.6 if k == 1 else 0.1), "saturated"),
    "spike": (steps(gradient_rms=lambda i, k: 1.0 if i == 19 else 1e-3), "spike"),
    "large_updates": (steps(update_ratio=lambda i, k: 0.3 if k == 2 else 1e-3), "large_updates"),
    "small_updates": (steps(update_ratio=1e-6), "small_updates"),
    "slow": (steps(start=1000), "slow"),
}
HEALTHY = {
    "nothing_recorded": [],
    "one_record": steps(1),
    "flat_but_young": steps(),
    "falling": steps(loss=falling),
    "overflow_now_and_then": steps(
        overflow=lambda i: i % 7 == 0, gradient_rms=lambda i, k: math.inf if i % 7 == 0 else 1e-3
    ),
    "overflow_last": steps(
        overflow=lambda i: i == 19, gradient_rms=lambda i, k: math.inf if i == 19 else 1e-3
    ),
    "small_gradient_below_but_learning": steps(loss=falling, **SMALL_FIRST),
    "small_gradient_below_but_moving": steps(
        **(SMALL_FIRST | {"update_ratio": 1e-3}),
    ),
    "growing_gradient_but_learning": steps(loss=falling, gradient_rms=lambda i, k: 2.5**i),
    "large_updates_but_learning": steps(loss=falling, update_ratio=0.3),
    "large_updates_in_the_first_steps": steps(8, start=0, update_ratio=0.3),
    "half_of_the_units_off": steps(dead_share=0.5),
    "dead_once": steps(dead_share=lambda i, k: 0.9 if i == 19 else 0.4),
    "confident_last_layer": steps(saturated_share=lambda i, k: 1.0 if k == 5 else 0.0),
    "a_few_times_the_usual": steps(gradient_rms=lambda i, k: 2e-2 if i == 19 else 1e-3),
    "nothing_measured_but_gradients": steps(update_ratio=None, signal_gradient_rms=None),
    "no_loss": steps(loss=lambda i: None),
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_fault_is_named(name):
    window, cause = FAULTY[name]
    assert causes(window, first_loss=2.3) == [cause]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_training_is_left_alone(name):
    assert causes(HEALTHY[name]) == []


@pytest.mark.parametrize("name", ["small_updates", "large_updates", "spike", "vanishing", "slow"])
def test_a_model_that_has_learned_is_not_blamed_at_the_floor(name):
    window, cause = FAULTY[name]
    floor = [dataclasses.replace(step, loss=0.1) for step in window]
    assert cause not in causes(floor, first_loss=2.3)


@pytest.mark.parametrize("name", ["doubling", "a_new_level"])
def test_a_gradient_that_explodes_is_named_even_at_the_floor(name):
    window, cause = FAULTY[name]
    floor = [dataclasses.replace(step, loss=0.1) for step in window]
    assert causes(floor, first_loss=2.3) == [cause]


@pytest.mark.parametrize("name", FAULTY)
def test_the_evidence_names_the_step(name):
    window, _ = FAULTY[name]
    assert f"at step {window[-1].step}" in judge_window(window)[0].evidence


@pytest.mark.parametrize(
    ("name", "where"),
    [("counted", "c"), ("no_gradient", "d"), ("dead", "b"), ("saturated", "b"), ("vanishing", "a")],
)
def test_the_layer_is_named(name, where):
    assert judge_window(FAULTY[name][0])[0].where == where


def test_growth_before_a_nan_is_the_root():
    window = steps(gradient_rms=lambda i, k: math.nan if i == 19 else 3.0**i)
    assert causes(window) == ["exploding", "non_finite"]


@pytest.mark.parametrize("name", ["no_gradient", "vanishing", "large_updates", "small_updates"])
def test_a_fault_must_persist(name):
    assert causes(FAULTY[name][0][-3:]) == []


def test_a_dead_layer_explains_its_zero_gradient():
    window = steps(
        gradient_rms=lambda i, k: 0.0 if k == 1 else 1e-3,
        dead_share=lambda i, k: 1.0 if k == 1 else 0.3,
    )
    assert causes(window) == ["dead_units"]


@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=True), st.floats(0), st.floats(0), st.floats(0, 1), st.booleans()
        ),
        max_size=25,
    )
)
def test_any_numbers_give_verdicts_and_no_error(rows):
    window = [
        TrainingStep(i, loss, (layer("a", gradient_rms=g, update_ratio=u, dead_share=d),) * 3, o)
        for i, (loss, g, u, d, o) in enumerate(rows)
    ]
    found = causes(window)
    assert set(found) <= set(TRAINING_CAUSES)
