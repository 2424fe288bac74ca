"""Each rule speaks on one side of its documented number and is silent on the other."""

import dataclasses
import math

import keras
import numpy as np
import pytest

from kerasinit.signals import LayerStep, TrainingStep, judge, judge_window, measure

NAMES = tuple("abcdef")
NEAR = 0.04  # distance to the number, of the number


def steps(count=20, *, start=100, loss=2.3, **fields):
    """Records of six usual layers, but for `fields`: values, or functions of (record, layer)."""
    usual = {"gradient_rms": 1e-3, "weight_rms": 0.1, "update_ratio": 1e-3,
             "signal_gradient_rms": 1e-3}  # fmt: skip

    def value(field, i, k):
        return field(i, k) if callable(field) else field

    return [
        TrainingStep(
            start + i,
            loss(i) if callable(loss) else loss,
            tuple(
                LayerStep(name, **{key: value(one, i, k) for key, one in (usual | fields).items()})
                for k, name in enumerate(NAMES)
            ),
        )
        for i in range(count)
    ]


def window_of(first_loss=2.3, opening=(), best_loss=None, **arguments):
    return judge_window(
        steps(**arguments), first_loss=first_loss, opening=opening, best_loss=best_loss
    )


def below(share):
    """The first third of six layers gets this share of the gradient of the others."""
    return window_of(
        gradient_rms=1.0,
        signal_gradient_rms=lambda i, k: share if k < 2 else 1.0,
        update_ratio=1e-7,
    )


def standing(ratio):
    """Nothing arrives at the first third, and the second layer changes so much all the same."""
    return window_of(
        gradient_rms=1.0,
        signal_gradient_rms=lambda i, k: 1e-8 if k < 2 else 1.0,
        update_ratio=lambda i, k: ratio if k == 1 else 1e-8,
    )


def shares(field, layer=1):
    return lambda value: window_of(**{field: lambda i, k: value if k == layer else 0.0})


def growing(factor, records=6):
    return window_of(gradient_rms=lambda i, k: 1e-3 * factor ** max(0, i - 20 + records))


def ruined(ratio):
    """The first step changed so much, and the loss has doubled since."""
    first = steps(start=0, loss=lambda i: 2.3 if i == 0 else 9.0, update_ratio=ratio)
    return window_of(loss=9.0, opening=first)


def ruined_later(ratio=0.8, others=0.2, loss=9.0):
    """The third step changed one layer so much and the others less; then this was the loss."""
    first = steps(
        start=0,
        loss=lambda i: 2.3 if i < 3 else 9.0,
        update_ratio=lambda i, k: 0.0 if i != 2 else ratio if k == 1 else others,
    )
    return window_of(loss=loss, opening=first)


def off_after(share):
    """A first step of 300 %, the loss where it began, and this share of units without gradient."""
    first = steps(start=0, update_ratio=lambda i, k: 3.0 if i == 0 else 1e-3)
    return window_of(opening=first, idle_share=lambda i, k: share if k == 1 else 0.0)


def gained(fall):
    """A first step of 300 % that killed units, and the loss that has fallen so far since."""
    first = steps(start=0, update_ratio=lambda i, k: 3.0 if i == 0 else 1e-3)
    return window_of(loss=2.3 * (1 - fall), opening=first, idle_share=0.8)


def creeping(ratio=3e-4, fall=0.1, step=300):
    """Small steps and a loss that falls all the time, by this share since the start."""
    now = 2.3 * (1 - fall)
    return window_of(
        start=step - 19, loss=lambda i: now + 1e-3 * (17 - i), update_ratio=ratio,
        opening=steps(start=0), best_loss=now,
    )  # fmt: skip


def run_out(ratio=1e-7, share=0.6, began=1e-3):
    return window_of(
        start=500, loss=2.3 * share, update_ratio=ratio,
        opening=steps(start=0, update_ratio=began), best_loss=2.3 * share,
    )  # fmt: skip


def faint(share):
    return window_of(gradient_rms=share * 1e-3, update_ratio=1e-6)


def stuck(step=600, fall=0.0):
    late = 2.3 * (1 - fall)
    return window_of(start=step - 19, loss=late, opening=steps(start=0), best_loss=late)


def penalized(penalty=40.0, step=100, loss=2.3):
    def with_penalty(records):
        return [dataclasses.replace(one, penalty=penalty) for one in records]

    return judge_window(
        with_penalty(steps(start=step - 19, loss=loss)),
        opening=with_penalty(steps(start=0, loss=loss)), first_loss=loss,
    )  # fmt: skip


def large(ratio, step=100):
    return window_of(start=step - 19, update_ratio=lambda i, k: ratio if k else 1e-3)


def raised(factor):
    """Large updates that were this many times larger half a window ago."""
    return window_of(update_ratio=lambda i, k: 0.3 * (factor if i < 10 else 1.0))


def falls(drop):
    """Large updates, and a loss that falls by this share from half to half of the window."""
    return window_of(loss=lambda i: 2.3 * (1 - drop * (i >= 10)), update_ratio=0.3)


def started(fall):
    return window_of(loss=2.3 * (1 - fall), update_ratio=0.3)


def arrived(share):
    return window_of(loss=2.3 * share, gradient_rms=lambda i, k: 0.0 if k <= 3 else 1e-3)


def leapt(factor):
    return window_of(
        gradient_rms=lambda i, k: factor * 1e-3 if i == 19 else 1e-3,
        loss=lambda i: 9.0 if i == 19 else 2.3,
    )


def level(factor):
    return window_of(gradient_rms=lambda i, k: factor * 1e-3 if i >= 15 else 1e-3)


# What is varied, its number, the cause, and whether it is named above the number or below it.
# The numbers are those of TheDeepChecker, AutoTrainer and SageMaker Debugger where they have one.
TRAINING = {
    "gradient that arrives": (below, 1e-3, "vanishing", "below"),
    "layers that do not move": (standing, 1e-5, "vanishing", "below"),
    "dead units": (shares("dead_share"), 0.75, "dead_units", "above"),
    "idle units": (shares("idle_share"), 0.9, "dead_units", "above"),
    "saturated units": (shares("saturated_share"), 0.5, "saturated", "above"),
    "doubling": (growing, 2.0, "exploding", "above"),
    "a new level": (level, 100.0, "exploding", "above"),
    "spike": (leapt, 100.0, "spike", "above"),
    "first step": (ruined, 0.5, "large_updates", "above"),
    "third step": (ruined_later, 0.5, "large_updates", "above"),
    "third step of most": (lambda r: ruined_later(others=r), 0.1, "large_updates", "above"),
    "lost since": (lambda x: ruined_later(loss=x), 2.3, "large_updates", "above"),
    "units off since": (off_after, 0.75, "large_updates", "above"),
    "gained since": (gained, 0.05, "large_updates", "below"),
    "large updates": (large, 0.2, "large_updates", "above"),
    "updates that fall": (raised, 1.2, "large_updates", "below"),
    "loss that falls": (falls, 0.01, "large_updates", "below"),
    "loss that has fallen": (started, 0.3, "large_updates", "below"),
    "small updates": (lambda r: window_of(update_ratio=r), 1e-4, "small_updates", "below"),
    "timid updates": (creeping, 6e-4, "small_updates", "below"),
    "timid fall": (lambda f: creeping(fall=f), 0.3, "small_updates", "below"),
    "timid so far": (lambda s: creeping(step=round(s)), 150, "small_updates", "above"),
    "schedule that ran out": (run_out, 1e-6, "small_updates", "below"),
    "ran out before halfway": (lambda s: run_out(share=s), 0.5, "small_updates", "above"),
    "ran out of more": (lambda r: run_out(began=r), 1e-4, "small_updates", "above"),
    "faint signal": (faint, 3e-3, "vanishing", "below"),
    "slow": (lambda s: stuck(step=round(s)), 500, "slow", "above"),
    "slow fall": (lambda f: stuck(fall=f), 0.05, "slow", "below"),
    "penalty": (penalized, 4 * 2.3, "unexpected_loss", "above"),
    "penalty of little": (lambda p: penalized(p, loss=0.1), 5.1, "unexpected_loss", "above"),
    "penalty at first": (lambda s: penalized(step=round(s)), 50, "unexpected_loss", "above"),
    "all of it learned": (arrived, 1e-2, "zero_gradient", "above"),
}  # fmt: skip


def sides(of, number, cause):
    """Whether the cause is named a little below the number, and a little above it."""
    return {
        where: cause in {verdict.cause for verdict in of(number * factor)}
        for where, factor in (("below", 1 - NEAR), ("above", 1 + NEAR))
    }


@pytest.mark.parametrize("name", TRAINING)
def test_a_training_is_blamed_on_one_side_of_the_number(name):
    of, number, cause, side = TRAINING[name]
    assert sides(of, number, cause) == {"below": side == "below", "above": side == "above"}


@pytest.mark.parametrize(("records", "named"), [(4, False), (5, True)])
def test_the_gradient_must_double_five_times(records, named):
    found = {verdict.cause for verdict in growing(2.5, records + 1)}
    assert ("exploding" in found) == named


@pytest.mark.parametrize(("since", "named"), [(16, False), (15, True)])
@pytest.mark.parametrize(("field", "wrong"), [("gradient_rms", 0.0), ("idle_share", 0.95)])
def test_what_is_wrong_must_be_so_in_five_of_twenty_records(field, wrong, since, named):
    usual = {"gradient_rms": 1e-3, "idle_share": 0.0}[field]
    found = window_of(**{field: lambda i, k: wrong if i >= since and k <= 1 else usual})
    assert bool(found) == named


def test_one_layer_of_the_first_third_that_moves_is_enough_to_say_nothing():
    def found(ratio):
        return {verdict.cause for verdict in standing(ratio)}

    assert "vanishing" in found(1e-8)
    assert "vanishing" not in found(1e-3)


@pytest.mark.parametrize(
    ("layers", "words"), [(1, "0, and no"), (3, "(and those of 2 more layers)")]
)
def test_layers_of_zeros_are_counted(layers, words):
    def size(record, layer):
        return 0.0 if layer < layers else 0.1

    assert words in window_of(weight_rms=size, gradient_rms=size)[0].evidence


# --- before training ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def healthy():
    """Signals of ten layers, the sizes of all of them set to what a perfect start has."""
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(64, "relu", name=f"hidden_{k}") for k in range(9)]
    model = keras.Sequential([keras.Input((16,)), *hidden, keras.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    signals = measure(model, rng.normal(size=(64, 16)).astype("float32"), np.arange(64) % 10)
    usual = {
        "input_rms": 1.0, "preactivation_mean_square": 1.0, "preactivation_variance": 1.0,
        "activation_rms": 1.0, "gradient_norm": 1.0, "weight_norm": 1.0,
        "weight_gradient_norm": 1.0, "usual_gain": 1.0, "dead_share": 0.0, "update_ratio": 1e-2,
    }  # fmt: skip
    rows = tuple(dataclasses.replace(row, **usual) for row in signals.layers)
    chance = math.log(10)
    return dataclasses.replace(
        signals, layers=rows, input_rms=1.0, loss=chance, chance_loss=chance, penalty=0.0,
        optimizer="Adam", learning_rate=1e-3, updated_loss=0.9 * chance, promised_drop=0.1 * chance,
    )  # fmt: skip


def with_rows(signals, **fields):
    """The signals with fields of each layer: values, or functions of its number."""
    rows = tuple(
        dataclasses.replace(
            row, **{key: one(k) if callable(one) else one for key, one in fields.items()}
        )
        for k, row in enumerate(signals.layers)
    )
    return dataclasses.replace(signals, layers=rows)


def of_layer(field, **others):
    """The field of the third layer is varied."""
    return lambda signals, value: with_rows(
        signals,
        **{field: lambda k: value if k == 2 else getattr(signals.layers[k], field)},
        **others,
    )


def of_model(field, **others):
    return lambda signals, value: dataclasses.replace(signals, **{field: value}, **others)


def along(field):
    """The field changes evenly over the depth, from the value at the first layer to 1."""
    return lambda signals, value: with_rows(signals, **{field: lambda k: value ** (1 - k / 9)})


def penalty(weights=1.0, gradient=1.0, updated=None):
    """The norms over all layers, and a penalty that is varied; what is left of it after a step."""

    def signals_with(signals, value):
        rows = with_rows(
            signals,
            weight_norm=weights / math.sqrt(10),
            weight_gradient_norm=gradient / math.sqrt(10),
        )
        return dataclasses.replace(
            rows, penalty=value, loss=signals.loss + value, updated_penalty=updated
        )

    return signals_with


def updates(optimizer="Adam", rises=0.0, promised=0.1, kept=1.0):
    """First updates of this size; the loss then, and what was promised, of the loss."""

    def signals_with(signals, ratio):
        drop = promised * signals.loss
        after = signals.loss * (1 + rises) if rises else signals.loss - kept * drop
        return dataclasses.replace(
            with_rows(signals, update_ratio=ratio), optimizer=optimizer, promised_drop=drop,
            updated_loss=after,
        )  # fmt: skip

    return signals_with


CHANCE = math.log(10)
# Of 64 units, a quarter more than half may be dead by chance.
START = {
    "copies": (of_layer("duplicate_share"), 0.5, "symmetric", "above"),
    "dead units": (of_layer("dead_share"), 0.5 + 2 / 8, "dead_units", "above"),
    "saturated units": (
        of_layer("saturated_share", preactivation_mean_square=4.0, preactivation_variance=4.0),
        0.5, "saturated", "above",
    ),
    "saturated by size": (
        lambda s, size: of_layer("saturated_share", preactivation_mean_square=size**2)(s, 0.9),
        1.5, "saturated", "above",
    ),
    "large input": (of_model("input_rms"), 10.0, "unscaled_input", "above"),
    "small input": (of_model("input_rms", given_rms=None), 1e-3, "unscaled_input", "below"),
    "loss of many classes": (of_model("loss"), 4 * CHANCE, "unexpected_loss", "above"),
    "loss of few classes": (of_model("loss", chance_loss=0.5), 5.5, "unexpected_loss", "above"),
    "penalty over loss": (penalty(), 4 * CHANCE, "unexpected_loss", "above"),
    "penalty over weights": (penalty(weights=20.0), 0.05 * 400, "unexpected_loss", "above"),
    "penalty over gradient": (
        lambda s, share: penalty(gradient=2 * 20 / share)(s, 20.0), 0.7, "unexpected_loss", "above",
    ),
    "gradient that arrives": (
        along("gradient_norm"), 1e-3, "vanishing", "below",
    ),
    "gradient that grows": (along("gradient_norm"), 30.0, "exploding", "above"),
    "gradient that grows by chance": (
        lambda s, grown: along("gradient_norm")(with_rows(s, units=8), grown),
        math.exp(4 * 0.5 * math.sqrt(5 * 9 / 8)), "exploding", "above",
    ),
    "faint on both ways": (
        lambda s, product: along("preactivation_variance")(
            along("gradient_norm")(s, 3e-3), (product / 3e-3) ** (-2 * 9 / 8)
        ), 1.5e-6, "vanishing", "below",
    ),
    "signal that grows": (
        lambda s, grown: with_rows(
            dataclasses.replace(s, layers=s.layers[:-1] * 2 + s.layers[-1:]),
            preactivation_mean_square=lambda k: grown ** ((k + 1) / 9),
        ), 1e3, "exploding", "above",
    ),
    "signal that grows in few layers": (
        lambda s, each: with_rows(
            dataclasses.replace(s, layers=s.layers[4:]),
            preactivation_mean_square=lambda k: each ** (2 * (k + 1)),
        ), 2.0, "exploding", "above",
    ),
    "gain of all layers, small": (
        lambda s, gain: with_rows(s, preactivation_mean_square=gain**2), 0.5, "bad_scale", "below",
    ),
    "gain of all layers, large": (
        lambda s, gain: with_rows(s, preactivation_mean_square=gain**2), 2.0, "bad_scale", "above",
    ),
    "gain of all layers, of sigmoids": (
        lambda s, gain: with_rows(s, preactivation_mean_square=gain**2, activation="sigmoid"),
        7.0, "bad_scale", "above",
    ),
    "gain of one layer": (
        lambda s, gain: of_layer("preactivation_mean_square")(s, gain**2),
        30.0, "bad_scale", "above",
    ),
    "large updates": (updates(), 1.0, "large_updates", "above"),
    "large and worse": (updates(rises=0.6), 0.5, "large_updates", "above"),
    "worse": (lambda s, rise: updates(rises=rise)(s, 0.8), 0.5, "large_updates", "above"),
    "beyond the gradient": (updates("SGD", kept=0.1), 0.05, "large_updates", "above"),
    "keeps little": (
        lambda s, kept: updates("SGD", kept=kept)(s, 0.2), 0.25, "large_updates", "below",
    ),
    "of a trifle": (
        lambda s, promised: updates("SGD", promised=promised, kept=0.1)(s, 0.2), 1e-3,
        "large_updates", "above",
    ),
    "small updates of Adam": (updates(), 2e-4, "small_updates", "below"),
    "small updates of SGD": (updates("SGD"), 1e-6, "small_updates", "below"),
    "few changes": (updates(promised=5e-5), 5e-4, "small_updates", "below"),
    "small promise": (
        lambda s, promised: updates(promised=promised)(s, 3e-4), 1e-4, "small_updates", "below",
    ),
    "faint signal under SGD": (
        lambda s, size: with_rows(
            updates("SGD", promised=5e-5)(s, 3e-4), input_rms=lambda k: size if k == 9 else 1.0
        ), 0.1, "small_updates", "above",
    ),
    "growth that leads to large steps": (
        lambda s, ratio: with_rows(
            along("gradient_norm")(s, 1e4), normalized=True, update_ratio=ratio
        ), 0.1, "exploding", "above",
    ),
    "state that grows": (
        lambda s, size: with_rows(s, has_gain=False, activation_rms=size), 30.0, "exploding",
        "above",
    ),
    "inputs that are alike": (
        lambda s, share: with_rows(
            along("gradient_norm")(s, 1.5e-2),
            preactivation_variance=lambda k: share**2 * 1.5e-2 ** (k / 4 - 2),
        ), 0.1, "vanishing", "below",
    ),
    "output that differs": (
        lambda s, spread: dataclasses.replace(
            s, heads=(dataclasses.replace(s.heads[0], spread=spread, targets=None),)
        ), 1e-5, "constant_output", "below",
    ),
    "learned": (
        lambda s, share: dataclasses.replace(with_rows(s, update_ratio=1e-6), loss=share * CHANCE),
        0.7, "small_updates", "above",
    ),
}  # fmt: skip


def test_the_healthy_signals_are_healthy(healthy):
    assert judge(healthy) == ()


@pytest.mark.parametrize("name", START)
def test_a_start_is_blamed_on_one_side_of_the_number(healthy, name):
    of, number, cause, side = START[name]
    named = sides(lambda value: judge(of(healthy, value)), number, cause)
    assert named == {"below": side == "below", "above": side == "above"}


def test_layers_that_learn_nothing_are_counted_from_below(healthy):
    def found(count):
        dead = with_rows(
            healthy,
            gradient_norm=lambda k: 0.0 if k < count else 1.0,
            weight_gradient_norm=lambda k: 0.0 if k < count else 1.0,
        )
        return [(one.cause, one.where) for one in judge(dead)]

    assert found(0) == []
    assert found(1) == [("zero_gradient", "hidden_0")]
    assert found(4) == [("zero_gradient", "hidden_3")]
    moving = with_rows(healthy, gradient_norm=lambda k: 0.0 if k < 4 else 1.0)
    # Their weights are used elsewhere, too.
    assert "zero_gradient" not in {one.cause for one in judge(moving)}


def test_samples_that_are_all_the_same_are_two_at_least(healthy):
    alike = dataclasses.replace(healthy, inputs_differ=False)
    assert [one.cause for one in judge(alike)] == ["constant_output"]
    assert judge(dataclasses.replace(alike, samples=2)) != ()
    assert judge(dataclasses.replace(alike, samples=1)) == ()


def test_the_worst_loss_after_the_first_step_is_told():
    first = steps(start=0, update_ratio=3.0, loss=lambda i: {0: 2.3, 3: 40.0}.get(i, 9.0))
    assert "the loss went from 2.3 to 40" in window_of(loss=8.0, opening=first)[0].evidence
    stuck = steps(start=0, update_ratio=3.0)
    found = window_of(loss=2.31, opening=stuck, idle_share=0.8)
    assert "the loss went from 2.3 to 2.31" in found[0].evidence


@pytest.mark.parametrize(("ratio", "fix"), [(0.3, "/ 10"), (3.0, "/ 100"), (30.0, "/ 1000")])
def test_a_rate_is_lowered_by_so_many_powers_of_ten(ratio, fix):
    assert f"learning_rate {fix}" in large(ratio)[0].fix


@pytest.mark.parametrize(("ratio", "fix"), [(5e-5, "* 100"), (1e-6, "* 10000")])
def test_a_rate_is_raised_by_so_many_powers_of_ten(ratio, fix):
    assert f"learning_rate {fix}" in window_of(update_ratio=ratio)[0].fix
