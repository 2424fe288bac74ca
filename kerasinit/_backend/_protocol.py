"""What differs between the backends: the functions that each of their files has."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

Arrays: TypeAlias = Sequence[np.ndarray]
Values: TypeAlias = tuple[list[Any], list[Any]]  # tensors of weights and of states
Step: TypeAlias = Callable[..., tuple[Any, Any, Any]]

# What running, tracing or mapping somebody's function may raise in Python.
PYTHON_ERRORS = (
    ValueError, TypeError, RuntimeError, AttributeError, LookupError, ArithmeticError,
)  # fmt: skip


class Entering(NamedTuple):
    """What enters an optimizer.

    Args:
        variables: Its trainable Keras variables.
        gradients: Their gradients, None where there is none, times `scale`.
        values: Their values before the update.
        scale: What the gradients are to be divided by; None for 1.
    """

    variables: Sequence[Any]
    gradients: Sequence[Any]
    values: Sequence[Any]
    scale: Any


class Update(Protocol):
    """One call of the method through which gradients enter an optimizer."""

    arguments: tuple[Any, ...]  # what the method is to be called with

    def before(self) -> Entering:
        """What enters; asked before the method is called."""

    def after(self, result: Any) -> Sequence[Any]:
        """Values of the variables after the method has returned `result`."""


class Training(Protocol):
    """Replicas in training: as one part, or as parts that run side by side."""

    def load(self, parts: Sequence[tuple[Arrays, Arrays]], learning_rate: float) -> None:
        """Starts anew: from weights and states of each part, an optimizer that has seen nothing."""

    def epoch(self, xs: Any, ys: Any) -> list[Any]:
        """Trains on batches `(steps, batch, ...)`; the sum of the rows of each part."""

    def values(self) -> list[Values]:
        """The tensors of each part now."""


class Backend(Protocol):
    """A backend, as the module `tensorflow`, `jax` or `torch` beside this one.

    Everything else is written with `keras.ops` and `keras.random`. To add a backend, add such a
    module, and name it in `__init__.py`.
    """

    # --- values and traces ------------------------------------------------------------------

    def library(self) -> tuple[str, str]:
        """Name and version of the backend's library, such as `("jax", "0.10.0")`."""

    def errors(self) -> tuple[type[Exception], ...]:
        """What running, tracing or mapping somebody's function may raise."""

    def evaluate(self, function: Callable[[Any], Any], values: np.ndarray) -> np.ndarray:
        """Values of an elementwise `function`, computed at once even while a trace runs.

        Args:
            function: Takes and returns a tensor of the backend (or a numpy array).
            values: Points to evaluate at, any shape, kept in their own dtype.
        """

    def is_concrete(self, tensor: Any) -> bool:
        """Whether `tensor` holds numbers now, as against standing for them in a trace."""

    def without_gradients(self) -> contextlib.AbstractContextManager[Any]:
        """A scope in which nothing is recorded for a backward pass."""

    def same_beside(self, model: Any) -> contextlib.AbstractContextManager[None]:
        """A scope that leaves what a model holds beside its Keras variables as it was."""

    def sole_optimizer(self, *own: Any) -> contextlib.AbstractContextManager[None]:
        """A scope in which no other optimizer takes a step in this thread: it raises `ValueError`.

        Args:
            *own: The one that may, and others that stand for it.
        """

    def same_random_state(self, *, traced: bool = False) -> contextlib.AbstractContextManager[None]:
        """A scope that leaves the global generators as they were: also Python's and numpy's.

        What the layers of a model draw from them in the scope, they draw again after it.

        Args:
            traced: Whether the scope is traced on backends that trace: Keras keeps the state of
                its own generators out of a trace by itself.
        """

    def seeded(self, seed: int) -> contextlib.AbstractContextManager[None]:
        """A scope in which the global generators start from `seed`; they go on as before it."""

    def wait_for(self, tensors: Any) -> None:
        """Returns once `tensors` (a structure) are computed, for a fair look at the clock."""

    def synchronise(self, model: Any) -> None:
        """Brings the weights that `fit` carries outside a model back into its variables."""

    def note_state(self, model: Any, held: tuple[Any, ...]) -> None:
        """Tells `synchronise`, within a train function, what that holds beside the variables.

        Without it, what is older would pass for synchronised, and the step would be lost.

        Args:
            model: The model whose train function runs.
            held: First argument of the train function, or what follows the logs it returns.
        """

    # --- functions that are compiled, or run once -----------------------------------------------

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` of a tensor, run with exact matrix products, in one piece where that pays.

        On GPUs, some backends round the factors of float32 products to 10 bits (TF32), which would
        leave an orthogonal matrix with an error of 1e-3; here they do not.

        Args:
            function: A pure function of one tensor, or of what `seed_tensor` gives, and of plain
                values that can be hashed, such as shapes; defined at the top of a module.
        """

    def seed_tensor(self, seed: Any) -> Any:
        """`seed` in the form in which it can enter `compiled`; Keras' generators take it, too.

        Args:
            seed: An int, or a `SeedGenerator`, which moves on, or already in that form.
        """

    def run_once(self, function: Callable[[], Any]) -> Any:
        """What `function` returns, computed in the fastest way for a single call."""

    def run_for_shapes(self, function: Callable[[], Any]) -> Any:
        """What `function` returns, or only its shapes and dtypes where these are much cheaper."""

    # --- gradients ---------------------------------------------------------------------------

    def gradient(
        self,
        function: Callable[[list[Any]], tuple[Any, Any]],
        inputs: list[Any],
        *,
        as_whole: bool = False,
    ) -> tuple[Any, Any, list[Any]]:
        """Value, extra results and gradients of `function`; inputs it does not use get zeros.

        Args:
            function: Takes the list of float tensors and returns `(scalar, anything)`.
            inputs: Tensors of the backend to differentiate by.
            as_whole: Whether JAX compiles the whole. It compiles each operation by itself
                otherwise, which is faster only where the same few operations repeat, as in a stack
                of `Dense`.

        Returns:
            `(scalar, anything, gradients)` with one gradient for each input, of its shape.
        """

    def gradients_of(
        self, function: Callable[..., tuple[Any, Any]]
    ) -> Callable[..., tuple[Any, Any]]:
        """Turns `function(weights, *rest) -> (loss, extras)` into `-> (gradients, extras)`.

        Args:
            function: Takes a (nested) list of tensors first.
        """

    # --- large variables -----------------------------------------------------------------------

    def takes_rows(self, variable: Any) -> bool:
        """Whether `assign_rows` can fill a Keras variable: it lies on one device."""

    def assign_rows(self, variable: Any, pieces: Iterable[tuple[int, Any]]) -> None:
        """Assigns pieces of consecutive rows, each with its first row, that fill a Keras variable.

        One after the other, so that only one piece lies beside the variable. Only where
        `takes_rows` is true.
        """

    # --- replicas --------------------------------------------------------------------------------

    def over_replicas(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Maps `function(replica, *shared)` over the leading axis of every tensor of `replica`."""

    def maps_convolutions_well(self) -> bool:
        """Whether a convolution mapped over its kernels is fast: measured on CPU."""

    def quietly(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """`run` without what the backend logs on how it was traced; errors are still raised."""

    def jitted(
        self, function: Callable[..., Any], example: tuple[Any, ...] | None = None
    ) -> Callable[..., list[Any]]:
        """`function(values, *shared)` of each part in one compiled call, if anything is compiled.

        Args:
            function: Of (nested lists of) tensors.
            example: Arguments as they will come: on JAX, compilation then begins now.

        Returns:
            A function of the values of all parts, and of what they share; it gives a list.
        """

    def parts_of(self, replicas: int, replica_bytes: int) -> tuple[int, int]:
        """Into how many parts of which size replicas are best divided; the last may be filled up.

        Args:
            replicas: How many there are.
            replica_bytes: What one of them needs for a step.
        """

    def training(
        self,
        step: Step,
        weights: Sequence[Any],
        states: Sequence[Any],
        optimizer: Any,
        *,
        example: tuple[Any, Any],
        row_shape: tuple[int, ...],
    ) -> Training:
        """A training by `step` and `optimizer` that runs an epoch in one call.

        Args:
            step: `((weights, states), x, y) -> (gradients, new states, row)`, all of them tensors.
            weights: Trainable Keras variables of the shapes of a part.
            states: Non-trainable Keras variables likewise.
            optimizer: A Keras optimizer, built for `weights`.
            example: Batches as they will come: on JAX, compilation begins now.
            row_shape: Shape of a row.
        """

    # --- the step of `fit` -----------------------------------------------------------------------

    def compile_train_step(self, model: Any, train_step: Callable[..., Any]) -> Callable[..., Any]:
        """Compiles `train_step` as Keras would the model's own, and leaves the model alone."""

    def waits_for_steps(self) -> bool:
        """Whether a train step is done when its call returns."""

    def split_step(self, result: Any) -> tuple[Any, tuple[Any, ...]]:
        """Logs, and the rest of what a train step returns."""

    def join_step(self, logs: Any, rest: tuple[Any, ...]) -> Any:
        """What a train step returns, with other logs: the inverse of `split_step`."""

    def step_state(self, model: Any, arguments: tuple[Any, ...]) -> list[tuple[Any, Any]]:
        """Variables and their values among the arguments of `train_step`.

        Empty where the variables hold them. The last argument is the batch.
        """

    def entry_name(self) -> str:
        """Name of the method through which gradients enter a Keras optimizer in a train step."""

    def update_of(self, optimizer: Any, *arguments: Any, **named: Any) -> Update:
        """A call of that method, which is yet to be made."""

    def dense_gradient(self, gradient: Any, shape: tuple[int, ...]) -> tuple[Any, bool]:
        """A gradient's entries as one dense tensor, and whether entries that are 0 are left out.

        A sparse gradient names some rows several times; each comes back once, with its sum.

        Args:
            gradient: Any gradient that the backend gives.
            shape: Of the variable. Of the gradient, it may be unknown while it is traced.
        """

    def sampled(self, tensor: Any, entries: int | None) -> tuple[Any, Any, Any]:
        """Evenly spaced entries of `tensor`, how many they are, and how many it has.

        Args:
            tensor: A dense tensor of any shape.
            entries: Entries to take, roughly, of a tensor with three times as many; None for all.
        """

    def sum_of_squares(self, tensor: Any) -> Any:
        """Sum of squares of all entries, in float32."""

    def packed(self, parts: Sequence[Any]) -> Any:
        """All parts as one vector, float32: tensors of any shape, and sequences of numbers."""

    def is_reachable(self, tensor: Any) -> bool:
        """Whether what runs or is traced now can return `tensor`."""

    # --- graphs ----------------------------------------------------------------------------------

    def raw_calls(self) -> contextlib.AbstractContextManager[None]:
        """A scope in which the backend's own functions take Keras tensors, and are recorded."""
