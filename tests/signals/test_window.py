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
ZERO_HIDDEN = {  # all layers but the last hold zeros, and so nothing arrives at any kernel
    "weight_rms": lambda i, k: 0.1 if k == 5 else 0.0,
    "gradient_rms": 0.0,
    "update_ratio": lambda i, k: 0.0 if k == 5 else None,
    "signal_gradient_rms": lambda i, k: 1e-2 if k == 5 else 0.0,
}
ALL_OFF = {  # the units of the layer below the last one, whose bias learns alone
    "gradient_rms": 0.0,
    "idle_share": lambda i, k: float(k < 5),
}
FAULTY = {
    "all_units_off": (steps(**ALL_OFF), "dead_units"),
    "zero_weights": (steps(**ZERO_HIDDEN), "symmetric"),
    "idle_units": (steps(idle_share=lambda i, k: 0.95 if k == 2 else 0.3), "dead_units"),
    "slow_and_noisy": (steps(start=1000, loss=lambda i: 2.3 + 0.1 * (-1) ** i), "slow"),
    "nan_loss": (steps(loss=lambda i: math.nan if i == 19 else 2.3), "non_finite"),
    "nan_gradient": (steps(gradient_rms=lambda i, k: math.nan if i == 19 else 1), "non_finite"),
    "counted": (steps(non_finite=lambda i, k: int(i == 19 and k == 2)), "non_finite"),
    "only_overflow": (steps(overflow=lambda i: True), "non_finite"),
    "no_gradient": (steps(gradient_rms=lambda i, k: 0.0 if k <= 3 else 1e-3), "zero_gradient"),
    "vanishing": (steps(**SMALL_FIRST), "vanishing"),
    "doubling": (steps(gradient_rms=lambda i, k: 2.5**i), "exploding"),
    "a_new_level": (steps(gradient_rms=lambda i, k: 1e-3 if i < 13 else 1.0), "exploding"),
    "dead": (steps(dead_share=lambda i, k: 0.9 if k == 1 else 0.4), "dead_units"),
    "saturated": (steps(saturated_share=lambda i, k: 0.6 if k == 1 else 0.1), "saturated"),
    "spike": (
        steps(
            gradient_rms=lambda i, k: 1.0 if i == 19 else 1e-3,
            loss=lambda i: 9.0 if i == 19 else 2.3,
        ),
        "spike",
    ),
    "large_updates": (steps(update_ratio=lambda i, k: 0.3 if k else 1e-3), "large_updates"),
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
    "large_updates_of_one_small_layer": steps(update_ratio=lambda i, k: 0.3 if k == 2 else 1e-3),
    "large_updates_in_the_first_steps": steps(8, start=0, update_ratio=0.3),
    "half_of_the_units_off": steps(dead_share=0.5),
    "dead_once": steps(dead_share=lambda i, k: 0.9 if i == 19 else 0.4),
    "confident_last_layer": steps(saturated_share=lambda i, k: 1.0 if k == 5 else 0.0),
    "a_few_times_the_usual": steps(gradient_rms=lambda i, k: 2e-2 if i == 19 else 1e-3),
    "nothing_measured_but_gradients": steps(update_ratio=None, signal_gradient_rms=None),
    "no_loss": steps(loss=lambda i: None),
    "rate_that_is_being_raised": steps(update_ratio=lambda i, k: 1e-6 * (i + 1)),
    "idle_units_of_a_model_that_learns": steps(loss=falling, idle_share=0.95),
    "one_head_whose_gradients_cancel": steps(
        loss=falling, gradient_rms=lambda i, k: 0.0 if k == 5 else 1e-3
    ),
    "one_sample_a_step": steps(start=1000, loss=lambda i: 0.01 + 0.2 * (i % 3)),
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


def test_a_training_that_has_converged_is_not_slow():
    opening = steps(start=0, loss=lambda i: 92.0 * 0.7**i + 0.83)
    late = steps(start=1000, loss=lambda i: 0.83)
    assert causes(late, opening=opening, best_loss=0.81) == []


def test_a_training_that_never_got_anywhere_is_slow():
    late, opening = steps(start=1000), steps(start=0)
    (verdict,) = judge_window(late, opening=opening, best_loss=2.29)
    assert verdict.cause == "slow"
    assert "began at 2.3 and was never below 2.29" in verdict.evidence


def ruined(i, k):
    """What one step of a rate far too large leaves: big steps, then none."""
    return 3.0 * 0.5**i


def test_units_that_the_first_steps_have_killed_are_put_down_to_the_rate():
    opening = steps(start=0, loss=lambda i: 2.3 if i == 0 else 9.0, update_ratio=ruined)
    late = steps(loss=lambda i: 9.0, gradient_rms=0.0, idle_share=1.0, update_ratio=0.0, start=100)
    (verdict,) = judge_window(late, opening=opening, best_loss=8.9)
    assert verdict.cause == "large_updates"
    assert (
        "step 0 changed its weights by 300 %, no layer gets any gradient since, and the loss went "
        "from 2.3 to 9" in verdict.evidence
    )
    assert "learning_rate / 100 " in verdict.fix


def test_large_first_steps_that_led_down_are_fine():
    opening = steps(start=0, loss=falling, update_ratio=ruined)
    assert causes(steps(loss=lambda i: 1.0), opening=opening, best_loss=0.9) == []


def test_large_steps_before_a_nan_are_the_root():
    window = steps(
        8,
        start=0,
        loss=lambda i: math.nan if i == 7 else 2.3 * 4.0**i,
        update_ratio=lambda i, k: 0.2 * 2.0**i,
    )
    assert causes(window) == ["large_updates", "non_finite"]


def test_a_nan_out_of_the_blue_is_not_put_down_to_the_rate():
    window = steps(loss=lambda i: math.nan if i == 19 else falling(i), gradient_rms=1e-3)
    (verdict,) = judge_window(window)
    assert (verdict.cause, verdict.where) == ("non_finite", "loss")
    assert "the loss before was 1.3" in verdict.evidence


def test_a_nan_on_the_way_down_is_where_it_began():
    window = steps(gradient_rms=lambda i, k: math.nan if i == 19 and k < 4 else 1e-3)
    assert judge_window(window)[0].where == "d"


def test_a_rate_that_is_far_too_low_is_named_while_the_loss_creeps():
    opening = steps(start=0, loss=lambda i: 2.3 - 1e-3 * i, update_ratio=3e-4)
    late = steps(start=300, loss=lambda i: 2.0 - 1e-3 * i, update_ratio=3e-4)
    assert causes(late, opening=opening, best_loss=2.0) == ["small_updates"]
    faster = steps(start=300, loss=lambda i: 2.0 - 1e-3 * i, update_ratio=3e-3)
    assert causes(faster, opening=opening, best_loss=2.0) == []


def test_a_gradient_that_is_lost_is_said_in_words():
    lost = {"signal_gradient_rms": lambda i, k: 0.0 if k < 3 else 1e-3}
    window = steps(**(SMALL_FIRST | lost))
    (verdict,) = judge_window(window)
    assert verdict.cause == "vanishing"
    assert "nothing of the gradient" in verdict.evidence
    assert "e-4" not in verdict.evidence


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


def penalized(penalty, loss, start=100):
    return [
        dataclasses.replace(step, penalty=penalty)
        for step in steps(start=start, loss=lambda i: loss)
    ]


@pytest.mark.parametrize(("penalty", "found"), [(40.0, ["unexpected_loss"]), (2.0, [])])
def test_a_penalty_that_rules_the_training_is_named(penalty, found):
    opening = penalized(penalty, 2.3, start=0)
    assert causes(penalized(penalty / 10, 2.3), opening=opening)[:1] == found


def test_a_cut_gradient_under_batches_of_one_is_their_fault():
    cut = {"gradient_rms": lambda i, k: 0.0 if k < 3 else 1e-3, "idle_share": lambda i, k: k < 3}
    found = {}
    for samples in (None, 1, 32):
        window = [dataclasses.replace(step, norm_samples=samples) for step in steps(**cut)]
        found[samples] = causes(window)
    assert found == {None: ["zero_gradient"], 1: ["single_sample"], 32: ["zero_gradient"]}


def test_units_that_are_off_are_named_though_a_balanced_batch_moved_no_bias():
    off = {"gradient_rms": 0.0, "idle_share": lambda i, k: float(k < 5 or i == 16)}
    assert causes(steps(**off)) == ["dead_units"]


def test_units_that_are_off_under_batches_of_one_are_their_fault():
    window = [dataclasses.replace(step, norm_samples=1) for step in steps(**ALL_OFF)]
    assert causes(window) == ["single_sample"]


def test_a_first_step_that_ruined_the_weights_is_named_before_what_it_led_to():
    ruined = steps(
        5,
        start=0,
        gradient_rms=lambda i, k: 0.0 if i and k < 5 else 1e-3,
        signal_gradient_rms=lambda i, k: 0.0 if i and k < 5 else 1e-3,
        idle_share=lambda i, k: float(i > 0 and k < 5),
        update_ratio=lambda i, k: (300.0 if k == 0 else 20.0) if i == 0 else 0.0,
    )
    (found,) = judge_window(ruined, opening=ruined)
    assert (found.cause, found.where) == ("large_updates", "a")
    assert found.remedy.value == "/ 1000"  # of the usual layer: 20 times instead of a hundredth


def test_large_updates_of_weights_that_a_penalty_shrinks_are_no_matter_of_the_rate():
    large = {"update_ratio": 0.3}
    window = [dataclasses.replace(step, penalty=40.0) for step in steps(start=20, **large)]
    assert causes(steps(start=20, **large)) == ["large_updates"]
    assert causes(window, opening=window) == []


def test_no_rate_is_advised_where_the_gradient_itself_has_shrunk():
    small = {"update_ratio": 1e-5, "signal_gradient_rms": 1e-5}
    found = {
        size: judge_window(
            steps(**small, gradient_rms=1e-5), opening=steps(start=0, gradient_rms=size)
        )[0]
        for size in (1e-5, 1e-2)
    }
    assert [one.cause for one in found.values()] == ["small_updates"] * 2
    assert found[1e-5].remedy.value == "* 1000"
    assert found[1e-2].remedy is None
    assert "kerasinit.diagnose" in found[1e-2].fix


def test_inputs_next_to_zero_are_named_and_not_the_layers_that_get_no_gradient():
    window = steps(
        gradient_rms=lambda i, k: 1e-8 if k == 0 else 1e-3,
        signal_gradient_rms=lambda i, k: 1e-5 if k < 2 else 1.0,
        update_ratio=1e-7,
    )
    (found,) = judge_window(window)
    assert (found.cause, found.where, found.remedy.kind) == (
        "unscaled_input",
        "input",
        "scale_inputs",
    )


def test_small_steps_behind_a_signal_that_fades_are_no_matter_of_the_rate():
    faint = {"gradient_rms": 1e-6, "update_ratio": 1e-6, "signal_gradient_rms": 1e-2}
    assert causes(steps(**faint)) == ["vanishing"]
    assert causes(steps(**faint | {"signal_gradient_rms": 1e-5})) == ["small_updates"]


@pytest.mark.parametrize(("goes_on", "found"), [(False, ["small_updates"]), (True, [])])
def test_small_steps_are_no_fault_of_weights_that_were_trained_before(goes_on, found):
    first = dataclasses.replace(steps(1, start=0)[0], goes_on=goes_on)
    small = {"update_ratio": 1e-6, "gradient_rms": 1e-5, "signal_gradient_rms": 1e-5}
    assert causes(steps(**small), opening=[first]) == found


def test_a_layer_that_dies_later_is_named_though_others_are_dead():
    def share(since):
        return lambda i, k: 0.9 if i >= since.get(k, 99) else 0.1

    first = judge_window(steps(dead_share=share({0: 5})))
    later = judge_window(steps(dead_share=share({0: 5, 1: 18, 2: 18})))
    assert [(one.cause, one.where) for one in first] == [("dead_units", "a")]
    assert [(one.cause, one.where) for one in later] == [("dead_units", "b")]
    assert "those of 2 more layers" in later[0].evidence
