"""Gradients of a function and of a compiled loss."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from kerasinit._backend._name import name
from kerasinit._backend._tracing import compiled_once


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
        run = compiled_once(run) if as_whole else run
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
