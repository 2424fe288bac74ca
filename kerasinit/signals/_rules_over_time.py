"""Verdicts on a training whose fault has lasted for several records."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import geometric_mean, median

from kerasinit.signals._rules_at_once import SPIKE
from kerasinit.signals._training_steps import WARM_UP, Window
from kerasinit.signals._verdict import Verdict

PERSISTS = 5  # recorded steps that a fault must last (TheDeepChecker's window)
VANISHED = 1e-3  # gradient of the first third of the layers over the last third (AutoTrainer)
STANDSTILL = 1e-5  # update ratio of the first third; tells a faint gradient from a small update
DOUBLING = 2.0  # growth of the largest gradient from record to record (TheDeepChecker)
LARGE_UPDATE, SMALL_UPDATE = 1e-1, 1e-4  # of RMS change over RMS weight (TheDeepChecker)
DEAD = 0.75  # share of units; in deep ReLU nets half of them are off for a whole batch
SATURATED = 0.5  # share of units (SageMaker Debugger)
PROBES = 2  # activation probes that must agree
SLOW_STEPS = 500  # training steps after which something should have happened
SLOW_DROP = 0.05  # of the first loss
TINY = 1e-45  # smallest float32; stands for an underflow


def zero_gradient(window: Window) -> list[Verdict]:
    """The highest layer whose gradient stays exactly 0, unless its units are dead."""
    if window.steps[-1].loss == 0:
        return []
    for name in reversed(window.names):
        gradients = window.series(name, "gradient_rms", PERSISTS)
        if not gradients or any(gradients):
            continue
        if window.series(name, "dead_share", 1) != [1.0]:
            return [
                Verdict(
                    "zero_gradient",
                    name,
                    f"{window.now}, its gradient has been exactly 0 for {PERSISTS} records",
                    "check that the loss depends on it; `kerasinit.diagnose(model, x, y)` says why",
                )
            ]
    return []


def vanishing(window: Window) -> list[Verdict]:
    """The first third of the layers gets hardly any gradient and does not move."""
    layers = window.names
    if len(layers) < 3 or window.improves or window.has_started:
        return []
    sizes, ratios = [], []
    signals = [window.series(name, "signal_gradient_rms", PERSISTS) for name in layers]
    if not all(signals):
        signals = [window.series(name, "gradient_rms", PERSISTS) for name in layers]
    for name, values in zip(layers, signals, strict=True):
        if not values:
            return []
        sizes.append(max(median(values), TINY))
        changes = window.series(name, "update_ratio", PERSISTS)
        ratios.append(median(changes) if changes else 0.0)
    third = len(layers) // 3
    share = geometric_mean(sizes[:third]) / geometric_mean(sizes[-third:])
    if not (share < VANISHED and max(ratios[:third]) < STANDSTILL and sizes[-1] > TINY):
        return []
    return [
        Verdict(
            "vanishing",
            layers[0],
            f"{window.now}, the first {third} of {len(layers)} layers get {share:.1e} of the "
            f"gradient of the last {third} and do not move, and the loss does not fall",
            "start again with `kerasinit.initialize(model)`",
        )
    ]


def exploding_rule(window: Window) -> list[Verdict]:
    """Growth of the gradient while the loss does not fall."""
    found = exploding(window)
    return [] if found is None or window.improves else [found]


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
    return Verdict(
        "exploding",
        worst.name,
        f"at step {steps[-1].step}, the gradient (RMS {worst.gradient_rms:.3g}) {how}",
        "lower the learning rate or set `clipnorm`; a better start: `kerasinit.initialize(model)`",
    )


def dead_units(window: Window) -> list[Verdict]:
    """Layers with too many units that are off for whole batches."""
    return _shares(
        window,
        window.names,
        ("dead_units", "dead_share", DEAD),
        "units are off for whole batches",
        "lower the learning rate, or draw the layer again",
    )


def saturated(window: Window) -> list[Verdict]:
    """Hidden layers with too many units in the flat part of their activation."""
    # The last layer of a classifier that is sure of itself is saturated, and healthy.
    return _shares(
        window,
        window.names[:-1],
        ("saturated", "saturated_share", SATURATED),
        "units sit in the flat part of the activation",
        "lower the learning rate; a better start: `kerasinit.initialize(model)`",
    )


def _shares(
    window: Window, names: list[str], rule: tuple[str, str, float], what: str, fix: str
) -> list[Verdict]:
    if not any(step.is_probed for step in window.steps):
        return []
    cause, field, limit = rule
    found = []
    for name in names:
        shares = window.series(name, field, PROBES)
        if shares and min(shares) > limit:
            evidence = f"{window.now}, {100 * shares[-1]:.0f} % of its {what}"
            found.append(Verdict(cause, name, evidence, fix))
    return found


def updates(window: Window) -> list[Verdict]:
    """Layers that a step changes by too much, or a model that no step changes."""
    if window.steps[-1].step < WARM_UP or window.improves or window.has_started:
        return []
    ratios = {
        name: median(values)
        for name in window.names
        if (values := window.series(name, "update_ratio", PERSISTS))
    }
    if not ratios:
        return []
    found = [
        Verdict(
            "large_updates",
            name,
            f"{window.now}, a step changes its weights by {100 * ratio:.0f} %, and the loss does "
            "not fall",
            "lower the learning rate",
        )
        for name, ratio in ratios.items()
        if ratio > LARGE_UPDATE
    ]
    largest = max(ratios, key=lambda name: ratios[name])
    if 0 < ratios[largest] < SMALL_UPDATE:
        found.append(
            Verdict(
                "small_updates",
                largest,
                f"{window.now}, no layer changes by more than {ratios[largest]:.1e} of its weights "
                "in a step, and the loss does not fall",
                "raise the learning rate",
            )
        )
    return found


def slow(window: Window) -> list[Verdict]:
    """The loss has hardly moved since the training began."""
    step, first = window.steps[-1], window.first_loss
    if step.step < SLOW_STEPS or first is None or step.loss is None or window.improves:
        return []
    if not 0 < (1 - SLOW_DROP) * first < step.loss < 2 * first:
        return []
    return [
        Verdict(
            "slow",
            "loss",
            f"{window.now}, the loss is {step.loss:.4g}; it began at {first:.4g}",
            "raise the learning rate; `kerasinit.diagnose(model, x, y)` checks the model",
        )
    ]
