"""What one call does inside: that of a nested model, a block, a layer with a kernel of its own."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import keras

from kerasinit import _backend
from kerasinit.layers import (
    has_own_shape_rule,
    is_closed,
    is_product,
    is_unknown,
    kind_of,
    multiplies_by_constant,
    weight_kind,
)

Node: TypeAlias = tuple[Any, Any, list[Any], list[Any]]
"""Operation, arguments, the tensors among them, results: as `_backend.graph_calls` gives a call."""

# Samples, and entries of every other axis of unknown size, in the trace of a `call`; None where it
# need not know them. 32 is an image that may be halved five times; 8 a short sequence, and as many
# samples, for tensors whose first axis is not the batch.
SIZES: tuple[tuple[int | None, int | None], ...] = ((None, None), (2, None), (2, 32), (8, 8))
CONTEXT = ("training", "mask")  # arguments that Keras drops where a `call` has none of that name


@dataclass(frozen=True)
class Inside:
    """What a call does inside, with Keras tensors of its own."""

    inputs: list[Any]
    outputs: list[Any]
    calls: list[Any]
    is_matrix: bool = False


@dataclass(frozen=True)
class _Opening:
    """An operation that may be opened, and the weights that it has beside the layers in it.

    Args:
        operation: A layer, or an operation that somebody wrote.
        kernels: Its own weights that are kernels by name.
        matrices: Those of any other name, such as those of experts: what they are, their use tells.
        is_leaf: Whether there are no layers in it.
        scales: Whether, if it is a leaf, it may only scale its signal: one number per channel.
        joins: Whether it is a leaf that may be the add of a skip and its branch: stochastic depth.
    """

    operation: Any
    kernels: list[Any]
    matrices: list[Any]
    is_leaf: bool
    scales: bool
    joins: bool


def open_call(node: Node, *, unread: dict[int, str], corrected: Mapping[int, Any]) -> Inside | None:
    """Inside of a nested model, a composite layer, an operation that somebody wrote; or None.

    Args:
        node: The call.
        unread: Identity of a layer that could not be opened -> why; grows.
        corrected: Identity of a tensor whose recorded shape is wrong -> one of the right shape.
    """
    operation, _, sources, _ = node
    ends = _backend.functional_ends(operation)
    if ends is not None:
        inputs, outputs = map(_backend.symbolic_tensors, ends)
        return _inside(inputs, outputs) if len(inputs) == len(sources) else None
    opening = _opening(operation, len(sources))
    if opening is None:
        return None
    for sizes in SIZES:
        fresh = [like(corrected.get(id(tensor), tensor), *sizes) for tensor in sources]
        try:
            inside = _inside(fresh, _called(node, fresh))
        except Exception as error:  # noqa: BLE001 - the `call` of any layer runs here
            if not opening.is_leaf:
                unread[id(operation)] = in_short(error)
        else:
            unread.pop(id(operation), None)
            return _with_own_weights(inside, opening)
    return None


def _inside(inputs: list[Any], outputs: list[Any]) -> Inside:
    return Inside(inputs, outputs, _backend.graph_calls(inputs, outputs))


def _opening(operation: Any, sources: int) -> _Opening | None:
    """What may be opened of an operation that reads so many tensors; None for what is closed."""
    is_layer = isinstance(operation, keras.layers.Layer)
    is_foreign = not (_backend.is_of_keras(operation) or isinstance(operation, _backend.RawCall))
    if is_closed(operation) or not (is_layer or is_foreign):
        return None
    variables = _backend.own_variables(operation) if is_layer else []
    kernels = [one for one in variables if weight_kind(operation, one) == "kernel"]
    matrices = [one for one in variables if weight_kind(operation, one) == "other"]
    is_leaf = not is_layer or len(_backend.flat_layers(operation)) == 1
    scales = is_leaf and bool(variables) and not kernels and sources == 1
    joins = is_leaf and not variables and sources > 1
    if is_leaf and not (is_unknown(operation) and (joins or scales or len(kernels) == 1)):
        return None
    return _Opening(operation, kernels, matrices, is_leaf, scales, joins)


def _with_own_weights(inside: Inside, opening: _Opening) -> Inside | None:
    """The inside, with the operation named where it uses weights of its own.

    None for a leaf that does more than to scale, to join or to multiply by its kernel.
    """
    calls = inside.calls
    if opening.scales:
        return inside if _only_scale(calls) else None
    kernels = opening.kernels
    products = [call for call in calls if multiplies_by_constant(*call[:2])]
    uses = [call for call in calls if _holds(call, kernels)]
    uses += [call for call in products if _holds(call, opening.matrices)]
    if opening.is_leaf and not opening.joins and len(uses) != 1:
        return None
    is_matrix = len(kernels) == len(uses) == 1 and is_product(*uses[0][:2], *kernels)
    if any(not any(_holds(call, [kernel]) for call in uses) for kernel in kernels):
        # A kernel that is transposed, masked or normalized before its use.
        uses += products
    own = {id(call) for call in uses}
    named = [(opening.operation, *one[1:]) if id(one) in own else one for one in calls]
    return replace(inside, calls=named, is_matrix=is_matrix)


def _only_scale(calls: list[Any]) -> bool:
    """Whether some calls do nothing to their signal but scale and shift it."""
    return bool(calls) and all(
        kind_of(call[0]).family in ("scale", "shape", "add") and len(call[2]) == 1 for call in calls
    )


def corrected_shapes(node: Node, corrected: Mapping[int, Any]) -> dict[int, Any]:
    """Identity of a result -> a tensor of the shape that it really has, where one is known.

    The shape that a layer reports by a rule of its own (or of its base) need not be that of its
    `call`.

    Args:
        node: A call that is not opened.
        corrected: As for `open_call`.
    """
    operation, _, sources, made = node
    if not isinstance(operation, keras.layers.Layer) or not has_own_shape_rule(operation):
        return {}
    fresh = [like(corrected.get(id(tensor), tensor), None, None) for tensor in sources]
    try:
        outputs = _called(node, fresh)
    except Exception:  # noqa: BLE001 - the `call` of any layer runs here
        return {}
    return {
        id(old): new
        for old, new in zip(made, outputs, strict=True)
        if isinstance(new, keras.KerasTensor) and len(old.shape) != len(new.shape)
    }


def _called(node: Node, fresh: list[Any]) -> list[Any]:
    """What a call makes of other tensors.

    Raises:
        Exception: Whatever the `call` of the layer raised.
    """
    operation, arguments, sources, made = node
    args, kwargs = arguments.fill_in(
        {id(old): new for old, new in zip(sources, fresh, strict=True)}
    )
    call = _backend.plain_call(operation)
    return _as_many(len(made), call(*args, **_accepted(operation, kwargs)))


def _holds(call: Node, variables: list[Any]) -> bool:
    """Whether one of some variables is among the arguments of a call."""
    given = _backend.given_to(*call[:2])
    tensors = [*variables, *(variable.value for variable in variables)]
    return any(one is tensor for one in given for tensor in tensors)


def _as_many(count: int, results: Any) -> list[Any]:
    """So many results of a call; what does not depend on its inputs is no Keras tensor.

    Raises:
        ValueError: If there are not so many.
    """
    flat = keras.tree.flatten(results)
    symbolic = _backend.symbolic_tensors(results)
    for found in (flat, symbolic):
        if len(found) == count:
            return found
    raise ValueError(f"its call returns {len(symbolic)} tensors, not {count} as before")


def _accepted(operation: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments without those of the context that `call` does not take, as Keras does."""
    known = inspect.signature(operation.call).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return kwargs
    return {name: value for name, value in kwargs.items() if name in known or name not in CONTEXT}


def like(tensor: Any, batch: int | None, others: int | None) -> Any:
    """A new Keras tensor like another one, with sizes for its unknown axes."""
    shape = [batch if axis == 0 else others for axis in range(len(tensor.shape))]
    known = [own if size is None else size for own, size in zip(shape, tensor.shape, strict=True)]
    return keras.Input(batch_shape=known, dtype=tensor.dtype)


def in_short(error: Exception) -> str:
    """The class of an error, and its message in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
