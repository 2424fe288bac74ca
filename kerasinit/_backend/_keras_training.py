"""What Keras keeps private of training: one function for each fact that is read (see `_keras`)."""

from __future__ import annotations

import ast
import contextlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import keras

from kerasinit._backend._keras import flat_layers, is_of_keras, missing
from kerasinit._backend._replaced import replaced
from kerasinit._safe_text import safe

# What `compile` takes beside an optimizer and a loss, and what it is unless it is given.
COMPILED = {
    "loss_weights": None,
    "metrics": None,
    "weighted_metrics": None,
    "run_eagerly": False,
    "steps_per_execution": 1,
}


def training_argument(model: Any, training: bool) -> dict[str, bool]:
    """The keyword argument `training` if the model's `call` takes it, as Keras' trainers ask."""
    takes = "training" in inspect.signature(type(model).call).parameters
    return {"training": training} if takes else {}


def loss_of_step(
    model: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any = None, *, training: bool
) -> Any:
    """What `model.compute_loss` gives where it is asked as Keras' trainers ask.

    One of the user's own may name its arguments otherwise, and take no `training`.
    """
    parameters = inspect.signature(model.compute_loss).parameters
    takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    options = {"training": training, **weights}
    named = {name: value for name, value in options.items() if takes_all or name in parameters}
    placed = [value for name, value in weights.items() if name not in named]
    return model.compute_loss(x, y, y_pred, *placed, **named)


@contextlib.contextmanager
def without_rematerialization(model: Any) -> Iterator[None]:
    """Lets no layer of `model` be computed twice in the body (reads `Layer._remat_mode`)."""
    with contextlib.ExitStack() as stack:
        for layer in flat_layers(model):
            if vars(layer).get("_remat_mode") is not None:
                stack.enter_context(replaced(layer, _remat_mode=None))
        yield


def has_keras_train_step(model: Any) -> bool:
    """Whether `model` trains by Keras' own `train_step`, whose logs hold running means."""
    return is_of_keras(getattr(model, "train_step", None))


def train_function_of(model: Any, train_step: Callable[..., Any]) -> Callable[..., Any]:
    """The train function that Keras would make of `train_step`; the model keeps its own.

    `Trainer.make_train_function` reads `train_step` and leaves what it makes in `train_function`.
    """
    with replaced(model, train_step=train_step, train_function=None):
        model.make_train_function(force=True)
        made: Callable[..., Any] = model.train_function
        return made


def note_jax_state(model: Any, state: tuple[Any, ...]) -> None:
    """Lets `Trainer.jax_state_sync` of Keras on JAX bring `state` into the variables.

    Writes `Trainer._jax_state` and `_jax_state_synced`, which Keras writes after each step.
    """
    kinds = "trainable_variables", "non_trainable_variables", "optimizer_variables"
    model._jax_state = dict(zip((*kinds, "metrics_variables"), state, strict=True))
    model._jax_state_synced = False


def fresh_compiled_loss(model: Any) -> Any:
    """A copy of the compiled loss of `model` that is not built; None where there is none.

    Reads `Model._compile_loss` and its `_user_loss`, `_user_loss_weights`, `output_names`.
    """
    own = getattr(model, "_compile_loss", None)
    try:
        return own and type(own)(
            own._user_loss, own._user_loss_weights, output_names=own.output_names
        )
    except (AttributeError, TypeError):
        return None


def compiled_in_code(model: Any) -> tuple[str, ...] | None:
    """What `compile` got beside optimizer and loss, as code of further arguments.

    None where code does not say what they are, as for functions. Reads `Trainer._compile_config`.
    """
    config = getattr(getattr(model, "_compile_config", None), "config", None) or {}
    # Keras keeps, for `jit_compile="auto"`, what that means for the model.
    resolve = getattr(model, "_resolve_auto_jit_compile", bool)
    jit = resolve() and not getattr(model, "run_eagerly", False)
    found = []
    for name, usual in {**COMPILED, "jit_compile": jit}.items():
        code = repr(config.get(name))
        if code in ("None", repr(usual)):
            continue
        try:
            ast.literal_eval(code)
        except (SyntaxError, ValueError):
            return None
        found.append(f"{name}={code}")
    return tuple(found)


def has_loss_weights(model: Any) -> bool:
    """Whether `compile` got `loss_weights` (reads `Model._compile_loss._user_loss_weights`)."""
    own = getattr(model, "_compile_loss", None)
    return getattr(own, "_user_loss_weights", None) is not None


@contextlib.contextmanager
def spare_compiled_loss(model: Any, y: Any, y_pred: Any) -> Iterator[Any]:
    """Lends `model` a fresh copy of its compiled loss, so that its own is not built or updated.

    Yields the copy (None if the model has no compiled loss, or it cannot be copied).
    """
    spare = fresh_compiled_loss(model)
    if spare is None:
        if getattr(model, "compiled", False) and model.loss is not None:
            missing("the compiled loss", "`diagnose` counts its batch in the model's own loss")
        yield None
        return
    spare.build(_like_outputs(y, y_pred, spare.output_names), y_pred)
    with replaced(model, _compile_loss=spare):
        yield spare


def _like_outputs(y: Any, y_pred: Any, names: Any) -> Any:
    """Targets in the structure of the outputs, as `CompileLoss` brings them when it is called."""
    if len(leaves := keras.tree.flatten(y)) == len(keras.tree.flatten(y_pred)) == 1:
        return keras.tree.pack_sequence_as(y_pred, leaves)  # a model may list its one output
    by_name = isinstance(y, dict) and isinstance(y_pred, (list, tuple))
    return [y[name] for name in names] if by_name and set(names or ()) == set(y) else y


@contextlib.contextmanager
def lent_loss(model: Any, loss: Any, y: Any, y_pred: Any) -> Iterator[None]:
    """Lets `model.compute_loss` compute `loss`, as after `compile`, while this is open.

    Makes a `keras.src.trainers.compile_utils.CompileLoss`.

    Args:
        model: A built model, compiled or not; it keeps its own loss.
        loss: What `compile` takes; None to lend a copy of the model's own.
        y: Targets, or their shapes; None where the model computes its own loss.
        y_pred: Outputs, or their shapes.
    """
    if loss is None:
        with spare_compiled_loss(model, y, y_pred):
            yield
        return
    from keras.src.trainers.compile_utils import CompileLoss

    names = getattr(model, "output_names", None)
    spare = CompileLoss(loss, output_names=names)
    spare.build(_like_outputs(y, y_pred, names), y_pred)
    with replaced(model, _compile_loss=spare):
        yield


def trained_variables(optimizer: Any) -> list[Any]:
    """The variables that `optimizer` was built for (reads `Optimizer._trainable_variables`)."""
    if not hasattr(optimizer, "_trainable_variables"):
        missing("the variables of an optimizer", "`GradientStats` records nothing")
        return []
    return list(optimizer._trainable_variables)


def inner_optimizer(optimizer: Any) -> Any:
    """The optimizer that updates, inside one that scales the loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def accumulator(optimizer: Any, variable: Any) -> Any | None:
    """The variable in which `optimizer` adds up the gradients of `variable`, if it does.

    Reads `Optimizer._accumulated_gradients` and `Optimizer._get_variable_index`.
    """
    inner = inner_optimizer(optimizer)
    try:
        return inner._accumulated_gradients[inner._get_variable_index(variable)]
    except AttributeError:
        missing("the gradients that an optimizer adds up", "`GradientStats` shows those of a step")
        return None


def clipped_gradients(optimizer: Any, gradients: list[Any]) -> list[Any]:
    """What `optimizer` makes of unscaled gradients before it uses them (`_clip_gradients`)."""
    inner = inner_optimizer(optimizer)
    if not hasattr(inner, "_clip_gradients"):
        missing("how an optimizer clips", "`GradientStats` shows clipped gradients as unclipped")
        return gradients
    present = iter(inner._clip_gradients([g for g in gradients if g is not None]))
    return [None if gradient is None else next(present) for gradient in gradients]


def is_of_call(error: Exception) -> bool:
    """Whether an error was raised in the call of a layer (Keras says so in its message)."""
    return str(error).startswith("Exception encountered when calling")


def decays(optimizer: Any, variable: Any) -> bool:
    """Whether `optimizer` applies its weight decay to `variable` (`_use_weight_decay`)."""
    asked = getattr(optimizer, "_use_weight_decay", None)
    with replaced(optimizer, _exclude_from_weight_decay_cache={}):  # it would keep the answer
        return asked is None or bool(asked(variable))


def cause_of(error: Exception) -> str:
    """One line on what went wrong: where Keras reports on a layer's call, with the cause it names.

    Args:
        error: Whatever was raised; Keras marks the cause with terminal codes for bold.
    """
    first, _, rest = str(error).strip().partition("\n")
    bold = re.search(r"\x1b\[1m(?:\{\{.*?\}\})?\s*(.*)", rest)
    return safe(f"{first.rstrip('.')}: {bold[1]}".replace("\x1b[0m", "") if bold else first)
