"""Verdicts on gradients and units that have been wrong for several records."""

from __future__ import annotations

import math
from itertools import pairwise, takewhile
from statistics import geometric_mean, median

from kerasinit.signals._remedy import INITIALIZE, LARGER_BATCH, LOWER, STANDARDIZE, Remedy
from kerasinit.signals._rules_at_once import DIAGNOSE, SPIKE
from kerasinit.signals._rules_of_loss import penalty_rules
from kerasinit.signals._rules_of_progress import ARRIVED, FAINT_KERNEL, IDLE, STOPPED, is_faint
from kerasinit.signals._verdict import Verdict, and_more
from kerasinit.signals._window import PERSISTS, WARM_UP, Window, losses_of

VANISHED = 1e-3  # gradient of the first third of the layers over the last third (AutoTrainer)
ARRIVES = 1e-2  # the same of a start from which the first layers learn
STANDSTILL = 1e-5  # update ratio of the first third; tells a faint gradient from a small update
DOUBLING = 2.0  # growth of the largest gradient from record to record (TheDeepChecker)
DEAD = 0.75  # share of units; in deep ReLU nets half of them are off for a whole batch
SATURATED = 0.5  # share of units (SageMaker Debugger)
SEEN = 2  # records, of those looked at, in which the layer above can tell that it gets only zeros
PROBES = 2  # activation probes that must agree
THEIRS = "those of "
NOTHING = 1e-30  # share of the gradient: float32 has lost it


def symmetric(window: Window) -> Verdict | None:
    """Layers whose weights are all 0 and stay so: their units are one unit."""
    stuck = [
        name
        for name in window.names
        if _stays_zero(window, name, "weight_rms") and _stays_zero(window, name, "gradient_rms")
    ]
    if not window.steps[-1].loss or not stuck:
        return None
    evidence = (
        f"{window.now}, all its weights are 0{and_more(stuck, THEIRS)}, and no gradient arrives to "
        "change them: only biases learn"
    )
    return Verdict.cured("symmetric", stuck[0], evidence, INITIALIZE, "random weights")


def single_sample(window: Window) -> Verdict | None:
    """No gradient arrives at the lower layers where a normalization sees batches of one sample."""
    stuck = _stuck(window)
    is_alone = all(step.norm_samples == 1 for step in window.steps[-PERSISTS:])
    if not (stuck and is_alone) or window.steps[-1].loss == 0 or _has_arrived(window):
        return None
    evidence = (
        f"{window.now}, no gradient arrives here, and batches hold one sample: a "
        "BatchNormalization makes the same of every input then"
    )
    return Verdict.cured("single_sample", stuck[-1], evidence, *LARGER_BATCH)


def zero_gradient(window: Window) -> Verdict | None:
    """The highest layer up to which gradients stay exactly 0, unless its units are dead.

    A branch beside others that do learn blocks nothing, as an output without a loss.
    """
    if _never_lost(window):
        evidence = (
            f"{window.now}, the loss has been exactly 0 from the first step on: there is nothing "
            "to learn from"
        )
        fix = "# look at sample weights, class weights, masks and margins that make 0 of it"
        return Verdict("zero_gradient", "loss", evidence, fix)
    if window.steps[-1].loss == 0 or _has_arrived(window) or _dead_layers(window):
        return None
    stuck = _stuck(window)
    if not stuck or window.series(stuck[-1], "dead_share", 1) == [1.0]:
        return None
    evidence = (
        f"{window.now}, nothing has arrived at its weights for {PERSISTS} recorded steps: "
        "their gradient is exactly 0"
    )
    fix = f"{DIAGNOSE}  # says why; check that the loss depends on it"
    return Verdict("zero_gradient", stuck[-1], evidence, fix)


def _stuck(window: Window) -> list[str]:
    """The lowest layers, as far as no gradient arrives."""
    return list(takewhile(lambda name: _stays_zero(window, name, "gradient_rms"), window.names))


def _never_lost(window: Window) -> bool:
    """Whether the loss of new weights has been 0 since they began, and nothing leads on."""
    records = [*window.opening, *window.steps]
    is_new = bool(window.opening) and window.opening[0].step == 0 and not window.first.goes_on
    is_long = len(window.steps) >= PERSISTS and window.step >= WARM_UP
    # A surrogate such as `f - stop_gradient(f)` is 0, and has a gradient; so have penalties.
    return (
        is_new
        and is_long
        and all(
            step.loss == 0 and (step.penalty != 0 or step.gradient_size == 0) for step in records
        )
    )


def _stays_zero(window: Window, name: str, field: str) -> bool:
    values = window.series(name, field)
    return bool(values) and not any(values)


def _has_arrived(window: Window) -> bool:
    """Whether next to nothing of the loss is left, as where a softmax is sure of every sample."""
    return window.loss < ARRIVED * window.first_loss or _is_met(window)


def _is_met(window: Window) -> bool:
    """Whether no bias gets a gradient either, and next to no loss is left: a margin that is met."""
    moved = losses_of([s for s in (*window.opening, *window.steps) if s.gradient_size > 0])
    last = [layer for step in window.steps[-PERSISTS:] for layer in step.layers]
    if any(layer.gradient_rms or layer.signal_gradient_rms for layer in last):
        return False
    return bool(moved) and window.loss < ARRIVED * max(moved)


def _is_cut(window: Window, name: str) -> bool:
    """Whether a layer gets no gradient though a signal goes up from it: it is not dead."""
    if not _stays_zero(window, name, "gradient_rms"):
        return False
    for above in window.names[window.names.index(name) + 1 :]:
        if window.series(above, "idle_share") != [1.0] * PERSISTS:
            return not _stays_zero(window, above, "gradient_rms")
    return False


def _dead_layers(window: Window) -> list[str]:
    """Layers of units that are all off: none gets a gradient, and the layer above only zeros."""
    dead = []
    for name, above in pairwise(window.names):
        own, its = (window.series(layer, "idle_share") for layer in (name, above))
        is_off = bool(own) and min(own) == 1.0 and not _stays_zero(window, name, "weight_rms")
        seen = sum(share < 1.0 for share in its) >= SEEN
        if is_off and seen and _stays_zero(window, above, "gradient_rms"):
            dead.append(name)
    return dead


def unscaled_input(window: Window) -> Verdict | None:
    """The first layers do not move, because next to nothing enters the first one."""
    if not (window.names and is_faint(window, window.names[0])) or _arrives(window) is None:
        return None
    evidence = (
        f"{window.now}, the values that enter {window.names[0]} are next to 0: its bias gets a "
        f"gradient, its kernel less than {FAINT_KERNEL:g} of that, and the loss does not fall"
    )
    remedy = Remedy("scale_inputs", STANDARDIZE.format("x"))
    return Verdict.cured("unscaled_input", "input", evidence, remedy, "and start again")


def vanishing(window: Window) -> Verdict | None:
    """The first third of the layers gets hardly any gradient and does not move."""
    share, layers = _arrives(window), window.names
    if share is None or is_faint(window, layers[0]):
        return None
    arrives = "nothing" if share < NOTHING else f"{share:.1e}"
    third = len(layers) // 3
    evidence = (
        f"{window.now}, {arrives} of the gradient of the last {third} of {len(layers)} layers "
        f"arrives at the first {third}, which do not move"
    )
    if not window.improves:
        evidence += ", and the loss does not fall"
    at_first = _share(window.beginning) if window.opening else None
    if at_first is not None and at_first > ARRIVES:
        evidence += f"; at the start, {at_first:.1e} of it did"
        reason = "and start again: training led here"
        return Verdict.cured("vanishing", layers[0], evidence, LOWER, reason)
    return Verdict.cured("vanishing", layers[0], evidence, INITIALIZE, "and start again")


def _arrives(window: Window) -> float | None:
    """How little of the gradient arrives at the first third of the layers; None if enough does."""
    share = _share(window)
    if share is None or not share < VANISHED or window.has_started:
        return None
    still = STANDSTILL
    if window.improves:
        # It is the last layers that learn, if float32 holds no change of the first ones. Steps of
        # SGD on an embedding are as small, of few rows at a time: it has no bias that tells.
        still = STOPPED if _share(window, "signal_gradient_rms") is not None else 0.0
    names = window.names[: len(window.names) // 3]
    moves = max(window.median(name, "update_ratio") or 0.0 for name in names)
    return share if moves < still else None


def _share(window: Window, *fields: str) -> float | None:
    """Gradient of the first third of the layers over that of the last; None if not known."""
    if len(window.names) < 3:
        return None
    for field in fields or ("signal_gradient_rms", "gradient_rms"):
        medians = [window.median(name, field) for name in window.names]
        sizes = [size for size in medians if size is not None]
        if len(sizes) == len(medians):
            break
    else:
        return None
    third = len(sizes) // 3
    if not all(sizes[-third:]):
        return None
    return (
        geometric_mean(sizes[:third]) / geometric_mean(sizes[-third:])
        if all(sizes[:third])
        else 0.0
    )


def exploding_loss(window: Window) -> Verdict | None:
    """Growth of the gradient while the loss does not fall."""
    return None if window.improves else exploding(window)


def exploding(window: Window) -> Verdict | None:
    """The gradient doubles from record to record, or stays at a new, far higher level."""
    steps = window.steps[-PERSISTS - 1 :]
    if len(steps) <= PERSISTS:
        return None
    sizes = [step.largest_gradient for step in steps]
    grows = all(0 < DOUBLING * a < b for a, b in pairwise(sizes))
    earlier = [step.gradient_size for step in window.steps[:-PERSISTS]]
    usual = median(earlier) if len(earlier) >= WARM_UP else math.inf
    stays = all(step.gradient_size > SPIKE * usual > 0 for step in steps[1:])
    if not (grows or stays):
        return None
    worst = max(steps[-1].layers, key=lambda layer: layer.gradient_rms)
    how = f"doubled in each of {PERSISTS} records" if grows else f"stays {SPIKE:g} times its size"
    evidence = f"{window.now}, the gradient (RMS {worst.gradient_rms:.3g}) {how}"
    reason = "or set `clipnorm`; a better start: `kerasinit.initialize(model)`"
    return Verdict.cured("exploding", worst.name, evidence, LOWER, reason)


def dead_units(window: Window) -> Verdict | None:
    """Layers with too many units that are off for whole batches."""
    over = _over(window, window.names, "dead_share", DEAD, "are off for whole batches")
    if over is not None:
        reason = "and draw the layer again: `kerasinit.initialize(model)`"
        return Verdict.cured("dead_units", *over, LOWER, reason)
    if penalty_rules(window):
        return None  # which switches units off, and `penalized` says so
    dead = _dead_layers(window)
    if dead:
        evidence = (
            f"{window.now}, its units have been off for all samples of {PERSISTS} recorded steps: "
            "none gets a gradient, and the layer above receives only zeros"
        )
        idle = window.beginning.series(dead[0], "idle_share")
        if dead[0] == window.names[0] and len(idle) == PERSISTS and min(idle) == 1.0:
            fix = f"{DIAGNOSE}  # says whether all inputs are 0, or its biases far below 0"
            return Verdict("dead_units", dead[0], evidence, fix)
        reason = "biases start at 0"
        if idle and min(idle) < DEAD:
            reason = "and start again, at a tenth of the learning rate: training led here"
        return Verdict.cured("dead_units", dead[0], evidence, INITIALIZE, reason)
    if window.improves or window.has_started:
        return None
    for name in window.names[:-1]:
        shares = window.series(name, "idle_share")
        is_idle = bool(shares) and min(shares) > IDLE and not _is_cut(window, name)
        if is_idle and not _stays_zero(window, window.names[-1], "gradient_rms"):
            evidence = (
                f"{window.now}, {100 * min(shares):.0f} % of its units or more got no gradient "
                f"from any sample in {PERSISTS} recorded steps, and the loss does not fall"
            )
            begun = window.beginning.series(name, "idle_share")
            if name == window.names[0] and begun and begun[0] > DEAD:
                fix = f"{DIAGNOSE}  # says whether the inputs are too large, or its weights"
                return Verdict("dead_units", name, evidence, fix)
            reason = "and a lower learning rate: these units are off"
            return Verdict.cured("dead_units", name, evidence, INITIALIZE, reason)
    return None


def saturated(window: Window) -> Verdict | None:
    """Hidden layers with too many units in the flat part of their activation."""
    # The last layer of a classifier that is sure of itself is saturated, and healthy.
    what = "sit in the flat part of the activation"
    over = _over(window, window.names[:-1], "saturated_share", SATURATED, what)
    if over is None:
        return None
    reason = "a better start: `kerasinit.initialize(model)`"
    return Verdict.cured("saturated", *over, LOWER, reason)


def _over(
    window: Window, names: list[str], field: str, limit: float, what: str
) -> tuple[str, str] | None:
    """A layer whose last probes all lie above a limit, one that has just come, and evidence."""
    if not any(step.is_probed for step in window.steps):
        return None
    shares = {name: window.series(name, field, PROBES) for name in names}
    found = [name for name, values in shares.items() if values and min(values) > limit]

    def was_over(name: str) -> bool:
        earlier = window.series(name, field, PROBES + 1)[:-1]
        return bool(earlier) and min(earlier) > limit

    name = min(found, key=was_over, default=None)
    if name is None:
        return None
    share = 100 * shares[name][-1]
    return name, f"{window.now}, {share:.0f} % of its units {what}{and_more(found, THEIRS)}"
