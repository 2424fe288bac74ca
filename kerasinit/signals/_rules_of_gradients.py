"""Verdicts on how signal and gradient change along the depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from kerasinit.signals._layer_signals import LayerSignals, Signals, redraw
from kerasinit.signals._profile import (
    Profile,
    difference_profile,
    gradient_profile,
    length_variance,
)
from kerasinit.signals._remedy import KEEPS_THE_SIGNAL, Remedy, layer_line
from kerasinit.signals._rules_of_scale import far_off, is_all_penalty
from kerasinit.signals._verdict import Verdict

VANISHED = 1e-3  # gradient at the first layer over that at the last (AutoTrainer's beta1)
FADED = 1e-2  # the difference between inputs at the top, told as further evidence
# Signal times gradient is what a weight learns from: one may fall to 1/300, not both of them.
BOTH_VANISHED = 1.5e-6
DEEP = 6  # layers; of fewer, small weights are the fault, which `bad_scale` names
# Inputs that look alike at the top: their correlation has come to its fixed point.
# Schoenholz et al., 2017, https://arxiv.org/abs/1611.01232
ALIKE = 0.1  # standard deviation between inputs over the RMS of the signal
EXPLODED = 1e3  # growth of gradient or activations over the whole depth
GROWTH = 2.0  # growth of activations per layer that explodes in a few layers
GROWTH_TOTAL = 30.0  # ... and over the depth: a few doublings are harmless
RAMPANT = 30.0  # growth of the gradient without normalization, beyond what chance gives
RAMPANT_GROWTH = 1.2  # ... and from layer to layer: not one layer of another kind
RAMPANT_SIGMAS = 4.0  # chance: standard deviations of the log length at finite width
CELLS = ("LSTM", "GRU", "SimpleRNN")  # layers whose attribute `cell` has the usual weights
UNDERFLOW = 1e-6  # a zero gradient below one so much smaller than the last has underflowed
STEP_SIZED = 0.1  # relative first update that a grown gradient must lead to (TheDeepChecker)


def zero_gradient(signals: Signals) -> Verdict | None:
    """The highest layer up to which nothing gets any gradient, unless dead units explain it.

    A branch beside others that do learn is left alone: an output without a loss, or one whose
    gradient cancels by symmetry, as that of advantages does that are centred.
    """
    rows = signals.layers
    if signals.loss is not None and abs(signals.loss) < 1e-6:
        return None  # nothing left to learn from this batch
    last = None
    for i, row in enumerate(rows):
        if row.trainable:
            if row.gradient_norm != 0 or (row.weight_gradient_norm or 0.0) > 0:
                break
            last = i
    if last is None:
        return None
    row = rows[last]
    if row.is_output and far_off(signals) is not None:
        return None  # it is sure of what is wrong, and flat there
    if any(one.dead_share == 1.0 or one.starts_at_zero for one in rows[last:]):
        return None
    living = [above.gradient_norm for above in rows[last + 1 :] if above.gradient_norm > 0]
    if living and min(living) < UNDERFLOW * living[-1]:
        return None  # it faded away: that is for `vanishing`
    if row.preactivation_mean_square < UNDERFLOW**2 * rows[0].preactivation_mean_square:
        return None  # so did the signal
    why = "nothing above it passes a gradient"
    reason = "look for stop_gradient, rounding, argmax or an unused output above this layer"
    if row.is_output:
        why = "the loss does not depend on this output"
        reason = (
            "look for argmax, rounding or a comparison in the loss; do the loss, the activation of "
            "the output and the targets fit together?"
        )
    blocking = (one for one in rows[last + 1 :] if one.has_zero_kernel and not one.trainable)
    above = next(blocking, None)
    if above is not None:
        why = f"{above.name} above it is frozen, with a kernel of zeros"
        reason = f"give {above.name} weights before it is frozen, or let it learn"
    evidence = f"the gradient is exactly 0 for every sample: {why}"
    return Verdict.cured("zero_gradient", row.name, evidence, None, reason)


def _start_of(rows: Sequence[LayerSignals]) -> str:
    """Name of the output that most of the gradient comes from; of the last layer without any."""
    heads = (row for row in rows if row.is_output)
    return max(heads, key=lambda row: row.gradient_norm, default=rows[-1]).name


def vanishing(signals: Signals) -> Verdict | None:
    """Hardly anything of the gradient arrives at the first layer, or of the inputs at the last."""
    rows = signals.layers
    first = next((k for k, row in enumerate(rows) if row.trainable), 0)
    rows = rows[first:]  # those below need no gradient
    if len(rows) < 2 or signals.has_learned or any(row.starts_at_zero for row in rows):
        return None
    back, spread = gradient_profile(rows), difference_profile(rows)
    arrives, fades = back.shrinks_to, 1.0 if spread is None else spread.shrinks_to
    faint = arrives * fades < BOTH_VANISHED and max(arrives, fades) < FADED and len(rows) > DEEP
    alike = max(arrives, fades) < 2 * FADED and _alike(signals) < ALIKE
    if back.values[0] == 0 or not (arrives < VANISHED or faint or alike):
        return None
    start = _start_of(rows)
    evidence = f"nothing of the gradient at {start} arrives here"
    if arrives > 0:
        evidence = (
            f"{arrives:.1e} of the gradient at {start} arrives here "
            f"(times {back.per_layer:.2f} per layer)"
        )
    if fades < 2 * FADED:
        evidence += f"; on the way up, the difference between inputs shrinks to {fades:.1e}"
    cure: tuple[Remedy | None, str] = redraw(signals, KEEPS_THE_SIGNAL)
    mixed = [row.path for row in signals.hidden if row.activation == "softmax" and not row.is_gate]
    if mixed:
        evidence += f"; {mixed[0]} has a softmax, whose outputs are all near 1 over their number"
        line = "; ".join(f"{layer_line(p)}.activation = keras.activations.relu" for p in mixed)
        cure = Remedy("code", line), "which is usual in hidden layers"
    return Verdict.cured("vanishing", rows[0].name, evidence, *cure)


def _alike(signals: Signals) -> float:
    """How much inputs still differ before the last hidden layer, over what they share."""
    last = next((row for row in reversed(signals.hidden) if row.has_gain), None)
    if last is None or not last.preactivation_mean_square > 0:
        return 1.0
    return math.sqrt(last.preactivation_variance / last.preactivation_mean_square)


def exploding(signals: Signals) -> Verdict | None:
    """Signal or gradient grows over the depth by more than chance explains."""
    if signals.has_learned:
        return None
    memory = _growing_memory(signals)
    if memory is not None or len(signals.layers) < 3:
        return memory
    return forward_growth(signals, signals.hidden) or _backward_growth(signals)


def _growing_memory(signals: Signals) -> Verdict | None:
    for row in signals.layers:
        is_memory = not (row.has_gain or row.is_embedding)
        if is_memory and row.activation_rms > RAMPANT * max(row.input_rms or 1.0, 1.0):
            evidence = f"its state grows from step to step, to an RMS of {row.activation_rms:.3g}"
            return Verdict.cured("exploding", row.name, evidence, *_bounded([row]))
    return None


def _bounded(rows: Sequence[LayerSignals]) -> tuple[Remedy | None, str]:
    """What keeps the states of recurrent layers; the reason alone for cells of another kind."""
    lines = [
        f"c = {layer_line(row.path)}.cell; c.activation = keras.activations.tanh; "
        "c.recurrent_kernel.assign(keras.initializers.Orthogonal()(c.recurrent_kernel.shape))"
        for row in rows
        if row.kind in CELLS
    ]
    reason = "orthogonal recurrent weights keep the state, tanh bounds it"
    return Remedy("code", "; ".join(lines)) if lines else None, reason


def _backward_growth(signals: Signals) -> Verdict | None:
    rows = [row for row in signals.layers if row.trainable]  # what is frozen was trained
    if is_all_penalty(signals) or len(rows) < 3:
        return None  # of penalties, it is their gradient, which enters where it likes
    back, limit = gradient_profile(rows), EXPLODED
    inner = Profile(back.values[1:])  # a large last layer is no growth over the depth
    if not signals.is_normalized and inner.per_layer > RAMPANT_GROWTH:
        chance = RAMPANT_SIGMAS * 0.5 * math.sqrt(length_variance(rows))
        limit = max(RAMPANT, math.exp(chance))
    if back.values[0] == 0 or back.grows_to <= limit:
        return None
    ratios = [row.update_ratio for row in rows if row.update_ratio is not None]
    if signals.is_normalized and ratios and max(ratios) < STEP_SIZED:
        return None  # a normalization of rows that are almost 0 does that: the optimizer decides
    evidence = (
        f"the gradient grows {back.grows_to:.3g} times from {_start_of(rows)} down to here "
        f"(times {back.per_layer:.2f} per layer)"
    )
    cure = redraw(signals, KEEPS_THE_SIGNAL, grows=True)
    grown = max(
        pairwise(rows), key=lambda pair: pair[0].gradient_norm / (pair[1].gradient_norm or math.inf)
    )
    if grown[0].kind in CELLS:  # from one step of time to the one before
        cure = _bounded(rows)
    return Verdict.cured("exploding", rows[0].name, evidence, *cure)


def forward_growth(signals: Signals, rows: Sequence[LayerSignals]) -> Verdict | None:
    """Whether the signal grows from the input up to the last of `rows`."""
    rows = [row for row in rows if row.has_gain]
    # What is frozen was trained: its sizes are right. The layers behind it are looked at.
    behind = max((k + 1 for k, row in enumerate(rows) if not row.trainable), default=0)
    rows = rows[behind:]
    values = [row.mixed_rms for row in rows]
    if rows and rows[0].input_rms:
        values.insert(0, rows[0].input_rms)
    if len(values) < 4 or not values[0] > 0 or signals.is_normalized:
        return None
    grown = values[-1] / values[0]
    total, mean = Profile(tuple(values)).grows_to, grown ** (1 / (len(values) - 1))
    if not (total > EXPLODED or (mean > GROWTH and grown > GROWTH_TOTAL)):
        return None
    evidence = (
        f"the signal grows {max(total, grown):.3g} times up to here (times {mean:.2f} per layer)"
    )
    cure = redraw(signals, KEEPS_THE_SIGNAL, grows=True)
    return Verdict.cured("exploding", rows[-1].name, evidence, *cure)
