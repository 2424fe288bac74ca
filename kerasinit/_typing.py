"""Names for the types of the public surface, and for what Keras leaves open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypedDict

import numpy as np

Tensor: TypeAlias = Any  # a tensor of whichever backend is active
Batch: TypeAlias = Any  # arrays or tensors, nested as the model takes them
Shape: TypeAlias = tuple[int, ...]
Config: TypeAlias = dict[str, Any]
Axes: TypeAlias = Sequence[int] | None

InitializerLike: TypeAlias = str | Mapping[str, Any] | Callable[..., Tensor]
Rule: TypeAlias = tuple[str | type, object]  # (path regex or layer class, initializer)
Rules: TypeAlias = InitializerLike | Sequence[Rule] | None

Mode: TypeAlias = Literal["fan_avg", "fan_geo", "fan_in", "fan_out"]
Moment: TypeAlias = Literal["forward", "backward", "centered"]
PolicyName: TypeAlias = Literal["warn", "stop", "raise"]  # what follows from a verdict


class SeedGenerator(Protocol):
    """A `keras.random.SeedGenerator`."""

    def next(self, ordered: bool = True) -> Tensor:
        """The next seed, shape `(2,)`."""


SeedLike: TypeAlias = int | np.integer[Any] | SeedGenerator | None


class Model(Protocol):
    """What is asked of a Keras model: Sequential, functional or subclassed."""

    name: str
    built: bool

    @property
    def layers(self) -> Sequence[Any]:
        """The layers, outermost first."""

    @property
    def variables(self) -> Sequence[Any]:
        """Everything that the model keeps."""

    @property
    def trainable_variables(self) -> Sequence[Any]:
        """What an optimizer moves."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Outputs for inputs."""


class Layer(Protocol):
    """What is asked of a Keras layer."""

    name: str
    built: bool

    @property
    def variables(self) -> Sequence[Any]:
        """Everything that the layer keeps."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Outputs for inputs."""


class ActivationParameters(TypedDict, total=False):
    """Parameters of named activations, as `keras.activations` spells them."""

    negative_slope: float
    max_value: float | None
    threshold: float
    default_value: float
    alpha: float
    approximate: bool
    b: float
