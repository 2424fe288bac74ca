"""Torch (see `_protocol.Backend`)."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from kerasinit._backend import _random_state, _sole_optimizer
from kerasinit._backend._arrays import numpy_of
from kerasinit._backend._eager import *  # noqa: F403 - a part of the protocol
from kerasinit._backend._in_place import InPlace
from kerasinit._backend._keras import flat_layers
from kerasinit._backend._optimizers import AppliedUpdate
from kerasinit._backend._protocol import PYTHON_ERRORS, Step, Training, Update, Values
from kerasinit._backend._raw_calls import record
from kerasinit._backend._replaced import changed
from kerasinit._backend._sampling import RUN, even_step
from kerasinit._backend._sole_optimizer import refuse_other

# --- values and traces ----------------------------------------------------------------------------


def library() -> tuple[str, str]:
    """Torch, with the build it comes from."""
    return "torch", str(torch.__version__)


def errors() -> tuple[type[Exception], ...]:
    """Torch's errors are Python's."""
    return PYTHON_ERRORS


def evaluate(function: Callable[[Any], Any], values: np.ndarray) -> np.ndarray:
    """As it is: nothing is traced."""
    return numpy_of(function(keras.ops.convert_to_tensor(values)))


def is_concrete(tensor: Any) -> bool:
    """Keras works out shapes on the device `meta`."""
    return bool(tensor.device.type != "meta")


def without_gradients() -> contextlib.AbstractContextManager[Any]:
    """Torch records what its parameters enter unless told otherwise."""
    return torch.no_grad()


@contextlib.contextmanager
def same_beside(model: Any) -> Iterator[None]:
    """Gradients, which a backward pass adds to; buffers and modes of torch's own modules."""
    held = [(variable.value, variable.value.grad) for variable in model.trainable_variables]
    modules = {module: None for layer in flat_layers(model) for module in layer.modules()}
    kept = [(module, module.training, _buffers_of(module)) for module in modules]
    try:
        for parameter, _ in held:
            parameter.grad = None  # nothing is written into the tensor that is kept
        yield
    finally:
        for parameter, gradient in held:
            parameter.grad = gradient
        for module, mode, buffers in kept:
            module.training = mode
            for name, buffer, values in buffers:
                buffer.data.copy_(values)
                module._buffers[name] = buffer


def _buffers_of(module: torch.nn.Module) -> list[tuple[str, torch.Tensor, torch.Tensor]]:
    """Each buffer of a module itself, with a copy."""
    return [(name, one, one.clone()) for name, one in module.named_buffers(recurse=False)]


@contextlib.contextmanager
def sole_optimizer(*own: Any) -> Iterator[None]:
    """Also torch's own optimizers may not step."""

    def before(optimizer: Any, *_: Any) -> None:
        refuse_other(optimizer)

    hook = register_optimizer_step_pre_hook(before)
    try:
        with _sole_optimizer.sole_optimizer(*own):
            yield
    finally:
        hook.remove()


@contextlib.contextmanager
def same_random_state(*, traced: bool = False) -> Iterator[None]:
    """Nothing is traced. Keras draws the masks of an RNN's dropout, used or not, from torch's."""
    devices = range(torch.cuda.device_count())
    with _random_state.same_random_state(traced=False), torch.random.fork_rng(devices):
        yield


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Also torch's own, from which a `DataLoader` and masks of dropout are drawn."""
    with _random_state.seeded(seed), _torch_seeded(seed):
        yield


# --- functions that are compiled, or run once -----------------------------------------------------


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """As it is: torch multiplies float32 exactly unless its user asks otherwise."""
    return function


# --- gradients --------------------------------------------------------------------------------


def gradient(
    function: Callable[[list[Any]], tuple[Any, Any]], inputs: list[Any], *, as_whole: bool = False
) -> tuple[Any, Any, list[Any]]:
    """Of leaves with the values of `inputs`, whatever scope is open."""
    with torch.enable_grad():
        leaves = [
            (tensor.clone() if tensor.is_inference() else tensor).detach().requires_grad_(True)
            for tensor in inputs
        ]
        value, extra = function(leaves)
        if not value.requires_grad:
            return value, extra, [torch.zeros_like(leaf) for leaf in leaves]
        found = torch.autograd.grad(value, leaves, allow_unused=True)
    pairs = zip(found, leaves, strict=True)
    gradients = [torch.zeros_like(leaf) if g is None else g for g, leaf in pairs]
    return value.detach(), extra, gradients


def gradients_of(function: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """By `torch.func.grad`, which can be mapped."""
    run: Callable[..., tuple[Any, Any]] = torch.func.grad(function, has_aux=True)
    return run


# --- large variables --------------------------------------------------------------------------


def takes_rows(variable: Any) -> bool:
    """Every variable can."""
    return True


def assign_rows(variable: Any, pieces: Iterable[tuple[int, Any]]) -> None:
    """Into the tensor itself."""
    for row, piece in pieces:
        variable.value.data[row : row + len(piece)].copy_(piece)


# --- replicas ---------------------------------------------------------------------------------


def over_replicas(function: Callable[..., Any]) -> Callable[..., Any]:
    """By `torch.func.vmap`."""

    def mapped(replica: Any, *shared: Any) -> Any:
        each = torch.func.vmap(lambda own: function(own, *shared), randomness="same")
        with warnings.catch_warnings():  # flash attention is looped over: correct, if slower
            warnings.filterwarnings("ignore", message="(?s).*performance drop")
            return each(replica)

    return mapped


def maps_convolutions_well() -> bool:
    """Torch cannot map Keras' padding at all."""
    return False


def quietly(run: Callable[..., Any]) -> Callable[..., Any]:
    """As it is: nothing is logged."""
    return run


def jitted(
    function: Callable[..., Any], example: tuple[Any, ...] | None = None
) -> Callable[..., list[Any]]:
    """Nothing is compiled, nor recorded."""
    run = torch.no_grad()(function)
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
    """In the variables, step by step."""

    def detached(values: Values, x: Any, y: Any) -> tuple[Any, Any, Any]:
        own, state = values  # tensors, where Keras holds parameters
        return step(([weight.detach() for weight in own], state), x, y)

    def epoch(update: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def run(xs: Any, ys: Any) -> Any:
            with torch.no_grad():
                return sum(update(x, y) for x, y in zip(xs, ys, strict=True))

        return run

    return InPlace(detached, weights, states, optimizer, epoch=epoch, randomness=_torch_seeded)


@contextlib.contextmanager
def _torch_seeded(seed: int) -> Iterator[None]:
    """A scope in which torch's global generator, which draws the masks of `Dropout`, is seeded."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


# --- the step of `fit` ------------------------------------------------------------------------


def compile_train_step(model: Any, train_step: Callable[..., Any]) -> Callable[..., Any]:
    """Keras looks `train_step` up at each call; this one runs without `torch.compile`."""
    return lambda data: train_step(data[0])


def waits_for_steps() -> bool:
    """On a processor."""
    return not torch.accelerator.is_available()


def update_of(optimizer: Any, *arguments: Any, **named: Any) -> Update:
    """Keras assigns to a variable by writing into its tensor."""
    return AppliedUpdate(optimizer, *arguments, **named, value_of=lambda held: held.value)


def dense_gradient(gradient: Any, shape: tuple[int, ...]) -> tuple[Any, bool]:
    """A sparse tensor names some rows several times until it is coalesced."""
    if gradient.is_sparse:
        return gradient.coalesce().values(), True
    return gradient, False


def sampled(tensor: Any, entries: int | None) -> tuple[Any, int, int]:
    """A view where that is possible: cheap to make, and read once, when it is packed."""
    flat = tensor.detach().reshape(-1)
    size = flat.numel()
    step = even_step(tensor.shape, entries)
    if step == 1:
        return flat, size, size
    runs = flat.unfold(0, RUN, step)[: size // step]
    return runs, runs.numel(), size


def sum_of_squares(tensor: Any) -> Any:
    """A product with itself is the fastest sum."""
    flat = tensor.detach().reshape(-1).float()
    return flat.dot(flat)


def packed(parts: Sequence[Any]) -> Any:
    """Copies, which later updates of the weights leave alone."""
    device = next((part.device for part in parts if isinstance(part, torch.Tensor)), None)
    flat = [
        part.detach().reshape(-1)
        if isinstance(part, torch.Tensor)
        else _constant(tuple(part), device)
        for part in parts
    ]
    return torch.cat(flat).float()


@functools.lru_cache(maxsize=64)
def _constant(numbers: tuple[float, ...], device: Any) -> Any:
    """Numbers as a tensor, which takes long to make in the middle of a step."""
    return torch.tensor(numbers, dtype=torch.float32, device=device)


def is_reachable(tensor: Any) -> bool:
    """Nothing is traced."""
    return True


# --- graphs ---------------------------------------------------------------------------------------


def raw_calls() -> contextlib.AbstractContextManager[None]:
    """Through torch's own protocol for what is like a tensor."""

    def recorded(cls: Any, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return record(function, args, kwargs or {})

    return changed(keras.KerasTensor, __torch_function__=classmethod(recorded))
