"""What is wrong with a model's signal, decided from plain numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

from kerasinit.signals._layer_signals import LayerSignals, Signals
from kerasinit.signals._profile import Profile
from kerasinit.signals._verdict import CAUSES, Verdict

VANISHED = 1e-3  # gradient at the first layer over that at the last (AutoTrainer's beta1)
FADED = 1e-2  # the difference between inputs at the top, told as further evidence
EXPLODED = 1e3  # growth of gradient or activations over the whole depth
GROWTH = 2.0  # growth of activations per layer that explodes in a few layers
GROWTH_TOTAL = 30.0  # ... and over the depth: a few doublings are harmless
RAMPANT = 30.0  # growth of the gradient without normalization, beyond what chance gives
RAMPANT_SIGMAS = 4.0  # chance: standard deviations of the log length at finite width
UNDERFLOW = 1e-6  # a zero gradient below one so much smaller than the last has underflowed
SYMMETRIC_SHARE = 0.5  # of the units of a layer that are copies of others
HALF_OF_UNITS = 0.5  # dead or saturated units (SageMaker Debugger, TheDeepChecker)
DEAD_SIGMAS = (
    2.0  # ReLU units of a deep layer are off for all inputs half of the time: 0.5 + 2/sqrt(n)
)
GAIN_BAND = (0.5, 2.0)  # geometric mean over layers of RMS out over RMS in
LAYER_GAIN_BAND = (1 / 30, 30.0)  # of a single layer over the mean of the others
LOSS_FACTOR = 4.0  # times chance. TheDeepChecker takes 2, which He weights reach in 10 layers
LOSS_MARGIN = 5.0  # nats above chance that are always allowed
LARGE_INPUT, SMALL_INPUT = 10.0, 1e-3  # RMS of the input (AutoTrainer's omega1; its inverse cubed)
NARROW = 1.0  # 5 * sum(1 / width): variance of the log of the squared length of a ReLU net
NARROW_CHANGE = 2.0  # log of the squared length: the change that was seen, not just predicted
NORMALIZED_SHARE = 0.25  # of the layers: then normalization sets the scale, not the weights
LEARNED_SHARE = 0.7  # of the loss of chance: below it the model has plainly learned
RECTIFIERS = ("relu", "relu6", "leaky_relu", "leakyrelu", "prelu")

INITIALIZE = "`kerasinit.initialize(model)` gives every layer the scale that keeps the signal"


def judge(signals: Signals) -> tuple[Verdict, ...]:
    """The faults that `signals` show, root cause first; empty if the model is healthy.

    All rules are relative: layer to layer, unit to unit, loss to chance. A model that has already
    learned (loss well below chance) is not blamed for its scale.

    Args:
        signals: What `measure` found.

    Source: thresholds of SageMaker Debugger, AutoTrainer (Zhang et al., 2021,
    https://arxiv.org/abs/2103.06131) and TheDeepChecker (Ben Braiek & Khomh, 2022,
    https://arxiv.org/abs/2204.00694), made relative; spread at finite width from Hanin & Nica,
    2019, https://arxiv.org/abs/1812.05994.
    """
    broken = _non_finite(signals)
    if broken:
        return (*_exploding_before(signals), *broken)
    found = [verdict for rule in RULES if (verdict := rule(signals)) is not None]
    return _roots_first(found)


# --- one rule for each cause ------------------------------------------------------------------


def _non_finite(signals: Signals) -> tuple[Verdict, ...]:
    if signals.input_non_finite:
        return (
            Verdict(
                "non_finite",
                "input",
                f"{signals.input_non_finite} input values are NaN or infinite",
                "remove or fill in these values before training",
            ),
        )
    for row in signals.layers:
        if row.non_finite_weights:
            return (
                Verdict(
                    "non_finite",
                    row.name,
                    f"{row.non_finite_weights} weights are NaN or infinite",
                    "draw the weights again: `kerasinit.reset(model)`",
                ),
            )
    for row in signals.layers:
        if row.non_finite_outputs:
            return (
                Verdict(
                    "non_finite",
                    row.name,
                    f"{row.non_finite_outputs} outputs are NaN or infinite, though inputs and "
                    "weights are not",
                    "look for an overflow, a logarithm of 0 or a division by 0 in this layer",
                ),
            )
    for row in reversed(signals.layers):
        if not math.isfinite(row.gradient_norm):
            return (
                Verdict(
                    "non_finite",
                    row.name,
                    "its gradient is NaN or infinite, though all outputs are not",
                    "look for a square root or a logarithm at 0 between this layer and the loss",
                ),
            )
    if signals.loss is not None and not math.isfinite(signals.loss):
        return (
            Verdict(
                "non_finite",
                "loss",
                f"the loss is {signals.loss}, though all outputs are finite",
                "give the loss logits (`from_logits=True`) or targets in its range",
            ),
        )
    return ()


def _exploding_before(signals: Signals) -> tuple[Verdict, ...]:
    """The growth that led to an overflow, if there was one."""
    if signals.input_non_finite or any(row.non_finite_weights for row in signals.layers):
        return ()
    rows = []
    for row in signals.layers:
        if row.non_finite_outputs or not math.isfinite(row.preactivation_mean_square):
            break
        rows.append(row)
    found = _forward_growth(signals, rows)
    return () if found is None else (found,)


def _zero_gradient(signals: Signals) -> Verdict | None:
    rows = signals.layers
    if signals.loss is not None and abs(signals.loss) < 1e-6:
        return None  # nothing left to learn from this batch
    zeros = [i for i, row in enumerate(rows) if row.trainable and row.gradient_norm == 0]
    if not zeros:
        return None
    last = zeros[-1]
    above = rows[last + 1 :]
    if any(row.dead_share == 1.0 for row in rows[last:]) or _starts_at_zero(rows[last:]):
        return None
    row = rows[last]
    living = [other.gradient_norm for other in above if other.gradient_norm > 0]
    if living and min(living) < UNDERFLOW * living[-1]:
        return None  # it faded away: that is for `vanishing`
    if row.preactivation_mean_square < UNDERFLOW**2 * rows[0].preactivation_mean_square:
        return None  # so did the signal
    if row.units == 1 and row.activation == "softmax":
        why, fix = "a softmax over one unit is always 1", "use `activation='sigmoid'`"
    elif row.is_output:
        why, fix = (
            "the loss does not depend on this output",
            "check that the loss, the activation of the output and the targets fit together",
        )
    else:
        why, fix = (
            "nothing above it passes a gradient",
            "look for `stop_gradient`, rounding, argmax or an unused output above this layer",
        )
    return Verdict(
        "zero_gradient", row.name, f"the gradient is exactly 0 for every sample: {why}", fix
    )


def _symmetric(signals: Signals) -> Verdict | None:
    hidden = [row for row in signals.layers if not row.is_output and row.units > 1]
    copies = [row for row in hidden if (row.duplicate_share or 0.0) >= SYMMETRIC_SHARE]
    if not copies:
        return None
    row = copies[0]
    share = row.duplicate_share or 0.0
    others = f" (and {len(copies) - 1} more layers)" if len(copies) > 1 else ""
    kind = "zero" if row.weight_norm == 0 else "the same"
    return Verdict(
        "symmetric",
        row.name,
        f"{round(share * row.units)} of {row.units} units have equal weights and equal gradients"
        f"{others}; the weights are {kind}, so these units stay one unit for ever",
        "use random weights: `kerasinit.initialize(model)`",
    )


def _vanishing(signals: Signals) -> Verdict | None:
    rows = signals.layers
    if len(rows) < 2 or _has_learned(signals) or _starts_at_zero(rows):
        return None
    back = _backward(rows)
    spread = _spread(signals)
    arrives = back.shrinks_to
    fades = spread.shrinks_to if spread is not None else 1.0
    if back.values[0] == 0 or arrives >= VANISHED:
        return None
    evidence = (
        f"{arrives:.1e} of the gradient at {rows[-1].name} arrives here "
        f"(times {back.per_layer:.2f} per layer)"
    )
    if fades < FADED:
        evidence += f"; on the way up, the difference between inputs shrinks to {fades:.1e}"
    return Verdict("vanishing", rows[0].name, evidence, INITIALIZE)


def _exploding(signals: Signals) -> Verdict | None:
    rows = signals.layers
    if len(rows) < 3 or _has_learned(signals):
        return None
    forward = _forward_growth(signals, [row for row in rows if not row.is_output])
    if forward is not None:
        return forward
    back = _backward(rows)
    limit = EXPLODED
    if not _is_normalized(signals):
        chance = RAMPANT_SIGMAS * 0.5 * math.sqrt(_length_variance(rows))
        limit = max(RAMPANT, math.exp(chance))
    if back.values[0] == 0 or back.grows_to <= limit:
        return None
    return Verdict(
        "exploding",
        rows[0].name,
        f"the gradient grows {back.grows_to:.3g} times from {rows[-1].name} down to here "
        f"(times {back.per_layer:.2f} per layer)",
        INITIALIZE,
    )


def _forward_growth(signals: Signals, rows: list[LayerSignals]) -> Verdict | None:
    values = [math.sqrt(row.preactivation_mean_square) for row in rows]
    if signals.input_rms:
        values.insert(0, signals.input_rms)
    if len(values) < 4 or not values[0] > 0 or _is_normalized(signals):
        return None
    grown = Profile(tuple(values))
    total = grown.grows_to
    mean = (values[-1] / values[0]) ** (1 / (len(values) - 1))
    if not (total > EXPLODED or (mean > GROWTH and values[-1] / values[0] > GROWTH_TOTAL)):
        return None
    return Verdict(
        "exploding",
        rows[-1].name,
        f"the signal grows {max(total, values[-1] / values[0]):.3g} times up to here "
        f"(times {mean:.2f} per layer)",
        INITIALIZE,
    )


def _dead_units(signals: Signals) -> Verdict | None:
    for row in signals.layers:
        limit = min(HALF_OF_UNITS + DEAD_SIGMAS / math.sqrt(row.units), 0.99)
        if row.dead_share is not None and row.dead_share > limit and signals.samples > 1:
            return Verdict(
                "dead_units",
                row.name,
                f"{round(row.dead_share * row.units)} of {row.units} units are off for all "
                f"{row.samples} samples and pass no gradient",
                "raise the bias (0 is usual), lower the learning rate that led here, or draw the "
                "layer again: `kerasinit.initialize(model)`",
            )
    return None


def _saturated(signals: Signals) -> Verdict | None:
    for row in signals.layers:
        share = row.saturated_share
        if share is not None and share > HALF_OF_UNITS and not row.is_output and row.units > 1:
            return Verdict(
                "saturated",
                row.name,
                f"{round(share * row.units)} of {row.units} units of {row.activation} sit in its "
                f"flat part for almost all inputs (pre-activation RMS "
                f"{math.sqrt(row.preactivation_mean_square):.3g})",
                "use smaller weights and biases: " + INITIALIZE,
            )
    return None


def _bad_scale(signals: Signals) -> Verdict | None:
    if _has_learned(signals) or _is_normalized(signals):
        return None
    gains = [
        (row, math.sqrt(row.preactivation_mean_square) / row.input_rms)
        for row in signals.layers
        if row.input_rms and not row.is_output and row.weight_norm > 0
    ]
    gains = [(row, gain) for row, gain in gains if gain > 0]
    if not gains:
        return None
    mean = math.exp(sum(math.log(gain) for _, gain in gains) / len(gains))
    odd, gain = max(gains, key=lambda pair: abs(math.log(pair[1])))
    others = [math.log(other) for row, other in gains if row is not odd]
    usual = math.exp(sum(others) / len(others)) if others else 1.0
    if not LAYER_GAIN_BAND[0] <= gain / usual <= LAYER_GAIN_BAND[1]:
        where, evidence = odd.name, f"this layer scales its input by {gain:.3g}; about 1 keeps it"
    elif len(gains) >= 3 and not GAIN_BAND[0] <= mean <= GAIN_BAND[1]:
        where = gains[0][0].name
        evidence = f"each layer scales its input by {mean:.3g} on average; about 1 keeps it"
    else:
        return None
    return Verdict("bad_scale", where, evidence, INITIALIZE)


def _too_narrow(signals: Signals) -> Verdict | None:
    rows = [row for row in signals.layers if not row.is_output]
    if _has_learned(signals) or _is_normalized(signals) or len(rows) < 2:
        return None
    rectified = [row for row in rows if row.kind == "Dense" and row.activation in RECTIFIERS]
    variance = _length_variance(tuple(rectified))
    first, last = rows[0].preactivation_mean_square, rows[-1].preactivation_mean_square
    if len(rectified) < len(rows) or variance <= NARROW or not (first > 0 and last > 0):
        return None
    change = math.log(last / first)
    if abs(change) < NARROW_CHANGE:
        return None
    return Verdict(
        "too_narrow",
        rows[-1].name,
        f"{len(rows)} layers of about {rows[-1].units} units let the squared signal drift by a "
        f"random factor of exp(+-{math.sqrt(variance):.1f}); here it is {math.exp(change):.2g}",
        "use wider or fewer layers, or orthogonal weights: " + INITIALIZE,
    )


def _unexpected_loss(signals: Signals) -> Verdict | None:
    if signals.loss is None:
        return None
    if signals.sum_loss:
        return Verdict(
            "unexpected_loss",
            "loss",
            f"the loss of {signals.samples} samples is {signals.loss:.3g} and doubles with the "
            "batch: it is a sum, so gradients grow with the batch size",
            "use the loss' default `reduction='sum_over_batch_size'`",
        )
    chance = signals.chance_loss
    if chance is None or signals.loss <= max(LOSS_FACTOR * chance, chance + LOSS_MARGIN):
        return None
    return Verdict(
        "unexpected_loss",
        "loss",
        f"the loss is {signals.loss:.3g}; a model that knows nothing has {chance:.3g}",
        "check targets and `from_logits`; give the output layer smaller weights",
    )


def _unscaled_input(signals: Signals) -> Verdict | None:
    size = signals.input_rms
    if size is None or not signals.layers or signals.layers[0].normalized:
        return None
    if SMALL_INPUT <= size <= LARGE_INPUT or size == 0:
        return None
    return Verdict(
        "unscaled_input",
        "input",
        f"the values that enter {signals.layers[0].name} have an RMS of {size:.3g}; about 1 is "
        "what initial weights are made for",
        "standardize the data, or add `keras.layers.Normalization` or `Rescaling` in front",
    )


RULES: tuple[Callable[[Signals], Verdict | None], ...] = (
    _zero_gradient,
    _symmetric,
    _vanishing,
    _exploding,
    _dead_units,
    _saturated,
    _bad_scale,
    _too_narrow,
    _unexpected_loss,
    _unscaled_input,
)


# --- what belongs to what ---------------------------------------------------------------------

# What hides behind what: the cause explains these others, and goes before them.
EXPLAINS = {
    "symmetric": ("zero_gradient", "vanishing", "exploding", "dead_units", "bad_scale"),
    "dead_units": ("zero_gradient", "vanishing"),
    "saturated": ("zero_gradient", "vanishing", "exploding"),
    "unscaled_input": (
        "zero_gradient",
        "vanishing",
        "dead_units",
        "saturated",
        "bad_scale",
        "unexpected_loss",
    ),
    "exploding": ("zero_gradient", "vanishing", "bad_scale", "unexpected_loss", "too_narrow"),
    "vanishing": ("bad_scale", "too_narrow"),
}


def _roots_first(found: list[Verdict]) -> tuple[Verdict, ...]:
    """Sorted by cause, each after all that explain it; drops restatements of the same fault."""
    causes = {verdict.cause for verdict in found}
    depth = {cause: sum(cause in EXPLAINS.get(root, ()) for root in causes) for cause in causes}
    restated = {
        "bad_scale": causes & {"vanishing", "exploding", "symmetric", "unscaled_input"},
        "too_narrow": causes & {"vanishing", "exploding", "symmetric"},
        "vanishing": causes & {"symmetric"},
        "zero_gradient": causes & {"symmetric", "dead_units"},
    }
    kept = [verdict for verdict in found if not restated.get(verdict.cause)]
    return tuple(sorted(kept, key=lambda v: (depth[v.cause], CAUSES.index(v.cause))))


def _is_normalized(signals: Signals) -> bool:
    hidden = [row for row in signals.layers if not row.is_output]
    return sum(row.normalized for row in hidden) > NORMALIZED_SHARE * len(hidden)


def _has_learned(signals: Signals) -> bool:
    if signals.loss is None or signals.chance_loss is None or signals.sum_loss:
        return False
    return signals.loss < LEARNED_SHARE * signals.chance_loss


def _starts_at_zero(rows: tuple[LayerSignals, ...]) -> bool:
    """Whether a layer is zero on purpose: it gets a gradient itself, so it leaves zero at once."""
    return any(
        row.weight_norm == 0
        and (row.weight_gradient_norm or 0.0) > 0
        and (row.is_output or (row.duplicate_share or 0.0) < SYMMETRIC_SHARE)
        for row in rows
    )


def _backward(rows: tuple[LayerSignals, ...]) -> Profile:
    """Gradient from the last layer down, as far as it is meant to go."""
    wanted = [row.trainable or row.gradient_norm > 0 for row in rows]
    first = wanted.index(True) if any(wanted) else 0  # below it, frozen and cut off
    return Profile(tuple(row.gradient_norm for row in reversed(rows[first:])))


def _spread(signals: Signals) -> Profile | None:
    """Difference between inputs, forward, in hidden layers."""
    values = tuple(
        math.sqrt(row.preactivation_variance) for row in signals.layers if not row.is_output
    )
    return Profile(values) if len(values) > 1 and values[0] > 0 else None


def _length_variance(rows: tuple[LayerSignals, ...]) -> float:
    """Variance of the log of the squared length after random Gaussian ReLU layers."""
    return 5.0 * sum(1.0 / row.units for row in rows if not row.is_output)
