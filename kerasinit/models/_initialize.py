"""A built model with newly chosen weights."""

from __future__ import annotations

from typing import Any

from kerasinit._typing import SeedLike
from kerasinit.models import _rules
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
        rules: One initializer for all kernels (a name, a config, an instance), or an ordered list
            of (path regex or layer class, initializer) pairs, of which the first match counts.
            Variables that no rule means are drawn from their layer's own initializers.
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
    if _rules.is_rule_list(rules):
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
    return PlanRow(
        path=slot.path,
        shape=slot.shape,
        kind=slot.kind,
        layer=type(slot.layer).__name__,
        initializer=describe(choice.initializer),
        reason=choice.reason,
        changed=choice.changes,
    )
