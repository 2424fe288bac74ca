"""Verdicts on how much the steps of a training change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, median, median_low, pstdev

from kerasinit.signals._remedy import FIRST_RATE, HALF_EPSILON, INITIALIZE, KEEPS_THE_SIGNAL, Remedy
from kerasinit.signals._rules_at_once import DIAGNOSE
from kerasinit.signals._rules_of_loss import DIVERGED, penalty_rules
from kerasinit.signals._rules_of_updates import CLIPPED, STRONG_DECAY, USUAL_UPDATE, decayed
from kerasinit.signals._training_steps import TrainingStep
from kerasinit.signals._verdict import Verdict
from kerasinit.signals._window import PERSISTS, WARM_UP, WINDOW, Window, losses_of

LARGE_UPDATE, SMALL_UPDATE = 1e-1, 1e-4  # of RMS change over RMS weight (TheDeepChecker)
# The same of most layers, for a window: a GRU still learns at 0.19 (RMSprop at 0.1), not at 0.25.
LASTING_UPDATE = 0.2
RUINOUS = 0.5  # the same of the first step: weights that are something else after it
OFF = 0.75  # share of units without a gradient, after such a step
IDLE = 0.9  # share of units that got no gradient in a batch, which may be a small one
GAINED = 0.05  # fall of the loss, of that at the start, that such a step must have led to
TIMID = 6e-4  # of RMS change over RMS weight: with a loss that falls steadily, and too slowly
STOPPED = 1e-6  # of RMS change over RMS weight, for a whole window: float32 holds no less
HALFWAY = 0.5  # of the loss at the start
TIMID_STEPS = 150  # training steps before that is said
TIMID_FALL = 0.3  # of the loss at the start: having come so far, the rate is fine
FAINT_KERNEL = 3e-3  # gradient of the last kernel over that of its bias: the size of what enters it
ARRIVED = 1e-2  # of the first loss
FADED = 0.1  # of the gradient at the start
STEADY = 4.0  # times its noise that the loss must have fallen
CHANGES = 1.2  # times the updates half a window ago: the rate or the weights are still growing
# Layers of which the start may be the reason for small steps: at the suggested rate, relu nets of 8
# and 20 layers learned (he_normal, SGD), one of 40 next to nothing, of 100 the loss was NaN.
DEEP = 30
HUGE_LOSS = 1e6  # at the start: of inputs or targets of thousands, which no rate makes up for

TOLD_IN_PERCENT = 100.0  # times the weights; more is told in such times


def large_updates(window: Window) -> Verdict | None:
    """Steps so large that the loss does not fall: now, or when the training began."""
    if window.step < PERSISTS - 1:
        return None
    threw = _thrown_away(window)
    if threw is not None:
        return threw
    if window.step < WARM_UP or window.improves or window.has_started:
        return None
    if penalty_rules(window):
        return None
    if window.setup.decay > STRONG_DECAY:
        return decayed(window.setup.decay, f"{window.now}, the loss does not fall, and ")
    switched = _switched_off(window)
    if switched is not None:
        return switched
    # Weights that began at 0 are small for as long as there is little to learn.
    begun = [layer.name for layer in window.first.layers if layer.weight_rms != 0]
    ratios = _ratios(window, begun)
    # One layer alone may be a single weight, such as the scale of a distance.
    if not ratios or not median_low(ratios.values()) > LASTING_UPDATE:
        return None
    name = max(ratios, key=ratios.__getitem__)
    before = window.earlier.median(name, "update_ratio")
    if before is not None and before > CHANGES * ratios[name]:
        return None  # small weights on their way up
    evidence = f"{window.now}, a step changes its weights by {_percent(ratios[name])}"
    return _too_fast(name, _usual(ratios), evidence, window)


def _thrown_away(window: Window) -> Verdict | None:
    """One of the first steps made something else of the weights; the loss is the worse for it."""
    start, now = window.first_loss, window.loss
    is_over = _gets_nothing(window)
    for place, step in enumerate(window.opening[:PERSISTS]):
        then = losses_of(window.opening[place + 1 : place + 1 + PERSISTS])
        ratios = _changes(step)
        if not ratios or not then:
            continue
        name = max(ratios, key=ratios.__getitem__)
        rose = fmean(then) > start + (DIVERGED - 1) * abs(start)
        # Most units of a hidden layer get no gradient any more.
        stuck = not place and now > start - GAINED * abs(start) and _is_off(window)
        if place:  # one layer may have begun next to 0: most must change by much
            is_lost = len(then) == PERSISTS and now > start
            rose = rose and is_lost and median(ratios.values()) > LARGE_UPDATE
        if ratios[name] > RUINOUS and (rose or stuck or is_over):
            evidence = f"step {step.step} changed its weights by {_percent(ratios[name])}"
            evidence += ", no layer gets any gradient since" if is_over else ""
            return _too_fast(name, _usual(ratios), evidence, window, max(then) if rose else None)
    return None


def _gets_nothing(window: Window) -> bool:
    """Whether no layer gets any gradient, though there is a loss."""
    last = window.steps[-PERSISTS:]
    silent = all(one.layers and not one.gradient_size for one in last)
    return silent and window.loss > ARRIVED * min(abs(window.first_loss), 1.0)


def _switched_off(window: Window) -> Verdict | None:
    """Early steps changed most weights by much, and a hidden layer has been off since."""
    begun = replace(window, steps=window.opening)
    off = [
        name
        for name in window.names[:-1]
        if min(window.series(name, "idle_share"), default=0.0) > IDLE
        and min(begun.series(name, "idle_share", WINDOW)[:1], default=1.0) < OFF
    ]
    steps = [step for step in window.opening if step.layers]
    if not off or not steps:
        return None

    worst = max(steps, key=lambda step: median(_changes(step).values()))
    ratios = _changes(worst)
    usual, name = median(ratios.values()), max(ratios, key=ratios.__getitem__)
    if not usual > LARGE_UPDATE:
        return None
    evidence = (
        f"step {worst.step} changed its weights by {_percent(ratios[name])}, and {window.now} "
        f"most units of {off[0]} get no gradient any more"
    )
    return _too_fast(name, usual, evidence, window)


def _changes(step: TrainingStep) -> dict[str, float]:
    """Relative change of each layer in a step."""
    return {one.name: one.update_ratio or 0.0 for one in step.layers}


def _is_off(window: Window) -> bool:
    return any((window.median(one, "idle_share") or 0.0) > OFF for one in window.names[:-1])


def runaway(window: Window) -> Verdict | None:
    """Steps that have thrown the weights far away, right before something was not finite."""
    last = window.steps[-PERSISTS:]
    for layer in last[-1].layers if last else ():
        ratios = [
            step.by_name[layer.name].update_ratio for step in last if layer.name in step.by_name
        ]
        known = [ratio for ratio in ratios if ratio is not None]
        if known and median(known) > LARGE_UPDATE and max(known) > RUINOUS:
            evidence = f"{window.now}, a step changed its weights by {_percent(max(known))}"
            # The first of them tells how far off the rate is: later ones are of spoilt weights.
            large = next(ratio for ratio in known if ratio > LARGE_UPDATE)
            return _too_fast(layer.name, large, evidence, window)
    return None


def _too_fast(
    name: str, ratio: float, evidence: str, window: Window, worst: float | None = None
) -> Verdict:
    start, now = window.first_loss, window.loss if worst is None else worst
    if math.isnan(start + now):
        evidence += ", and the loss does not fall"
    else:
        evidence += f", and the loss went from {start:.4g} to {now:.4g}"
    if start > HUGE_LOSS:
        fix = f"{DIAGNOSE}  # tells whether inputs or targets are too large; then start again"
        return Verdict("large_updates", name, evidence, fix)
    if window.setup.divides_in_half:
        return Verdict.cured("large_updates", name, evidence, *HALF_EPSILON)
    again = "and start from weights of before that"
    return Verdict.cured("large_updates", name, evidence, _rate(ratio), again)


def _usual(ratios: dict[str, float]) -> float:
    """That of most layers whose steps are too large: the largest may be of next to no weights."""
    return median(ratio for ratio in ratios.values() if ratio > LARGE_UPDATE)


def _rate(ratio: float) -> Remedy:
    """A change of the rate by powers of 10, so that updates are of the usual size."""
    digits = round(math.log10(USUAL_UPDATE / ratio)) if 0 < ratio < math.inf else -1
    digits = min(digits, -1) if ratio > USUAL_UPDATE else max(digits, 1)
    change = f"* {10**digits}" if digits > 0 else f"/ {10**-digits}"
    return Remedy("scale_rate", change)


def small_updates(window: Window) -> Verdict | None:
    """No step changes anything to speak of, so the loss falls far too slowly or not at all."""
    step = window.step
    ratios = _ratios(window, window.names)
    if step < WARM_UP or window.first.goes_on or not ratios:
        return None  # fine-tuning takes small steps, on purpose
    stopped = _stopped(window, ratios)
    if stopped is not None:
        return stopped
    name = max(ratios, key=ratios.__getitem__)
    ratio, before = ratios[name], window.earlier.median(name, "update_ratio")
    if before is not None and ratio > CHANGES * before:
        return None
    if ratio == 0 and not _stands_still(window):
        return None
    if ratio < SMALL_UPDATE and not (window.improves or window.has_started):
        if is_faint(window, window.names[-1]):
            return _faint(window)
        how = "and the loss does not fall"
    elif ratio < TIMID and step >= TIMID_STEPS and _falls_steadily(window):
        start, now = window.first_loss, window.loss
        how = f"and the loss falls steadily, but only from {start:.4g} to {now:.4g}"
    else:
        return None
    evidence = (
        f"{window.now}, no layer changes by more than {ratio:.1e} of its weights in a step, {how}"
    )
    if _has_faded(window, name):
        return _faded(name, evidence)
    if window.setup.clip is not None:
        clip, limit = window.setup.clip
        gradient = max(window.median(one, "gradient_rms") or 0.0 for one in window.names)
        if limit < CLIPPED * gradient:  # of which the norm is larger
            evidence += f": `{clip}` leaves {limit:.3g} of gradients with an RMS of {gradient:.3g}"
            line = f"model.optimizer.{clip} = 1.0; model.compile(model.optimizer, model.loss)"
            return Verdict.cured("small_updates", name, evidence, Remedy("code", line), "is usual")
    if ratio == 0:
        fix = f"{DIAGNOSE}  # says why; look at the learning rate, and at who sets it"
        return Verdict("small_updates", name, evidence, fix)
    at_first = max(_ratios(window.beginning, window.names).values(), default=0.0)
    if window.setup.is_scheduled and at_first > TIMID:
        return _run_out(name, evidence, window)
    rate = _rate(ratio)
    if len(window.names) > DEEP:
        fix = f"{DIAGNOSE}  # says whether the start is why; if it is not: the rate {rate.value}"
        return Verdict("small_updates", name, evidence, fix)
    reason = "0.1 to 1 % of the weights in a step is usual"
    return Verdict.cured("small_updates", name, evidence, rate, reason)


def _run_out(name: str, evidence: str, window: Window) -> Verdict:
    remedy = FIRST_RATE if window.setup.is_scheduled else None
    evidence += ": the learning rate has run out"
    reason = "raise the rate again, and lower it more slowly"
    return Verdict.cured("small_updates", name, evidence, remedy, reason)


def _stopped(window: Window, ratios: dict[str, float]) -> Verdict | None:
    """A training that stands still before it has come anywhere: its schedule has run out."""
    start, now, step = window.first_loss, window.loss, window.step
    if not now > HALFWAY * start > 0:
        return None
    earlier = _ratios(window.beginning, window.names)
    halfway = _ratios(window.earlier, window.names)
    if max(earlier.values(), default=0.0) < SMALL_UPDATE or step < 2 * WARM_UP:
        return None
    if max([*ratios.values(), *halfway.values()]) > STOPPED:
        return None
    evidence = (
        f"{window.now}, no layer changes by more than {max(ratios.values()):.1e} of its weights in "
        f"a step, at the start one changed by {max(earlier.values()):.1e}, and the loss fell only "
        f"from {start:.4g} to {now:.4g}"
    )
    where = max(earlier, key=earlier.__getitem__)
    if not window.setup.is_scheduled and _has_faded(window, where):
        return _faded(where, evidence)
    return _run_out(where, evidence, window)


def _stands_still(window: Window) -> bool:
    """Whether no weight changes in the first and the last records, though all have gradients."""
    steps = [*window.opening, *window.steps]
    is_known = len(window.steps) == WINDOW and bool(window.opening)
    moves = any(layer.update_ratio for step in steps for layer in step.layers)
    has_gradient = all(step.gradient_size > 0 for step in steps)
    return is_known and has_gradient and not moves and not window.setup.is_steered


def is_faint(window: Window, name: str) -> bool:
    """Whether next to nothing enters a layer: its bias gets a gradient, its kernel none."""
    kernel, bias = (window.median(name, f) for f in ("gradient_rms", "signal_gradient_rms"))
    if len(window.names) < 3 or kernel is None or bias is None:
        return False
    return kernel < FAINT_KERNEL * bias


def _faint(window: Window) -> Verdict:
    evidence = (
        f"{window.now}, next to nothing of the signal arrives at {window.names[-1]}: its bias "
        f"gets a gradient, its kernel less than {FAINT_KERNEL:g} of that, and no layer moves"
    )
    cure = INITIALIZE, KEEPS_THE_SIGNAL
    return Verdict.cured("vanishing", window.names[0], evidence, *cure)


def _has_faded(window: Window, name: str) -> bool:
    """Whether the gradient of a layer has shrunk since the start."""
    first = window.beginning.median(name, "gradient_rms")
    now = window.median(name, "gradient_rms")
    return first is not None and now is not None and now < FADED * first


def _faded(name: str, evidence: str) -> Verdict:
    evidence += f": the gradient of {name} is less than {FADED:g} of what it was at the start"
    return Verdict("small_updates", name, evidence, f"{DIAGNOSE}  # where the gradient has gone")


def _falls_steadily(window: Window) -> bool:
    """Whether the loss falls still and has fallen by more than noise, but has not come far."""
    fall = window.first_loss - window.loss
    if not 0 < fall < TIMID_FALL * window.first_loss:
        return False
    noise = pstdev(losses_of(window.steps)) / math.sqrt(PERSISTS)
    return window.fall[1] > noise and fall > STEADY * noise


def _ratios(window: Window, names: Sequence[str]) -> dict[str, float]:
    """Median update ratio of each layer over the last records."""
    found = {name: window.median(name, "update_ratio") for name in names}
    return {name: ratio for name, ratio in found.items() if ratio is not None}


def _percent(ratio: float) -> str:
    if not math.isfinite(ratio):
        return "more than can be told"
    return f"{100 * ratio:.0f} %" if ratio < TOLD_IN_PERCENT else f"{ratio:.2g} times their size"
