"""In and out of a trace: values at once, compiled functions, what is concrete."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras.src.random.seed_generator import draw_seed

from kerasinit._backend._name import name

# XLA's options for a program that runs once, by JAX's name of the device. On a processor: little
# optimization. On a GPU: no search for the fastest kernel of each matrix product.
ONCE = {
    "cpu": {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True},
    "gpu": {"xla_gpu_autotune_level": 0, "xla_gpu_enable_triton_gemm": False},
}


def evaluate(function: Callable[[Any], Any], values: np.ndarray) -> np.ndarray:
    """Values of an elementwise `function`, computed at once even while a backend traces.

    Args:
        function: Takes and returns a tensor of the active backend (or a numpy array).
        values: Points to evaluate at, any shape, kept in their own dtype.
    """
    with _eager_scope(), _double_scope():
        return np.asarray(keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(values))))


@functools.cache
def errors() -> tuple[type[Exception], ...]:
    """What running, tracing or mapping somebody's function may raise on the active backend."""
    of_python = (ValueError, TypeError, RuntimeError, AttributeError, LookupError, ArithmeticError)
    if name() == "tensorflow":
        import tensorflow as tf

        return (*of_python, tf.errors.OpError)
    return of_python


def cause_of(error: Exception) -> str:
    """One line on what went wrong: where Keras reports on a layer's call, with the cause it names.

    Args:
        error: Whatever was raised; Keras marks the cause with terminal codes for bold.
    """
    first, _, rest = str(error).strip().partition("\n")
    bold = re.search(r"\x1b\[1m(?:\{\{.*?\}\})?\s*(.*)", rest)
    return f"{first.rstrip('.')}: {bold[1]}".replace("\x1b[0m", "") if bold else first


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


@functools.cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of a tensor, run with exact matrix products, in one piece where that pays.

    JAX compiles every operation of a new shape by itself: one compilation of the whole is several
    times faster on the first call, and faster later. On GPUs, JAX and TensorFlow round the factors
    of float32 products to 10 bits (TF32), which would leave an orthogonal matrix with an error
    of 1e-3; here they do not. (TensorFlow: except inside a `tf.function`, which keeps the setting
    of the program that runs it.) Nor does JAX try out kernels on a GPU, which takes a minute for
    few orthogonal matrices and gains milliseconds (except inside a trace, which has its own say).

    Args:
        function: A pure function of one tensor, or of what `seed_tensor` gives, and of plain
            values that can be hashed, such as shapes; defined at the top of a module.
    """
    if name() == "jax":
        import jax

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

    elif name() == "tensorflow":
        import tensorflow as tf

        def call(tensor: Any, *plain: Any) -> Any:
            before = tf.config.experimental.tensor_float_32_execution_enabled()
            tf.config.experimental.enable_tensor_float_32_execution(False)
            try:
                return function(tensor, *plain)
            finally:
                tf.config.experimental.enable_tensor_float_32_execution(before)

    else:  # torch multiplies float32 exactly unless its user asks otherwise
        return function

    return call


def seed_tensor(seed: Any) -> Any:
    """`seed` in the form in which it can enter `compiled`: a key of JAX; else as it is.

    Keras' generators take both. Reads `keras.src.random.seed_generator.draw_seed`.

    Args:
        seed: An int, or a `SeedGenerator`, which moves on, or already in that form.
    """
    if name() != "jax" or keras.ops.is_tensor(seed):
        return seed
    return draw_seed(seed)


def run_once(function: Callable[[], Any]) -> Any:
    """What `function` returns, computed in the fastest way for a single call.

    JAX would compile each of its operations by itself, the others run them as they are.
    """
    if name() == "jax":
        return compiled_once(function)()
    return function()


def compiled_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` compiled by JAX for a single call: in a hurry."""
    import jax

    return jax.jit(function, compiler_options=ONCE.get(jax.default_backend()))


def run_for_shapes(function: Callable[[], Any]) -> Any:
    """What `function` returns, or on JAX only its shapes and dtypes, which are much cheaper."""
    if name() == "jax":
        import jax

        return jax.eval_shape(function)
    return function()


def copied(tensor: Any) -> Any:
    """`tensor`, safe from later changes: a torch tensor may share memory with a variable."""
    return tensor.clone() if name() == "torch" else tensor


def wait_for(tensors: Any) -> None:
    """Returns once `tensors` (a structure) are computed, for a fair look at the clock."""
    for tensor in keras.tree.flatten(tensors):
        if keras.ops.is_tensor(tensor):
            keras.ops.convert_to_numpy(tensor)


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
