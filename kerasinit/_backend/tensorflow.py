"""TensorFlow (see `_protocol.Backend`)."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2

from kerasinit._backend import _random_state, _sole_optimizer
from kerasinit._backend._arrays import numpy_of
from kerasinit._backend._eager import *  # noqa: F403 - a part of the protocol
from kerasinit._backend._in_place import InPlace
from kerasinit._backend._keras_training import train_function_of
from kerasinit._backend._optimizers import AppliedUpdate
from kerasinit._backend._protocol import PYTHON_ERRORS, Step, Training, Update
from kerasinit._backend._sampling import RUN, even_step
from kerasinit._backend._tensorflow_calls import raw_calls as raw_calls

ZERO = tf.UnconnectedGradients.ZERO

# --- values and traces ----------------------------------------------------------------------------


def library() -> tuple[str, str]:
    """TensorFlow, under whichever name it was installed (`tensorflow-cpu`, ...)."""
    return "tensorflow", str(tf.__version__)


def errors() -> tuple[type[Exception], ...]:
    """TensorFlow's errors are no `RuntimeError`."""
    return (*PYTHON_ERRORS, tf.errors.OpError)


def evaluate(function: Callable[[Any], Any], values: np.ndarray) -> np.ndarray:
    """Outside of every `tf.function`."""
    with tf.init_scope():
        return numpy_of(function(keras.ops.convert_to_tensor(values)))


def is_concrete(tensor: Any) -> bool:
    """Symbolic tensors of a graph have no `numpy`."""
    return hasattr(tensor, "numpy")


def without_gradients() -> contextlib.AbstractContextManager[Any]:
    """Nothing is recorded without a tape."""
    return contextlib.nullcontext()


def same_beside(model: Any) -> contextlib.AbstractContextManager[None]:
    """No variable of TensorFlow's keeps a gradient, and Keras knows them all."""
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


# --- functions that are compiled, or run once -----------------------------------------------------


@functools.cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Operation by operation; a `tf.function` keeps the precision of the program that runs it."""

    def call(tensor: Any, *plain: Any) -> Any:
        before = tf.config.experimental.tensor_float_32_execution_enabled()
        tf.config.experimental.enable_tensor_float_32_execution(False)
        try:
            return function(tensor, *plain)
        finally:
            tf.config.experimental.enable_tensor_float_32_execution(before)

    return call


# --- gradients --------------------------------------------------------------------------------


def gradient(
    function: Callable[[list[Any]], tuple[Any, Any]], inputs: list[Any], *, as_whole: bool = False
) -> tuple[Any, Any, list[Any]]:
    """Of a tape; sparse gradients come back dense."""
    inputs = [tf.convert_to_tensor(tensor) for tensor in inputs]  # a variable's value, too
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value, extra = function(inputs)
    gradients = tape.gradient(value, inputs, unconnected_gradients=ZERO)
    return value, extra, [tf.convert_to_tensor(gradient) for gradient in gradients]


def gradients_of(function: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """Of a tape."""

    def with_gradient(weights: Any, *rest: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss, extras = function(weights, *rest)
        return tape.gradient(loss, weights, unconnected_gradients=ZERO), extras

    return with_gradient


# --- large variables --------------------------------------------------------------------------


def takes_rows(variable: Any) -> bool:
    """A variable of `tf.distribute` cannot."""
    value = variable.value
    return isinstance(value, tf.Variable) and not isinstance(value, tf.distribute.DistributedValues)


def assign_rows(variable: Any, pieces: Iterable[tuple[int, Any]]) -> None:
    """By scattering: to assign a slice would pass over the whole variable."""
    for row, piece in pieces:
        rows = tf.IndexedSlices(piece, tf.range(row, row + piece.shape[0]))
        variable.value.scatter_update(rows)


# --- replicas ---------------------------------------------------------------------------------


def over_replicas(function: Callable[..., Any]) -> Callable[..., Any]:
    """By `tf.vectorized_map`."""
    return lambda replica, *shared: tf.vectorized_map(lambda own: function(own, *shared), replica)


def maps_convolutions_well() -> bool:
    """It becomes one convolution per replica."""
    return True


def quietly(run: Callable[..., Any]) -> Callable[..., Any]:
    """Without TensorFlow's warnings.

    It warns of operations that it maps one replica at a time (random ones), and of functions that
    were traced anew: each architecture has its own, and so has each shape of a convolution. What
    cannot be mapped it logs at length, and raises.
    """
    logger = logging.getLogger("tensorflow")

    def called(*arguments: Any, **options: Any) -> Any:
        def is_critical(record: logging.LogRecord) -> bool:
            return record.levelno >= logging.CRITICAL

        # A filter of each call's own: with the level, threads would put back each other's.
        logger.addFilter(is_critical)
        try:
            return run(*arguments, **options)
        finally:
            logger.removeFilter(is_critical)

    return called


def jitted(
    function: Callable[..., Any], example: tuple[Any, ...] | None = None
) -> Callable[..., list[Any]]:
    """One `tf.function` for all parts."""
    run = quietly(_function(function))
    return lambda parts, *shared: [run(values, *shared) for values in parts]


def training(
    step: Step,
    weights: Sequence[Any],
    states: Sequence[Any],
    optimizer: Any,
    *,
    example: tuple[Any, Any],
    row_shape: tuple[int, ...],
) -> Training:
    """In the variables, a loop over the steps inside a `tf.function`."""

    def epoch(update: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def run(xs: Any, ys: Any) -> Any:
            def body(index: Any, total: Any) -> tuple[Any, Any]:
                return index + 1, total + update(xs[index], ys[index])

            steps = tf.shape(xs)[0]
            return tf.while_loop(lambda index, _: index < steps, body, (0, tf.zeros(row_shape)))[1]

        return quietly(_function(run))

    return InPlace(
        step, weights, states, optimizer, epoch=epoch, randomness=lambda _: contextlib.nullcontext()
    )


def _function(function: Callable[..., Any]) -> Callable[..., Any]:
    # XLA pays on a GPU; on a CPU its batched matrix products make an epoch three times slower.
    traced: Callable[..., Any] = tf.function(
        function, jit_compile=bool(tf.config.list_physical_devices("GPU")), autograph=False
    )
    return traced


# --- the step of `fit` ------------------------------------------------------------------------


def compile_train_step(model: Any, train_step: Callable[..., Any]) -> Callable[..., Any]:
    """As Keras compiles the model's own."""
    return train_function_of(model, train_step)


@functools.cache
def waits_for_steps() -> bool:
    """On a processor."""
    return all(device.device_type == "CPU" for device in tf.config.list_logical_devices())


def update_of(optimizer: Any, *arguments: Any, **named: Any) -> Update:
    """A `tf.Variable` is read now, not when its value is used."""

    def value_of(variable: Any) -> Any:
        return tf.convert_to_tensor(variable.value)

    return AppliedUpdate(optimizer, *arguments, **named, value_of=value_of, summed=_over_devices)


def _over_devices(gradients: list[Any]) -> list[Any]:
    """Gradients added up over the devices of `tf.distribute`."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return gradients
    present = [gradient for gradient in gradients if gradient is not None]
    reduced = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
    return [None if gradient is None else next(reduced) for gradient in gradients]


def dense_gradient(gradient: Any, shape: tuple[int, ...]) -> tuple[Any, bool]:
    """An `IndexedSlices` may name a row several times."""
    if not isinstance(gradient, tf.IndexedSlices):
        gradient = _read_beside(gradient)
        known = gradient.shape.is_fully_defined()  # it may not be while it is traced
        return gradient if known else tf.reshape(gradient, shape), False
    rows = gradient.values.shape[0]
    if rows is not None and rows >= shape[0]:
        return tf.reshape(tf.convert_to_tensor(gradient), shape), False
    # `tf.unique` has no fixed shape, which XLA needs: sort, then number the runs of equals.
    order = tf.argsort(gradient.indices)
    indices = tf.gather(gradient.indices, order)
    new = tf.cast(indices[1:] != indices[:-1], "int32")
    run = tf.concat([tf.zeros_like(indices[:1], "int32"), tf.cumsum(new)], axis=0)
    values = tf.cast(tf.gather(gradient.values, order), "float32")
    return tf.math.unsorted_segment_sum(values, run, tf.shape(run)[0]), True


def _read_beside(tensor: Any) -> Any:
    """The same numbers, without becoming a second reader of a product or a quotient.

    TensorFlow reorders chains of factors (`MinimizeBroadcasts`), but only where each has one
    reader: one more would change the last bit of what the optimizer makes of it. The attribute
    keeps the copies from being merged with what they copy.
    """
    if is_concrete(tensor) or tensor.op.type not in ("Mul", "RealDiv"):
        return tensor
    attributes = getattr(tensor.graph, "_attr_scope", None)
    if attributes is None:
        return tensor
    x, y = map(_read_beside, tensor.op.inputs)
    with attributes({"_beside": attr_value_pb2.AttrValue(b=True)}):
        return getattr(tf.raw_ops, tensor.op.type)(x=x, y=y)


def sampled(tensor: Any, entries: int | None) -> tuple[Any, Any, Any]:
    """By gathering runs as wholes: a strided slice would copy a large tensor first."""
    flat = tf.reshape(tensor, (-1,))
    size = flat.shape[0]
    if size is None:  # rows of a sparse gradient, as many as the batch names
        size = tf.size(flat)
        flat = flat[:: tf.maximum(size // entries, 1)] if entries else flat
        return flat, tf.size(flat), size
    step = even_step(tuple(tensor.shape), entries)
    if step == 1:
        return flat, size, size
    runs = tf.reshape(flat[: size // RUN * RUN] if size % RUN else flat, (-1, RUN))
    starts = np.arange(size // step, dtype="int32") * (step // RUN)
    return tf.gather(runs, starts), len(starts) * RUN, size


def sum_of_squares(tensor: Any) -> Any:
    """In float32."""
    return 2.0 * tf.nn.l2_loss(tf.cast(tensor, "float32"))


def packed(parts: Sequence[Any]) -> Any:
    """In one concatenation."""
    return tf.concat([_float32_vector(part) for part in parts], axis=0)


def _float32_vector(part: Any) -> Any:
    if tf.is_tensor(part):
        return tf.cast(tf.reshape(part, (-1,)), "float32")
    if any(map(tf.is_tensor, part)):
        return tf.stack([tf.cast(number, "float32") for number in part])
    return tf.constant(part, "float32")


def is_reachable(tensor: Any) -> bool:
    """Not from within a branch or a loop of a graph."""
    return is_concrete(tensor) or tensor.graph is tf.compat.v1.get_default_graph()
