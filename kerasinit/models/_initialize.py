"""A built model with newly chosen weights."""

from __future__ import annotations

import math
from typing import Any

from kerasinit import initializers, theory
from kerasinit._typing import SeedLike
from kerasinit.models import _rules
from kerasinit.models._best_practice import best_choices
from kerasinit.models._draw import Choice, apply, check, describe, resolve_seed
from kerasinit.models._plan import Plan, PlanRow
from kerasinit.models._variables import slots


def initialize(
    model: Any,
    rules: Any = None,
    *,
    seed: SeedLike = None,
    dry_run: bool = False,
) -> Plan:
    """Draws new weights for a built model, in place, and says what was chosen and why.

    Args:
        model: A built Keras model: Sequential, functional, subclassed, nested.
        rules: None for the best practice for each layer's place in the graph. Or one initializer
            for all kernels (a name, a config, an instance). Or an ordered list of (path regex or
            layer class, initializer) pairs, of which the first match counts; variables that no
            rule means are drawn from their layer's own initializers.
        seed: An int repeats the weights exactly; None draws a fresh one.
        dry_run: Only plan; change nothing.

    Returns:
        The plan: one row per variable.

    Raises:
        ValueError: If the model is not built, a rule matches nothing or is hidden by earlier ones,
            or an initializer cannot fill a variable. The model is unchanged then.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="head")])
    >>> plan = initialize(model, "he_normal", seed=3)
    >>> plan["head/kernel"].initializer
    'HeNormal()'
    """
    found = slots(model)
    if rules is None:
        choices = best_choices(model, found)
    elif _rules.is_rule_list(rules):
        choices = _rules.choose(found, rules)
    else:
        choices = _rules.choose_one(found, rules)
    return carry_out(model, choices, seed=seed, dry_run=dry_run)


def reset(model: Any, *, seed: SeedLike = None, dry_run: bool = False) -> Plan:
    """Draws a built model anew from its layers' own initializers, in place.

    Args:
        model: A built Keras model.
        seed: An int repeats the weights exactly; None draws a fresh one.
        dry_run: Only plan; change nothing.

    Returns:
        The plan: one row per variable; `plan.left_alone` names what could not be drawn.

    Raises:
        ValueError: If the model is not built.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="head")])
    >>> reset(model, seed=1)["head/kernel"].initializer
    'GlorotUniform()'
    """
    choices = [_rules.own_choice(slot) for slot in slots(model)]
    return carry_out(model, choices, seed=seed, dry_run=dry_run)


def carry_out(model: Any, choices: list[Choice], *, seed: SeedLike, dry_run: bool) -> Plan:
    """Applies `choices` to the model and returns them as a plan.

    Args:
        model: The built model that the choices belong to.
        choices: One per variable.
        seed: See `initialize`.
        dry_run: Only check the choices.
    """
    chosen_seed = resolve_seed(seed)
    if dry_run:
        check(choice for choice in choices if choice.changes)
    else:
        apply(choices, chosen_seed)
    rows = tuple(_row(choice) for choice in choices)
    return Plan(model=model.name, seed=chosen_seed, rows=rows, dry_run=dry_run)


def _row(choice: Choice) -> PlanRow:
    slot = choice.slot
    fans = None
    if slot.kind == "kernel" and choice.changes:
        fans = initializers.fans(slot.layer, slot.variable)
    return PlanRow(
        path=slot.path,
        shape=slot.shape,
        kind=slot.kind,
        layer=type(slot.layer).__name__,
        initializer=describe(choice.initializer),
        reason=choice.reason,
        changed=choice.changes,
        fan_in=None if fans is None else fans.fan_in,
        fan_out=None if fans is None else fans.fan_out,
        gain=None if fans is None else _gain(choice),
    )


def _gain(choice: Choice) -> float | None:
    """Factor on the weights that the initializer was asked for; None where it names none."""
    initializer = choice.initializer
    if isinstance(initializer, initializers.OddPart):
        return choice.scale * initializer.scale
    gain = getattr(initializer, "gain", None)
    if gain == "auto":
        return None
    if gain is not None:
        return choice.scale * (gain if isinstance(gain, (int, float)) else theory.gain(gain))
    scale = getattr(initializer, "scale", None)
    return None if scale is None else choice.scale * math.sqrt(scale)
