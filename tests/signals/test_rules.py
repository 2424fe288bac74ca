"""Each rule before training, from plain numbers: at its edges, and where it must be silent."""

import dataclasses
import math

import pytest

from kerasinit.signals import LayerSignals, Signals, judge

from . import records

CHANCE = math.log(10)


def row(name, **fields):
    """A layer of a perfect start."""
    usual = {
        "kind": "Dense", "activation": "relu", "units": 64, "samples": 64, "activation_rms": 1.0,
        "activation_mean": 0.5, "activation_std": 0.8, "preactivation_mean_square": 1.0,
        "preactivation_variance": 1.0, "input_rms": 1.0, "gradient_rms": 0.1, "gradient_norm": 1.0,
        "weight_norm": 1.0, "weight_gradient_norm": 1.0, "non_finite_weights": 0,
        "non_finite_outputs": 0,
        "dead_share": 0.0, "saturated_share": 0.0, "duplicate_share": 0.0, "update_ratio": 1e-2,
    }  # fmt: skip
    return LayerSignals(name, **usual | fields)


def net(depth=8, *, at=None, head=None, of=(), **every):
    """Hidden layers `h0`, `h1`, ... and `head`: fields of all, of some by number, of the model.

    A field is a value, or a function of the layer's number.
    """
    rows = []
    for k in range(depth):
        fields = {key: one(k) if callable(one) else one for key, one in every.items()}
        rows.append(row(f"h{k}", **fields | (at or {}).get(k, {})))
    last = {key: one(depth) if callable(one) else one for key, one in every.items()}
    last |= {"is_output": True, "activation": "softmax"} | (head or {})
    usual = {
        "samples": 64, "input_rms": 1.0, "input_non_finite": 0, "loss": CHANCE,
        "chance_loss": CHANCE, "optimizer": "Adam", "learning_rate": 1e-3,
        "updated_loss": 0.9 * CHANCE, "promised_drop": 0.1 * CHANCE,
    }  # fmt: skip
    return Signals((*rows, row("head", **last)), **usual | dict(of))


def found(*arguments, **options):
    return [(one.cause, one.where) for one in judge(net(*arguments, **options))]


def narrow(*arguments, **options):
    """What is said of a narrow stack; None if nothing is."""
    said = judge(net(*arguments, **options))
    return next((one for one in said if one.cause == "too_narrow"), None)


def evidence(*arguments, **options):
    return judge(net(*arguments, **options))[0].evidence


def test_the_perfect_start_is_healthy():
    assert found() == []
    assert found(1) == []
    assert found(0) == []


# --- numbers that are none ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "where", "said"),
    [
        ({"of": {"input_non_finite": 3, "input_first_non_finite": 31}}, "input",
         "3 input values are NaN or infinite, first in sample 31 (batch 0 of 32"),
        ({"of": {"input_non_finite": 3, "input_first_non_finite": 32}}, "input", "batch 1 of 32"),
        ({"of": {"input_non_finite": 3}}, "input", "NaN or infinite"),
        ({"at": {2: {"non_finite_weights": 5}, 4: {"non_finite_weights": 6}}}, "h2", "5 weights"),
        ({"at": {3: {"non_finite_outputs": 7, "first_non_finite": 9}}}, "h3",
         "7 outputs are NaN or infinite, though inputs and weights are not, first in sample 9"),
        ({"at": {3: {"gradient_norm": math.inf}, 1: {"gradient_norm": math.nan}}}, "h3",
         "its gradient is NaN"),
        ({"of": {"loss": math.nan}}, "loss", "the loss is nan, though all outputs are finite"),
    ],
    ids=["input", "next batch", "no sample", "weights", "outputs", "gradient", "loss"],
)  # fmt: skip
def test_the_first_place_that_is_no_number_is_named(fields, where, said):
    first = judge(net(**fields))[-1]
    assert (first.cause, first.where) == ("non_finite", where)
    assert said in first.evidence


def test_growth_before_an_overflow_is_its_root():
    growing = {"preactivation_mean_square": lambda k: 100.0 ** (k + 1)}
    verdicts = judge(net(8, **growing, at={7: {"non_finite_outputs": 1}}))
    assert [one.cause for one in verdicts] == ["exploding", "non_finite"]


# --- gradients of zero ----------------------------------------------------------------------------

ZERO = {"gradient_norm": 0.0, "weight_gradient_norm": 0.0}


@pytest.mark.parametrize(("loss", "named"), [(9e-7, False), (1.1e-6, True), (-9e-7, False)])
def test_where_the_loss_is_nothing_there_is_nothing_to_learn(loss, named):
    assert bool(found(at={0: ZERO}, of={"loss": loss, "chance_loss": None})) is named


def test_layers_that_are_not_trained_are_stepped_over():
    frozen = {"trainable": False, "weight_gradient_norm": None, "gradient_norm": 0.0}
    assert found(at={0: frozen, 1: ZERO, 2: frozen}) == [("zero_gradient", "h1")]
    assert found(at={0: frozen}) == []


@pytest.mark.parametrize(
    "above",
    [
        {"dead_share": 1.0},
        {"weight_norm": 0.0},  # which starts at zero on purpose
    ],
    ids=str,
)
def test_a_zero_gradient_below_what_explains_it_is_not_named(above):
    causes = [cause for cause, _ in found(at={0: ZERO, 1: ZERO, 3: above})]
    assert "zero_gradient" not in causes


@pytest.mark.parametrize(("faintest", "named"), [(0.9e-6, False), (1.1e-6, True)])
def test_a_gradient_that_faded_to_zero_is_not_exactly_zero(faintest, named):
    signals = net(at={0: ZERO, 1: {"gradient_norm": faintest}})
    assert ("zero_gradient" in [one.cause for one in judge(signals)]) is named


@pytest.mark.parametrize(("signal", "named"), [(0.9e-12, False), (1.1e-12, True)])
def test_a_signal_that_faded_to_zero_has_no_gradient(signal, named):
    faded = {"preactivation_mean_square": signal} | ZERO
    causes = [cause for cause, _ in found(1, at={0: ZERO}, head=faded)]
    assert ("zero_gradient" in causes) is named


def test_an_output_without_a_gradient_is_not_seen_by_the_loss():
    assert "the loss does not depend on this output" in evidence(2, **ZERO)
    assert "nothing above it passes a gradient" in evidence(2, at={0: ZERO, 1: ZERO})


# --- vanishing ------------------------------------------------------------------------------------


def along(start, depth=8):
    """Changes evenly from `start` at the first layer to 1 at the head."""
    return lambda k: start ** (1 - k / depth)


def test_what_arrives_is_told_with_its_factor_per_layer():
    said = evidence(gradient_norm=along(1e-4))
    assert said.startswith("1.0e-04 of the gradient at head arrives here (times 0.32 per layer)")
    assert "difference between inputs" not in said


def test_that_inputs_look_alike_at_the_top_is_further_evidence():
    signals = {"gradient_norm": along(1e-4), "preactivation_variance": lambda k: 0.01 ** (k / 2)}
    assert "the difference between inputs shrinks to 3.2e-04" in evidence(**signals)


@pytest.mark.parametrize("at", [{0: {"weight_norm": 0.0}}, {}], ids=["starts at zero", "plain"])
def test_a_layer_that_starts_at_zero_excuses_what_is_below_it(at):
    causes = [cause for cause, _ in found(gradient_norm=along(1e-4), at=at)]
    assert ("vanishing" in causes) is not bool(at)


@pytest.mark.parametrize(("depth", "named"), [(5, False), (6, True)])
def test_faint_on_both_ways_is_told_of_more_than_six_layers(depth, named):
    def faded(k):
        return (1e-4) ** (2 * k / (depth - 1))

    both = {
        "gradient_norm": along(3e-3, depth),
        "preactivation_variance": faded,
        "preactivation_mean_square": faded,
    }
    causes = [cause for cause, _ in found(depth, **both)]
    assert ("vanishing" in causes) is named


def test_a_softmax_in_the_middle_is_told_and_replaced():
    middle = {2: {"activation": "softmax"}, 4: {"activation": "softmax", "is_gate": True}}
    (verdict,) = judge(net(gradient_norm=along(1e-4), at=middle))
    assert "h2 has a softmax" in verdict.evidence
    assert verdict.remedy.value == "model.get_layer('h2').activation = keras.activations.relu"


def test_a_gate_is_left_out_of_the_profile():
    closed = {"gradient_norm": 1e-6, "is_gate": True, "preactivation_variance": 1e-9}
    assert found(at={0: closed}) == []


# --- exploding ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("depth", "named"), [(1, False), (2, True)])
def test_growth_needs_three_layers(depth, named):
    grown = found(depth, gradient_norm=lambda k: 1e4 ** (1 - k / depth))
    assert bool(grown) is named


def test_growth_of_the_gradient_is_told_with_its_factor():
    said = evidence(gradient_norm=along(1e4))
    assert said == "the gradient grows 1e+04 times from head down to here (times 3.16 per layer)"


def test_growth_of_the_signal_is_told_with_its_factor():
    verdict = judge(net(preactivation_mean_square=lambda k: 10.0 ** (k + 1)))[0]
    assert (verdict.cause, verdict.where) == ("exploding", "h7")
    assert verdict.evidence == "the signal grows 1e+04 times up to here (times 3.16 per layer)"


@pytest.mark.parametrize(("each", "named"), [(1.9, False), (2.4, True)])
def test_few_layers_must_double_the_signal_each(each, named):
    values = {"preactivation_mean_square": lambda k: each ** (2 * (k + 1))}
    assert (("exploding", "h3") in found(4, **values)) is named


def test_without_a_size_of_the_input_growth_is_counted_from_the_first_layer():
    values = {"preactivation_mean_square": lambda k: 3.0 ** (2 * (k + 1)), "input_rms": None}
    assert "times 3.00 per layer" in evidence(6, **values)
    assert found(3, preactivation_mean_square=lambda k: 9.0 ** (k + 1), input_rms=None) == []


@pytest.mark.parametrize("field", ["normalized", "learned"])
def test_growth_is_no_fault_where_normalization_or_training_made_it(field):
    values = {"preactivation_mean_square": lambda k: 100.0 ** (k + 1)}
    of = {"loss": 0.1} if field == "learned" else {}
    assert "exploding" not in [
        cause for cause, _ in found(normalized=field == "normalized", of=of, **values)
    ]


@pytest.mark.parametrize(
    ("kind", "activation_rms", "input_rms", "named"),
    [
        ("LSTM", 31.0, 1.0, True), ("LSTM", 29.0, 1.0, False), ("LSTM", 31.0, 2.0, False),
        ("LSTM", 31.0, 0.1, True), ("LSTM", 31.0, None, True), ("Embedding", 31.0, 1.0, False),
    ],
)  # fmt: skip
def test_a_state_grows_beyond_thirty_times_its_input(kind, activation_rms, input_rms, named):
    memory = {
        "kind": kind, "has_gain": False, "activation_rms": activation_rms, "input_rms": input_rms,
    }  # fmt: skip
    assert (("exploding", "h1") in found(2, at={1: memory})) is named


def test_a_gradient_that_grows_in_a_recurrent_layer_is_mended_there():
    memory = {
        "kind": "LSTM", "has_gain": False, "activation": None, "saturated_share": 0.6,
        "gradient_norm": 1e6,
    }  # fmt: skip
    root, *_ = judge(net(2, at={0: memory}))
    assert (root.cause, root.where) == ("exploding", "h0")
    assert root.fix.startswith("c = model.get_layer('h0').cell; c.activation = keras.")


@pytest.mark.parametrize(("kind", "has_line"), [("LSTM", True), ("ConvLSTM2D", False)])
def test_a_state_is_mended_by_a_line_where_the_cell_is_known(kind, has_line):
    (verdict,) = judge(net(2, at={1: {"kind": kind, "has_gain": False, "activation_rms": 40.0}}))
    assert (verdict.remedy is not None) is has_line
    assert "to an RMS of 40" in verdict.evidence


# --- units ----------------------------------------------------------------------------------------


def test_the_first_layer_of_copies_is_named_and_the_others_are_counted():
    copies = {"duplicate_share": 0.75}
    verdict = judge(net(at={2: copies, 5: copies, 6: copies}))[0]
    assert (verdict.cause, verdict.where) == ("symmetric", "h2")
    assert verdict.evidence.startswith(
        "48 of 64 units have equal weights and equal gradients (and 2 more layers); the weights are"
        " the same"
    )
    alone = evidence(at={2: copies | {"weight_norm": 0.0, "weight_gradient_norm": 0.0}})
    assert alone.startswith(
        "48 of 64 units have equal weights and equal gradients; the weights are"
    )
    assert "are zero" in alone


def test_one_unit_is_no_copy():
    one = {"duplicate_share": 1.0, "units": 1, "activation": "tanh"}
    assert found(at={2: one}) == []
    assert found(at={2: one | {"units": 2}})[0] == ("symmetric", "h2")


def test_copies_among_embeddings_are_drawn_as_keras_does():
    words = {"kind": "Embedding", "duplicate_share": 1.0, "has_gain": False}
    verdict = judge(net(at={0: words}))[0]
    assert verdict.cause == "symmetric"
    assert verdict.remedy.value.startswith("e = model.get_layer('h0'); e.set_weights([keras.init")


@pytest.mark.parametrize(
    ("units", "share", "named"),
    [
        (64, 0.74, False), (64, 0.76, True), (16, 0.99, False), (16, 1.0, True),
        (1, 1.0, True), (10_000, 0.519, False), (10_000, 0.521, True),
    ],
)  # fmt: skip
def test_more_units_than_chance_allows_must_be_dead(units, share, named):
    dead = {"units": units, "dead_share": share}
    assert (("dead_units", "h3") in found(at={3: dead})) is named


def test_dead_units_are_told_by_number():
    said = evidence(at={3: {"dead_share": 0.9, "units": 40, "samples": 900}})
    assert said == "36 of 40 units are off for all 900 samples and pass no gradient"


def test_units_are_not_dead_for_one_sample_or_before_a_gate():
    dead = {3: {"dead_share": 1.0}}
    assert found(at=dead, of={"samples": 2}) == [("dead_units", "h3")]
    assert found(at=dead, of={"samples": 1}) == []
    assert found(at=dead | {4: {"is_gate": True}}) == []
    assert found(at={6: {"dead_share": 1.0}}, head={"is_gate": True}) == [("dead_units", "h6")]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, True), ({"saturated_share": 0.5}, False), ({"preactivation_mean_square": 2.2}, False),
        ({"preactivation_mean_square": 2.3}, True), ({"units": 1}, False), ({"units": 2}, True),
        ({"is_gate": True}, False), ({"saturated_share": None}, False),
        ({"activation": None, "preactivation_mean_square": 0.1}, True),
    ],
    ids=str,
)  # fmt: skip
def test_most_units_must_be_flat_and_far_from_zero(fields, named):
    usual = {
        "activation": "tanh", "saturated_share": 0.51, "preactivation_mean_square": 4.0,
        "has_gain": False,
    }  # fmt: skip
    causes = [cause for cause, _ in found(at={3: usual | fields})]
    assert ("saturated" in causes) is named


def test_flat_units_are_told_by_number_and_gates_by_share():
    flat = {"activation": "tanh", "saturated_share": 0.75, "preactivation_mean_square": 9.0}
    assert "48 of 64 units of tanh sit in its flat part" in evidence(at={3: flat})
    assert "(pre-activation RMS 3)" in evidence(at={3: flat})
    loop = {"activation": None, "saturated_share": 0.75, "has_gain": False}
    assert "75 % of the values of its gates and states" in evidence(at={3: loop})


# --- scale ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gain", "depth", "named"),
    [
        (0.49, 3, True), (0.5, 3, False), (2.0, 3, False), (2.1, 3, True),
        (0.049, 2, True), (0.051, 2, False), (4.9, 2, False), (5.1, 2, True),
        (0.04, 1, False), (29.0, 1, False),
    ],
)  # fmt: skip
def test_two_layers_may_be_further_off_than_three(gain, depth, named):
    values = {"preactivation_mean_square": gain**2}
    causes = [cause for cause, _ in found(depth, **values)]
    assert ("bad_scale" in causes) is named


def test_one_layer_alone_may_be_thirty_times_off():
    def of_one(gain):
        return found(1, at={0: {"preactivation_mean_square": gain**2}})

    assert of_one(1 / 31) == of_one(31) == [("bad_scale", "h0")]
    assert of_one(1 / 29) == of_one(29) == []


def test_the_odd_layer_is_told_with_its_own_gain_and_all_with_the_mean():
    assert "this layer scales its input by 0.01; about 1 keeps it" in evidence(
        at={3: {"preactivation_mean_square": 1e-4}}
    )
    wider = {"preactivation_mean_square": 1e-5**2, "usual_gain": 0.25}
    assert "this layer scales its input by 1e-05; 0.25 to 1 keeps it" in evidence(at={3: wider})
    assert "each layer scales its input by 0.25 on average" in evidence(
        3, preactivation_mean_square=0.0625
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"has_gain": False}, {"weight_norm": 0.0, "weight_gradient_norm": 0.0}, {"input_rms": None},
        {"usual_gain": 0.01}, {"preactivation_mean_square": 0.0},
    ],
    ids=str,
)  # fmt: skip
def test_a_layer_whose_gain_says_nothing_is_left_out(fields):
    odd = {"preactivation_mean_square": 1e-4} | fields
    causes = [cause for cause, _ in found(at={3: odd})]
    assert "bad_scale" not in causes


def test_a_gain_is_the_size_after_over_the_size_before():
    assert found(input_rms=0.1, preactivation_mean_square=0.01) == []
    assert found(input_rms=9.0, preactivation_mean_square=81.0) == []
    restored = {"activation": None, "input_rms": 4.0, "activation_rms": 0.04,
                "preactivation_mean_square": 0.0016}  # fmt: skip
    assert found(at={3: restored, 4: {"input_rms": 4.0, "preactivation_mean_square": 16.0}}) == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [({}, True), ({"of": {"loss": 0.1}}, False), ({"normalized": True}, False)],
    ids=["plain", "learned", "normalized"],
)
def test_scale_is_no_fault_where_training_or_normalization_set_it(fields, named):
    causes = [cause for cause, _ in found(preactivation_mean_square=0.01, **fields)]
    assert ("bad_scale" in causes) is named


def test_one_of_two_layers_is_compared_with_the_other():
    gains = {"preactivation_mean_square": lambda k: (0.25 * 31**k) ** 2 if k < 2 else 1.0}
    assert found(2, **gains) == [("bad_scale", "h1")]
    assert "this layer scales its input by 7.75" in evidence(2, **gains)


@pytest.mark.parametrize("nothing", [0, 11])
def test_a_narrow_stack_in_which_a_layer_gives_nothing_has_no_drift(nothing):
    rows = {"units": 8, "weight_norm": 4.0, "input_rms": None}
    assert narrow(12, **rows, at={nothing: {"preactivation_mean_square": 0.0}}) is None


def test_a_usual_gain_above_one_counts_as_one():
    assert found(at={3: {"usual_gain": 1.4, "preactivation_mean_square": 28.0**2}}) == []
    assert found(at={3: {"usual_gain": 1.4, "preactivation_mean_square": 31.0**2}}) != []


@pytest.mark.parametrize(
    ("fields", "following", "named"),
    [
        ({}, 1.0, False), ({}, 0.19, True), ({}, 5.1, True), ({}, 4.9, False),
        ({"activation": "relu"}, 1.0, True), ({}, None, True),
        ({"activation_rms": 0.3}, 1.0, True),  # nothing was restored
    ],
    ids=str,
)  # fmt: skip
def test_a_linear_layer_may_be_small_where_something_restores_the_scale(fields, following, named):
    small = {"activation": None, "activation_rms": 0.01, "preactivation_mean_square": 1e-4}
    causes = [cause for cause, _ in found(at={3: small | fields, 4: {"input_rms": following}})]
    assert ("bad_scale" in causes) is named


@pytest.mark.parametrize(
    ("size", "named"),
    [(9.9, False), (10.0, False), (10.1, True), (1e-3, False), (0.9e-3, True), (0.0, False),
     (None, False)],
)  # fmt: skip
def test_the_input_may_be_ten_times_too_large(size, named):
    assert (("unscaled_input", "input") in found(of={"input_rms": size})) is named


def test_an_input_that_is_normalized_at_once_has_no_size():
    assert found(at={0: {"normalized": True}}, of={"input_rms": 300.0}) == []


def test_several_inputs_are_scaled_by_a_line_for_all():
    (one,), (many,) = (
        judge(net(of={"input_rms": 255.0, "input_count": count})) for count in (1, 2)
    )
    assert (one.remedy.kind, many.remedy.kind) == ("scale_inputs", "code")
    assert many.remedy.value.startswith("x = keras.tree.map_structure(")
    assert many.fix.endswith("in front of h0")
    assert one.fix.endswith("in front")


@pytest.mark.parametrize(
    ("depth", "units", "named"), [(12, 58, True), (12, 62, False), (1, 4, False), (2, 9, True)]
)
def test_a_stack_is_narrow_by_five_times_the_sum_of_its_inverse_widths(depth, units, named):
    drift = {"preactivation_mean_square": lambda k: math.exp(-2.1 * k / (depth - 1 or 1))}
    still = {"weight_norm": math.sqrt(2 * units), "input_rms": None, "units": units}
    causes = [cause for cause, _ in found(depth, **drift, **still)]
    assert ("too_narrow" in causes) is named


@pytest.mark.parametrize(("drift", "named"), [(1.9, False), (2.1, True), (-2.1, True)])
@pytest.mark.parametrize("norm", [1.0, 1.1])
@pytest.mark.parametrize("between", [1.0, 1.1])
def test_drift_is_what_neither_weights_nor_operations_explain(drift, named, norm, between):
    each = norm**2 * between**2
    rows = {
        "preactivation_mean_square": lambda k: 7.0 * each**k * math.exp(drift * k / 5),
        "weight_norm": math.sqrt(2 * 8) * norm, "units": 8, "activation_rms": 1.0,
        "input_rms": between, "usual_gain": 1.0,
    }  # fmt: skip
    verdict = narrow(6, **rows)
    assert (verdict is not None) is named
    if named:
        assert f"here it is {math.exp(drift):.2g} beyond" in verdict.evidence
        assert "6 layers of about 8 units" in verdict.evidence
        assert f"exp(+-{math.sqrt(5 * 6 / 8):.1f})" in verdict.evidence


@pytest.mark.parametrize(("middle", "named"), [(4, True), (3, False)])
def test_a_bottleneck_is_narrow_on_purpose(middle, named):
    """The encoder and the decoder of an autoencoder: less than half as wide where they meet."""
    rows = {
        "preactivation_mean_square": lambda k: math.exp(-3.0 * k / 11),
        "weight_norm": lambda k: math.sqrt(2 * (middle if k == 5 else 8)),
        "units": lambda k: middle if k == 5 else 8,
        "input_rms": None,
    }
    assert (narrow(12, **rows) is not None) is named


def test_one_wide_layer_hides_no_drift():
    rows = {
        "preactivation_mean_square": lambda k: math.exp(-3.0 * k / 11),
        "weight_norm": lambda k: math.sqrt(2 * (32 if k == 0 else 8)),
        "units": lambda k: 32 if k == 0 else 8,
        "input_rms": None,
    }
    assert narrow(12, **rows) is not None


@pytest.mark.parametrize("odd", [{"kind": "Conv2D"}, {"activation": "tanh"}], ids=str)
def test_only_dense_rectifiers_drift_by_this_law(odd):
    drift = {"preactivation_mean_square": lambda k: math.exp(-3.0 * k / 11), "units": 8}
    still = {"weight_norm": 4.0, "input_rms": None}
    assert ("too_narrow", "h11") in found(12, **drift, **still)
    assert ("too_narrow", "h11") not in found(12, **drift, **still, at={5: odd})


def test_calls_of_one_layer_are_no_stack_of_independent_ones():
    drift = {"preactivation_mean_square": lambda k: math.exp(-3.0 * k / 11), "units": 8}
    still = {"weight_norm": 4.0, "input_rms": None}
    signals = net(12, **drift, **still)
    layers = list(signals.layers)
    layers[5] = dataclasses.replace(layers[5], name="h4 (call 2)")
    said = judge(dataclasses.replace(signals, layers=tuple(layers)))
    assert "too_narrow" not in [one.cause for one in said]


# --- loss -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "chance", "named"),
    [
        (9.1, 2.3, False), (9.3, 2.3, True), (5.4, 0.5, False), (5.6, 0.5, True),
        (50.0, None, False), (None, 2.3, False), (6.0, 1.0, False), (8.0, 2.0, False),
    ],
)  # fmt: skip
def test_a_loss_may_be_four_times_chance_or_five_nats_above(loss, chance, named):
    of = {"loss": loss, "chance_loss": chance, "updated_loss": None}
    assert (("unexpected_loss", "loss") in found(of=of)) is named


@pytest.mark.parametrize(
    ("logits", "factor"), [(11.0, 100), (99.0, 100), (101.0, 1000), (10.0, None), (9.0, None)]
)
def test_large_logits_are_divided_by_a_power_of_ten(logits, factor):
    of = {"loss": 50.0, "updated_loss": None}
    verdict = judge(net(of=of, head={"preactivation_mean_square": logits**2}))[0]
    if factor is None:
        assert verdict.remedy is None
    else:
        layer = "o = model.get_layer('head')"
        line = f"{layer}; o.set_weights([w / {factor} for w in o.get_weights()])"
        assert verdict.remedy.value == line


@pytest.mark.parametrize("fields", [{"is_output": False}, {"kind": "LSTM"}], ids=str)
def test_logits_of_no_known_kernel_are_left_to_the_author(fields):
    of = {"loss": 50.0, "updated_loss": None}
    head = {"preactivation_mean_square": 1e4} | fields
    verdict = next(one for one in judge(net(of=of, head=head)) if one.cause == "unexpected_loss")
    assert verdict.remedy is None


def penalized(penalty, *, loss=2.0, weights=1.0, gradient=1.0, before=None, after=None):
    """Penalties, the loss of the data, norms over all layers, penalties after a step."""
    rows = {"weight_norm": weights / 3, "weight_gradient_norm": gradient / 3}
    of = {
        "penalty": penalty, "loss": penalty + loss, "updated_loss": before, "chance_loss": 2.0,
        "updated_penalty": after,
    }  # fmt: skip
    return "penalties" in str(judge(net(of=of, **rows)))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"penalty": 8.1}, True), ({"penalty": 7.9}, False),
        ({"penalty": 5.6, "loss": 0.5}, True), ({"penalty": 5.4, "loss": 0.5}, False),
        ({"penalty": 20.0, "weights": 19.9}, True), ({"penalty": 20.0, "weights": 20.1}, False),
        ({"penalty": 20.0, "weights": 10.0, "gradient": 5.7}, True),
        ({"penalty": 20.0, "weights": 10.0, "gradient": 5.8}, False),
        ({"penalty": 20.0, "gradient": 1e3, "before": 21.0, "after": 19.05}, True),
        ({"penalty": 20.0, "gradient": 1e3, "before": 21.0, "after": 19.15}, False),
        ({"penalty": 20.0, "gradient": 1e3, "before": 23.0, "after": 19.0}, False),
        ({"penalty": 20.0, "gradient": 1e3, "before": 22.0, "after": 19.0}, False),
        ({"penalty": 8.0}, False),
        ({"penalty": 5.05, "loss": 0.0}, True),
        ({"penalty": 4.95, "loss": 0.0}, False),
    ],
    ids=str,
)  # fmt: skip
def test_penalties_must_outweigh_the_data_in_value_and_in_gradient(arguments, named):
    assert penalized(**arguments) is named


# --- the first step -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "rate", "wanted"),
    [(4e-5, 1e-3, 0.1), (1e-4, 1e-3, 0.1), (2.0, 1e-1, 1e-3), (1.1, 1.0, 1e-2)],
)
def test_a_round_rate_would_change_a_hundredth_of_the_weights(ratio, rate, wanted):
    verdict = judge(net(update_ratio=ratio, of={"learning_rate": rate}))[0]
    assert verdict.remedy.kind == "learning_rate"
    assert verdict.remedy.value == pytest.approx(wanted)


def test_a_schedule_is_replaced_by_a_constant_rate():
    verdict = judge(net(update_ratio=3e-5, of={"is_scheduled": True}))[0]
    assert verdict.remedy.kind == "constant_rate"


def test_the_layer_of_the_largest_change_is_named_with_both_losses():
    verdict = judge(net(update_ratio=1.5, at={4: {"update_ratio": 4.0}}))[0]
    assert (verdict.cause, verdict.where) == ("large_updates", "h4")
    assert verdict.evidence == (
        "the first step of Adam at 0.001 changes its weights by 400 %, and the loss of this "
        "batch goes from 2.3 to 2.07"
    )


@pytest.mark.parametrize("kind", ["Embedding", "ReversibleEmbedding", "Dense"])
def test_embeddings_are_read_row_by_row_and_do_not_count(kind):
    verdicts = found(1, at={0: {"kind": kind, "update_ratio": 1e-2}}, head={"update_ratio": 1e-6})
    assert bool(verdicts) is (kind != "Dense")


@pytest.mark.parametrize(
    ("of", "named"),
    [
        ({}, True), ({"loss": 0.0}, False), ({"loss": None}, False),
        ({"loss": 0.1}, False),  # it has learned
        ({"goes_on": True}, False),  # what was trained is tuned
    ],
    ids=str,
)  # fmt: skip
def test_small_steps_are_no_fault_where_nothing_is_to_be_learned(of, named):
    causes = [cause for cause, _ in found(update_ratio=1e-6, of=of)]
    assert ("small_updates" in causes) is named


def test_a_step_of_nothing_is_not_small():
    assert found(update_ratio=0.0) == []
    assert found(update_ratio=None) == []


def test_momentum_multiplies_what_a_step_promises():
    of = {"optimizer": "SGD", "promised_drop": 5e-5 * CHANCE, "updated_loss": CHANCE}
    assert found(update_ratio=3e-4, of=of) == [("small_updates", "h0")]
    assert found(update_ratio=3e-4, of=of | {"momentum_gain": 10.0}) == []


def test_a_frozen_model_with_a_loss_is_not_trainable():
    assert found(of={"is_frozen": True}) == [("not_trainable", "model")]
    assert found(of={"is_frozen": True, "loss": None}) == []


# --- outputs that are constant --------------------------------------------------------------------


def head_of(**fields):
    return records.head_of(**{"name": "out", "shape": (10,)} | fields)


def targets(**fields):
    return records.targets_of(**{"whole": False} | fields)


@pytest.mark.parametrize(
    ("spread", "wanted", "named"),
    [
        (0.9e-5, None, True), (1.1e-5, None, False), (1e-5, None, True),
        (0.9e-8, targets(std=1.0, rms=1000.0), True), (1.1e-8, targets(std=1.0, rms=1000.0), False),
        (0.9e-5, targets(std=5.0, rms=0.5), True), (1.1e-5, targets(std=5.0, rms=0.5), False),
        (0.9e-5, targets(std=0.0, rms=0.0), True),
    ],
)  # fmt: skip
def test_an_output_must_differ_by_more_than_rounding_of_what_targets_ask(spread, wanted, named):
    heads = (head_of(spread=spread, targets=wanted),)
    assert (("constant_output", "out") in found(of={"heads": heads})) is named


def test_steps_are_small_where_the_output_is_the_same_for_all_inputs():
    of = {"heads": (head_of(spread=0.0),)}
    assert found(update_ratio=1e-6, of=of) == [("constant_output", "out")]


@pytest.mark.parametrize(
    "options",
    [
        {"of": {"inputs_differ": False}}, {"of": {"loss": 0.1}}, {"at": {1: {"weight_norm": 0.0}}},
    ],
    ids=["equal inputs", "learned", "starts at zero"],
)  # fmt: skip
def test_a_constant_output_has_other_reasons(options):
    of = {"heads": (head_of(spread=0.0),)} | options.get("of", {})
    assert "out" not in [where for _, where in found(at=options.get("at"), of=of)]


@pytest.mark.parametrize(
    ("std", "samples", "named"), [(0.5, 2, True), (0.0, 2, False), (0.5, 1, False)]
)
def test_equal_inputs_are_a_fault_where_targets_differ(std, samples, named):
    heads = (head_of(targets=targets(std=std)),)
    of = {"inputs_differ": False, "samples": samples, "heads": heads}
    assert (("constant_output", "input") in found(of=of)) is named


@pytest.mark.parametrize(("loss", "named"), [(CHANCE, True), (None, False)])
def test_a_normalization_of_one_value_matters_in_training(loss, named):
    of = {"lone_norm": "norm", "loss": loss}
    assert (("single_sample", "norm") in found(of=of)) is named


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, True), ({"preactivation_mean_square": 1e-9}, False), ({"weight_norm": 1e-21}, False),
        ({"input_rms": 1e-21}, False), ({"input_rms": None}, False),
        ({"weight_gradient_norm": 0.1}, False), ({"weight_gradient_norm": None}, True),
    ],
    ids=str,
)  # fmt: skip
def test_a_layer_that_makes_zero_of_something_is_named(fields, named):
    dead = {"preactivation_mean_square": 0.0, "weight_gradient_norm": 0.0, "trainable": False}
    assert (("constant_output", "h2") in found(at={2: dead | fields})) is named


@pytest.mark.parametrize(
    ("fields", "named"),
    [({}, True), ({"units": 2}, False), ({"activation_mean": 0.9}, False),
     ({"activation_std": 0.1}, False), ({"activation": "sigmoid"}, False)],
    ids=str,
)  # fmt: skip
def test_a_hidden_softmax_over_one_unit_is_named(fields, named):
    lone = {"activation": "softmax", "units": 1, "activation_mean": 1.0, "activation_std": 0.0}
    verdicts = judge(net(at={2: lone | fields}))
    assert (("constant_output", "h2") in [(one.cause, one.where) for one in verdicts]) is named
    if named:
        assert verdicts[0].fix == "# use a sigmoid there: a softmax needs more units"


# --- what explains what ---------------------------------------------------------------------------


def test_a_start_that_kerasinit_gave_is_not_drawn_again():
    deep = {"gradient_norm": along(1e-4)}
    assert judge(net(**deep))[0].remedy.kind == "initialize"
    shrunk = judge(net(**deep, of={"is_initialized": True}))[0]
    assert (shrunk.cause, shrunk.remedy) == ("vanishing", None)
    assert "well drawn already: add normalization layers" in shrunk.fix
    grown = judge(net(gradient_norm=along(1e4), of={"is_initialized": True}))[0]
    assert (grown.cause, grown.remedy.kind) == ("exploding", "clip_norm")


def test_frozen_layers_at_the_bottom_need_no_gradient():
    frozen = {k: {"trainable": False} for k in range(6)}
    assert found(gradient_norm=along(1e-6), at=frozen) == []
    assert found(gradient_norm=along(1e-6), at={0: frozen[0]}) == [("vanishing", "h1")]


def test_what_follows_from_an_unscaled_input_comes_after_it():
    values = {"preactivation_mean_square": 100.0**2, "saturated_share": 0.9, "activation": "tanh"}
    causes = [cause for cause, _ in found(of={"input_rms": 100.0}, input_rms=1.0, **values)]
    assert causes[0] == "unscaled_input"
    assert "bad_scale" not in causes


# --- on the number itself -------------------------------------------------------------------------


@pytest.mark.parametrize(("arrives", "named"), [(1e-3, False), (0.99e-3, True)])
def test_a_thousandth_of_the_gradient_arrives(arrives, named):
    assert (("vanishing", "h0") in found(1, at={0: {"gradient_norm": arrives}})) is named


@pytest.mark.parametrize(("arrives", "named"), [(0.0095, True), (0.0105, False)])
def test_both_ways_must_be_faint_by_a_hundredth(arrives, named):
    def faded(k):
        return 1e-4 ** (2 * k / 7)

    both = {"preactivation_variance": faded, "preactivation_mean_square": faded}
    causes = [cause for cause, _ in found(gradient_norm=along(arrives), **both)]
    assert ("vanishing" in causes) is named


@pytest.mark.parametrize(
    ("arrives", "alike", "named"),
    [(0.019, 0.09, True), (0.021, 0.09, False), (0.019, 0.105, False), (0.019, 0.095, True)],
)
def test_inputs_that_look_alike_must_arrive_by_a_fiftieth(arrives, alike, named):
    rows = {
        "gradient_norm": along(arrives),
        "preactivation_variance": lambda k: alike**2 * 1e-2 ** (2 * (k - 7) / 7),
    }
    causes = [cause for cause, _ in found(**rows)]
    assert ("vanishing" in causes) is named


def test_the_last_hidden_layer_with_a_gain_tells_whether_inputs_are_alike():
    rows = {
        "gradient_norm": along(0.019),
        "preactivation_variance": lambda k: 0.09**2 * 1e-2 ** (2 * (k - 7) / 7),
    }
    assert ("vanishing", "h0") in found(**rows)
    assert ("vanishing", "h0") in found(**rows, head={"preactivation_variance": 1.0})
    odd = {7: {"has_gain": False, "preactivation_mean_square": 1e-9}}
    assert ("vanishing", "h0") not in found(**rows, at=odd)  # the layer below differs by 0.17
    nothing = {7: {"preactivation_mean_square": 0.0}}
    assert ("vanishing", "h0") not in found(**rows, at=nothing)


@pytest.mark.parametrize(("grown", "named"), [(1e3, False), (1.01e3, True)])
def test_a_gradient_may_grow_a_thousandfold_in_the_last_layer(grown, named):
    assert (("exploding", "h0") in found(2, gradient_norm=lambda k: grown if k < 2 else 1.0)) is (
        named
    )


@pytest.mark.parametrize(("each", "named"), [(1.25, True), (1.15, False), (0.5, False)])
def test_a_gradient_that_grows_from_layer_to_layer_may_grow_thirtyfold(each, named):
    sizes = {0: 100.0 * each, 1: 100.0, 2: 1.0}
    assert (("exploding", "h0") in found(2, gradient_norm=sizes.get)) is named


@pytest.mark.parametrize(("size", "named"), [(29.0, False), (31.0, True)])
def test_growth_that_chance_does_not_explain_is_thirtyfold(size, named):
    sizes = {0: size, 1: size / 1.5, 2: 1.0}
    assert (("exploding", "h0") in found(2, gradient_norm=sizes.get)) is named


@pytest.mark.parametrize(("ratio", "named"), [(0.1, True), (0.099, False), (None, True)])
def test_growth_behind_a_normalization_is_harmless_where_steps_are_usual(ratio, named):
    rows = {"gradient_norm": along(1e5), "normalized": True, "update_ratio": 1e-3}
    at = {k: {"update_ratio": ratio} for k in range(8)} if ratio is None else {
        3: {"update_ratio": ratio}
    }  # fmt: skip
    head = {"update_ratio": ratio} if ratio is None else {}
    assert (("exploding", "h0") in found(**rows, at=at, head=head)) is named


def test_a_state_of_exactly_thirty_times_its_input_has_not_grown():
    loop = {"kind": "LSTM", "has_gain": False, "activation_rms": 30.0}
    assert found(2, at={1: loop}) == []
    assert found(2, at={1: loop | {"activation_rms": 15.0, "input_rms": 0.5}}) == []


@pytest.mark.parametrize(("each", "named"), [(2.0, False), (2.01, True)])
def test_a_signal_that_doubles_exactly_does_not_explode(each, named):
    rows = {"preactivation_mean_square": lambda k: (each * each) ** (k + 1)}
    assert (("exploding", "h5") in found(6, **rows)) is named


@pytest.mark.parametrize(("weights", "named"), [(1.05e-20, True), (0.95e-20, False)])
def test_what_underflows_is_nobodys_fault(weights, named):
    stuck = {"preactivation_mean_square": 0.0, "weight_gradient_norm": 0.0, "trainable": False}
    names = found(at={2: stuck | {"weight_norm": weights}})
    assert (("constant_output", "h2") in names) is named


def step(ratio, *, optimizer="Adam", loss=2.0, after=1.9, promised=0.1, gain=1.0):
    of = {
        "optimizer": optimizer, "loss": loss, "updated_loss": after, "promised_drop": promised,
        "chance_loss": None, "momentum_gain": gain,
    }  # fmt: skip
    return [cause for cause, _ in found(update_ratio=ratio, of=of)]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"ratio": 1.0}, False), ({"ratio": 1.001}, True),
        ({"ratio": 0.8, "after": 3.0}, False), ({"ratio": 0.8, "after": 3.01}, True),
        ({"ratio": 0.5, "after": 4.0}, False), ({"ratio": 0.501, "after": 4.0}, True),
        ({"ratio": 0.2, "after": 1.75, "promised": 1.0, "optimizer": "SGD"}, True),
        ({"ratio": 0.2, "after": 1.749, "promised": 1.0, "optimizer": "SGD"}, False),
        ({"ratio": 0.2, "after": 1.9, "promised": 1.0}, False),
        ({"ratio": 0.05, "after": 2.0, "promised": 1.0, "optimizer": "SGD"}, False),
        ({"ratio": 0.051, "after": 2.0, "promised": 1.0, "optimizer": "SGD"}, True),
        ({"ratio": 0.2, "after": 2.0, "promised": 2e-3, "optimizer": "SGD"}, False),
        ({"ratio": 0.2, "after": 2.0, "promised": 2.1e-3, "optimizer": "SGD"}, True),
        ({"ratio": 1.5, "after": None}, False), ({"ratio": 1.5, "loss": -2.0}, True),
        ({"ratio": 0.8, "loss": -2.0, "after": -0.99}, True),
        ({"ratio": 0.8, "loss": -2.0, "after": -1.01}, False),
        ({"ratio": 0.2, "promised": None, "after": 2.0, "optimizer": "SGD"}, False),
    ],
    ids=str,
)  # fmt: skip
def test_a_first_step_is_too_large_above_its_numbers(fields, named):
    assert ("large_updates" in step(**fields)) is named


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"ratio": 2e-4}, False), ({"ratio": 1.99e-4}, True),
        ({"ratio": 1e-6, "optimizer": "SGD"}, False),
        ({"ratio": 0.99e-6, "optimizer": "SGD"}, True),
        ({"ratio": 5e-4, "promised": 1e-5}, False), ({"ratio": 4.9e-4, "promised": 1e-5}, True),
        ({"ratio": 4.9e-4, "promised": 2e-4}, False), ({"ratio": 4.9e-4, "promised": 1.9e-4}, True),
        ({"ratio": 4.9e-4, "promised": 1.9e-4, "gain": 1.1}, False),
        ({"ratio": 4.9e-4, "promised": 1.9e-4, "loss": -2.0}, True),
        ({"ratio": 4.9e-4, "promised": None}, True),
    ],
    ids=str,
)  # fmt: skip
def test_a_first_step_is_too_small_below_its_numbers(fields, named):
    assert ("small_updates" in step(**fields)) is named


@pytest.mark.parametrize(("size", "named"), [(0.099, False), (0.1, True), (None, True)])
def test_plain_gradient_descent_is_given_time_where_the_signal_is_faint(size, named):
    of = {"optimizer": "SGD", "promised_drop": 1e-5, "updated_loss": CHANCE}
    causes = [cause for cause, _ in found(update_ratio=3e-4, of=of, head={"input_rms": size})]
    assert ("small_updates" in causes) is named


def far_off(*heads):
    """The cause where steps promise little, and what is said of it."""
    of = {"promised_drop": 1e-5, "heads": heads}
    (one,) = judge(net(update_ratio=4e-4, of=of))
    return one.cause, one.evidence


@pytest.mark.parametrize(
    ("rms", "low", "high", "named"),
    [
        (60.0, 0.0, 0.5, False), (100.0, 0.0, 0.5, False),  # returns of a policy
        (101.0, 0.0, 0.5, True), (290.0, -3.0, 0.5, False),
        (310.0, -3.0, 0.5, True), (310.0, 0.0, 3.0, True), (290.0, 0.0, 3.0, False),
    ],
)  # fmt: skip
def test_targets_that_are_far_are_why_steps_promise_little(rms, low, high, named):
    one = squared(low=low, high=high, targets=targets(rms=rms))
    cause, said = far_off(one)
    assert cause == ("bad_targets" if named else "small_updates")
    if named:
        size = max(abs(low), abs(high))
        assert f"RMS of {rms:.3g}; the output starts near {size:.2g}, and " in said


def squared(**fields):
    return head_of(**{"shape": (1,), "loss": "meansquarederror", "is_layer": True} | fields)


@pytest.mark.parametrize(
    "heads",
    [
        (), (squared(targets=targets(rms=1e3)),) * 2,
        (squared(loss="poisson", targets=targets(rms=1e3)),), (squared(),),
    ],
    ids=["none", "two", "another loss", "no targets"],
)  # fmt: skip
def test_targets_are_called_far_only_of_the_one_distance(heads):
    assert far_off(*heads)[0] == "small_updates"


@pytest.mark.parametrize(
    ("optimizer", "cause"), [("SGD", "bad_targets"), ("Adam", "large_updates")]
)
def test_targets_that_are_far_are_why_steps_of_gradient_descent_are_large(optimizer, cause):
    one = squared(low=-3.0, high=1.0, targets=targets(rms=31.0))
    of = {"optimizer": optimizer, "heads": (one,)}
    assert found(update_ratio=2.0, of=of)[0][0] == cause


@pytest.mark.parametrize(
    ("depth", "each", "named"), [(3, 11.0, True), (3, 3.0, False), (2, 99.0, False)]
)
def test_a_signal_is_followed_over_three_layers_at_least(depth, each, named):
    rows = {"preactivation_mean_square": lambda k: each ** (2 * (k + 1))}
    assert (("exploding", f"h{depth - 1}") in found(depth, **rows)) is named


@pytest.mark.parametrize("unit", [0.1, 1.0, 10.0])
def test_what_fades_does_not_depend_on_the_unit(unit):
    def faded(k):
        return unit**2 * 1e-4 ** (2 * k / 7)

    both = {"preactivation_variance": faded, "preactivation_mean_square": faded}
    said = [one.evidence for one in judge(net(gradient_norm=along(3e-3), **both))]
    assert any("the difference between inputs shrinks to 1.0e-04" in one for one in said)
