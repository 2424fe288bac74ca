"""JAX (see `_protocol.Backend`)."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from kerasinit._backend import _random_state, _sole_optimizer
from kerasinit._backend._arrays import numpy_of
from kerasinit._backend._jax_calls import raw_calls as raw_calls
from kerasinit._backend._jax_programs import Program, TrainingInParts, cores, side_by_side
from kerasinit._backend._keras_training import note_jax_state, train_function_of, trained_variables
from kerasinit._backend._optimizers import accumulated_gradients, gradient_scale
from kerasinit._backend._protocol import PYTHON_ERRORS, Entering, Step, Training, Update
from kerasinit._backend._sampling import RUN, even_step

# XLA's options for a program that runs once, by JAX's name of the device. On all: the batch and the
# weights are constants of the program, and XLA would compute with them, slowly, while it compiles.
# On a processor: little optimization. On a GPU: no search for the fastest kernel of each product.
AS_IT_STANDS = {"xla_disable_hlo_passes": "constant_folding"}
ONCE: dict[str, dict[str, str | bool | int]] = {
    "cpu": {
        "xla_backend_optimization_level": 0,
        "xla_llvm_disable_expensive_passes": True,
        **AS_IT_STANDS,
    },
    "gpu": {"xla_gpu_autotune_level": 0, "xla_gpu_enable_triton_gemm": False, **AS_IT_STANDS},
}

# --- values and traces ----------------------------------------------------------------------------


def library() -> tuple[str, str]:
    """JAX; it comes with its `jaxlib`."""
    return "jax", str(jax.__version__)


def errors() -> tuple[type[Exception], ...]:
    """JAX's errors are Python's."""
    return PYTHON_ERRORS


def evaluate(function: Callable[[Any], Any], values: np.ndarray) -> np.ndarray:
    """Outside of every trace, and in 64 bits, which JAX would round otherwise."""
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        return numpy_of(function(keras.ops.convert_to_tensor(values)))


def is_concrete(tensor: Any) -> bool:
    """A tracer stands for numbers."""
    return not isinstance(tensor, jax.core.Tracer)


def without_gradients() -> contextlib.AbstractContextManager[Any]:
    """Nothing is recorded without a transformation."""
    return contextlib.nullcontext()


def same_beside(model: Any) -> contextlib.AbstractContextManager[None]:
    """No variable of JAX's keeps a gradient, and Keras knows them all."""
    return contextlib.nullcontext()


def sole_optimizer(*own: Any) -> contextlib.AbstractContextManager[None]:
    """Keras' alone are looked at."""
    return _sole_optimizer.sole_optimizer(*own)


def same_random_state(*, traced: bool = False) -> contextlib.AbstractContextManager[None]:
    """Nothing to add to Keras' own: all that it draws comes from seeds."""
    return _random_state.same_random_state(traced=traced)


def seeded(seed: int) -> contextlib.AbstractContextManager[None]:
    """Nothing to add to Keras' own."""
    return _random_state.seeded(seed)


def wait_for(tensors: Any) -> None:
    """JAX goes on while its device works."""
    jax.block_until_ready(tensors)


def synchronise(model: Any) -> None:
    """As Keras' own checkpoint callbacks do."""
    model.jax_state_sync()


def note_state(model: Any, held: tuple[Any, ...]) -> None:
    """The state of `JAXTrainer`, as that notes it after each step of `fit`."""
    note_jax_state(model, *held)


# --- functions that are compiled, or run once -----------------------------------------------------


@functools.cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """In one piece: JAX compiles every operation of a new shape by itself, which takes longer.

    Several times on the first call, and later, too. Nor does JAX try out kernels on a GPU, which
    takes a minute for few orthogonal matrices and gains milliseconds (except inside a trace, which
    has its own say).
    """

    def run(plain: tuple[Any, ...], tensor: Any) -> Any:
        return function(tensor, *plain)

    options = ONCE["gpu"] if jax.default_backend() == "gpu" else None
    nested = jax.jit(run, static_argnums=0)
    alone = jax.jit(run, static_argnums=0, compiler_options=options)

    def call(tensor: Any, *plain: Any) -> Any:
        # JAX takes compiler options only where nothing else is being traced.
        at_once = options is not None and is_concrete(keras.ops.zeros(()))
        with jax.default_matmul_precision("float32"):
            return (alone if at_once else nested)(plain, tensor)

    return call


def seed_tensor(seed: Any) -> Any:
    """A key: what Keras' generators make of `seed`."""
    if keras.ops.is_tensor(seed):
        return seed
    if isinstance(seed, keras.random.SeedGenerator):
        return seed.next()
    return keras.ops.convert_to_tensor([seed, 0], dtype="uint32")


def run_once(function: Callable[[], Any]) -> Any:
    """JAX would compile each of its operations by itself."""
    return _compiled_once(function)()


def run_for_shapes(function: Callable[[], Any]) -> Any:
    """Only shapes and dtypes."""
    return jax.eval_shape(function)


def _compiled_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` compiled for a single call: in a hurry."""
    run: Callable[..., Any] = jax.jit(function, compiler_options=ONCE.get(jax.default_backend()))
    return run


# --- gradients --------------------------------------------------------------------------------


def gradient(
    function: Callable[[list[Any]], tuple[Any, Any]], inputs: list[Any], *, as_whole: bool = False
) -> tuple[Any, Any, list[Any]]:
    """By `jax.value_and_grad`."""
    run = jax.value_and_grad(function, has_aux=True)
    run = _compiled_once(run) if as_whole else run
    (value, extra), gradients = run(inputs)
    return value, extra, list(gradients)


def gradients_of(function: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """By `jax.grad`."""
    run: Callable[..., tuple[Any, Any]] = jax.grad(function, has_aux=True)
    return run


# --- large variables --------------------------------------------------------------------------


def takes_rows(variable: Any) -> bool:
    """A sharded array cannot."""
    value = variable.value
    return isinstance(value, jax.Array) and len(value.devices()) == 1


def assign_rows(variable: Any, pieces: Iterable[tuple[int, Any]]) -> None:
    """Into one new array, since arrays cannot change."""
    value = keras.ops.zeros(variable.shape, variable.dtype)
    for row, piece in pieces:
        value = _put_rows(value, piece, row)
    variable.assign(value)


@functools.partial(jax.jit, donate_argnums=0)
def _put_rows(value: Any, piece: Any, row: Any) -> Any:
    """Writes a piece into an array which it takes over."""
    return jax.lax.dynamic_update_slice_in_dim(value, piece, row, 0)


# --- replicas ---------------------------------------------------------------------------------


def over_replicas(function: Callable[..., Any]) -> Callable[..., Any]:
    """By `jax.vmap`."""
    return lambda replica, *shared: jax.vmap(lambda own: function(own, *shared))(replica)


def maps_convolutions_well() -> bool:
    """It becomes a grouped convolution, eight times slower than a product of patches."""
    return False


def quietly(run: Callable[..., Any]) -> Callable[..., Any]:
    """As it is: nothing is logged."""
    return run


def jitted(
    function: Callable[..., Any], example: tuple[Any, ...] | None = None
) -> Callable[..., list[Any]]:
    """Compiled once, all parts side by side."""
    program = Program(function, example)

    def in_parts(parts: Sequence[Any], *shared: Any) -> list[Any]:
        run = program.compiled(parts[0], *shared)
        return side_by_side(lambda values: run(values, *shared), parts)

    return in_parts


MOST_PER_PART = 4  # replicas; fewer, but not less than two, if they take more bytes than
PART_BYTES = 2**22  # which stay in a processor's cache
ALONE = 1.15  # time of a replica that is a part by itself, relative to one among several: measured


def parts_of(replicas: int, replica_bytes: int) -> tuple[int, int]:
    """On a processor several, since XLA runs a mapped matrix product on one thread.

    Small parts, one at a time on each core, take half to two thirds of the time of one large part,
    measured on two cores. Everywhere else, one part.
    """
    if jax.default_backend() != "cpu":
        return 1, replicas
    workers = cores()
    most = min(max(PART_BYTES // replica_bytes, 2), MOST_PER_PART, replicas)

    def busy(size: int) -> float:  # replicas that the busiest worker trains
        trained = math.ceil(math.ceil(replicas / size) / workers) * size
        return trained * ALONE if size == 1 else trained

    size = min(range(1, most + 1), key=lambda size: (busy(size), -size))
    return math.ceil(replicas / size), size


def training(
    step: Step,
    weights: Sequence[Any],
    states: Sequence[Any],
    optimizer: Any,
    *,
    example: tuple[Any, Any],
    row_shape: tuple[int, ...],
) -> Training:
    """In arrays beside the variables, a scan over the steps."""
    return TrainingInParts(step, weights, states, optimizer, example)


# --- the step of `fit` ------------------------------------------------------------------------


def compile_train_step(model: Any, train_step: Callable[..., Any]) -> Callable[..., Any]:
    """As Keras compiles the model's own."""
    return train_function_of(model, train_step)


def waits_for_steps() -> bool:
    """JAX goes on while its device, even a processor, works."""
    return False


def split_step(result: Any) -> tuple[Any, tuple[Any, ...]]:
    """Logs, then the state."""
    return result[0], tuple(result[1:])


def join_step(logs: Any, rest: tuple[Any, ...]) -> Any:
    """Logs, then the state."""
    return (logs, *rest)


def step_state(model: Any, arguments: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    """The state of `JAXTrainer.train_step`.

    Values of the trainable and the other variables, the optimizer's, and those of the metrics,
    which a loss of several outputs keeps.
    """
    trainable, others, of_optimizer, metrics = arguments[0]
    return [
        *zip(model.trainable_variables, trainable, strict=True),
        *zip(model.non_trainable_variables, others, strict=True),
        *zip(model.optimizer.variables, of_optimizer, strict=True),
        *zip(model.metrics_variables, metrics, strict=True),
    ]


def entry_name() -> str:
    """The one that holds no values: all are given to it."""
    return "stateless_apply"


class StatelessUpdate:
    """A call of `Optimizer.stateless_apply` (see `Update`).

    Args:
        optimizer: A Keras optimizer.
        optimizer_variables: As `stateless_apply` takes them.
        grads: Likewise.
        trainable_variables: Likewise.
    """

    def __init__(
        self, optimizer: Any, optimizer_variables: Any, grads: Any, trainable_variables: Any
    ) -> None:
        self.arguments = (optimizer_variables, grads, trainable_variables)
        self._optimizer = optimizer

    def before(self) -> Entering:
        """See `Update`."""
        optimizer, (held, grads, values) = self._optimizer, self.arguments
        pairs = zip(optimizer.variables, held, strict=True)
        state = {id(variable): value for variable, value in pairs}
        variables = trained_variables(optimizer)
        gradients = accumulated_gradients(optimizer, variables, grads, state)
        return Entering(variables, gradients, values, gradient_scale(optimizer, state))

    def after(self, result: Any) -> Any:
        """See `Update`."""
        return result[0]


def update_of(optimizer: Any, *arguments: Any, **named: Any) -> Update:
    """The gradients and all values are among the arguments."""
    return StatelessUpdate(optimizer, *arguments, **named)


def dense_gradient(gradient: Any, shape: tuple[int, ...]) -> tuple[Any, bool]:
    """All gradients are dense."""
    return gradient, False


def sampled(tensor: Any, entries: int | None) -> tuple[Any, int, int]:
    """By slices, which XLA reads as they are."""
    flat = jnp.reshape(tensor, (-1,))
    step = even_step(tensor.shape, entries)
    if step == 1:
        return flat, flat.size, flat.size
    count = flat.size // step
    runs = jnp.reshape(flat[: count * step], (count, step))[:, :RUN]
    return runs, runs.size, flat.size


def sum_of_squares(tensor: Any) -> Any:
    """A product with itself: on a processor, XLA's sum over all entries is one slow loop."""
    flat = jnp.reshape(tensor, (-1,)).astype("float32")
    return jnp.dot(flat, flat, precision=jax.lax.Precision.HIGHEST)


def packed(parts: Sequence[Any]) -> Any:
    """In one concatenation."""
    return jnp.concatenate([jnp.asarray(part, "float32").reshape(-1) for part in parts])


def is_reachable(tensor: Any) -> bool:
    """JAX does not tell."""
    return True
