"""Base of every initializer: it knows which layer variable it fills."""

from __future__ import annotations

import abc
import functools
import html
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar

import keras
import numpy as np

from kerasinit import _backend, theory
from kerasinit._seeds import folded
from kerasinit._typing import Axes, Config, SeedLike, Shape, Tensor
from kerasinit.initializers._counted_seed import CountedSeed, checked_seed
from kerasinit.initializers._equal_seeds import next_position
from kerasinit.initializers._given_axes import axes_at, checked_axes
from kerasinit.initializers._kernel_matrices import KernelMatrices, matrices
from kerasinit.initializers._site import Site, find_site
from kerasinit.initializers._spelling import is_same, renamed, short
from kerasinit.layers import Fans

PACKAGE = "kerasinit"
AXES = ("input_axes", "output_axes", "batch_axes")
WIDE_DTYPES = ("float32", "float64")  # drawn as they are; narrower ones are drawn in float32
NUM_SEEDS = 2**32  # distinct seeds of Keras' generators; TensorFlow takes the rest by this modulus

Class = TypeVar("Class", bound=type)


class LayerInitializer(keras.initializers.Initializer, abc.ABC):
    """An initializer that sees the layer it works for and gives each variable its own seed.

    The base of all initializers here, and of your own: a subclass says in `draw` what a variable
    gets, keeps each argument of its constructor as an attribute of the same name, and has nothing
    else to write: seeds, dtypes, the layer, `get_config` and errors about shapes come from here.
    Register it with `keras.saving.register_keras_serializable` to save models that use it.

    Args:
        seed: None, a non-negative int or numpy integer, or a `keras.random.SeedGenerator`.
            Outside a layer it means what it means in Keras: an int gives the same values at each
            call, None draws one seed at construction, a `SeedGenerator` moves on. While a layer
            builds, an int (or the seed drawn for None) is folded with the variable's place in the
            model: one shared instance gives different kernels, and building the same model again
            gives the same weights.
        input_axes: Axes of a kernel that are summed over; None to read them from the layer, or
            from the shape outside one. Given together with `output_axes`. Axes named nowhere are
            the window.
        output_axes: Axes of the output units.
        batch_axes: Axes of independent kernels, such as experts.

    Raises:
        ValueError: If `seed` is negative, or only one of `input_axes` and `output_axes` is given.
        TypeError: If an argument is of another type.

    Example:
        >>> class Cauchy(LayerInitializer):
        ...     def draw(self, shape, dtype, *, seed, site):
        ...         scale = self.fans(shape, site).fan_in ** -0.5
        ...         angles = keras.random.uniform(shape, -1.5, 1.5, dtype=dtype, seed=seed)
        ...         return scale * keras.ops.tan(angles)
        >>> layer = keras.layers.DepthwiseConv2D(3, depthwise_initializer=Cauchy(seed=1))
        >>> layer.build((None, 8, 8, 16))  # fan_in is 9, not 3 * 3 * 16
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Gives the class a constructor of its own name, as Python's errors about arguments say."""
        super().__init_subclass__(**options)
        if "__init__" not in vars(cls):
            cls.__init__ = renamed(cls.__init__, cls)  # type: ignore[method-assign]

    def __init__(
        self,
        *,
        seed: SeedLike = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
        batch_axes: Axes = None,
    ) -> None:
        self._init_seed, self.seed = checked_seed(seed)
        self.input_axes = checked_axes("input_axes", input_axes)
        self.output_axes = checked_axes("output_axes", output_axes)
        self.batch_axes = checked_axes("batch_axes", batch_axes)
        if (self.input_axes is None) != (self.output_axes is None):
            raise ValueError(
                "`input_axes` and `output_axes` must be given together. "
                f"Received: input_axes={input_axes}, output_axes={output_axes}."
            )

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
        values = self.draw(shape, wide, seed=self._seed_for(site), site=site)
        return values if wide == dtype else keras.ops.cast(values, dtype)

    @abc.abstractmethod
    def draw(self, shape: Shape, dtype: str, *, seed: SeedLike, site: Site | None) -> Tensor:
        """Values of `shape`, by `keras.ops` and `keras.random`, so that they can be traced.

        Args:
            shape: Shape of the variable.
            dtype: `"float32"` or `"float64"`.
            seed: For `keras.random`: an int or a `SeedGenerator`. Two draws from one int are equal:
                use `split_seed` for a second one.
            site: Which variable of which layer is filled (`site.layer`, `site.role`), or None
                outside a layer.
        """

    def fans(self, shape: Shape, site: Site | None) -> Fans:
        """Fans of the variable to fill: by the axes that the user named, the layer, or the shape.

        Args:
            shape: Shape of the variable.
            site: As in `draw`.

        Raises:
            ValueError: If a named axis does not exist, or is both an input and an output.
        """
        return axes_at(self, shape, site).fans(shape)

    def __repr__(self) -> str:
        try:
            arguments = self.arguments
        except TypeError:  # of a class with a `get_config` of its own
            return f"{type(self).__name__}(...)"
        usual = {name: one.default for name, one in _parameters(type(self)).items()}
        told = {
            name: value
            for name, value in arguments.items()
            if name in ("gain", "seed") or not is_same(value, usual[name])
        }
        told["seed"] = told.pop("seed")  # last
        shown = (f"{name}={short(value)}" for name, value in told.items())
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_html_(self) -> str:
        about = (type(self).__doc__ or "").partition("\n")[0]
        return f"<code>{html.escape(repr(self))}</code><br>{html.escape(about)}"

    @property
    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments, checked; the seed is the user's.

        Raises:
            TypeError: If an argument is no attribute of the same name.
        """
        names = _parameters(type(self))
        missing = [name for name in names if not hasattr(self, name)]
        if missing:
            raise TypeError(
                f"`{type(self).__name__}` must keep the argument `{missing[0]}` as "
                f"`self.{missing[0]}`, or have a `get_config` of its own."
            )
        return {**{name: getattr(self, name) for name in names}, "seed": self._init_seed}

    def get_config(self) -> Config:
        """The constructor's arguments as plain data.

        Raises:
            TypeError: If an argument is no attribute of the same name.
            ValueError: If an argument is a function that is not registered with Keras.
        """
        if _backend.building_layer() is None:
            return {name: plain(name, value) for name, value in self.arguments.items()}
        # A layer that copies the initializer while it builds (MultiHeadAttention does) hands the
        # copies the running seed, so that layers which share an instance still differ.
        return {**self.arguments, "seed": None if self._init_seed is None else self.seed}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """An initializer from its arguments; a bare string of Keras is an empty config.

        Raises:
            ValueError: If `config` leaves out an argument without a default.
        """
        arguments = _parameters(cls)
        missing = [
            name
            for name, parameter in arguments.items()
            if parameter.default is parameter.empty and name not in config
        ]
        if missing:
            call = f"{cls.__name__}({', '.join(f'{name}=...' for name in missing)})"
            raise ValueError(
                f"`{cls.__name__}` needs {' and '.join(f'`{name}`' for name in missing)}, which a "
                f"bare string does not give. Received: config={config}. "
                f"An instance would work: `kerasinit.initializers.{call}`."
            )
        # `EinsumDense` adds the axes of its equation to any config of a `VarianceScaling`.
        axes = {name: config[name] for name in AXES if name in config and name not in arguments}
        given = {name: value for name, value in config.items() if name not in axes}
        initializer: Self = super().from_config(given)
        for name, value in axes.items():
            setattr(initializer, name, checked_axes(name, value))
        return initializer

    def _seed_for(self, site: Site | None) -> SeedLike:
        if not isinstance(self.seed, CountedSeed):
            return self.seed
        if site is None:
            return int(self.seed) % NUM_SEEDS
        if site.pretend:
            position = self.seed.filled
        else:
            position = self.seed.next_position() if site.again else next_position(self.seed, site)
        return folded(self.seed, position=position, role=site.role, path=site.path)

    def _view(self, shape: Shape, site: Site | None, *, window: bool) -> KernelMatrices:
        """The kernel as matrices, with the window in the rows or not."""
        return matrices(shape, axes_at(self, shape, site), window=window)


@functools.cache
def _parameters(cls: Any) -> dict[str, inspect.Parameter]:
    """The arguments of a constructor by name."""
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(cls).parameters.items()
    return {name: parameter for name, parameter in parameters if parameter.kind not in open_ended}


def plain(name: str, value: Any) -> Any:
    """An argument as JSON has it.

    Raises:
        ValueError: If it is a function that is not registered with Keras.
    """
    if isinstance(value, theory.Activation) and _is_named(value):
        return value.name
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [plain(name, entry) for entry in value]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):  # `CountedSeed` is an int
        return int(value) if isinstance(value, int) else float(value)
    if hasattr(value, "get_config") or isinstance(value, Mapping):
        return keras.saving.serialize_keras_object(value)
    registered = keras.saving.get_registered_name(value) if callable(value) else None
    if registered is None or keras.saving.get_registered_object(registered) is not value:
        raise ValueError(
            f"A function as `{name}` can only be saved once it is registered with "
            f"`keras.saving.register_keras_serializable`. Received: {name}={value!r}."
        )
    return registered


def _is_named(activation: theory.Activation) -> bool:
    """Whether the name of an activation says it all: no parameters, no function of the user's."""
    try:
        return theory.resolve(activation.name) == activation
    except ValueError:
        return False


def split_seed(seed: SeedLike, index: int) -> SeedLike:
    """A seed for the `index`-th further draw of one call, independent of `seed` itself.

    Args:
        seed: The seed handed to `draw`.
        index: Number of the draw, from 0.

    >>> split_seed(7, 0) != split_seed(7, 1)
    True
    """
    if isinstance(seed, int | np.integer):
        return folded(int(seed), position=index, role="split", path="")
    return seed


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
        strings: Short names for `kernel_initializer="..."`, of a class that needs no arguments. A
            name that Keras or anybody else has taken stays theirs.
    """

    def decorate(cls: Class) -> Class:
        keras.saving.register_keras_serializable(package=PACKAGE)(cls)
        for string in strings:
            if not hasattr(keras.initializers, string):
                keras.saving.get_custom_objects().setdefault(string, cls)
        return cls

    return decorate
