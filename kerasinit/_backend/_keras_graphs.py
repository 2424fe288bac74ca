"""The graph of symbolic calls that Keras keeps, and symbolic calls of built layers.

Private modules are imported when they are asked, as in `_keras`.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras

from kerasinit._backend._keras import is_of_keras, missing
from kerasinit._backend._keras_tensors import willing_tensors
from kerasinit._backend._raw_calls import RawCall
from kerasinit._backend._replaced import changed, replaced

CONTAINERS = (list, dict, set)
_ONE_AT_A_TIME = threading.RLock()  # classes of Keras are changed meanwhile


def is_graph_model(layer: Any) -> bool:
    """Whether `layer` is a Sequential or Functional model, the only layer that is a `Function`."""
    return isinstance(layer, (keras.Function, keras.Sequential))


def is_whole(model: Any) -> bool:
    """Whether a model has made its weights; one of a user's own may call itself built before."""
    return bool(model.built and (model.weights or is_graph_model(model)))


def functional_ends(model: Any) -> tuple[Any, Any] | None:
    """Input and output Keras tensors of a Functional or built Sequential model; None for others."""
    if not is_graph_model(model):
        return None
    try:
        return model.inputs, model.outputs
    except AttributeError:  # a Sequential model that was built without tracing its layers
        return None


def graph_calls(inputs: Any, outputs: Any) -> list[tuple[Any, Any, list[Any], list[Any]]]:
    """The calls that lead from `inputs` to `outputs`, in an order in which they can run.

    Each is (operation, symbolic arguments, input tensors, output tensors). Reads
    `keras.src.ops.function.map_graph` and `keras.src.ops.node.Node`.

    Args:
        inputs: Keras tensors, any nested structure.
        outputs: Keras tensors, any nested structure.

    Raises:
        RuntimeError: If Keras keeps the graph elsewhere.
    """
    try:
        from keras.src.ops.function import map_graph
    except ImportError:
        missing("the graph of a model", "models are read as if their `call` could not be traced")
        raise RuntimeError("The graph of a model cannot be read.") from None
    ends = symbolic_tensors(outputs)
    with contextlib.ExitStack() as stack:
        # Layers of one block may have equal names, which `map_graph` refuses.
        for number, operation in enumerate(_operations(ends)):
            stack.enter_context(replaced(operation, name=str(number)))
        nodes = map_graph(symbolic_tensors(inputs), ends)[1]
    return [
        (node.operation, node.arguments, node.arguments.keras_tensors, node.outputs)
        for depth in sorted(nodes, reverse=True)
        for node in nodes[depth]
        if node.operation is not None and not node.is_input
    ]


def _operations(tensors: list[Any]) -> list[Any]:
    """The operations that some Keras tensors were made by, down to the inputs."""
    found, waiting, seen = {}, list(tensors), set()
    while waiting:
        operation, node_index, _ = waiting.pop()._keras_history
        if operation is not None and (id(operation), node_index) not in seen:
            seen.add((id(operation), node_index))
            found[id(operation)] = operation
            waiting += operation._inbound_nodes[node_index].input_tensors
    return list(found.values())


def given_to(operation: Any, arguments: Any) -> list[Any]:
    """Everything, in a flat list, that a call in a graph was given, constants included."""
    if isinstance(operation, RawCall):
        return operation.given
    return keras.tree.flatten((arguments.args, arguments.kwargs))


def plain_call(layer: Any) -> Any:
    """The `call` of a layer, without a `tf.function` around it; other decorators stay."""
    call = layer.call
    return getattr(call, "python_function", None) or call


def detached(operation: Any) -> Any:
    """A copy of an operation without weights, outside of every graph, for one call of it.

    What the call counts, or appends to a list, changes the copy alone. Methods that Keras wraps for
    one instance (`build`) are left out: they hold it.
    """
    copy = object.__new__(type(operation))
    for name, value in vars(operation).items():
        if name != "call" and callable(value) and hasattr(type(operation), name):
            continue
        if isinstance(value, CONTAINERS):
            value = next(kind(value) for kind in CONTAINERS if isinstance(value, kind))
        vars(copy)[name] = value
    vars(copy).update(_inbound_nodes=[], _outbound_nodes=[])
    return copy


@contextlib.contextmanager
def symbolic_calls(layers: list[Any]) -> Iterator[None]:
    """Lets `layers` be called symbolically in the body, and takes back the nodes of those calls.

    What works on numbers is no error here: a layer that returns something beside its tensors (a
    bias that is None), one whose shape rule does not fit its `call`, a weight times a tensor.

    Reads `Operation._inbound_nodes` and `Operation._outbound_nodes`; where they are missing, the
    nodes stay, which only takes memory.
    """
    names = ("_inbound_nodes", "_outbound_nodes")
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ONE_AT_A_TIME)  # first: another thread may trace the same layers
        for layer in layers:
            rule = functools.partial(_output_spec, layer)
            stack.enter_context(replaced(layer, compute_output_spec=rule))
            stack.enter_context(replaced(layer, add_loss=_adding_numbers(layer.add_loss)))
            for nodes in (getattr(layer, name) for name in names if hasattr(layer, name)):
                stack.callback(_cut, nodes, len(nodes))
        stack.enter_context(_nodes_of_tensors())
        stack.enter_context(_any_equation())
        kept = [v for one in layers for v in (*one.variables, *_counters(one))]
        stack.enter_context(willing_tensors(kept))
        yield


def _counters(layer: Any) -> list[Any]:
    """Variables of a layer's metrics; none where a user's `metrics` wants `compile` before."""
    try:
        return list(layer.metrics_variables)
    except Exception:  # noqa: BLE001 - a property of a user's runs here
        return []


def _adding_numbers(own: Callable[..., Any]) -> Callable[..., Any]:
    """`add_loss` of a layer, which leaves out what has no numbers yet."""

    def add_loss(loss: Any) -> None:
        if not symbolic_tensors(loss):
            own(loss)

    return add_loss


def _cut(nodes: list[Any], count: int) -> None:
    del nodes[count:]


def _output_spec(layer: Any, *args: Any, **kwargs: Any) -> Any:
    """What a call of `layer` returns: of a layer of Keras by its shape rule, else by its `call`.

    Also of a layer of Keras by its `call`, where its rule forgets a size that the inputs have.
    """
    # Keras records `0.5 * x` as sparse; a sum with a sparse tensor would lose axes.
    args, kwargs = keras.tree.map_structure(_dense, (args, kwargs))
    rules = [type(layer).compute_output_spec, keras.Operation.compute_output_spec]
    is_foreign = not is_of_keras(layer)
    if is_foreign:
        rules.reverse()
    try:
        found = rules[0](layer, *args, **kwargs)
    except Exception as error:  # noqa: BLE001 - the code of any layer runs here
        try:
            return rules[1](layer, *args, **kwargs)
        except Exception:  # noqa: BLE001
            raise error from None
    if not is_foreign and _is_known((args, kwargs)) and not _is_known(found):
        with contextlib.suppress(Exception):
            return rules[1](layer, *args, **kwargs)
    return found


def _dense(value: Any) -> Any:
    is_sparse = isinstance(value, keras.KerasTensor) and value.sparse
    return keras.KerasTensor(value.shape, value.dtype) if is_sparse else value


def _is_known(structure: Any) -> bool:
    """Whether the sizes of all tensors are numbers."""
    return not any(None in tensor.shape for tensor in symbolic_tensors(structure))


@contextlib.contextmanager
def _nodes_of_tensors() -> Iterator[None]:
    """Makes nodes in the body that know the tensors among the outputs of a call alone."""
    try:
        from keras.src.layers import layer
        from keras.src.ops import operation
        from keras.src.ops.node import Node
    except ImportError:
        yield
        return

    def node(
        operation: Any, call_args: Any = None, call_kwargs: Any = None, outputs: Any = None
    ) -> Any:
        return Node(operation, call_args, call_kwargs, symbolic_tensors(outputs))

    with contextlib.ExitStack() as stack:
        for module in (layer, operation):
            if vars(module).get("Node") is Node:
                stack.enter_context(replaced(module, Node=node))
        yield


@contextlib.contextmanager
def _any_equation() -> Iterator[None]:
    """Lets `ops.einsum` take capital letters in the body: Keras finds no shape then.

    As in the attention of a U-Net, `ops.einsum("bhwc,bHWc->bhwHW", query, key)`.
    """
    try:
        from keras.src.ops.numpy import Einsum
    except ImportError:
        yield
        return
    rule = Einsum.compute_output_spec

    def output_spec(operation: Any, *operands: Any) -> Any:
        try:
            return rule(operation, *operands)
        except ValueError:
            return keras.Operation.compute_output_spec(operation, *operands)

    with changed(Einsum, compute_output_spec=output_spec):
        yield


def symbolic_tensors(structure: Any) -> list[Any]:
    """The Keras tensors in any nested structure."""
    flat = keras.tree.flatten(structure)
    return [one for one in flat if isinstance(one, keras.KerasTensor)]
