"""A built model with newly chosen weights."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from kerasinit import _backend, initializers, theory
from kerasinit._typing import Batch, Model, Rules, SeedLike
from kerasinit.models import _rules
from kerasinit.models._best_practice import best_choices, orthogonal_choices
from kerasinit.models._chrono import with_chrono
from kerasinit.models._describe import describe
from kerasinit.models._draw import Choice, apply, check
from kerasinit.models._first_batch import first_batch
from kerasinit.models._journal import journal
from kerasinit.models._kept import own_choice
from kerasinit.models._learned import remember, warn_of_learned
from kerasinit.models._lsuv import Target, scale_to_unit_variance
from kerasinit.models._parts import with_twins
from kerasinit.models._plan import Plan, PlanRow
from kerasinit.models._reseeded import resolve_seed
from kerasinit.models._scene import Scene, scene_of
from kerasinit.models._schemes import CHRONO, SCHEMES, scheme_choices
from kerasinit.models._slots import warn_of_unbuilt


def initialize(
    model: Model,
    rules: Rules = None,
    *,
    seed: SeedLike = None,
    data: Batch | None = None,
    time_steps: int | None = None,
    dry_run: bool = False,
    reset_optimizer: bool = False,
) -> Plan:
    """Draws new weights for a built model, in place, and says what was chosen and why.

    What the model has learned goes, with a warning; `trainable = False` keeps a layer. What its
    author fixed stays: variables that are not trained, kernels that start from given values, and
    zeros on purpose (the end of a branch, a head, a gate), unless a rule spells out the layer.

    Args:
        model: A built Keras model: Sequential, functional, subclassed, nested.
        rules: None for the best practice for each layer's place in the graph. Or one initializer
            for all kernels (a name, a config, an instance). Or an ordered list of (path regex or
            layer class, initializer) pairs, of which the first match counts; None as initializer
            keeps what the variables hold; those that no rule means are drawn from their layer's
            own initializers. Or the name of a scheme (see below), also as the last entry of a
            list, for all that no pair means.
        seed: An int repeats the weights exactly; None draws a fresh one.
        data: One batch for data-driven scaling (LSUV): every kernel is scaled, in inference mode,
            until its layer's outputs have variance 1 within 0.1, then its bias takes the mean away.
            Of a `tf.data.Dataset`, a generator or a `PyDataset`, the inputs of the first batch.
            With `rules=None` the start is orthogonal.
        time_steps: How many steps the LSTM and GRU layers of a model should remember, at most:
            their gate biases start so that units remember for 2 to that many, each for another
            time, under any rules. None leaves the biases to the rules.
        dry_run: Only plan; change nothing, and do not look at `data`.
        reset_optimizer: Whether a compiled model's optimizer forgets its slots and step count too:
            a training from the start, so that nothing is warned of.

    The schemes, by the kind of network:

    | network | rules |
    | --- | --- |
    | any: plain stacks of any depth, convolutions, Transformers with and without norms | `None` |
    | memories over hundreds of steps (LSTM, GRU) | `"chrono"`: the steps from the input's length |
    | policies and values (PPO, A2C, SAC), heads told by name, activation, units | `"rl"` |
    | sines that should fit fast (pictures, sound, fields) | `"scaled-siren"` |
    | residual branches, each times 1/sqrt(number), or the gamma of its last norm | `"residual"` |
    | the same, but branches start at zero and their inside is scaled by depth | `"fixup"` |
    | GPT-2; ViT (both with norms) | `"gpt"`; `"vit"` |
    | post-norm Transformers of 100 and more blocks, their skips scaled | `"deepnorm"` |
    | Transformers without norms or warm-up | `"t-fixup"` |

    Returns:
        The plan: one row per variable.

    Raises:
        ValueError: If the model is not built, `data` does not fit or is not finite, a rule matches
            nothing or is hidden by earlier ones, `seed` is negative, an initializer cannot fill a
            variable, or no new optimizer can be made. Model, optimizer and seeds are unchanged
            then, as after Ctrl-C.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="head")])
    >>> plan = initialize(model, "he_normal", seed=3)
    >>> plan["head/kernel"].initializer
    'HeNormal()'
    """
    with _backend.same_random_state():  # Keras' initializers draw a seed when they are made
        scene = scene_of(model)
        if rules is None and data is not None:
            choices = orthogonal_choices(scene)
            if time_steps is not None:
                choices = with_chrono(scene, choices, time_steps)
        else:
            choices = choose(scene, rules, time_steps)
        choices = with_twins(scene, choices)
    warn_of_unbuilt(model)  # what only notes a size was built when its graph was read
    if not reset_optimizer:
        warn_of_learned(choices)
    if dry_run:
        return carry_out(model, choices, seed=seed, dry_run=True)
    optimizer = _built_optimizer(model) if reset_optimizer else None
    batch = None if data is None else first_batch(data)[0]
    with journal(_touched(choices, seed, optimizer)):
        plan = carry_out(model, choices, seed=seed, dry_run=False)
        if batch is not None:
            drawn = [
                one.slot
                for one in choices
                if one.changes and id(one.slot.variable) not in scene.kept
            ]
            plan = with_data(plan, scale_to_unit_variance(model, drawn, batch))
        if optimizer is not None:
            restart(optimizer)
    remember(choices)
    return plan


def choose(scene: Scene, rules: Any, time_steps: int | None = None) -> list[Choice]:
    """One choice for each variable.

    Args:
        scene: A built Keras model.
        rules: See `initialize`.
        time_steps: See `initialize`.
    """
    if not _rules.is_rule_list(rules):
        return _remembering(scene, _whole(scene, rules), rules, time_steps)
    pairs, scheme = _rules.split(rules)
    given = _rules.matched(scene, pairs)
    rest = (
        [own_choice(slot) for slot in scene.slots]
        if scheme is None
        else scheme_choices(scheme, scene, given)
    )
    return _rules.choose(scene, pairs, _remembering(scene, rest, scheme, time_steps))


def _whole(scene: Scene, rules: Any) -> list[Choice]:
    """Choices by one initializer or scheme for the whole model."""
    if rules is None:
        return best_choices(scene)
    if isinstance(rules, str) and rules in SCHEMES:
        return scheme_choices(rules, scene)
    if isinstance(rules, np.ndarray) or keras.ops.is_tensor(rules):
        raise ValueError(
            "`rules` is an initializer for all kernels or a list of rules. Received an array of "
            f"shape {tuple(rules.shape)}. A batch to scale by goes into `data=`; the values of one "
            "variable, into a rule: `[(path, values)]`."
        )
    return _rules.choose_one(scene, rules)


def _remembering(
    scene: Scene, choices: list[Choice], rules: Any, time_steps: int | None
) -> list[Choice]:
    is_chrono = isinstance(rules, str) and rules == CHRONO
    if time_steps is None and not is_chrono:
        return choices
    return with_chrono(scene, choices, time_steps)


def reset(model: Model, *, seed: SeedLike = None, dry_run: bool = False) -> Plan:
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
    with _backend.same_random_state():  # as in `initialize`
        scene = scene_of(model)
        choices = with_twins(scene, [own_choice(slot) for slot in scene.slots])
    warn_of_unbuilt(model)
    if dry_run:
        return carry_out(model, choices, seed=seed, dry_run=True)
    with journal(_touched(choices, seed)):
        plan = carry_out(model, choices, seed=seed, dry_run=False)
    remember(choices)
    return plan


def _touched(choices: list[Choice], seed: SeedLike, optimizer: Any = None) -> list[Any]:
    """Everything that a call may change: weights, states of generators, an optimizer."""
    found = [one.slot.variable for one in choices if one.changes or one.slot.kind == "seed"]
    if isinstance(seed, keras.random.SeedGenerator):
        found.append(seed.state)
    return found + ([] if optimizer is None else list(optimizer.variables))


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


def _built_optimizer(model: Any) -> Any | None:
    optimizer = getattr(model, "optimizer", None)
    return optimizer if optimizer is not None and optimizer.built else None


def with_data(plan: Plan, targets: list[Target]) -> Plan:
    """The plan with what data-driven scaling found."""
    found = {target.kernel.path: target for target in targets}
    rows = []
    for row in plan.rows:
        target = found.get(row.path)
        if target is not None:
            known = math.isfinite(target.variance)
            row = replace(
                row,
                tries=target.tries,
                output_std=math.sqrt(max(0.0, target.variance)) if known else None,
                converged=target.converged,
                reason="; ".join(filter(None, [row.reason, target.problem])),
            )
        rows.append(row)
    return replace(plan, rows=tuple(rows))


def restart(optimizer: Any) -> None:
    """Gives a built optimizer the slots and the step count of a new one; its rate stays.

    Raises:
        ValueError: If no new one can be made from its config.
    """
    try:
        fresh = type(optimizer).from_config(_backend.config_of(optimizer))
        fresh.build(_backend.trained_variables(optimizer))
        pairs = list(zip(optimizer.variables, fresh.variables, strict=True))
    except Exception as error:
        raise ValueError(
            f"`reset_optimizer`: no new {type(optimizer).__name__} can be made from its config: "
            f"{error} Compile the model again instead. Nothing was changed."
        ) from error
    for old, new in pairs:
        if old.name != "learning_rate":
            old.assign(new)


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
