"""The one file that asks which backend runs, or reads what Keras keeps private.

Everything else is written with `keras.ops` and `keras.random`. Each function here names the
private attribute it reads; `tests/test_backend.py` fails the day Keras changes one of them.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras.src import backend
from keras.src.backend.common import global_state
from keras.src.backend.common.name_scope import current_path, name_scope
from keras.src.backend.common.stateless_scope import StatelessScope
from keras.src.models.functional import Functional
from keras.src.ops.function import map_graph


def name() -> str:
    """Name of the active backend: `"tensorflow"`, `"jax"` or `"torch"`."""
    return str(keras.config.backend())


# --- the layer that is being built ------------------------------------------------------------


def building_layer() -> Any | None:
    """The layer whose name scope is open, or None outside a layer.

    Keras opens a name scope whose `caller` is the layer while the layer builds; the stack lies in
    `keras.src.backend.common.global_state` under `"name_scope_stack"`.
    """
    stack = global_state.get_global_attribute("name_scope_stack")
    return getattr(stack[-1], "caller", None) if stack else None


def building_path() -> str:
    """Path of the open name scope, such as `"lstm/lstm_cell"`; empty outside a layer."""
    return str(current_path())


@contextlib.contextmanager
def layer_scope(layer: Any, path: str) -> Iterator[None]:
    """Makes `layer` look like the layer being built at `path`, for draws after the build.

    Args:
        layer: A built Keras layer.
        path: Path of the layer's variables without the variable's own name,
            such as `"lstm/lstm_cell"`.
    """
    parent, _, last = path.rpartition("/")
    with name_scope(last or layer.name, caller=layer, deduplicate=False, override_parent=parent):
        yield


# --- leaving a trace --------------------------------------------------------------------------


def evaluate(function: Callable[[Any], Any], values: np.ndarray) -> np.ndarray:
    """Values of an elementwise `function`, computed at once even while a backend traces.

    Args:
        function: Takes and returns a tensor of the active backend (or a numpy array).
        values: Points to evaluate at, any shape, kept in their own dtype.
    """
    with _eager_scope(), _double_scope():
        return np.asarray(keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(values))))


def _double_scope() -> contextlib.AbstractContextManager[Any]:
    if name() == "jax":  # it turns float64 points into float32 otherwise
        import jax

        return jax.enable_x64(True)
    return contextlib.nullcontext()


def _eager_scope() -> contextlib.AbstractContextManager[Any]:
    if name() == "tensorflow":
        import tensorflow as tf

        return tf.init_scope()
    if name() == "jax":
        import jax

        return jax.ensure_compile_time_eval()
    return contextlib.nullcontext()


# --- layers and their variables (room models) ---------------------------------------------------


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


# --- what is built inside what ------------------------------------------------------------------


def open_scopes() -> list[tuple[str, Any]]:
    """Name and caller of every open name scope, outermost first (see `building_layer`)."""
    stack = global_state.get_global_attribute("name_scope_stack")
    return [(scope.name, scope.caller) for scope in stack or ()]


def is_graph_model(layer: Any) -> bool:
    """Whether `layer` is a Sequential or Functional model (`keras.src.models.Functional`)."""
    return isinstance(layer, (Functional, keras.Sequential))


# --- variables that are filled after their layer was traced -----------------------------------


def in_stateless_scope() -> bool:
    """Whether Keras is tracing: a new variable gets its value later (`StatelessScope`)."""
    return global_state.get_global_attribute("stateless_scope") is not None


def deferred_variable() -> Any | None:
    """The variable that is being filled after a trace has ended, or None.

    A layer that is built while a subclassed model is traced only registers its variables; Keras
    fills them afterwards (`initialize_all_variables`), under the name scope of the outer model.
    They wait in `keras.src.backend.common.global_state` under `"uninitialized_variables"`.
    """
    if in_stateless_scope():
        return None
    waiting = global_state.get_global_attribute("uninitialized_variables")
    for variable in waiting or ():
        if variable._value is None:
            return variable
    return None


# --- matrix products (orthogonal matrices) ------------------------------------------------------


@functools.cache
def compiled(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`function` of one tensor, run with exact matrix products, in one piece where that pays.

    JAX compiles every operation of a new shape by itself: one compilation of the whole is several
    times faster on the first call, and faster later. On GPUs, JAX and TensorFlow round the factors
    of float32 products to 10 bits (TF32), which would leave an orthogonal matrix with an error
    of 1e-3; here they do not. (TensorFlow: except inside a `tf.function`, which keeps the setting
    of the program that runs it.)

    Args:
        function: A pure function of one tensor, defined at the top of a module.
    """
    if name() == "jax":
        import jax

        exact = jax.jit(function)

        def call(tensor: Any) -> Any:
            with jax.default_matmul_precision("float32"):
                return exact(tensor)

    elif name() == "tensorflow":
        import tensorflow as tf

        def call(tensor: Any) -> Any:
            before = tf.config.experimental.tensor_float_32_execution_enabled()
            tf.config.experimental.enable_tensor_float_32_execution(False)
            try:
                return function(tensor)
            finally:
                tf.config.experimental.enable_tensor_float_32_execution(before)

    else:  # torch multiplies float32 exactly unless its user asks otherwise
        return function

    return call


# --- gradients --------------------------------------------------------------------------------


def gradient(
    function: Callable[[list[Any]], tuple[Any, Any]], inputs: list[Any], *, as_whole: bool = False
) -> tuple[Any, Any, list[Any]]:
    """Value, extra results and gradients of `function`; inputs it does not use get zeros.

    Args:
        function: Takes the list of float tensors and returns `(scalar, anything)`.
        inputs: Tensors of the active backend to differentiate by.
        as_whole: Whether JAX compiles the whole. It compiles each operation by itself otherwise,
            which is faster only where the same few operations repeat, as in a stack of `Dense`.

    Returns:
        `(scalar, anything, gradients)` with one gradient for each input, of its shape.
    """
    if name() == "tensorflow":
        import tensorflow as tf

        inputs = [tf.convert_to_tensor(tensor) for tensor in inputs]  # a variable's value, too
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value, extra = function(inputs)
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(value, inputs, unconnected_gradients=zero)
        return value, extra, [tf.convert_to_tensor(gradient) for gradient in gradients]
    if name() == "jax":
        import jax

        run = jax.value_and_grad(function, has_aux=True)
        run = _compiled_once(run) if as_whole else run
        (value, extra), gradients = run(inputs)
        return value, extra, list(gradients)
    import torch

    with torch.enable_grad():
        leaves = [tensor.detach().clone().requires_grad_(True) for tensor in inputs]
        value, extra = function(leaves)
        if not value.requires_grad:
            return value, extra, [torch.zeros_like(leaf) for leaf in leaves]
        found = torch.autograd.grad(value, leaves, allow_unused=True)
    pairs = zip(found, leaves, strict=True)
    gradients = [torch.zeros_like(leaf) if g is None else g for g, leaf in pairs]
    return value.detach(), extra, gradients


def run_once(function: Callable[[], Any]) -> Any:
    """What `function` returns, computed in the fastest way for a single call.

    JAX would compile each of its operations by itself, the others run them as they are.
    """
    if name() == "jax":
        return _compiled_once(function)()
    return function()


def _compiled_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` compiled by JAX for a single call: with little optimization on a CPU."""
    import jax

    on_cpu = jax.default_backend() == "cpu"
    options = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(function, compiler_options=options if on_cpu else None)


def run_for_shapes(function: Callable[[], Any]) -> Any:
    """What `function` returns, or on JAX only its shapes and dtypes, which are much cheaper."""
    if name() == "jax":
        import jax

        return jax.eval_shape(function)
    return function()


@contextlib.contextmanager
def spare_compiled_loss(model: Any, y: Any, y_pred: Any) -> Iterator[Any]:
    """Lends `model` a fresh copy of its compiled loss, so that its own is not built or updated.

    Reads `Model._compile_loss` and its `_user_loss`, `_user_loss_weights`, `output_names`;
    yields the copy (None if the model has no compiled loss).
    """
    own = model._compile_loss
    if own is None:
        yield None
        return
    spare = type(own)(own._user_loss, own._user_loss_weights, output_names=own.output_names)
    spare.build(y, y_pred)
    model.__dict__["_compile_loss"] = spare
    try:
        yield spare
    finally:
        model.__dict__["_compile_loss"] = own


# --- watching the optimizer -------------------------------------------------------------------


def sum_of_squares(values: Any) -> Any:
    """Sum of squares of a float32 tensor, read once and without a temporary copy."""
    if name() == "tensorflow":
        import tensorflow as tf

        return 2.0 * tf.nn.l2_loss(values)
    flat = keras.ops.reshape(values, (-1,))
    if name() == "torch":
        return flat.detach().dot(flat.detach())
    import jax

    # XLA's own sum over all entries is one slow loop on a processor, its dot product is not.
    return jax.numpy.dot(flat, flat, precision=jax.lax.Precision.HIGHEST)


def strided_rows(
    tensors: Sequence[Any], steps: Sequence[int], lengths: Sequence[int], width: int
) -> Any:
    """Every `steps[i]`-th entry of each tensor in a row, float32, padded with 0: `(n, width)`."""
    ops = keras.ops
    parts = zip(tensors, steps, lengths, strict=True)
    if name() == "torch":  # where each call of `keras.ops` costs more than what it does
        rows = ops.zeros((len(tensors), width))
        for row, (tensor, step, length) in zip(rows, parts, strict=True):
            if length:
                row[:length] = tensor.detach().reshape(-1)[::step]
        return rows
    filled = []
    for tensor, step, length in parts:
        if length == 0:
            filled.append(ops.zeros((width,)))
            continue
        row = ops.cast(ops.reshape(tensor, (-1,))[::step], "float32")
        filled.append(row if length == width else ops.pad(row, [[0, width - length]]))
    return ops.stack(filled)


def compile_train_step(model: Any, train_step: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles `train_step` as Keras would compile the model's own, and leaves the model alone.

    `Trainer.make_train_function` reads `self.train_step` and leaves its result in
    `self.train_function`; both are put back as they were. On torch, where `train_step` is looked
    up at each call, the step runs without `torch.compile`.
    """
    if name() == "torch":
        return lambda data: train_step(data[0])
    kept = {key: model.__dict__[key] for key in _TRAIN_ATTRIBUTES if key in model.__dict__}
    model.__dict__["train_step"] = train_step
    try:
        model.make_train_function(force=True)
        return model.train_function
    finally:
        for key in _TRAIN_ATTRIBUTES:
            model.__dict__.pop(key, None)
        model.__dict__.update(kept)


_TRAIN_ATTRIBUTES = ("train_step", "train_function")


def split_step(result: Any) -> tuple[Any, tuple[Any, ...]]:
    """Logs and the rest of what a train step returns: `(logs, state)` on JAX, else `logs`."""
    return (result[0], tuple(result[1:])) if name() == "jax" else (result, ())


def join_step(logs: Any, rest: tuple[Any, ...]) -> Any:
    """What a train step returns, with other logs: the inverse of `split_step`."""
    return (logs, *rest) if name() == "jax" else logs


def step_batch(arguments: tuple[Any, ...]) -> Any:
    """The batch among the arguments of `train_step`: `(state, data)` on JAX, else `data`."""
    return arguments[-1]


def step_state(model: Any, arguments: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    """Variables and their values among the arguments of `train_step`; empty but for JAX.

    The state of `JAXTrainer.train_step` begins with the trainable and the other variables.
    """
    if name() != "jax":
        return []
    trainable, others = arguments[0][:2]
    return [
        *zip(model.trainable_variables, trainable, strict=True),
        *zip(model.non_trainable_variables, others, strict=True),
    ]


def observed_entry(optimizer: Any, observe: Callable[..., Any]) -> tuple[str, Callable[..., Any]]:
    """Name and replacement of the method through which gradients enter `optimizer`.

    The replacement passes everything on unchanged. It calls
    `finish = observe(variables, gradients, values, scale)` before the update and `finish(values)`
    after it; `values` are the weights, `scale` divides the gradients (None: nothing to divide).
    Reads `Optimizer._trainable_variables`, `LossScaleOptimizer.dynamic_scale`.
    """
    if name() == "jax":
        stateless_apply = optimizer.stateless_apply

        def observed_stateless_apply(
            optimizer_variables: Any, grads: Any, trainable_variables: Any
        ) -> Any:
            state = dict(
                zip([id(v) for v in optimizer.variables], optimizer_variables, strict=True)
            )
            finish = observe(
                optimizer._trainable_variables,
                accumulated_gradients(optimizer, optimizer._trainable_variables, grads, state),
                trainable_variables,
                _gradient_scale(optimizer, state),
            )
            result = stateless_apply(optimizer_variables, grads, trainable_variables)
            finish(result[0])
            return result

        return "stateless_apply", observed_stateless_apply

    apply = optimizer.apply

    def observed_apply(grads: Any, trainable_variables: Any = None) -> Any:
        grads = list(grads)
        variables = list(trainable_variables or optimizer._trainable_variables)
        finish = observe(
            variables,
            accumulated_gradients(optimizer, variables, _over_replicas(grads), {}),
            [variable.value for variable in variables],
            _gradient_scale(optimizer, {}),
        )
        result = apply(grads, trainable_variables)
        finish([variable.value for variable in variables])
        return result

    return "apply", observed_apply


def loss_scaling(optimizer: Any) -> bool:
    """Whether `optimizer` scales the loss and skips the steps that overflow."""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def accumulation_steps(optimizer: Any) -> int:
    """Number of steps whose gradients `optimizer` adds up before one update."""
    return int(getattr(optimizer, "inner_optimizer", optimizer).gradient_accumulation_steps or 1)


def accumulated_gradients(
    optimizer: Any, variables: list[Any], gradients: list[Any], state: dict[int, Any]
) -> list[Any]:
    """The gradient of an update step: with accumulation, the mean over the steps added up.

    Reads `Optimizer._accumulated_gradients`, which an optimizer keeps in its own gradient's scale:
    under `LossScaleOptimizer` it is brought to the scale of `gradients`.
    """
    steps = accumulation_steps(optimizer)
    if steps == 1:
        return list(gradients)
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    scale = _gradient_scale(optimizer, state)
    means = []
    for gradient, variable in zip(gradients, variables, strict=True):
        kept = inner._accumulated_gradients[inner._get_variable_index(variable)]
        if gradient is None or kept is None:
            means.append(gradient)
            continue
        value = _current(kept, state)
        value = value if scale is None else value * keras.ops.cast(scale, value.dtype)
        means.append((gradient + value) / steps)
    return means


def clipped_gradients(optimizer: Any, gradients: list[Any]) -> list[Any]:
    """What `optimizer` makes of unscaled gradients before it uses them (`_clip_gradients`)."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    present = iter(inner._clip_gradients([g for g in gradients if g is not None]))
    return [None if gradient is None else next(present) for gradient in gradients]


def _gradient_scale(optimizer: Any, state: dict[int, Any]) -> Any | None:
    if loss_scaling(optimizer):
        if not optimizer.built:
            return optimizer.initial_scale
        return keras.ops.convert_to_tensor(_current(optimizer.dynamic_scale, state))
    return optimizer.loss_scale_factor


def _current(variable: Any, state: dict[int, Any]) -> Any:
    # While `fit` runs on JAX, the variables themselves hold nothing.
    return state[id(variable)] if id(variable) in state else variable.value


def _over_replicas(gradients: list[Any]) -> list[Any]:
    """Gradients added up over the replicas of `tf.distribute`, as the optimizer will do."""
    if name() != "tensorflow":
        return gradients
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return gradients
    present = [gradient for gradient in gradients if gradient is not None]
    reduced = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
    return [None if gradient is None else next(reduced) for gradient in gradients]


def gradient_values(gradient: Any, rows: int) -> tuple[Any, bool]:
    """A gradient's entries as one dense tensor, and whether entries that are 0 are left out.

    A sparse gradient names some rows several times; each comes back once, with its sum.

    Args:
        gradient: A dense tensor, a `tf.IndexedSlices` or a sparse torch tensor.
        rows: Length of the variable's first axis.
    """
    if name() == "tensorflow":
        import tensorflow as tf

        if not isinstance(gradient, tf.IndexedSlices):
            return gradient, False
        if gradient.values.shape[0] is not None and gradient.values.shape[0] >= rows:
            return tf.convert_to_tensor(gradient), False
        # `tf.unique` has no fixed shape, which XLA needs: sort, then number the runs of equals.
        order = tf.argsort(gradient.indices)
        indices = tf.gather(gradient.indices, order)
        new = tf.cast(indices[1:] != indices[:-1], "int32")
        run = tf.concat([tf.zeros_like(indices[:1], "int32"), tf.cumsum(new)], axis=0)
        values = tf.cast(tf.gather(gradient.values, order), "float32")
        return tf.math.unsorted_segment_sum(values, run, tf.shape(run)[0]), True
    if name() == "torch" and gradient.is_sparse:
        return gradient.coalesce().values(), True
    return gradient, False


# --- the graph of a model (room models) ---------------------------------------------------------


def graph_calls(inputs: Any, outputs: Any) -> list[tuple[Any, Any, list[Any], list[Any]]]:
    """The calls that lead from `inputs` to `outputs`, in an order in which they can run.

    Each is (operation, symbolic arguments, input tensors, output tensors). Reads
    `keras.src.ops.function.map_graph` and `keras.src.ops.node.Node`.

    Args:
        inputs: Keras tensors, any nested structure.
        outputs: Keras tensors, any nested structure.
    """
    nodes = map_graph(keras.tree.flatten(inputs), keras.tree.flatten(outputs))[1]
    return [
        (node.operation, node.arguments, node.arguments.keras_tensors, node.outputs)
        for depth in sorted(nodes, reverse=True)
        for node in nodes[depth]
        if node.operation is not None and not node.is_input
    ]


def functional_ends(model: Any) -> tuple[Any, Any] | None:
    """Input and output Keras tensors of a Functional or built Sequential model; None for others.

    Reads `Sequential._functional`, `Functional._inputs` and `Functional._outputs`.
    """
    functional = getattr(model, "_functional", None) or model
    if not isinstance(functional, Functional):
        return None
    return functional._inputs, functional._outputs


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


def copied(tensor: Any) -> Any:
    """`tensor`, safe from later changes: a torch tensor may share memory with a variable."""
    return tensor.clone() if name() == "torch" else tensor


def synchronise(model: Any) -> None:
    """Brings the weights that JAX carries through `fit` back into the model's variables.

    Reads `JAXTrainer.jax_state_sync`, as Keras' own checkpoint callbacks do.
    """
    if name() == "jax":
        model.jax_state_sync()


def has_keras_train_step(model: Any) -> bool:
    """Whether `model` trains by Keras' own `train_step`, whose logs hold running means."""
    step = getattr(model, "train_step", None)
    return str(getattr(step, "__module__", "")).startswith("keras.src.")


def wait_for(tensors: Any) -> None:
    """Returns once `tensors` (a structure) are computed, for a fair look at the clock."""
    for tensor in keras.tree.flatten(tensors):
        if keras.ops.is_tensor(tensor):
            keras.ops.convert_to_numpy(tensor)


def automatic_config(layer: Any) -> dict[str, Any]:
    """Constructor arguments that Keras recorded for a layer without `get_config`.

    Reads `Operation._auto_config.config`; changes to the dict change the layer's config.
    """
    recorded = getattr(layer, "_auto_config", None)
    return {} if recorded is None else recorded.config


def without_gradients() -> contextlib.AbstractContextManager[Any]:
    """A scope in which torch records nothing for a backward pass; the others never do."""
    if name() == "torch":
        import torch

        return torch.no_grad()
    return contextlib.nullcontext()


def is_concrete(tensor: Any) -> bool:
    """Whether `tensor` holds numbers now, as against standing for them while a backend traces."""
    if name() == "jax":
        import jax

        return not isinstance(tensor, jax.core.Tracer)
    if name() == "tensorflow":
        return hasattr(tensor, "numpy")
    return tensor.device.type != "meta"


# --- mapped training (room experiments) ---------------------------------------------------------


def gradients_of(function: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """Turns `function(weights, *rest) -> (loss, extras)` into `-> (gradients, extras)`.

    Args:
        function: Takes a (nested) list of tensors first.
    """
    if name() == "jax":
        import jax

        return jax.grad(function, has_aux=True)
    if name() == "torch":
        import torch

        return torch.func.grad(function, has_aux=True)
    import tensorflow as tf

    def with_gradient(weights: Any, *rest: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss, extras = function(weights, *rest)
        zero = tf.UnconnectedGradients.ZERO
        return tape.gradient(loss, weights, unconnected_gradients=zero), extras

    return with_gradient


def over_replicas(function: Callable[..., Any]) -> Callable[..., Any]:
    """Maps `function(replica, *shared)` over the leading axis of every tensor of `replica`."""
    if name() == "jax":
        import jax

        return lambda replica, *shared: jax.vmap(lambda own: function(own, *shared))(replica)
    if name() == "torch":
        import torch

        def mapped(replica: Any, *shared: Any) -> Any:
            each = torch.func.vmap(lambda own: function(own, *shared), randomness="same")
            with warnings.catch_warnings():  # flash attention is looped over: correct, if slower
                warnings.filterwarnings("ignore", message="(?s).*performance drop")
                return each(replica)

        return mapped
    import tensorflow as tf

    return lambda replica, *shared: tf.vectorized_map(lambda own: function(own, *shared), replica)


def jitted(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of (nested lists of) tensors in one compiled call, where the backend compiles."""
    if name() == "jax":
        import jax

        return jax.jit(function)
    if name() == "torch":
        import torch

        return torch.no_grad()(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=_has_gpu(), autograph=False)


def epoch(
    step: Callable[..., Any],
    weights: list[Any],
    states: list[Any],
    optimizer: Any,
    row_shape: tuple[int, ...],
) -> Any:
    """A whole epoch in one compiled call that updates weights, states and optimizer in place.

    Args:
        step: `(weights, states, x, y) -> (gradients, new states, row)`, all of them tensors.
        weights: Trainable Keras variables; the optimizer is built for them.
        states: Non-trainable Keras variables.
        optimizer: A Keras optimizer.
        row_shape: Shape of a row.

    Returns:
        A function of batches `(steps, batch, ...)` of inputs and targets; it gives the sum of
        the rows.
    """
    if name() == "jax":
        return _jax_epoch(step, weights, states, optimizer)
    if name() == "torch":
        return _torch_epoch(step, weights, states, optimizer)
    return _tensorflow_epoch(step, weights, states, optimizer, row_shape)


def _tensorflow_epoch(
    step: Any, weights: Any, states: Any, optimizer: Any, row_shape: tuple[int, ...]
) -> Any:
    import tensorflow as tf

    def update(x: Any, y: Any) -> Any:
        gradients, new, row = step([v.value for v in weights], [v.value for v in states], x, y)
        optimizer.apply(gradients, weights)
        for variable, value in zip(states, new, strict=True):
            variable.assign(value)
        return row

    # XLA pays on a GPU; on a CPU its batched matrix products make this three times slower.
    @tf.function(jit_compile=_has_gpu(), autograph=False)
    def run(xs: Any, ys: Any) -> Any:
        def body(index: Any, total: Any) -> tuple[Any, Any]:
            return index + 1, total + update(xs[index], ys[index])

        steps = tf.shape(xs)[0]
        return tf.while_loop(lambda index, _: index < steps, body, (0, tf.zeros(row_shape)))[1]

    return run


def _jax_epoch(step: Any, weights: Any, states: Any, optimizer: Any) -> Any:
    import jax

    @jax.jit
    def run(carry: Any, batches: Any) -> Any:
        def body(carry: Any, batch: Any) -> Any:
            own, state, slots = carry
            gradients, state, row = step(own, state, *batch)
            own, slots = optimizer.stateless_apply(slots, gradients, own)
            return (own, state, slots), row

        carry, rows = jax.lax.scan(body, carry, batches)
        return carry, rows.sum(0)

    def in_place(xs: Any, ys: Any) -> Any:
        groups = (weights, states, optimizer.variables)
        carry, total = run(tuple([v.value for v in group] for group in groups), (xs, ys))
        for group, values in zip(groups, carry, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return total

    return in_place


def _torch_epoch(step: Any, weights: Any, states: Any, optimizer: Any) -> Any:
    import torch

    def run(xs: Any, ys: Any) -> Any:
        total = 0.0
        with torch.no_grad():
            for x, y in zip(xs, ys, strict=True):
                own = [v.value.detach() for v in weights]
                gradients, new, row = step(own, [v.value for v in states], x, y)
                optimizer.apply(gradients, weights)
                for variable, value in zip(states, new, strict=True):
                    variable.assign(value)
                total = total + row
        return total

    return run


def maps_convolutions_well() -> bool:
    """Whether a convolution mapped over its kernels is fast: measured on CPU.

    TensorFlow turns it into one convolution per replica; JAX into a grouped convolution, eight
    times slower than a product of patches; torch cannot map Keras' padding at all.
    """
    return name() == "tensorflow"


def mapping_errors() -> tuple[type[Exception], ...]:
    """What a backend raises when it cannot map or trace a model."""
    errors = (ValueError, TypeError, NotImplementedError, RuntimeError, AttributeError)
    if name() == "tensorflow":
        import tensorflow as tf

        return (*errors, tf.errors.OpError)
    return errors


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
