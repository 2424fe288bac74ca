"""Site: which variable of which layer a draw fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from kerasinit import _backend
from kerasinit._typing import Shape
from kerasinit.layers import find_owner, held_initializers, variable_of


@dataclass(frozen=True)
class Site:
    """The layer variable that a draw fills.

    Args:
        layer: The layer that owns the variable.
        path: Path of the layer, such as `"lstm/lstm_cell"`, from the outermost layer: the names of
            Sequential and Functional models around it are left out, since a model that is read
            from its config builds its layers outside.
        role: Which variable: the layer's attribute that holds the initializer, without its ending,
            such as `"kernel"`, `"recurrent"`, `"depthwise"`, `"bias"`; empty when none does.
        pretend: Whether Keras only asks for a value to trace with; the variable is filled later.
        again: Whether the variable has been filled before, when its layer was built.

    Example:
        >>> import keras
        >>> from kerasinit.initializers import LayerInitializer
        >>> class SmallRecurrent(LayerInitializer):
        ...     def draw(self, shape, dtype, *, seed, site):
        ...         small = site is not None and site.role == "recurrent"
        ...         return keras.random.normal(shape, 0.0, 0.01 if small else 0.1, dtype, seed)
    """

    layer: Any
    path: str
    role: str
    pretend: bool = False
    again: bool = False


def find_site(initializer: Any, shape: Shape) -> Site | None:
    """The site that `initializer` is asked to fill now, or None outside a layer.

    Args:
        initializer: The initializer being called; it has a `seed` attribute.
        shape: Shape of the variable; decides when a layer holds one instance for two variables.
    """
    deferred = _backend.deferred_variable()
    scopes = _backend.open_scopes()
    if deferred is not None and not scopes:
        scopes = _backend.scope_of_running_model()
    layer = scopes[-1][1] if scopes else None
    if not isinstance(layer, keras.layers.Layer):
        return None
    names = [name for name, _ in scopes]
    if deferred is not None:  # the scope is that of an outer model
        layer, names = find_owner(layer, deferred) or layer, deferred.path.split("/")[:-1]
    path = "/".join(names[_outer_models(scopes) :] or names)
    role = _role(layer, initializer, shape)
    again = deferred is None and layer.built and (not role or variable_of(layer, role) is not None)
    return Site(layer, path, role, pretend=_backend.in_stateless_scope(), again=again)


def _outer_models(scopes: list[tuple[str, Any]]) -> int:
    """Number of Sequential and Functional models that the open scopes begin with."""
    layers = (i for i, (_, caller) in enumerate(scopes) if not _backend.is_graph_model(caller))
    return next(layers, len(scopes))


def _role(layer: Any, initializer: Any, shape: Shape) -> str:
    """Role of the variable: by the attribute that holds the initializer, else by its shape."""
    held = held_initializers(layer)
    roles = [role for role, value in held if value is initializer]
    if not roles:
        # `EinsumDense` draws from a copy, to set the axes; the copy keeps the seed object.
        seed = initializer.seed
        roles = [role for role, value in held if getattr(value, "seed", None) is seed]
    if len(roles) == 1:
        return roles[0]
    # The layer holds one instance for several variables; or, built before, it holds another one.
    others = [role for role, _ in held] if layer.built else []
    possible = [role for role in roles or others if _may_be(layer, role, shape)]
    return next(iter(possible or roles), "")


def _may_be(layer: Any, role: str, shape: Shape) -> bool:
    """Whether the variable of `role` can be the one to fill: not made yet, or of this shape."""
    variable = variable_of(layer, role)
    if not layer.built:
        return variable is None
    return variable is not None and tuple(variable.shape) == tuple(shape)
