"""Verdicts over a window of training steps, from plain values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import geometric_mean, median

from kerasinit.signals._verdict import TRAINING_CAUSES, Verdict

WINDOW = 20  # recorded steps to keep for `judge_window`
PERSISTS = 5  # recorded steps that a fault must last (TheDeepChecker's window)
WARM_UP = 10  # first training steps, in which the size of updates means nothing
VANISHED = 1e-3  # gradient of the first third of the layers over the last third (AutoTrainer)
STANDSTILL = 1e-5  # update ratio of the first third; tells a faint gradient from a small update
DOUBLING = 2.0  # growth of the largest gradient from record to record (TheDeepChecker)
SPIKE = 100.0  # times the median of the window
LARGE_UPDATE, SMALL_UPDATE = 1e-1, 1e-4  # of RMS change over RMS weight (TheDeepChecker)
DEAD = 0.75  # share of units; in deep ReLU nets half of them are off for a whole batch
SATURATED = 0.5  # share of units (SageMaker Debugger)
PROBES = 2  # activation probes that must agree
SLOW_STEPS = 500  # training steps after which something should have happened
SLOW_DROP = 0.05  # of the first loss
IMPROVES = 0.01  # relative drop of the loss from the first to the second half of the window
STARTED = 0.7  # of the first loss: above it, training has hardly begun
TINY = 1e-45  # smallest float32; stands for an underflow


@dataclass(frozen=True)
class LayerStep:
    """What one weighted layer did in one recorded training step.

    Args:
        name: Path of the layer.
        gradient_rms: RMS of the gradient of the layer's kernel, unscaled, before clipping.
        weight_rms: RMS of the layer's kernel.
        update_ratio: RMS of the kernel's change in this step over `weight_rms`, dimensionless;
            None if it was not measured.
        signal_gradient_rms: RMS of the pre-activation gradient, or of the bias gradient that
            stands for it; None if there is neither.
        non_finite: Number of NaN or infinite entries in gradient and weights.
        dead_share: Share of units that were active for no sample, in 0..1; None if not probed.
        saturated_share: Share of units with a vanished derivative, in 0..1; None if not probed.
    """

    name: str
    gradient_rms: float
    weight_rms: float
    update_ratio: float | None = None
    signal_gradient_rms: float | None = None
    non_finite: int = 0
    dead_share: float | None = None
    saturated_share: float | None = None


@dataclass(frozen=True)
class TrainingStep:
    """One recorded training step of the whole model.

    Args:
        step: Number of the step since training began.
        loss: Training loss of the step (or Keras' running mean of it); None if unknown.
        layers: Trainable weighted layers, in execution order where it is known, else in the
            order of `model.layers`.
        overflow: True if loss scaling dropped this step because half precision overflowed.
    """

    step: int
    loss: float | None
    layers: tuple[LayerStep, ...]
    overflow: bool = False


def judge_window(
    steps: Sequence[TrainingStep], *, first_loss: float | None = None
) -> tuple[Verdict, ...]:
    """What is wrong with the last training steps, root cause first; empty if healthy.

    A fault must persist over several records and is not raised while the loss falls, except for
    what cannot wait (NaN, a spike). Steps that loss scaling dropped are left out: they are its
    normal work, unless nothing else is left.

    Args:
        steps: The recorded steps, oldest first; keep the last `WINDOW` of them. A verdict's
            `where` is the layer, so (cause, where) tells a new verdict from a repeated one.
        first_loss: Loss at the start of the training; the oldest in `steps` if None.

    Source: thresholds of TheDeepChecker (Ben Braiek & Khomh, 2022,
    https://arxiv.org/abs/2204.00694) and AutoTrainer (Zhang et al., 2021), over a window.

    >>> layer = LayerStep("dense", gradient_rms=float("nan"), weight_rms=0.1, non_finite=3)
    >>> [verdict.cause for verdict in judge_window([TrainingStep(7, 0.5, (layer,))])]
    ['non_finite']
    """
    kept = [step for step in steps if not step.overflow]
    if len(steps) >= WARM_UP and not kept:
        return (_all_overflow(steps),)
    if not kept or (steps and steps[-1].overflow):
        return ()
    if first_loss is None:
        first_loss = next((step.loss for step in kept if step.loss is not None), None)
    window = _Window(kept, first_loss)
    broken = _non_finite(window)
    if broken is not None:
        before = _exploding(_Window(kept[:-1], window.first_loss))
        return (broken,) if before is None else (before, broken)
    found = [verdict for rule in RULES for verdict in rule(window)]
    if any(verdict.cause == "exploding" for verdict in found):
        found = [verdict for verdict in found if verdict.cause != "spike"]  # it says the same
    return tuple(sorted(found, key=lambda verdict: TRAINING_CAUSES.index(verdict.cause)))


@dataclass(frozen=True)
class _Window:
    steps: Sequence[TrainingStep]
    first_loss: float | None

    @property
    def now(self) -> str:
        return f"at step {self.steps[-1].step}"

    @property
    def improves(self) -> bool:
        """Whether the loss falls from the first to the second half of the window."""
        losses = [step.loss for step in self.steps if step.loss is not None]
        half = len(losses) // 2
        if half == 0:
            return False
        before, after = sum(losses[:half]) / half, sum(losses[-half:]) / half
        return before - after > IMPROVES * abs(before)

    @property
    def has_started(self) -> bool:
        """Whether the loss is well below the first one."""
        last = self.steps[-1].loss
        if last is None or self.first_loss is None or not self.first_loss > 0:
            return False
        return last < STARTED * self.first_loss

    def last(self, count: int) -> list[dict[str, LayerStep]]:
        """The layers by name in the last `count` records; empty if there are fewer."""
        if len(self.steps) < count:
            return []
        return [{layer.name: layer for layer in step.layers} for step in self.steps[-count:]]

    def series(self, name: str, field: str, count: int) -> list[float]:
        """Values of a field of one layer in the last `count` records that have it."""
        values = []
        for step in self.steps:
            for layer in step.layers:
                value = getattr(layer, field) if layer.name == name else None
                if value is not None:
                    values.append(float(value))
        return values[-count:] if len(values) >= count else []

    @property
    def names(self) -> list[str]:
        return [layer.name for layer in self.steps[-1].layers]


# --- what cannot wait -------------------------------------------------------------------------


def _all_overflow(steps: Sequence[TrainingStep]) -> Verdict:
    return Verdict(
        "non_finite",
        "model",
        f"at step {steps[-1].step}, loss scaling has skipped all of the last {len(steps)} "
        "recorded steps",
        "use `mixed_bfloat16`, or look for an overflow in the forward pass",
    )


def _non_finite(window: _Window) -> Verdict | None:
    step = window.steps[-1]
    for layer in step.layers:
        if layer.non_finite or not math.isfinite(layer.gradient_rms + layer.weight_rms):
            return Verdict(
                "non_finite",
                layer.name,
                f"{window.now}, {layer.non_finite or 'some'} entries of its gradient or weights "
                "are NaN or infinite",
                "go back to weights from before, and lower the learning rate or set `clipnorm`",
            )
    if step.loss is not None and not math.isfinite(step.loss):
        return Verdict(
            "non_finite",
            "loss",
            f"{window.now}, the loss is {step.loss}",
            "look for NaN in the data, or a logarithm of 0 in the loss (`from_logits=True`)",
        )
    return None


def _spike(window: _Window) -> list[Verdict]:
    *before, now = window.steps
    if len(before) < WARM_UP or window.has_started:
        return []  # near the floor of the loss, one hard sample is many times the rest
    usual = median(_size(step) for step in before)
    if not 0 < usual * SPIKE < _size(now):
        return []
    worst = max(now.layers, key=lambda layer: layer.gradient_rms)
    return [
        Verdict(
            "spike",
            worst.name,
            f"{window.now}, the gradient is {_size(now) / usual:.3g} times its usual size",
            "set `clipnorm` on the optimizer, and look at this batch",
        )
    ]


# --- what must persist ------------------------------------------------------------------------


def _zero_gradient(window: _Window) -> list[Verdict]:
    if window.steps[-1].loss == 0:
        return []
    for name in reversed(window.names):
        gradients = window.series(name, "gradient_rms", PERSISTS)
        dead = window.series(name, "dead_share", 1)
        if gradients and not any(gradients) and dead != [1.0]:
            return [
                Verdict(
                    "zero_gradient",
                    name,
                    f"{window.now}, its gradient has been exactly 0 for {PERSISTS} records",
                    "check that the loss depends on it; `kerasinit.diagnose(model, x, y)` says why",
                )
            ]
    return []


def _vanishing(window: _Window) -> list[Verdict]:
    layers = window.names
    if len(layers) < 3 or window.improves or window.has_started:
        return []
    sizes, updates = [], []
    field = "signal_gradient_rms"
    if not all(window.series(name, field, PERSISTS) for name in layers):
        field = "gradient_rms"
    for name in layers:
        values = window.series(name, field, PERSISTS)
        if not values:
            return []
        sizes.append(max(median(values), TINY))
        changes = window.series(name, "update_ratio", PERSISTS)
        updates.append(median(changes) if changes else 0.0)
    third = len(layers) // 3
    share = geometric_mean(sizes[:third]) / geometric_mean(sizes[-third:])
    if not (share < VANISHED and max(updates[:third]) < STANDSTILL and sizes[-1] > TINY):
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


def _exploding_rule(window: _Window) -> list[Verdict]:
    found = _exploding(window)
    return [] if found is None or window.improves else [found]


def _exploding(window: _Window) -> Verdict | None:
    steps = window.steps[-PERSISTS - 1 :]
    if len(steps) <= PERSISTS:
        return None
    sizes = [max((layer.gradient_rms for layer in step.layers), default=0.0) for step in steps]
    grows = all(0 < DOUBLING * a < b for a, b in pairwise(sizes))
    earlier = [_size(step) for step in window.steps[:-PERSISTS]]
    usual = median(earlier) if len(earlier) >= WARM_UP else math.inf
    stays = all(_size(step) > SPIKE * usual > 0 for step in steps[1:])
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


def _dead_units(window: _Window) -> list[Verdict]:
    return _shares(
        window,
        window.names,
        ("dead_units", "dead_share", DEAD),
        "units are off for whole batches",
        "lower the learning rate, or draw the layer again",
    )


def _saturated(window: _Window) -> list[Verdict]:
    # The last layer of a classifier that is sure of itself is saturated, and healthy.
    return _shares(
        window,
        window.names[:-1],
        ("saturated", "saturated_share", SATURATED),
        "units sit in the flat part of the activation",
        "lower the learning rate; a better start: `kerasinit.initialize(model)`",
    )


def _shares(
    window: _Window, names: list[str], rule: tuple[str, str, float], what: str, fix: str
) -> list[Verdict]:
    cause, field, limit = rule
    found = []
    for name in names:
        shares = window.series(name, field, PROBES)
        if shares and min(shares) > limit:
            evidence = f"{window.now}, {100 * shares[-1]:.0f} % of its {what}"
            found.append(Verdict(cause, name, evidence, fix))
    return found


def _updates(window: _Window) -> list[Verdict]:
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


def _slow(window: _Window) -> list[Verdict]:
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


RULES: tuple[Callable[[_Window], list[Verdict]], ...] = (
    _zero_gradient,
    _vanishing,
    _exploding_rule,
    _dead_units,
    _saturated,
    _spike,
    _updates,
    _slow,
)


def _size(step: TrainingStep) -> float:
    """RMS of the gradient over layers: what spikes in one layer shows."""
    return math.hypot(*(layer.gradient_rms for layer in step.layers))
