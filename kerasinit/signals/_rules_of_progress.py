"""Verdicts on how far a training has come: its loss, and how much its steps change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from kerasinit.signals._training_steps import WARM_UP, TrainingStep, Window, series
from kerasinit.signals._verdict import Verdict

PERSISTS = 5  # recorded steps that a fault must last (TheDeepChecker's window)
LARGE_UPDATE, SMALL_UPDATE = 1e-1, 1e-4  # of RMS change over RMS weight (TheDeepChecker)
RUINOUS = 0.5  # the same in the first steps: weights that are something else soon after
GAINED = 0.05  # fall of the loss, of that at the start, that ruinous steps must have led to
TIMID = 6e-4  # of RMS change over RMS weight: with a loss that falls steadily, and too slowly
TIMID_STEPS = 150  # training steps before that is said
TIMID_FALL = 0.35  # of the loss at the start: having come so far, the rate is fine
STEADY = 4.0  # times its noise that the loss must have fallen
WARMING_UP = 1.2  # growth of the updates within a window: the rate is being raised already
SLOW_STEPS = 500  # training steps after which something should have happened
SLOW_DROP = 0.05  # of the first loss
DIVERGED = 2.0  # times the first loss

LOWER = "model.optimizer.learning_rate = model.optimizer.learning_rate / 10"
RAISE = "model.optimizer.learning_rate = model.optimizer.learning_rate * 10"


def large_updates(window: Window) -> list[Verdict]:
    """Steps so large that the loss does not fall: now, or when the training began."""
    start, now = window.start_loss, window.loss
    if window.has_started:
        return []
    if start is not None and now is not None and now < start - GAINED * abs(start):
        return []
    found = []
    if window.steps[-1].step >= WARM_UP and not window.improves:
        for name, ratio in _ratios(window.steps, window.names).items():
            if ratio > LARGE_UPDATE:
                evidence = f"{window.now}, a step changes its weights by {_percent(ratio)}"
                found.append(_too_fast(name, evidence, window))
    if found:
        return found
    opening = _ratios(window.opening[:PERSISTS], window.names)
    if not opening or window.steps[-1].step < WARM_UP:
        return []
    name, ratio = max(opening.items(), key=lambda item: item[1])
    if ratio <= RUINOUS:
        return []
    first = window.opening[0].step
    evidence = (
        f"{window.now}: from step {first} on, each step changed its weights by {_percent(ratio)}"
    )
    return [_too_fast(name, evidence, window)]


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
            return _too_fast(layer.name, evidence, window)
    return None


def _too_fast(name: str, evidence: str, window: Window) -> Verdict:
    start, now = window.start_loss, window.loss
    if start is not None and now is not None:
        evidence += f", and the loss went from {start:.4g} to {now:.4g}"
    else:
        evidence += ", and the loss does not fall"
    fix = f"{LOWER}  # and start again: these weights are spoilt"
    return Verdict("large_updates", name, evidence, fix)


def small_updates(window: Window) -> list[Verdict]:
    """No step changes anything to speak of, so the loss falls far too slowly or not at all."""
    step = window.steps[-1].step
    if step < WARM_UP or window.has_started:
        return []
    ratios = _ratios(window.steps, window.names)
    if not ratios:
        return []
    largest = max(ratios, key=lambda name: ratios[name])
    half = len(window.steps) // 2
    before = _ratios(window.steps[:half], [largest]).get(largest)
    if before is not None and ratios[largest] > WARMING_UP * before:
        return []
    if 0 < ratios[largest] < SMALL_UPDATE and not window.improves:
        how = "and the loss does not fall"
    elif 0 < ratios[largest] < TIMID and step >= TIMID_STEPS and _falls_steadily(window):
        start, now = window.start_loss, window.loss
        how = f"and the loss falls steadily, but only from {start:.4g} to {now:.4g}"
    else:
        return []
    return [
        Verdict(
            "small_updates",
            largest,
            f"{window.now}, no layer changes by more than {ratios[largest]:.1e} of its weights "
            f"in a step, {how}",
            f"{RAISE}  # about 1e-3 of the weights in a step is usual",
        )
    ]


def _falls_steadily(window: Window) -> bool:
    """Whether the loss falls by more than noise, but has not come far."""
    start, now = window.start_loss, window.loss
    if start is None or now is None or not start > 0:
        return False
    fall = start - now
    return STEADY * window.loss_noise < fall < TIMID_FALL * start


def slow(window: Window) -> list[Verdict]:
    """The loss has hardly moved since the training began."""
    start, now, lowest = window.start_loss, window.loss, window.lowest_loss
    if window.steps[-1].step < SLOW_STEPS or start is None or now is None or lowest is None:
        return []
    fall = start - lowest
    # Neither the noise of small batches nor a loss that was at its floor at once is slowness.
    if window.improves or not 0 <= fall + 2 * window.loss_noise < SLOW_DROP * start:
        return []
    if now > DIVERGED * start:
        return []
    return [
        Verdict(
            "slow",
            "loss",
            f"{window.now}, the mean loss is {now:.4g}; it began at {start:.4g} and was never "
            f"below {lowest:.4g}",
            f"{RAISE}  # `kerasinit.diagnose(model, x, y)` checks the model",
        )
    ]


def _ratios(steps: Sequence[TrainingStep], names: list[str]) -> dict[str, float]:
    """Median update ratio of each layer over the last records."""
    found = {name: series(steps, name, "update_ratio", PERSISTS) for name in names}
    return {name: median(values) for name, values in found.items() if values}


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.0f} %" if math.isfinite(ratio) else "more than can be told"
