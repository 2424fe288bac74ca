"""What Keras keeps of layers: their variables, shapes and configs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from keras.src import backend
from keras.src.backend.common import global_state
from keras.src.backend.common.stateless_scope import StatelessScope

from kerasinit._backend._name import name


def flat_layers(model: Any) -> list[Any]:
    """`model` and every layer below it, once each, depth first (reads `Layer._flatten_layers`)."""
    return list(model._flatten_layers(include_self=True))


def own_variables(layer: Any) -> list[Any]:
    """Variables that `layer` made itself, not through a sublayer.

    Reads `Layer._trainable_variables` and `Layer._non_trainable_variables`.
    """
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def seed_states(layer: Any) -> list[Any]:
    """State variables of the seed generators of `layer` (reads `Layer._seed_generators`)."""
    return [generator.state for generator in layer._seed_generators]


def output_spec(function: Callable[[], Any]) -> Any:
    """Shape and dtype of what `function` returns, without computing it.

    Reads `keras.src.backend.compute_output_spec`.
    """
    return backend.compute_output_spec(function)


def declared_initializers(layer: Any) -> list[Any] | None:
    """What `layer` gave to `add_weight` for each of its own variables, in their order.

    A copy made from the config is built in a stateless scope, where Keras variables keep their
    initializer (`Variable._initializer`) and allocate nothing. None if there is no such copy.
    """
    waiting = global_state.get_global_attribute("uninitialized_variables")
    global_state.set_global_attribute("uninitialized_variables", [])
    try:
        with StatelessScope(initialize_variables=False):
            copy = type(layer).from_config(layer.get_config())
            if not copy.built:
                copy.build_from_config(layer.get_build_config())
            made = own_variables(copy)
            initializers = [variable._initializer for variable in made]
    except Exception:  # noqa: BLE001 - the code of any custom layer runs here
        return None
    finally:
        global_state.set_global_attribute("uninitialized_variables", waiting)
    if [tuple(v.shape) for v in made] != [tuple(v.shape) for v in own_variables(layer)]:
        return None
    return initializers


def build_shapes(layer: Any) -> dict[str, Any]:
    """Argument name -> shape with which `layer` was built (reads `Layer._build_shapes_dict`)."""
    shapes = getattr(layer, "_build_shapes_dict", None) or {}
    return {name.removesuffix("_shape"): shape for name, shape in shapes.items()}


@contextlib.contextmanager
def without_traces(layers: list[Any]) -> Iterator[None]:
    """Takes back the nodes that symbolic calls add to `layers` in the body.

    Reads `Operation._inbound_nodes` and `Operation._outbound_nodes`.
    """
    counts = [(layer, len(layer._inbound_nodes), len(layer._outbound_nodes)) for layer in layers]
    try:
        yield
    finally:
        for layer, inbound, outbound in counts:
            del layer._inbound_nodes[inbound:]
            del layer._outbound_nodes[outbound:]


def synchronise(model: Any) -> None:
    """Brings the weights that JAX carries through `fit` back into the model's variables.

    Reads `JAXTrainer.jax_state_sync`, as Keras' own checkpoint callbacks do.
    """
    if name() == "jax":
        model.jax_state_sync()


def training_argument(model: Any, training: bool) -> dict[str, bool]:
    """The keyword argument `training` if the model's `call` takes it, as Keras' trainers ask.

    Reads `Layer._call_has_training_arg`.
    """
    return {"training": training} if model._call_has_training_arg else {}


def has_keras_train_step(model: Any) -> bool:
    """Whether `model` trains by Keras' own `train_step`, whose logs hold running means."""
    step = getattr(model, "train_step", None)
    return str(getattr(step, "__module__", "")).startswith("keras.src.")


def automatic_config(layer: Any) -> dict[str, Any]:
    """Constructor arguments that Keras recorded for a layer without `get_config`.

    Reads `Operation._auto_config.config`; changes to the dict change the layer's config.
    """
    recorded = getattr(layer, "_auto_config", None)
    return {} if recorded is None else recorded.config
