"""What Keras keeps private of layers and graphs: one function for each fact that is read.

Private modules are imported when they are asked. Where one is missing, the same is found through
public names; where that cannot be done, one warning says what follows. Keras 3.8 to 3.15 keep all
of it in one place each; `tests/test_backend.py` fails the day Keras moves it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras

from kerasinit._backend._arrays import numpy_of


@functools.cache
def missing(what: str, consequence: str) -> None:
    """Warns, once, that Keras does not show `what`, and what follows."""
    warnings.warn(
        f"kerasinit cannot see {what} in Keras {keras.__version__}: {consequence}. "
        "Keras 3.8 to 3.15 are known to work.",
        stacklevel=3,
    )


def is_of_keras(thing: Any) -> bool:
    """Whether a class or function is Keras' own, or an object of a class of Keras."""
    home = getattr(thing, "__module__", None)  # of an object, that of its class
    return str(home).partition(".")[0] == "keras"


def mask_of(tensor: Any) -> Any | None:
    """The mask that a layer gave a tensor; JAX lets none be kept on the tensors of a trace."""
    try:
        from keras.src.backend.common.masking import get_keras_mask
    except ImportError:
        return getattr(tensor, "_keras_mask", None)
    return get_keras_mask(tensor)


# --- the layer that is being built ----------------------------------------------------------------

# Keys of the state that Keras keeps for each thread (`keras.src.backend.common.global_state`), and
# what follows when Keras no longer keeps them.
SCOPES, TRACING, WAITING = "name_scope_stack", "stateless_scope", "uninitialized_variables"
SEEDS = "global_seed_generator"  # `keras.src.random.seed_generator`
CONSEQUENCES = {
    SCOPES: (
        "the layer that is being built",
        "initializers take their fans from the shape, as Keras' own do, and fill layers that share "
        "an instance with equal values",
    ),
    TRACING: (
        "whether it traces",
        "a model that is built by a call may start from other weights than elsewhere, from the "
        "same seed",
    ),
    WAITING: (
        "the variables that it fills after a trace",
        "an initializer may take the outer model for the layer of such a variable, and variables "
        "whose layer keeps no initializer are left as they are",
    ),
}


def open_scopes() -> list[tuple[str, Any]]:
    """Name and caller of every open name scope, outermost first.

    Keras opens a name scope whose `caller` is the layer while the layer builds.
    """
    return [(scope.name, scope.caller) for scope in _state(SCOPES) or ()]


def building_layer() -> Any | None:
    """The layer whose name scope is open, or None outside a layer."""
    scopes = open_scopes()
    return scopes[-1][1] if scopes else None


@contextlib.contextmanager
def layer_scope(layer: Any, path: str) -> Iterator[None]:
    """Makes `layer` look like the layer being built at `path`, for draws after the build.

    Args:
        layer: A built Keras layer.
        path: Path of the layer's variables without the variable's own name,
            such as `"lstm/lstm_cell"`.

    Reads `keras.src.backend.common.name_scope`: that of TensorFlow refuses names that Keras allows,
    such as "my layer".
    """
    try:
        from keras.src.backend.common.name_scope import name_scope
    except ImportError:
        name_scope = keras.name_scope
    parent, _, last = path.rpartition("/")
    with name_scope(last or layer.name, caller=layer, deduplicate=False, override_parent=parent):
        yield


def in_stateless_scope() -> bool:
    """Whether Keras is tracing: a new variable gets its value later (`keras.StatelessScope`)."""
    return _state(TRACING) is not None


def deferred_variable() -> Any | None:
    """The variable that is being filled after a trace has ended, or None.

    A layer that is built while a subclassed model is traced only registers its variables; Keras
    fills them afterwards (`initialize_all_variables`), under the name scope of the outer model.
    """
    if in_stateless_scope():
        return None
    return next((variable for variable in _state(WAITING) or () if variable._value is None), None)


def _state(key: str) -> Any | None:
    return None if key in _unreadable() else _read(key)


def _write(key: str, value: Any) -> None:
    from keras.src.backend.common import global_state

    global_state.set_global_attribute(key, value)


def _read(key: str) -> Any | None:
    try:
        from keras.src.backend.common import global_state

        return global_state.get_global_attribute(key)
    except (ImportError, AttributeError):
        return None


@functools.cache
def _unreadable() -> frozenset[str]:
    """The keys that no longer hold what they held, each with a warning: seen while a layer builds.

    Outside a layer a key that was renamed looks like one that holds nothing.
    """
    seen = set()

    class Noting(keras.layers.Layer):
        def build(self, input_shape: Any) -> None:
            scopes = _read(SCOPES)
            if scopes and getattr(scopes[-1], "caller", None) is self:
                seen.add(SCOPES)

    with keras.StatelessScope(initialize_variables=False) as scope:
        if _read(TRACING) is scope:
            seen.add(TRACING)
        Noting(name="probe").build(())
        variable = keras.Variable(keras.initializers.Zeros(), shape=(), name="probe")
        waiting = _read(WAITING)
        if waiting and waiting[-1] is variable:
            waiting.pop()
            if getattr(variable, "_value", variable) is None and hasattr(variable, "_initializer"):
                seen.add(WAITING)
    for key in CONSEQUENCES.keys() - seen:
        missing(*CONSEQUENCES[key])
    return frozenset(CONSEQUENCES.keys() - seen)


@contextlib.contextmanager
def same_seed_generator() -> Iterator[None]:
    """Leaves Keras' global seed generator as it was, or absent; not for code that is traced."""
    before = _read(SEEDS)
    state = None if before is None else numpy_of(before.state).copy()
    try:
        yield
    finally:
        after = _read(SEEDS)
        if after is not None and after is not before:
            _write(SEEDS, before)
        if before is not None and (numpy_of(before.state) != state).any():
            before.state.assign(state)


@contextlib.contextmanager
def seed_generator_of(seed: int) -> Iterator[None]:
    """Keras' global seed generator is a fresh one of `seed` in the body."""
    before = _read(SEEDS)
    _write(SEEDS, keras.random.SeedGenerator(seed))
    try:
        yield
    finally:
        _write(SEEDS, before)


# --- layers ----------------------------------------------------------------------------------


def flat_layers(model: Any) -> list[Any]:
    """`model` and every layer below it, once each, depth first (reads `Layer._flatten_layers`)."""
    if hasattr(model, "_flatten_layers"):
        return list(model._flatten_layers(include_self=True))
    found: dict[int, Any] = {}
    waiting = [model]
    while waiting:
        layer = waiting.pop()
        if id(layer) not in found:
            found[id(layer)] = layer
            held = [*getattr(layer, "layers", ()), *keras.tree.flatten([*vars(layer).values()])]
            waiting += [part for part in held[::-1] if isinstance(part, keras.layers.Layer)]
    return [*found.values()]


def own_variables(layer: Any) -> list[Any]:
    """Variables that `layer` made itself, not through a sublayer.

    Reads `Layer._trainable_variables` and `Layer._non_trainable_variables`.
    """
    try:
        return [*layer._trainable_variables, *layer._non_trainable_variables]
    except AttributeError:
        inner = {id(variable) for below in flat_layers(layer)[1:] for variable in below.weights}
        return [variable for variable in layer.weights if id(variable) not in inner]


def seed_states(layer: Any) -> list[Any]:
    """State variables of the seed generators of `layer` (reads `Layer._seed_generators`)."""
    held = getattr(layer, "_seed_generators", None)
    if held is None:
        held = [v for v in vars(layer).values() if isinstance(v, keras.random.SeedGenerator)]
    return [generator.state for generator in held]


def declared_initializers(layer: Any) -> list[Any] | None:
    """What `layer` gave to `add_weight` for each of its own variables, in their order.

    A copy made from the config is built in a stateless scope, where Keras variables keep their
    initializer (`Variable._initializer`) and allocate nothing. None if there is no such copy.
    """
    if WAITING in _unreadable():  # they would stay among those to be filled
        return None
    waiting = _read(WAITING)
    _write(WAITING, [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            copy = _remade(layer)
            if not copy.built:
                copy.build_from_config(layer.get_build_config())
            made = own_variables(copy)
            initializers = [variable._initializer for variable in made]
    except Exception:  # noqa: BLE001 - the code of any custom layer runs here
        return None
    finally:
        _write(WAITING, waiting)
    if [tuple(v.shape) for v in made] != [tuple(v.shape) for v in own_variables(layer)]:
        return None
    return initializers


def _remade(layer: Any) -> Any:
    """A layer like `layer`, from its config, or from the arguments that Keras recorded.

    A config may lack an argument (the start of a LayerScale), or hold one more than the constructor
    takes (`trainable`, `dtype`). Keras records arguments if all are numbers, strings or None.

    Raises:
        Exception: If neither tells how it was made; whatever the code of a custom layer raised.
    """
    try:
        config = layer.get_config()
        if is_of_keras(layer) or _tells_all(config, layer):
            return type(layer).from_config(config)
    except Exception:  # noqa: BLE001 - the code of any custom layer runs here
        return type(layer)(**automatic_config(layer))
    if getattr(layer, "_auto_config", None) is None:
        raise ValueError(f"the config of {layer.name!r} lacks an argument")
    return type(layer)(**automatic_config(layer))


def _tells_all(config: dict[str, Any], layer: Any) -> bool:
    """Whether a config has each argument that its layer may have been given, but for defaults."""
    if type(layer).from_config.__func__ is not keras.layers.Layer.from_config.__func__:
        return True  # it reads the config in a way of its own
    known = inspect.signature(type(layer).__init__).parameters
    default = {name: one.default for name, one in known.items() if one.default is not one.empty}
    given = {name: getattr(layer, name, None) for name in default}
    if getattr(layer, "_auto_config", None) is not None:
        given = automatic_config(layer)
    return all(
        name in config or (name in default and value == default[name])
        for name, value in given.items()
    )


def build_shapes(layer: Any) -> dict[str, Any]:
    """Argument name -> shape with which `layer` was built (reads `Layer._build_shapes_dict`)."""
    if hasattr(layer, "_build_shapes_dict"):
        shapes = layer._build_shapes_dict or {}
    else:
        config = layer.get_build_config() or {}
        shapes = config.get("shapes_dict", config)
    return {name.removesuffix("_shape"): shape for name, shape in shapes.items()}


def automatic_config(layer: Any) -> dict[str, Any]:
    """Constructor arguments that Keras recorded for a layer without `get_config`.

    Reads `Operation._auto_config.config`; changes to the dict change the layer's config.
    """
    if not hasattr(layer, "_auto_config"):
        missing(
            "the arguments that it records for custom layers",
            "`portable` leaves the initializers among them as they are",
        )
        return {}
    return {} if layer._auto_config is None else layer._auto_config.config


def output_spec(function: Callable[[], Any]) -> Any:
    """Shape and dtype of what `function` returns, without computing it.

    Reads `keras.src.backend.compute_output_spec`.
    """
    try:
        from keras.src.backend import compute_output_spec
    except ImportError:

        class Function(keras.Operation):
            def call(self) -> Any:
                return function()

        return Function(name="function").compute_output_spec()
    return compute_output_spec(function)
