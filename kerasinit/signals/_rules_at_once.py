"""Verdicts on a training that cannot wait for a second record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from kerasinit.signals._remedy import HALF_EPSILON, OTHER_OPTIMIZER
from kerasinit.signals._training_steps import LayerStep, TrainingStep
from kerasinit.signals._verdict import Verdict
from kerasinit.signals._window import WARM_UP, Window, losses_of

DIAGNOSE = "kerasinit.diagnose(model, x, y)"
BAD_SAMPLES = "print(np.unique(np.argwhere(~np.isfinite(x))[:, 0]))"
SPIKE = 100.0  # times the median of the window


def all_overflow(steps: Sequence[TrainingStep]) -> Verdict:
    """Loss scaling has dropped every recorded step."""
    evidence = (
        f"at step {steps[-1].step}, loss scaling has skipped all of the last {len(steps)} "
        "recorded steps"
    )
    fix = 'keras.mixed_precision.set_global_policy("mixed_bfloat16")  # or look for an overflow'
    return Verdict("non_finite", "model", evidence, fix)


def non_finite(window: Window) -> Verdict | None:
    """NaN or infinity in the last step: in some layers, or in the loss and so everywhere."""
    step = window.steps[-1]
    made = _made_by_the_optimizer(window)
    if made is not None:
        return made
    broken = [layer.name for layer in step.layers if not _is_finite(layer)]
    if step.loss is not None and not math.isfinite(step.loss):
        where, what = "loss", f"the loss is {step.loss}"
        if broken and len(broken) < len(step.layers):
            where, what = broken[-1], f"{what} and its gradient or weights hold NaN or infinity"
    elif broken:
        # Gradients travel down: the highest layer is where it began.
        where = broken[-1]
        count = step.by_name[where].non_finite
        what = f"{count or 'some'} entries of its gradient or weights are NaN or infinite"
    else:
        return None
    before = [step.loss for step in window.steps[:-1] if step.loss is not None]
    history = ", and it is the first record: the data or the weights hold it"
    if before:
        history = f"; the loss before was {before[-1]:.4g}"
    fix = (
        f"{BAD_SAMPLES}  # numbers of samples with NaN in x; the same of y; if there are none, "
        "look for a logarithm, root or division at 0 in the loss"
    )
    if len(window.steps) == 1:
        fix = f"{DIAGNOSE}  # names the first NaN: in x, in y, in a weight, or of a logarithm"
    return Verdict("non_finite", where, f"{window.now}, {what}{history}", fix)


def _made_by_the_optimizer(window: Window) -> Verdict | None:
    """A step that makes NaN of weights, of a finite loss and finite gradients."""
    for step in window.steps[-2:]:
        if step.loss is not None and not math.isfinite(step.loss):
            continue
        for layer in step.layers:
            if not _is_finite(layer) or layer.update_ratio is None:
                continue
            if not math.isnan(layer.update_ratio):
                continue
            made = f"step {step.step} of the optimizer made NaN of its weights, of finite gradients"
            cure, why = HALF_EPSILON if window.setup.divides_in_half else OTHER_OPTIMIZER
            return Verdict.cured("non_finite", layer.name, made, cure, f"and start again; {why}")
    return None


def _is_finite(layer: LayerStep) -> bool:
    return not layer.non_finite and math.isfinite(layer.gradient_rms + layer.weight_rms)


def spike(window: Window) -> Verdict | None:
    """The last gradient is far above the median of those before."""
    *before, now = window.steps
    if len(before) < WARM_UP or window.has_started:
        return None  # near the floor of the loss, one hard sample is many times the rest
    losses = losses_of(before)
    if losses and now.loss is not None and not now.loss > max(losses) + abs(max(losses)):
        return None  # what a recurrent layer comes by on its way, and leaves again
    usual = median(step.gradient_size for step in before)
    if not 0 < usual * SPIKE < now.gradient_size:
        return None
    worst = max(now.layers, key=lambda layer: layer.gradient_rms)
    evidence = f"{window.now}, the gradient is {now.gradient_size / usual:.3g} times its usual size"
    if losses and now.loss is not None:
        evidence += f", and the loss {now.loss:.4g}, where it was {max(losses):.4g} at most"
    fix = f"{DIAGNOSE}  # says what is wrong now; one batch that is far off: `clipnorm = 1.0`"
    return Verdict("spike", worst.name, evidence, fix)
