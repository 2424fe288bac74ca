"""What a model is trained by: its loss and its optimizer, as copies of it will use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from kerasinit import _backend
from kerasinit.models._building import build_on
from kerasinit.signals._batch import check_kind, check_model, fixed_batch_size
from kerasinit.signals._measure import HALF_SCALE
from kerasinit.signals._probe_loss import has_regularizers, sums_losses


@dataclass(frozen=True)
class Task:
    """A model with a loss and an optimizer; none of them is changed through it.

    Args:
        model: A built Keras model.
        loss: What `compile` takes; None for the compiled one.
        optimizer: A Keras optimizer, of which only the config is read.
    """

    model: Any
    loss: Any
    optimizer: Any

    @property
    def declared_loss(self) -> Any:
        """The loss as `compile` took it."""
        return self.model.loss if self.loss is None else self.loss

    @property
    def losses(self) -> list[Any]:
        """The losses that are objects, which may keep notes."""
        given = keras.tree.flatten(self.declared_loss)
        return [one for one in given if isinstance(one, keras.losses.Loss)]

    @property
    def trains_all(self) -> bool:
        """Whether a step and its loss are Keras' own: all that is trainable is trained."""
        return _backend.has_keras_train_step(self.model) and sums_losses(self.model)

    @property
    def compares(self) -> bool:
        """Whether a training step of Keras' own gives targets to the loss."""
        return self.trains_all and self.declared_loss is not None

    @property
    def reports_loss_alone(self) -> bool:
        """Whether what a step reports is the mean of the declared loss, without weights of ours."""
        weighted = self.loss is None and _backend.has_loss_weights(self.model)
        return self.compares and not weighted and not has_regularizers(self.model)

    @property
    def inner(self) -> Any:
        """The optimizer that updates, inside one that scales the loss."""
        return _backend.inner_optimizer(self.optimizer)

    def batch_size(self, asked: int) -> int:
        """Samples per step: what the model's inputs are fixed to, or what was asked for."""
        return fixed_batch_size(self.model) or asked

    @property
    def optimizer_name(self) -> str:
        """Class of the optimizer."""
        return type(self.inner).__name__

    @property
    def rate(self) -> float:
        """The learning rate of the optimizer now."""
        return float(_backend.numpy_of(self.inner.learning_rate))

    @property
    def usual_rate(self) -> float:
        """The rate that an optimizer of its class has unless it is told otherwise."""
        try:
            usual = type(self.inner)()
        except TypeError:  # a class of the user's, which wants arguments
            return self.rate
        return float(_backend.numpy_of(usual.learning_rate))

    @property
    def schedule(self) -> str:
        """Name of the class of a learning rate schedule; empty where the rate is a number."""
        config = _backend.config_of(self.inner).get("learning_rate")
        if isinstance(config, keras.optimizers.schedules.LearningRateSchedule):
            return type(config).__name__
        return str(config.get("class_name", "schedule")) if isinstance(config, dict) else ""

    def new_optimizer(self, rate: float) -> Any:
        """An optimizer of the same kind that has seen nothing and keeps a constant rate.

        It updates at each step and averages nothing: what accumulates gradients or weights over
        steps would show nothing in a few dozen.
        """
        return self.with_options(
            learning_rate=rate,
            gradient_accumulation_steps=None,
            use_ema=False,
            ema_overwrite_frequency=None,
        )

    def with_options(self, **options: Any) -> Any:
        """An optimizer of the same kind that has seen nothing, with some options changed."""
        own = self.inner
        scale = {} if own is self.optimizer else {"loss_scale_factor": HALF_SCALE}
        try:
            return type(own).from_config(_backend.config_of(own) | scale | options)
        except Exception as error:
            raise ValueError(
                f"No new {type(own).__name__} can be made from its config: {error}"
            ) from error


def task_of(model: Any, loss: Any = None, optimizer: Any = None, x: Any = None) -> Task:
    """The task of a compiled model, or of one that is given a loss and an optimizer.

    Args:
        model: The model.
        loss: For a model that is not compiled, what `compile` takes.
        optimizer: Likewise.
        x: Data to build it on, if it has no weights yet; None if it has.

    Raises:
        TypeError: If it is no model.
        ValueError: If the model is neither compiled nor given both, trains with several optimizers,
            has nothing to train, or cannot be built.
    """
    check_kind(model)
    compiled = bool(getattr(model, "compiled", False))
    if compiled and (loss is not None or optimizer is not None):
        raise ValueError(
            "`loss` and `optimizer` are for a model that is not compiled. "
            f"Received: the compiled model {model.name!r}, and "
            f"loss={loss!r}, optimizer={optimizer!r}."
        )
    held = _backend.optimizers_of(model)
    if len(held) > 1:
        kinds = sorted(type(one).__name__ for one in held)
        raise ValueError(
            f"{model.name!r} trains with several optimizers, whose rates depend on each other: "
            f"there is no one rate to find. Received: {', '.join(kinds)}. Prepare its parts by "
            "themselves, or only initialize it: `kerasinit.initialize(model)`."
        )
    if not compiled and (loss is None or optimizer is None):
        raise ValueError(
            "What to prepare for is said by the loss and the optimizer. Received: "
            f"{model.name!r}, which is not compiled, with loss={loss!r}, optimizer={optimizer!r}. "
            "Compile it first, or give both: `loss='mse', optimizer='adam'`."
        )
    own = getattr(model, "optimizer", None) if compiled else keras.optimizers.get(optimizer)
    if own is None:
        raise ValueError(
            f"{model.name!r} is compiled without an optimizer: its copies cannot be trained. "
            "Compile it with one."
        )
    if x is not None:
        build_on(model, x)
    check_model(model)
    if not model.trainable_variables:
        raise ValueError(
            f"Nothing in {model.name!r} is trainable: there is nothing to prepare. "
            "Set `layer.trainable = True` where training should move the weights."
        )
    return Task(model, loss, own)
