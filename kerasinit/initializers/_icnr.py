"""ICNR kernels: sub-pixel convolutions without checkerboards."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import keras
from keras import ops

from kerasinit._numbers import checked_whole
from kerasinit._typing import InitializerLike, SeedLike, Shape, Tensor
from kerasinit.initializers._base import LayerInitializer, register
from kerasinit.initializers._site import Site

Shuffle: TypeAlias = Literal["depth_to_space", "pixel_shuffle"]
SHUFFLES: tuple[Shuffle, ...] = get_args(Shuffle)


@register("icnr")
class ICNR(LayerInitializer):
    """Starts a convolution before `keras.ops.depth_to_space` as nearest-neighbour upsampling.

    All `scale ** num_window_axes` output channels that become one block of pixels get the same
    weights, drawn by another initializer for the smaller kernel; the usual checkerboard is then
    absent at the start.

    Args:
        scale: Block size of the `depth_to_space` that follows, in pixels per axis.
        initializer: Draws the smaller kernel: name, config or initializer. It is drawn with `seed`;
            a seed of its own is not used.
        shuffle: What follows the convolution, which says how channels become pixels:
            `"depth_to_space"` reads them block by block, as `keras.ops.depth_to_space` does on
            channels-last images; `"pixel_shuffle"` reads each block from neighbouring channels,
            as torch does. (With `data_format="channels_first"`, Keras 3.15 does the first on
            TensorFlow and the second on JAX and torch.)
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`.

    Raises:
        ValueError: If an argument is out of range or the initializer unknown. When called: if the
            kernel has no window, or its outputs are no multiple of the block.
        TypeError: If an argument is of the wrong type.

    Source: Aitken et al., 2017, https://arxiv.org/abs/1707.02937

    Example:
        >>> import keras
        >>> start = ICNR(scale=2, seed=1)
        >>> conv = keras.layers.Conv2D(12, 3, padding="same", kernel_initializer=start)
        >>> image = keras.random.normal((1, 4, 4, 3), seed=1)
        >>> large = keras.ops.depth_to_space(conv(image), 2)
        >>> bool(keras.ops.all(large[:, ::2, ::2] == large[:, 1::2, 1::2]))
        True
    """

    def __init__(
        self,
        *,
        scale: int = 2,
        initializer: InitializerLike = "he_normal",
        shuffle: Shuffle = "depth_to_space",
        seed: SeedLike = None,
    ) -> None:
        super().__init__(seed=seed)
        if not isinstance(shuffle, str) or shuffle not in SHUFFLES:
            raise ValueError(f"`shuffle` must be one of {SHUFFLES}. Received: shuffle={shuffle!r}.")
        self.scale = checked_whole("scale", scale)
        self.initializer = keras.initializers.get(initializer)
        if not callable(self.initializer):
            raise TypeError(
                "`initializer` must be a name, a config or an initializer. "
                f"Received: initializer={initializer!r}."
            )
        self.shuffle = shuffle

    def draw(self, shape: Shape, dtype: str, *, seed: SeedLike, site: Site | None) -> Tensor:
        """Values of `shape`; see `LayerInitializer.draw`."""
        block = self.scale ** max(0, len(shape) - 2)
        if len(shape) < 3:
            raise ValueError(
                "`shape` must be that of a convolution kernel, `(*window, inputs, outputs)`. "
                f"Received: shape={shape}."
            )
        if shape[-1] % block:
            raise ValueError(
                f"`shape` must end in a multiple of {block} outputs: `scale={self.scale}` on "
                f"{len(shape) - 2} axes. Received: shape={shape}."
            )
        small = self._seeded(seed)((*shape[:-1], shape[-1] // block), dtype=dtype)
        if self.shuffle == "pixel_shuffle":
            return ops.repeat(small, block, axis=-1)
        return ops.tile(small, (1,) * (len(shape) - 1) + (block,))

    def _seeded(self, seed: SeedLike) -> Any:
        """The inner initializer with our seed, if it has one."""
        if not isinstance(self.initializer, keras.initializers.Initializer):
            return self.initializer
        config = self.initializer.get_config()
        if "seed" in config:
            config["seed"] = seed
        return type(self.initializer).from_config(config)
