"""What is wrong with a model's signal, decided from plain numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import TypeAlias

from kerasinit.signals import _rules_of_constants as constants
from kerasinit.signals import _rules_of_gradients as gradients
from kerasinit.signals import _rules_of_heads as heads
from kerasinit.signals import _rules_of_scale as scale
from kerasinit.signals import _rules_of_units as units
from kerasinit.signals import _rules_of_updates as updates
from kerasinit.signals._layer_signals import Signals
from kerasinit.signals._remedy import STANDARDIZE, Remedy
from kerasinit.signals._rules_of_numbers import non_finite
from kerasinit.signals._verdict import CAUSES, Verdict, table, without_restatements


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

    Example:
        ```python
        for verdict in judge(measure(model, x, y)):
            print(verdict.cause, verdict.where)
        ```
    """
    broken = non_finite(signals)
    if broken is not None:
        return (*_roots_of(broken, signals), broken)
    found = _found(RULES, signals)
    if not MAKE_CONSTANT & {verdict.cause for verdict in found}:
        found += _found((constants.constant_output,), signals)
    return _scaled_together(roots_first(found), signals)


Rule: TypeAlias = Callable[[Signals], Verdict | None]

RULES: tuple[Rule, ...] = (
    updates.not_trainable, constants.bad_inputs, heads.bad_targets, heads.bad_loss,
    constants.constant_input, constants.single_sample, constants.lone_softmax,
    constants.constant_layer, gradients.zero_gradient, units.symmetric, gradients.vanishing,
    gradients.exploding, units.dead_units, units.dropped_units, units.saturated, scale.large_bias,
    scale.bad_scale, scale.too_narrow, scale.unexpected_loss, scale.unscaled_input,
    updates.broken_update, updates.large_updates, updates.small_updates,
)  # fmt: skip


def _found(rules: Sequence[Rule], signals: Signals) -> list[Verdict]:
    return [verdict for rule in rules if (verdict := rule(signals)) is not None]


def _roots_of(broken: Verdict, signals: Signals) -> list[Verdict]:
    """What led to values that are no numbers: outputs that the loss does not take, or growth."""
    if broken.where == "input":
        return []
    if any(row.non_finite_weights for row in signals.layers):
        return _found((heads.bad_targets,), signals)
    if not any(row.non_finite_outputs for row in signals.layers):
        if broken.where == "targets":
            return []
        misfits = _found((heads.bad_targets, heads.bad_loss), signals)
        if misfits:
            return misfits
    finite = takewhile(
        lambda row: not row.non_finite_outputs and math.isfinite(row.preactivation_mean_square),
        signals.layers,
    )
    growth = gradients.forward_growth(signals, list(finite))
    return [] if growth is None else [growth]


def _scaled_together(verdicts: tuple[Verdict, ...], signals: Signals) -> tuple[Verdict, ...]:
    """Inputs and targets that are both far off: to mend one of them does not help."""
    scaling = {v.remedy.kind: v.remedy.value for v in verdicts if v.remedy is not None}
    if updates.are_far(signals):  # outputs are of size 1 once the inputs are
        scaling.setdefault("scale_targets", STANDARDIZE.format("y"))
    kinds = {"scale_inputs", "scale_targets"}
    if not kinds <= scaling.keys():
        return verdicts
    both = Remedy("scale_data", scaling["scale_targets"])
    return tuple(
        Verdict.cured(one.cause, one.where, one.evidence, both, "both of them, or none helps")
        if one.remedy is not None and one.remedy.kind in kinds
        else one
        for one in verdicts
    )


# What makes the outputs of all inputs alike, and says more than that they are.
MAKE_CONSTANT = {
    "bad_inputs", "bad_scale", "constant_output", "dead_units", "exploding", "saturated",
    "single_sample", "symmetric", "unscaled_input", "vanishing",
}  # fmt: skip

# What hides behind what: the cause explains these others, and goes before them.
EXPLAINS = table(
    bad_targets="bad_loss zero_gradient unexpected_loss exploding large_updates",
    bad_loss="zero_gradient unexpected_loss exploding large_updates",
    constant_output="bad_loss zero_gradient vanishing bad_scale",
    # Logits so large that a softmax is sure of one class for every input.
    unexpected_loss="constant_output zero_gradient",
    symmetric="constant_output zero_gradient vanishing exploding dead_units bad_scale",
    dead_units="constant_output zero_gradient vanishing",
    saturated="constant_output zero_gradient vanishing bad_scale small_updates",
    unscaled_input="zero_gradient vanishing exploding dead_units saturated bad_scale "
    "unexpected_loss large_updates small_updates",
    # What is flat lets no gradient grow; what has grown lies in the flat part.
    exploding="saturated zero_gradient vanishing bad_scale unexpected_loss too_narrow "
    "large_updates",
    bad_scale="constant_output zero_gradient unexpected_loss large_updates small_updates",
    not_trainable="zero_gradient small_updates",
    single_sample="constant_output zero_gradient",
    vanishing="constant_output bad_scale too_narrow small_updates",
)

# What says no more than any one of these others.
RESTATES = table(
    bad_scale="vanishing exploding symmetric unscaled_input",
    too_narrow="vanishing exploding symmetric",
    vanishing="symmetric constant_output zero_gradient dead_units",
    zero_gradient="symmetric dead_units saturated constant_output",
    small_updates="vanishing symmetric dead_units saturated zero_gradient unscaled_input "
    "constant_output",
    large_updates="exploding bad_targets unscaled_input",
    unexpected_loss="bad_targets bad_loss unscaled_input",
)


def roots_first(found: list[Verdict]) -> tuple[Verdict, ...]:
    """Sorted by cause, each after all that explain it; drops restatements of the same fault."""
    explained = Counter(
        cause for root in {verdict.cause for verdict in found} for cause in EXPLAINS.get(root, ())
    )
    kept = without_restatements(found, RESTATES)
    # Two rules may find the same fault; the first of them says it.
    kept = [*{(one.cause, one.where): one for one in reversed(kept)}.values()][::-1]
    return tuple(sorted(kept, key=lambda v: (explained[v.cause], CAUSES.index(v.cause))))
