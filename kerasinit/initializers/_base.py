"""Base of every initializer of the room: it knows which layer variable it fills."""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable
from typing import Any, Self, TypeVar

import keras

from kerasinit import _backend
from kerasinit._seeds import folded
from kerasinit._typing import Config, SeedLike, Shape, Tensor
from kerasinit.initializers._counted_seed import CountedSeed, checked_seed
from kerasinit.initializers._site import Site, find_site

PACKAGE = "kerasinit"
WIDE_DTYPES = ("float32", "float64")  # drawn as they are; narrower ones are drawn in float32
NUM_SEEDS = 2**32  # distinct seeds of Keras' generators; TensorFlow takes the rest by this modulus

Class = TypeVar("Class", bound=type)


class LayerInitializer(keras.initializers.Initializer, abc.ABC):
    """An initializer that sees the layer it works for and gives each variable its own seed.

    A class says how it draws in `_draw`, and returns its own arguments from `get_config` together
    with those of the base.

    Args:
        seed: None, a non-negative int or numpy integer, or a `keras.random.SeedGenerator`.
            Outside a layer it means what it means in Keras: an int gives the same values at each
            call, None draws one seed at construction, a `SeedGenerator` moves on. While a layer
            builds, an int (or the seed drawn for None) is folded with the variable's place in the
            model: one shared instance gives different kernels, and building the same model again
            gives the same weights.

    Raises:
        ValueError: If `seed` is negative.
        TypeError: If `seed` is of another type.
    """

    def __init__(self, *, seed: SeedLike = None) -> None:
        self._init_seed, self.seed = checked_seed(seed)

    def __call__(self, shape: Shape, dtype: Any = None) -> Tensor:
        """Values for a variable.

        Args:
            shape: Shape of the variable, fully defined.
            dtype: A floating-point dtype; None is `keras.config.floatx()`. Half precision is drawn
                in float32 and cast once.

        Raises:
            ValueError: If `shape` or `dtype` cannot be filled.
        """
        shape = checked_shape(shape)
        dtype = checked_dtype(dtype)
        site = find_site(self, shape)
        wide = dtype if dtype in WIDE_DTYPES else "float32"
        values = self._draw(shape, wide, self._seed_for(site), site)
        return values if wide == dtype else keras.ops.cast(values, dtype)

    @abc.abstractmethod
    def _draw(self, shape: Shape, dtype: str, seed: SeedLike, site: Site | None) -> Tensor:
        """Values of `shape`, traceable.

        Args:
            shape: Shape of the variable.
            dtype: `"float32"` or `"float64"`.
            seed: For `keras.random`: an int or a `SeedGenerator`. Two draws from one int are equal:
                use `split_seed` for a second one.
            site: The layer variable to fill, or None outside a layer.
        """

    def get_config(self) -> Config:
        """The constructor's arguments; the seed is the user's."""
        if _backend.building_layer() is None:
            return {"seed": keras.saving.serialize_keras_object(self._init_seed)}
        # A layer that copies the initializer while it builds (MultiHeadAttention does) hands the
        # copies the running seed, so that layers which share an instance still differ.
        return {"seed": None if self._init_seed is None else self.seed}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """An initializer from its arguments; a bare string of Keras is an empty config.

        Raises:
            ValueError: If `config` leaves out an argument without a default.
        """
        missing = [
            name
            for name, parameter in inspect.signature(cls).parameters.items()
            if parameter.default is parameter.empty
            and parameter.kind is not parameter.VAR_KEYWORD
            and name not in config
        ]
        if missing:
            call = f"{cls.__name__}({', '.join(f'{name}=...' for name in missing)})"
            raise ValueError(
                f"`{cls.__name__}` needs {' and '.join(f'`{name}`' for name in missing)}, which a "
                f"bare string does not give. Received: config={config}. "
                f"An instance would work: `kerasinit.initializers.{call}`."
            )
        initializer: Self = super().from_config(config)
        return initializer

    def _seed_for(self, site: Site | None) -> SeedLike:
        if not isinstance(self.seed, CountedSeed):
            return self.seed
        if site is None:
            return int(self.seed) % NUM_SEEDS
        position = self.seed.filled if site.pretend else self.seed.next_position()
        return folded(self.seed, position=position, role=site.role, path=site.path)


def split_seed(seed: SeedLike, index: int) -> SeedLike:
    """A seed for the `index`-th further draw of one call, independent of `seed` itself.

    Args:
        seed: The seed handed to `_draw`.
        index: Number of the draw, from 0.
    """
    if isinstance(seed, keras.random.SeedGenerator):
        return seed
    return folded(seed, position=index, role="split", path="")


def checked_shape(shape: Any) -> Shape:
    """`shape` as a tuple of ints.

    Raises:
        TypeError: If `shape` is not a sequence of integers.
        ValueError: If it has an unknown or negative size.
    """
    try:
        sizes = tuple(shape)
    except TypeError:
        raise TypeError(
            f"`shape` must be a tuple of integers. Received: shape={shape!r}."
        ) from None
    if any(isinstance(size, bool) or not hasattr(size, "__index__") for size in sizes):
        raise TypeError(f"`shape` must be a tuple of integers. Received: shape={shape!r}.")
    whole = tuple(int(size) for size in sizes)
    if any(size < 0 for size in whole):
        raise ValueError(f"`shape` must not have negative sizes. Received: shape={whole}.")
    return whole


def checked_dtype(dtype: Any) -> str:
    """Name of a floating-point dtype; `keras.config.floatx()` for None.

    Raises:
        ValueError: If `dtype` is not a floating-point dtype.
    """
    name = str(keras.backend.standardize_dtype(dtype))
    if "float" not in name:
        raise ValueError(
            f"`dtype` must be a floating-point dtype. Received: dtype={name!r}; "
            "'float32' would work."
        )
    return name


def register(*strings: str) -> Callable[[Class], Class]:
    """Makes a class loadable as `"kerasinit>ClassName"` and by short strings.

    Args:
        strings: Short names for `kernel_initializer="..."`.

    Raises:
        ValueError: If Keras owns one of the names.
    """

    def decorate(cls: Class) -> Class:
        taken = sorted(string for string in strings if hasattr(keras.initializers, string))
        if taken:
            raise ValueError(f"Keras owns the initializer name(s) {taken}; choose others.")
        keras.saving.register_keras_serializable(package=PACKAGE)(cls)
        keras.saving.get_custom_objects().update(dict.fromkeys(strings, cls))
        return cls

    return decorate
