"""Names for the types that Keras leaves open."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Tensor: TypeAlias = Any  # a tensor of whichever backend is active
Shape: TypeAlias = tuple[int, ...]
Config: TypeAlias = dict[str, Any]
InitializerLike: TypeAlias = str | Mapping[str, Any] | Callable[..., Tensor]
SeedLike: TypeAlias = Any  # int, numpy integer, keras.random.SeedGenerator or None
