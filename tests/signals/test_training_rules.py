"""Each rule of a training, from plain numbers: at its edges, and where it must be silent."""

import dataclasses
import math

import pytest

from kerasinit.signals import LayerStep, Setup, TrainingStep, judge_window
from kerasinit.signals._remedy import FIRST_RATE, of_schedule
from kerasinit.signals._window import Window, losses_of

LOSS = 2.3


def record(step, loss=LOSS, names="abcdef", at=None, **every):
    """One record of usual layers: fields of all of them, and of some by name."""
    usual = {"gradient_rms": 1e-3, "weight_rms": 0.1, "update_ratio": 1e-3,
             "signal_gradient_rms": 1e-3}  # fmt: skip
    fields = {key: every.pop(key) for key in list(every) if key in LayerStep._fields}
    layers = tuple(LayerStep(name, **usual | fields | (at or {}).get(name, {})) for name in names)
    return TrainingStep(step, loss, layers, **every)


def records(count=20, last=119, **fields):
    """Records of consecutive steps; a field is a value, or a function of the record's number."""
    return [
        record(
            last - count + 1 + i,
            **{key: one(i) if callable(one) else one for key, one in fields.items()},
        )
        for i in range(count)
    ]


def found(steps, *, first_loss=LOSS, **known):
    return [(one.cause, one.where) for one in judge_window(steps, first_loss=first_loss, **known)]


def verdict(steps, *, first_loss=LOSS, **known):
    return judge_window(steps, first_loss=first_loss, **known)[0]


def test_the_usual_training_is_healthy():
    assert found(records()) == []
    assert found([]) == []


# --- the window -----------------------------------------------------------------------------------


def window(losses, **known):
    return Window([record(k, loss) for k, loss in enumerate(losses)], **known)


@pytest.mark.parametrize(
    ("losses", "fall", "improves"),
    [
        ([4.0, 4.0, 2.0, 2.0], (4.0, 2.0), True),
        ([4.0, 4.0, 9.0, 2.0, 2.0], (4.0, 2.0), True),  # the middle belongs to no half
        ([100.0, 98.9], (100.0, 1.1), True),
        ([100.0, 99.1], (100.0, 0.9), False),
        ([-1.0, -1.02], (-1.0, 0.02), True),
        ([-1.0, -1.005], (-1.0, 0.005), False),
        ([2.0], (0.0, 0.0), False),
        ([None, math.nan], (0.0, 0.0), False),
        ([0.0, 0.0], (0.0, 0.0), False),
    ],
    ids=str,
)
def test_the_loss_falls_from_half_to_half(losses, fall, improves):
    found = window(losses)
    assert found.fall == pytest.approx(fall)
    assert found.improves is improves


def test_the_loss_now_is_the_mean_of_the_last_five():
    assert window([9.0, 1.0, 2.0, 3.0, 4.0, 5.0]).loss == 3.0
    assert window([1.0, None, math.inf, 3.0]).loss == 2.0
    assert math.isnan(window([None]).loss)
    assert losses_of(window([1.0, None, math.inf, math.nan, 0.0]).steps) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("now", "known", "started"),
    [
        (0.69, {"first_loss": 1.0}, True),
        (0.71, {"first_loss": 1.0}, False),
        (0.95, {"first_loss": 1.0, "best_loss": 0.6}, True),
        (1.05, {"first_loss": 1.0, "best_loss": 0.6}, False),
        (0.95, {"first_loss": 1.0, "best_loss": 0.8}, False),
        (-1.4, {"first_loss": -1.0}, True),
        (-1.2, {"first_loss": -1.0}, False),
        (0.1, {}, False),
        (None, {"first_loss": 1.0}, False),
    ],
    ids=str,
)
def test_a_training_has_started_when_three_tenths_of_the_loss_are_gone(now, known, started):
    assert window([now], **known).has_started is started


def test_values_of_a_layer_are_those_of_its_last_records_that_have_them():
    steps = [record(k, at={"a": {"idle_share": share}}) for k, share in
             enumerate([0.1, None, 0.2, 0.3, None])]  # fmt: skip
    assert Window(steps).series("a", "idle_share", 2) == [0.2, 0.3]
    assert Window(steps).series("a", "idle_share", 3) == [0.1, 0.2, 0.3]
    assert Window(steps).series("a", "idle_share", 4) == []
    assert Window(steps).series("nobody", "idle_share", 1) == []


def test_sizes_of_a_record_are_over_its_layers():
    step = record(0, names="ab", at={"a": {"gradient_rms": 3.0}, "b": {"gradient_rms": 4.0}})
    assert (step.gradient_size, step.largest_gradient) == (5.0, 4.0)
    assert list(step.by_name) == ["a", "b"]
    empty = record(0, names="")
    assert (empty.gradient_size, empty.largest_gradient, empty.is_probed) == (0.0, 0.0, False)


@pytest.mark.parametrize(
    ("fields", "probed"),
    [({}, False), ({"dead_share": 0.0}, True), ({"saturated_share": 0.0}, True),
     ({"idle_share": 0.5}, False)],
    ids=str,
)  # fmt: skip
def test_a_record_is_probed_where_activations_were_read(fields, probed):
    assert record(0, at={"b": fields}).is_probed is probed


def test_weights_that_were_trained_before_are_told_by_the_first_record():
    young, old = record(0), dataclasses.replace(record(0), goes_on=True)
    assert Window([old]).first.goes_on
    assert not Window([old], opening=[young]).first.goes_on
    assert Window([young], opening=[old]).first.goes_on


# --- at once --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "named"), [(9, False), (10, True), (11, True)])
def test_ten_records_that_loss_scaling_dropped_are_too_many(count, named):
    dropped = records(count, overflow=True)
    assert found(dropped) == [("non_finite", "model")] * named
    if named:
        assert f"all of the last {count} recorded steps" in verdict(dropped).evidence


def test_one_record_that_was_kept_among_the_dropped_is_enough():
    assert found(records(12, overflow=lambda i: i != 3)) == []


@pytest.mark.parametrize(
    ("last", "where", "said"),
    [
        ({"loss": math.nan}, "loss", "the loss is nan; the loss before was 2.3"),
        ({"loss": math.nan, "at": {"b": {"gradient_rms": math.nan}}}, "b",
         "the loss is nan and its gradient or weights hold NaN or infinity"),
        ({"loss": math.nan, "gradient_rms": math.nan}, "loss", "the loss is nan; the loss before"),
        ({"at": {"b": {"non_finite": 3}, "d": {"non_finite": 7}}}, "d", "7 entries of its"),
        ({"at": {"c": {"weight_rms": math.inf}}}, "c", "some entries of its gradient or weights"),
        ({"at": {"c": {"gradient_rms": math.inf}}}, "c", "some entries of its gradient"),
        ({"loss": None, "at": {"c": {"gradient_rms": math.inf}}}, "c", "some entries"),
    ],
    ids=["loss", "layer", "all", "counted", "weights", "gradient", "no loss"],
)  # fmt: skip
def test_what_is_no_number_is_named_where_it_began(last, where, said):
    steps = [*records(19, last=118), record(119, **last)]
    found = judge_window(steps, first_loss=LOSS)[-1]
    assert (found.cause, found.where) == ("non_finite", where)
    assert found.evidence.startswith("at step 119, ")
    assert said in found.evidence
    assert "np.isfinite" in found.fix


def test_the_first_record_points_at_data_or_weights():
    found = verdict([record(3, math.nan)], first_loss=None)
    assert found.evidence.endswith("and it is the first record: the data or the weights hold it")
    assert found.fix.startswith("kerasinit.diagnose(model, x, y)")


@pytest.mark.parametrize(("before", "named"), [(9, False), (10, True)])
def test_a_spike_needs_ten_records_before_it(before, named):
    steps = [*records(before), record(120, 3 * LOSS, at={"d": {"gradient_rms": 5.0}})]
    assert found(steps) == [("spike", "d")] * named


@pytest.mark.parametrize(("loss", "named"), [(2.01 * LOSS, True), (2 * LOSS, False)])
def test_a_spike_that_the_loss_does_not_feel_is_none(loss, named):
    steps = [*records(19), record(120, loss, gradient_rms=0.25)]
    assert found(steps) == [("spike", "a")] * named


def test_a_spike_is_told_in_times_the_usual_size():
    usual = 1e-3 * math.sqrt(6)
    steps = [*records(19), record(120, 3 * LOSS, names="abcdef", gradient_rms=0.25)]
    assert f"the gradient is {0.25 * math.sqrt(6) / usual:.3g} times its usual" in (
        verdict(steps).evidence
    )


def test_where_gradients_were_zero_nothing_is_a_spike():
    zeros = {"gradient_rms": lambda i: 0.0 if i < 19 else 1.0}
    assert ("spike", "a") not in found(records(**zeros, names="abc"))


# --- zeros ----------------------------------------------------------------------------------------

ZEROS = {"weight_rms": 0.0, "gradient_rms": 0.0}


@pytest.mark.parametrize(
    ("fields", "loss", "named"),
    [
        (ZEROS, LOSS, True), (ZEROS, 0.0, False), (ZEROS, None, False),
        ({"weight_rms": 0.0}, LOSS, False),
    ],
    ids=str,
)  # fmt: skip
def test_weights_of_zero_without_a_gradient_stay_zero(fields, loss, named):
    steps = records(at={"b": fields}, loss=loss)
    assert (("symmetric", "b") in found(steps)) is named


@pytest.mark.parametrize(("records_of_zero", "named"), [(4, False), (5, True), (6, True)], ids=str)
def test_a_gradient_must_be_zero_for_five_records(records_of_zero, named):
    steps = records(gradient_rms=lambda i: 0.0 if i >= 20 - records_of_zero else 1e-3)
    assert (("zero_gradient", "f") in found(steps)) is named


@pytest.mark.parametrize(
    ("late", "bias", "named"), [(4e-3, 0.0, False), (0.4, 0.0, True), (4e-3, 1e-3, True)]
)
def test_where_a_margin_is_met_nothing_is_left_to_learn(late, bias, named):
    """No bias gets anything either, and the loss is a hundredth of what it was at most."""
    steps = records(
        loss=lambda i: 0.5 if i < 12 else late,
        gradient_rms=lambda i: 1e-3 if i < 12 else 0.0,
        signal_gradient_rms=lambda i: 1e-3 if i < 12 else bias,
    )
    said = found(steps, opening=steps, first_loss=0.1)
    assert (("zero_gradient", "f") in said) is named


@pytest.mark.parametrize("each", [0.97, 1.0])
def test_the_highest_layer_up_to_which_nothing_arrives_is_named(each):
    none, loss = {"gradient_rms": 0.0}, {"loss": lambda i: LOSS * each**i}
    assert found(records(at={"a": none}, **loss)) == [("zero_gradient", "a")]
    assert found(records(at={"a": none, "b": none, "d": none}, **loss)) == [("zero_gradient", "b")]


@pytest.mark.parametrize("each", [0.97, 1.0])
@pytest.mark.parametrize("branch", ["b", "f"])
def test_a_branch_that_gets_nothing_is_left_alone_beside_others_that_do(branch, each):
    at = {branch: {"gradient_rms": 0.0}}
    assert found(records(at=at, loss=lambda i: LOSS * each**i)) == []


def test_a_layer_of_dead_units_is_not_blamed_on_the_loss():
    dead = {"gradient_rms": 0.0, "dead_share": 1.0}
    assert found(records(at={"b": dead})) == [("dead_units", "b")]


@pytest.mark.parametrize(("now", "named"), [(0.9e-2, False), (1.1e-2, True)])
def test_where_a_hundredth_of_the_loss_is_left_nothing_is_missing(now, named):
    steps = records(at={"a": {"gradient_rms": 0.0}}, loss=now)
    assert bool(found(steps, first_loss=1.0)) is named


# --- vanishing ------------------------------------------------------------------------------------


def faded(names, share, third, update=1e-7, **more):
    """The first layers get this share of what all others get."""
    low = {"signal_gradient_rms": share}
    return records(
        names=names, at=dict.fromkeys(names[:third], low), signal_gradient_rms=1.0,
        gradient_rms=1.0, update_ratio=update, **more,
    )  # fmt: skip


@pytest.mark.parametrize(("names", "third"), [("abc", 1), ("abcde", 1), ("abcdef", 2)])
def test_a_third_of_the_layers_is_compared(names, third):
    found = verdict(faded(names, 1e-4, third))
    assert (found.cause, found.where) == ("vanishing", "a")
    assert f"the last {third} of {len(names)} layers arrives at the first {third}" in found.evidence
    assert "1.0e-04 of the gradient" in found.evidence


def test_a_gradient_that_faded_in_training_asks_for_a_lower_rate():
    opening = records(last=19, signal_gradient_rms=1.0, gradient_rms=1.0)
    led_here = verdict(faded("abcdef", 1e-4, 2), opening=opening)
    assert "at the start, 1.0e+00 of it did" in led_here.evidence
    assert led_here.fix.startswith(
        "model.optimizer.learning_rate = model.optimizer.learning_rate / 10"
    )
    from_the_start = verdict(faded("abcdef", 1e-4, 2), opening=faded("abcdef", 1e-4, 2, last=19))
    assert from_the_start.fix.startswith("kerasinit.initialize(model)")


@pytest.mark.parametrize("cause", ["vanishing", "small_updates"])
def test_weights_that_ftrl_takes_away_ask_for_a_higher_rate(cause):
    steps = faded("abcdef", 1e-4, 2) if cause == "vanishing" else records(update_ratio=1e-7)
    told = verdict(steps, setup=Setup(forgets=True))
    assert told.cause == cause
    assert told.fix.startswith("model.optimizer.learning_rate = 0.1  #")


def test_two_layers_are_no_depth():
    assert "vanishing" not in [cause for cause, _ in found(faded("ab", 1e-6, 1))]


def test_shares_of_a_third_are_multiplied():
    names = "abcdef"
    at = {"a": {"signal_gradient_rms": 1e-6}, "b": {"signal_gradient_rms": 1e-2},
          "e": {"signal_gradient_rms": 10.0}, "f": {"signal_gradient_rms": 0.1}}  # fmt: skip
    steps = records(names=names, at=at, signal_gradient_rms=1.0, gradient_rms=1.0, update_ratio=0.0)
    assert "1.0e-04 of the gradient" in verdict(steps).evidence


@pytest.mark.parametrize("field", ["gradient_rms", "signal_gradient_rms"])
def test_without_gradients_of_biases_those_of_kernels_are_compared(field):
    low = {field: 1e-5}
    usual = {"gradient_rms": 1.0, "signal_gradient_rms": None, "update_ratio": 1e-7}
    steps = records(at={"a": low, "b": low}, **usual)
    expected = [("vanishing", "a")] if field == "gradient_rms" else []
    assert [one for one in found(steps) if one[0] == "vanishing"] == expected


def test_a_last_third_of_zeros_is_nothing_to_compare_with():
    at = {name: {"signal_gradient_rms": 0.0} for name in "ef"}
    steps = records(at=at, signal_gradient_rms=1e-9, gradient_rms=1.0, update_ratio=1e-7)
    assert "vanishing" not in [cause for cause, _ in found(steps)]


@pytest.mark.parametrize(("share", "said"), [(0.9e-30, "nothing"), (1.1e-30, "1.1e-30")])
def test_what_float32_has_lost_is_nothing(share, said):
    assert f", {said} of the gradient" in verdict(faded("abcdef", share, 2)).evidence


@pytest.mark.parametrize("known", [{"loss": lambda i: LOSS * 0.97**i}, {"loss": 1.0}], ids=str)
def test_small_gradients_of_a_training_that_goes_well_are_fine(known):
    assert found(faded("abcdef", 1e-5, 2, **known)) == []


# --- exploding ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "named"), [(5, False), (6, True)])
def test_five_doublings_need_six_records(count, named):
    steps = records(count, gradient_rms=lambda i: 2.1**i)
    assert bool(found(steps)) is named


def test_a_doubling_that_stops_is_none():
    steps = records(8, gradient_rms=lambda i: 2.1 ** min(i, 6))
    assert found(steps) == []
    assert found(records(8, gradient_rms=lambda i: 0.0 if i == 3 else 2.1**i)) == []


@pytest.mark.parametrize(("before", "named"), [(9, False), (10, True)])
def test_a_new_level_needs_ten_records_at_the_old_one(before, named):
    steps = records(before + 5, gradient_rms=lambda i: 1e-3 if i < before else 0.2)
    assert (("exploding", "a") in found(steps)) is named


def test_a_level_must_last_five_records():
    steps = records(20, gradient_rms=lambda i: 1e-3 if i < 16 else 0.2)
    assert "exploding" not in [cause for cause, _ in found(steps)]


def test_the_worst_layer_is_named_and_how_it_grew():
    grown = verdict(records(8, at={"a": {}}, gradient_rms=lambda i: 2.1**i))
    assert "doubled in each of 5 records" in grown.evidence
    stays = verdict(records(20, at={}, gradient_rms=lambda i: 1e-3 if i < 13 else 0.2))
    assert "stays 100 times its size" in stays.evidence
    steps = [record(k, at={"c": {"gradient_rms": 3.0**k}}) for k in range(12)]
    assert verdict(steps).where == "c"


# --- units ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shares", "named"),
    [([0.8, 0.8], True), ([0.7, 0.8], False), ([0.8, 0.7], False), ([0.8], False)],
    ids=str,
)
def test_two_probes_must_agree_on_dead_units(shares, named):
    by_record = {19 - 3 * k: share for k, share in enumerate(reversed(shares))}
    steps = records(at=lambda i: {"b": {"dead_share": by_record.get(i)}})
    assert (found(steps) == [("dead_units", "b")]) is named
    if named:
        assert "80 % of its units are off" in verdict(steps).evidence


def off(**fields):
    return {"idle_share": 1.0, "gradient_rms": 0.0} | fields


def test_units_that_are_all_off_are_named_below_a_layer_that_gets_zeros():
    learns = {"idle_share": 0.2, "gradient_rms": 0.0}
    assert found(records(at={"b": off(), "c": learns})) == [("dead_units", "b")]
    # Above, a gradient arrives at the kernel: it receives a signal.
    assert ("dead_units", "b") not in found(records(at={"b": off(), "c": {"idle_share": 0.2}}))
    # Above, all are off too: the fault is further up.
    assert ("dead_units", "b") not in found(records(at={"b": off(), "c": off()}))
    # Weights of zero are another fault.
    zero = records(at={"b": off(weight_rms=0.0), "c": learns})
    assert ("dead_units", "b") not in found(zero)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, True), ({"loss": lambda i: LOSS * 0.97**i}, False), ({"loss": 1.0}, False),
        ({"gradient_rms": 0.0}, False),
    ],
    ids=["plain", "falls", "started", "cut"],
)  # fmt: skip
def test_idle_units_are_a_fault_where_the_loss_does_not_fall(fields, named):
    steps = records(at={"b": {"idle_share": 0.95}}, **fields)
    assert (("dead_units", "b") in found(steps)) is named
    if named:
        assert "95 % of its units or more got no gradient" in verdict(steps).evidence


def test_the_last_layer_may_be_idle():
    assert found(records(at={"f": {"idle_share": 0.95}})) == []
    assert found(records(at={"e": {"idle_share": 0.95}})) == [("dead_units", "e")]


@pytest.mark.parametrize(("name", "begun", "draws"), [
    ("a", 0.95, False), ("a", 0.2, True), ("b", 0.95, True),
])  # fmt: skip
def test_units_of_the_first_layer_that_began_idle_may_be_those_of_large_inputs(name, begun, draws):
    opening = records(last=19, at={name: {"idle_share": begun}})
    told = verdict(records(at={name: {"idle_share": 0.95}}), opening=opening)
    assert (told.cause, told.where) == ("dead_units", name)
    assert told.fix.startswith("kerasinit.initialize" if draws else "kerasinit.diagnose")


@pytest.mark.parametrize(("above", "named"), [(1e-3, False), (0.0, True)])
def test_a_layer_that_is_cut_off_is_not_dead(above, named):
    cut = {"idle_share": 0.95, "gradient_rms": 0.0}
    at = {"b": cut, "c": {"idle_share": 0.3, "gradient_rms": above}}
    assert (("dead_units", "b") in found(records(at=at))) is named


@pytest.mark.parametrize(("name", "named"), [("e", True), ("f", False)])
def test_the_last_layer_may_be_saturated(name, named):
    steps = records(at={name: {"saturated_share": 0.6}})
    assert found(steps) == [("saturated", name)] * named


def test_further_layers_are_counted():
    three = {name: {"saturated_share": 0.6} for name in "bcd"}
    assert "activation (and those of 2 more layers)" in verdict(records(at=three)).evidence
    two = {name: {"saturated_share": 0.6} for name in "bc"}
    assert "activation (and those of 1 more layer)" in verdict(records(at=two)).evidence
    one = {"b": {"saturated_share": 0.6}}
    assert verdict(records(at=one)).evidence.endswith("flat part of the activation")


# --- updates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("last", "named"), [(9, False), (10, True)])
def test_large_updates_wait_for_ten_steps(last, named):
    steps = records(8, last=last, update_ratio=0.3)
    assert bool(found(steps)) is named


@pytest.mark.parametrize(("start", "named"), [(0.0, False), (0.1, True)])
def test_weights_that_began_at_zero_may_change_by_much(start, named):
    above = {name: {"weight_rms": start} for name in "bcdef"}
    opening = records(last=19, at=above)
    steps = records(at={name: {"update_ratio": 0.3} for name in above})
    assert (found(steps, opening=opening) == [("large_updates", "b")]) is named


@pytest.mark.parametrize(
    ("rose", "then", "named"),
    [(4.7, LOSS, True), (4.5, LOSS, False), (4.7, 9.0, True), (4.5, 9.0, False)],
)
def test_the_loss_must_have_doubled_after_a_ruinous_step(rose, then, named):
    opening = records(20, last=19, update_ratio=lambda i: 3.0 if i == 0 else 1e-3,
                      loss=lambda i: LOSS if i == 0 else rose)  # fmt: skip
    assert (("large_updates", "a") in found(records(loss=then), opening=opening)) is named


def test_the_five_records_after_the_first_step_tell_what_came_of_it():
    def opening(later):
        return records(20, last=19, update_ratio=lambda i: 3.0 if i == 0 else 1e-3,
                       loss=lambda i: LOSS if i == 0 else 9.0 if i < later else 1.0)  # fmt: skip

    assert found(records(loss=LOSS), opening=opening(6))[0][0] == "large_updates"
    assert "to 9" in verdict(records(loss=LOSS), opening=opening(6)).evidence
    assert ("large_updates", "a") not in found(records(loss=LOSS), opening=opening(2))


@pytest.mark.parametrize("known", [{"opening": []}, {"first_loss": None}], ids=str)
def test_of_an_opening_that_is_not_known_nothing_is_said(known):
    opening = records(20, last=19, loss=9.0, update_ratio=3.0)
    steps = records(loss=9.0)
    assert ("large_updates", "a") in found(steps, opening=opening)
    if "opening" in known:
        assert ("large_updates", "a") not in found(steps, **known)


def test_a_rate_far_too_high_before_a_nan_is_told_by_its_first_large_step():
    ratios = [1e-2, 0.2, 0.4, 2.0, 40.0]
    steps = [*records(5, last=118, update_ratio=lambda i: ratios[i]), record(119, math.nan)]
    large, broken = judge_window(steps, first_loss=LOSS)
    assert (large.cause, large.where, broken.cause) == ("large_updates", "a", "non_finite")
    assert "a step changed its weights by 4000 %" in large.evidence
    assert "* 10" not in large.fix
    assert "learning_rate / 10 " in large.fix  # of 0.2, not of 40
    assert broken.fix == large.fix


def test_under_a_schedule_the_line_against_a_nan_makes_a_new_optimizer():
    steps = [*records(5, last=118, update_ratio=0.9), record(119, math.nan)]
    plain, _ = judge_window(steps, first_loss=LOSS)
    large, broken = judge_window(steps, first_loss=LOSS, setup=Setup(is_scheduled=True))
    assert large.remedy == of_schedule(plain.remedy) != plain.remedy
    assert large.fix == broken.fix == plain.fix.replace(plain.remedy.line, large.remedy.line)


def test_where_a_constraint_makes_zeros_no_new_weights_are_advised():
    zeros = records(gradient_rms=0.0, weight_rms=0.0, signal_gradient_rms=1e-3)
    assert verdict(zeros).remedy.kind == "initialize"
    (found,) = judge_window(zeros, first_loss=LOSS, setup=Setup(is_constrained=True))
    assert (found.cause, found.remedy) == ("symmetric", None)
    assert "which constraint" in found.fix


@pytest.mark.parametrize(
    ("ratios", "named"),
    [
        ([0.2, 0.2, 0.2, 0.2, 0.6], True), ([0.2, 0.2, 0.2, 0.2, 0.4], False),
        ([0.01, 0.01, 0.01, 0.2, 0.6], False), ([None] * 5, False),
    ],
    ids=str,
)  # fmt: skip
def test_steps_are_the_root_of_a_nan_where_most_are_large_and_one_ruinous(ratios, named):
    steps = [*records(5, last=118, update_ratio=lambda i: ratios[i]), record(119, math.nan)]
    assert ("large_updates" in [cause for cause, _ in found(steps)]) is named


@pytest.mark.parametrize(
    ("ratio", "said"),
    [(0.3, "30 %"), (99.0, "9900 %"), (101.0, "1e+02 times their size"), (math.inf, "more than")],
)
def test_a_change_is_told_in_percent_or_times(ratio, said):
    steps = records(update_ratio=ratio)
    assert f"changes its weights by {said}" in verdict(steps).evidence


@pytest.mark.parametrize(
    ("ratio", "change"),
    [(0.3, "/ 10"), (0.31, "/ 10"), (0.33, "/ 100"), (5.0, "/ 1000"), (math.inf, "/ 10")],
)
def test_a_rate_falls_by_the_power_of_ten_that_is_nearest(ratio, change):
    assert f"learning_rate {change} " in verdict(records(update_ratio=ratio)).fix


@pytest.mark.parametrize(
    ("ratio", "change"), [(9e-5, "* 100"), (2e-5, "* 1000"), (3e-8, "* 1000000")]
)
def test_a_rate_rises_by_the_power_of_ten_that_is_nearest(ratio, change):
    steps = records(update_ratio=ratio)
    assert (verdict(steps).cause, verdict(steps).where) == ("small_updates", "a")
    assert f"learning_rate {change}" in verdict(steps).fix


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, True), ({"last": 9, "count": 8}, False), ({"last": 10, "count": 8}, True),
        ({"goes_on": True}, False), ({"update_ratio": None}, False), ({"update_ratio": 0.0}, False),
        ({"update_ratio": lambda i: 1e-5 if i < 10 else 1.3e-5}, False),
        ({"update_ratio": lambda i: 1e-5 if i < 10 else 1.1e-5}, True),
        ({"loss": 1.0}, False), ({"loss": lambda i: LOSS * 0.97**i}, False),
        ({"at": {"d": {"update_ratio": 2e-4}}}, False),
    ],
    ids=str,
)  # fmt: skip
def test_small_updates_are_a_fault_of_a_rate_that_is_at_rest(fields, named):
    steps = records(**{"update_ratio": 1e-5} | fields)
    assert ("small_updates" in [cause for cause, _ in found(steps)]) is named


@pytest.mark.parametrize(
    ("names", "bias", "cause"),
    [("abcdef", 1.0, "vanishing"), ("ab", 1.0, "small_updates"), ("abc", 1.0, "vanishing"),
     ("abcdef", None, "small_updates")],
)  # fmt: skip
def test_a_faint_signal_needs_a_bias_to_tell_and_three_layers(names, bias, cause):
    steps = records(names=names, signal_gradient_rms=bias, update_ratio=1e-6)
    assert (cause, "a") in found(steps)


def run_out(step=300, now=LOSS, late=1e-8, halfway=1e-8, began=1e-3, faded=1e-3, **known):
    opening = records(20, last=19, update_ratio=began)
    ratio = {"update_ratio": lambda i: halfway if i < 10 else late}
    steps = records(last=step, loss=now, gradient_rms=faded, **ratio)
    return judge_window(steps, opening=opening, first_loss=LOSS, **known)


@pytest.mark.parametrize("is_scheduled", [True, False])
def test_where_the_gradient_has_faded_no_rate_has_run_out_but_that_of_a_schedule(is_scheduled):
    (found,) = run_out(faded=1e-5, setup=Setup(is_scheduled=is_scheduled))
    assert ("has run out" in found.evidence) is is_scheduled
    assert ("where the gradient has gone" in found.fix) is not is_scheduled


def test_only_a_schedule_that_has_run_out_has_a_rate_to_go_back_to():
    assert run_out(setup=Setup(is_scheduled=True))[0].remedy == FIRST_RATE
    assert run_out()[0].remedy is None


@pytest.mark.parametrize(("began", "is_first"), [(1e-3, True), (1e-4, False)])
def test_a_schedule_that_runs_out_goes_back_to_its_first_rate(began, is_first):
    setup = Setup(is_scheduled=True)
    (found,) = run_out(late=2e-5, halfway=2e-5, began=began, setup=setup)
    assert (found.remedy == FIRST_RATE) is is_first


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, True), ({"halfway": 1e-5}, False), ({"late": 1e-5}, False), ({"began": 1e-5}, False),
        ({"now": 1.1}, False), ({"now": 1.2}, True), ({"step": 19}, False), ({"step": 20}, True),
    ],
    ids=str,
)  # fmt: skip
def test_a_rate_has_run_out_where_nothing_moves_any_more(fields, named):
    said = [one.evidence for one in run_out(**fields)]
    assert any("the learning rate has run out" in one for one in said) is named


def test_a_rate_that_has_run_out_is_told_with_both_sizes():
    (found,) = run_out(late=3e-8, halfway=3e-8)
    assert "no layer changes by more than 3.0e-08" in found.evidence
    assert "at the start one changed by 1.0e-03, and the loss fell only from 2.3 to 2.3" in (
        found.evidence
    )


def creeping(fall=0.1, noise=0.0, ratio=3e-4, step=300, start=LOSS, slope=0.004):
    """Steps of 0.03 %, and a loss that falls slowly and steadily, but for noise."""
    level = start * (1 - fall)
    late = records(last=step, update_ratio=ratio,
                   loss=lambda i: level + slope * (10 - i) + noise * (-1) ** i)  # fmt: skip
    found = judge_window(late, opening=records(20, last=19, update_ratio=ratio), first_loss=start,
                         best_loss=level)  # fmt: skip
    return "small_updates" in [one.cause for one in found]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, True), ({"fall": 0.27}, True), ({"fall": 0.33}, False), ({"noise": 0.5}, False),
        ({"ratio": 7e-4}, False), ({"step": 149}, False), ({"step": 150}, True),
        ({"fall": 0.005}, False), ({"start": -2.3, "fall": -0.1}, False),
    ],
    ids=str,
)  # fmt: skip
def test_timid_steps_are_named_while_the_loss_creeps(fields, named):
    assert creeping(**fields) is named


# --- loss -----------------------------------------------------------------------------------------


def slow(now=LOSS, step=600, best=None, began=LOSS, first=LOSS, noise=0.0, goes_on=False):
    opening = records(20, last=19, loss=lambda i: first if i == 0 else began, goes_on=goes_on)
    late = records(last=step, loss=lambda i: now + noise * (-1) ** i)
    found = judge_window(late, opening=opening, best_loss=best, first_loss=first)
    return next((one for one in found if one.cause == "slow"), None)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, True), ({"step": 499}, False), ({"step": 500}, True), ({"now": 2.16}, False),
        ({"now": 2.20}, True), ({"best": 2.16}, False), ({"best": 2.20}, True),
        ({"now": 4.7}, False), ({"now": 4.5, "best": 2.2}, True), ({"goes_on": True}, False),
        ({"noise": 0.05}, True), ({"noise": 0.5}, False), ({"first": 2.5}, False),
        ({"first": 2.35}, True), ({"now": 2.5}, False),
    ],
    ids=str,
)  # fmt: skip
def test_a_training_is_slow_where_five_percent_never_went(fields, named):
    assert (slow(**fields) is not None) is named


@pytest.mark.parametrize(
    ("step", "now", "best", "chance", "named"),
    [
        (600, 1.6, 1.59, 1.6, True), (400, 1.6, 1.59, 1.6, False), (600, 1.6, 1.59, None, False),
        (600, 1.5, 1.5, 1.6, False), (600, 1.6, 1.5, 1.6, False), (600, 1.7, 1.65, 1.6, False),
    ],
)  # fmt: skip
def test_a_model_that_knows_nothing_after_many_steps_is_told(step, now, best, chance, named):
    opening = records(last=19, loss=lambda i: LOSS - 0.03 * i)
    steps = records(last=step, loss=now)
    told = judge_window(steps, opening=opening, best_loss=best, setup=Setup(chance=chance))
    assert [(one.cause, one.where) for one in told] == [("slow", "loss")] * named


@pytest.mark.parametrize(
    ("setup", "best", "began", "named"),
    [
        (Setup(chance=LOSS, has_floor=True), 2.20, LOSS, False),
        (Setup(chance=LOSS, has_floor=True), 2.29, LOSS, True),  # no more than noise
        (Setup(chance=2.20, has_floor=True), 2.20, LOSS, True),  # it knows nothing
        (Setup(chance=5.00, has_floor=True), 2.20, 2.20, True),  # weights of samples made it less
        (Setup(chance=5.00, has_floor=True), 2.20, LOSS, False),  # or a bias of the shares did
        (Setup(chance=LOSS), 2.20, LOSS, True), (Setup(has_floor=True), 2.20, LOSS, True),
    ],
    ids=str,
)  # fmt: skip
def test_a_loss_with_a_floor_that_fell_below_that_of_knowing_nothing_is_not_slow(
    setup, best, began, named
):
    opening = records(20, last=19, loss=lambda i: began + 0.02 * (-1) ** i)
    late = records(last=600, loss=lambda i: best + 0.02 * (-1) ** i)
    told = judge_window(late, opening=opening, best_loss=best, first_loss=began, setup=setup)
    assert ("slow" in [one.cause for one in told]) is named


@pytest.mark.parametrize(("first", "named"), [(3.1, True), (3.3, False)])
def test_a_loss_that_began_at_a_multiple_of_chance_is_a_sum_or_has_weights(first, named):
    opening = records(last=19, loss=lambda i: first - 0.05 * i)
    told = judge_window(records(last=600, loss=1.6), opening=opening, setup=Setup(chance=1.6))
    assert [one.cause for one in told] == ["slow"] * named


def test_a_first_sample_without_a_loss_is_no_start():
    opening = records(last=19, loss=lambda i: 0.0 if i == 0 else LOSS)
    steps = records(loss=0.1, update_ratio=0.3)
    assert judge_window(steps, opening=opening) == ()
    assert judge_window(records(update_ratio=0.3), opening=opening)[0].cause == "large_updates"


def test_a_slow_training_is_told_with_its_losses():
    found = slow(now=2.25, best=2.21)
    assert found.where == "loss"
    assert "the mean loss is 2.25; it began at 2.3 and was never below 2.21" in found.evidence
    assert "below 2.25" in slow(now=2.25, best=2.28).evidence


@pytest.mark.parametrize(
    ("penalty", "first", "step", "named"),
    [
        (9.3, LOSS, 100, True), (9.1, LOSS, 100, False), (5.2, 0.1, 100, True),
        (5.0, 0.1, 100, False), (9.3, LOSS, 49, False), (9.3, LOSS, 50, True),
    ],
)  # fmt: skip
def test_penalties_of_the_start_rule_where_they_outweigh_the_loss(penalty, first, step, named):
    opening = records(20, last=19, penalty=penalty, loss=first)
    late = records(last=step, penalty=0.1, loss=first)
    causes = [cause for cause, _ in found(late, opening=opening, first_loss=first)]
    assert ("unexpected_loss" in causes) is named


def test_the_rounding_of_a_huge_penalty_is_no_fall_of_the_loss():
    """At step 59, a float32 sum of losses of 8e4 is told to within 0.3."""
    falls = records(last=59, penalty=8e4, loss=lambda i: LOSS - 0.1 * (i >= 10))
    assert found(falls, opening=falls) == [("unexpected_loss", "loss")]
    by_more = records(last=59, penalty=8e4, loss=lambda i: LOSS - 0.4 * (i >= 10))
    assert found(by_more, opening=by_more) == []
    exact = records(last=59, penalty=80.0, loss=lambda i: LOSS - 0.1 * (i >= 10))
    assert found(exact, opening=exact) == []


def test_without_an_opening_the_penalty_is_that_of_the_first_records():
    steps = records(penalty=lambda i: 20.0 if i < 5 else 0.0)
    assert ("unexpected_loss", "loss") in found(steps)
    assert ("unexpected_loss", "loss") not in found(records(penalty=lambda i: 20.0 * (i > 5)))
    assert "20 of the loss at the start" in verdict(steps).evidence


def test_a_loss_that_is_lost_in_the_rounding_of_a_huge_one_has_an_end():
    opening = records(last=19, loss=lambda i: LOSS if i == 0 else 1e31)
    causes = [cause for cause, _ in found(records(loss=-1e24), opening=opening)]
    assert "bad_loss" not in causes
    assert ("bad_loss", "loss") in found(records(loss=-1e24), opening=records(last=19))


@pytest.mark.parametrize(
    ("move", "signal", "named"),
    [(9e-7, 1e-7, True), (2e-6, 1e-7, False), (9e-7, 1e-5, False), (9e-7, None, False)],
)
def test_first_layers_that_stand_still_have_vanished_though_the_loss_falls(move, signal, named):
    lower = {"signal_gradient_rms": signal, "gradient_rms": 1e-9, "update_ratio": move}
    steps = records(5, last=4, loss=lambda i: LOSS - 0.1 * i, at={"a": lower, "b": lower})
    told = judge_window(steps, opening=steps, first_loss=LOSS)
    assert [(one.cause, one.where) for one in told] == [("vanishing", "a")] * named
    assert all("the loss does not fall" not in one.evidence for one in told)


@pytest.mark.parametrize(("count", "is_deep"), [(30, False), (31, True)])
def test_where_a_deep_net_takes_small_steps_its_start_is_looked_at_first(count, is_deep):
    told = verdict(records(update_ratio=1e-5, names=[f"layer_{k}" for k in range(count)]))
    assert told.cause == "small_updates"
    assert told.fix.startswith("kerasinit.diagnose(") is is_deep
    assert (told.remedy is None) is is_deep
    assert "* 1000" in told.fix


# --- what explains what ---------------------------------------------------------------------------


def test_the_first_loss_is_that_of_the_oldest_record_that_has_one():
    opening = [record(0, None), record(1, 9.0)]
    steps = records(update_ratio=0.3, loss=2.0)
    assert judge_window(steps, opening=opening) == ()  # it has started
    assert judge_window(steps) != ()


def test_what_follows_from_a_root_is_not_told():
    steps = records(last=1000, update_ratio=0.3)
    assert found(steps) == [("large_updates", "a")]
    assert found(records(last=1000, update_ratio=1e-6)) == [("small_updates", "a")]


# --- on the number itself -------------------------------------------------------------------------


def thrown(ratio=3.0, then=2.0, now=2.0, share=0.8, layer="b", at="abcdef", rest=1e-3):
    """A first step of this ratio, the loss then and now (2 at first), idle units of a layer."""
    opening = [
        record(k, 2.0 if k == 0 else then, at={name: {"update_ratio": ratio if k == 0 else rest}
                                               for name in at}) for k in range(20)
    ]  # fmt: skip
    late = records(loss=now, at={layer: {"idle_share": share}})
    found = judge_window(late, opening=opening, first_loss=2.0)
    return next((one for one in found if one.cause == "large_updates"), None)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, True), ({"share": 0.75}, False), ({"share": 0.75, "then": 4.0}, False),
        ({"share": 0.75, "then": 4.01}, True), ({"ratio": 0.5}, False), ({"ratio": 0.51}, True),
        ({"now": 1.9}, False), ({"now": 1.91}, True), ({"layer": "e"}, True),
        ({"layer": "f"}, False),
        ({"layer": "a"}, True),
    ],
    ids=str,
)  # fmt: skip
def test_a_first_step_is_ruinous_above_its_numbers_and_not_on_them(fields, named):
    assert (thrown(**fields) is not None) is named


def test_the_layer_that_changed_most_in_the_first_step_is_named():
    found = thrown(at="c")
    assert found.where == "c"
    assert "step 0 changed its weights by 300 %" in found.evidence


@pytest.mark.parametrize(
    ("ratios", "named"),
    [([0.1, 0.1, 0.1, 0.1, 0.6], False), ([0.2, 0.2, 0.2, 0.2, 0.5], False)],
    ids=str,
)
def test_steps_before_a_nan_are_large_above_their_numbers(ratios, named):
    steps = [*records(5, last=118, update_ratio=lambda i: ratios[i]), record(119, math.nan)]
    assert ("large_updates" in [cause for cause, _ in found(steps)]) is named


def test_the_first_large_step_is_above_its_number():
    ratios = [0.1, 0.1, 20.0, 20.0, 40.0]
    steps = [*records(5, last=118, update_ratio=lambda i: ratios[i]), record(119, math.nan)]
    assert "learning_rate / 1000 " in verdict(steps).fix  # of 20, not of 0.1


def test_a_hundred_times_the_weights_is_told_in_times():
    assert "1e+02 times their size" in verdict(records(update_ratio=100.0)).evidence


@pytest.mark.parametrize("known", [{"first_loss": None, "loss": None}, {"loss": None}], ids=str)
def test_where_no_loss_is_known_none_is_told(known):
    steps = records(update_ratio=0.3, loss=None)
    found = judge_window(steps, first_loss=known.get("first_loss", LOSS))
    assert found[0].evidence.endswith("30 %, and the loss does not fall")


def test_the_layer_that_moved_most_at_the_start_is_named_where_the_rate_has_run_out():
    opening = records(20, last=19, at={"d": {"update_ratio": 2e-3}})
    steps = records(last=300, update_ratio=1e-8)
    found = judge_window(steps, opening=opening, first_loss=LOSS)
    assert (found[0].cause, found[0].where) == ("small_updates", "d")


@pytest.mark.parametrize(("late", "named"), [(1e-6, True), (1.01e-6, False)])
def test_a_millionth_of_the_weights_is_standing_still(late, named):
    said = [one.evidence for one in run_out(late=late, halfway=1e-8)]
    assert any("has run out" in one for one in said) is named


@pytest.mark.parametrize(("noise", "named"), [(0.0, True), (0.18, True), (0.2, False)])
def test_a_steady_fall_is_four_times_its_noise(noise, named):
    fall = 0.23 + 0.14 + noise / 5  # since the start, to the mean of the last five records
    error = math.sqrt(noise**2 + 0.02 * noise + 0.02**2 * (20**2 - 1) / 12) / math.sqrt(5)
    assert (4 * error < fall) is named
    assert creeping(noise=noise, slope=0.02) is named


@pytest.mark.parametrize(("noise", "named"), [(0.05, True), (0.125, True), (0.135, False)])
def test_what_twice_the_noise_may_hide_is_not_slow(noise, named):
    """5 % of 2.3 is 0.115; the mean of 20 records has an error of noise / sqrt(20)."""
    fall = 0.115 - 2.0 * 0.13 / math.sqrt(20)
    assert (slow(now=LOSS - fall, noise=noise) is not None) is named


@pytest.mark.parametrize(("first", "named"), [(2.7, True), (3.1, False)])
def test_a_first_loss_far_above_the_noise_of_the_opening_had_reached_its_floor(first, named):
    losses = [first] + [2.4, 2.2] * 9 + [2.4]
    opening = [record(k, loss) for k, loss in enumerate(losses)]
    mean = sum(losses) / 20  # 2.4 and 2.2 deviate by 0.1: 5 % of the mean and 0.3 are allowed
    assert (first > 1.05 * mean + 0.3) is not named
    late = records(last=600, loss=mean)
    causes = [one.cause for one in judge_window(late, opening=opening, first_loss=first)]
    assert ("slow" in causes) is named


@pytest.mark.parametrize(
    ("field", "number", "cause"),
    [
        ("dead_share", 0.75, "dead_units"), ("idle_share", 0.9, "dead_units"),
        ("saturated_share", 0.5, "saturated"),
    ],
)  # fmt: skip
def test_shares_of_units_are_wrong_above_their_numbers(field, number, cause):
    assert found(records(at={"b": {field: number}})) == []
    assert found(records(at={"b": {field: number + 1e-6}})) == [(cause, "b")]


def test_gradients_explode_above_their_numbers():
    assert found(records(6, gradient_rms=lambda i: 2.0**i)) == []
    assert found(records(16, names="a", gradient_rms=lambda i: 1.0 if i < 11 else 100.0)) == []


def test_the_rate_is_large_or_small_beyond_its_numbers():
    assert found(records(update_ratio=0.1)) == []
    assert found(records(update_ratio=1e-4)) == []


def test_a_layer_that_the_last_probe_found_dead_is_not_blamed_on_the_loss():
    steps = records(
        at=lambda i: {"b": {"gradient_rms": 0.0, "dead_share": 1.0 if i == 19 else None}}
    )
    assert found(steps) == []


# --- losses that mean nothing, and early steps that ruin units ------------------------------------


def opened(count=20, **fields):
    return records(count, last=count - 1, **fields)


def test_a_loss_of_zero_from_the_first_step_on_is_told():
    steps, nothing = opened(loss=0.0, gradient_rms=0.0), {"first_loss": 0.0}
    assert found(steps, opening=steps, **nothing) == [("zero_gradient", "loss")]
    assert found(records(loss=0.0), opening=records(loss=0.0), **nothing) == []  # later steps alone
    learned = opened(loss=lambda i: 2.0 if i < 1 else 0.0)
    assert found(learned, opening=learned, first_loss=2.0) == []
    surrogate = opened(loss=0.0)  # f - stop_gradient(f)
    assert found(surrogate, opening=surrogate, **nothing) == []
    rare = opened(loss=lambda i: 1.0 if i == 8 else 0.0, gradient_rms=0.0)  # labels of few samples
    for count in (5, 20):
        assert ("zero_gradient", "loss") not in found(rare[:count], opening=rare[:count], **nothing)
    again = opened(loss=0.0, goes_on=True)
    assert found(again, opening=again, **nothing) == []


@pytest.mark.parametrize(("now", "named"), [(-3e6, True), (-1e6, False), (3e6, False)])
def test_a_loss_that_falls_without_end_is_told(now, named):
    steps = records(loss=lambda i: now * (1 + 0.02 * i) if now < 0 else now)
    told = [one for one in judge_window(steps, first_loss=-2.0) if one.cause == "bad_loss"]
    assert len(told) == named
    if named:
        assert "from -2 to -4.02e+06, and has no end" in told[0].evidence  # 3e6 * (1 + 0.02 * 17)


OFF_SINCE = {"b": {"idle_share": 0.95}}


@pytest.mark.parametrize(("ratio", "root"), [(0.2, "large_updates"), (0.05, "dead_units")])
def test_early_steps_that_switched_units_off_are_the_root(ratio, root):
    usual = {"idle_share": 0.1}
    opening = opened(update_ratio=lambda i: ratio if i == 7 else 1e-3, **usual)
    steps = records(last=39, at=OFF_SINCE, **usual)
    assert found(steps, opening=opening)[0][0] == root
    if root == "large_updates":
        assert "step 7 changed its weights by 20 %" in verdict(steps, opening=opening).evidence
    always = [dataclasses.replace(step, layers=steps[0].layers) for step in opening]
    assert found(steps, opening=always)[0][0] == "dead_units"  # it was off before


def test_a_first_layer_that_was_off_from_the_start_may_have_inputs_of_zero():
    at = {
        "a": {"idle_share": 1.0, "gradient_rms": 0.0},
        "b": {"idle_share": 0.1} | {"gradient_rms": 0.0},
    }
    steps = opened(at=at)
    told = verdict(steps, opening=steps)
    assert (told.cause, told.where, told.remedy) == ("dead_units", "a", None)
    assert "whether all inputs are 0" in told.fix
    later = opened(at={key: one | {"idle_share": 0.1} for key, one in at.items()})
    assert verdict(steps, opening=later).remedy.kind == "initialize"
    assert "training led here" in verdict(steps, opening=later).fix


@pytest.mark.parametrize(("start", "is_huge"), [(5e10, True), (5e3, False)])
def test_no_rate_makes_up_for_a_loss_that_began_huge(start, is_huge):
    steps = opened(loss=lambda i: start * (1e3 if i else 1), update_ratio=lambda i: 9.0 * (i == 0))
    told = verdict(steps, opening=steps, first_loss=start)
    assert told.cause == "large_updates"
    assert (told.remedy is None) is is_huge
    assert told.fix.startswith("kerasinit.diagnose(model, x, y)") is is_huge


def test_penalties_are_not_told_as_units_that_are_off():
    at = {"a": {"idle_share": 1.0}, "b": {"idle_share": 0.1, "gradient_rms": 0.0}}
    steps = opened(at=at, penalty=0.0)
    assert found(steps, opening=steps)[0][0] == "dead_units"
    penalized = opened(at=at, penalty=100.0)
    assert "dead_units" not in [cause for cause, _ in found(penalized, opening=penalized)]


def test_a_rate_that_a_callback_sets_is_changed_there():
    (told,) = judge_window(
        records(update_ratio=1e-6), first_loss=LOSS, setup=Setup(is_steered=True)
    )
    assert (told.cause, told.remedy) == ("small_updates", None)
    assert told.fix.startswith("# let LearningRateScheduler give the rate * 10000")


@pytest.mark.parametrize(("decay", "named"), [(0.006, True), (0.004, False)])
def test_weight_decay_that_takes_the_weights_away_is_told_while_the_loss_stands(decay, named):
    assert found(records(), setup=Setup(decay=decay)) == [("large_updates", "model")] * named
    assert found(records(loss=lambda i: 2.0 - 0.05 * i), setup=Setup(decay=decay)) == []


@pytest.mark.parametrize(
    ("compiled", "line"),
    [
        ((), "model.loss)  # or"), (["metrics=['mae']"], "model.loss, metrics=['mae'])  # or"),
        (None, "usual; give your other arguments of `compile` again"),
    ],
)  # fmt: skip
def test_a_line_that_compiles_again_keeps_the_metrics(compiled, line):
    steps = records(penalty=100 * LOSS)
    told = verdict(steps, setup=Setup(compiled=compiled))
    assert told.cause == "unexpected_loss"
    assert line in told.fix
