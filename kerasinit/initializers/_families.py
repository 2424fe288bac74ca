"""The named variance-scaled initializers: Xavier, Lasagne, He and LeCun."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

from kerasinit.initializers._base import register
from kerasinit.initializers._scaled import ScaledInitializer, ScaledOptions


@register("xavier_uniform")
class XavierUniform(ScaledInitializer):
    """Uniform weights that compromise between the forward and the backward signal.

    `w ~ U(-a, a)` with `a = gain * sqrt(6 / (fan_in + fan_out))`. For tanh, softsign and linear
    layers.

    Args:
        gain: See `ScaledInitializer`.
        mode: See `ScaledInitializer`.
        **options: `truncate`, `seed`, `input_axes`, `output_axes`, `batch_axes` of
            `ScaledInitializer`.

    Source: Glorot and Bengio, 2010, equation 16, https://proceedings.mlr.press/v9/glorot10a.html

    Example:
        >>> import keras
        >>> layer = keras.layers.Dense(64, activation="tanh", kernel_initializer="xavier_uniform")
        >>> float(keras.ops.max(XavierUniform(seed=1)((3, 3)))) <= 1.0
        True
    """

    uniform: ClassVar[bool] = True

    def __init__(
        self, gain: Any = 1.0, mode: str = "fan_avg", **options: Unpack[ScaledOptions]
    ) -> None:
        super().__init__(gain, mode, **options)


@register("xavier_normal")
class XavierNormal(ScaledInitializer):
    """Normal weights that compromise between the forward and the backward signal.

    `w ~ N(0, s**2)`, not truncated, with `s = gain * sqrt(2 / (fan_in + fan_out))`. For tanh,
    softsign and linear layers.

    Args:
        gain: See `ScaledInitializer`.
        mode: See `ScaledInitializer`.
        **options: `truncate`, `seed`, `input_axes`, `output_axes`, `batch_axes` of
            `ScaledInitializer`.

    Source: Glorot and Bengio, 2010, https://proceedings.mlr.press/v9/glorot10a.html

    Example:
        >>> import keras
        >>> round(float(keras.ops.std(XavierNormal(seed=1)((100, 100)))), 2)
        0.1
    """

    uniform: ClassVar[bool] = False

    def __init__(
        self, gain: Any = 1.0, mode: str = "fan_avg", **options: Unpack[ScaledOptions]
    ) -> None:
        super().__init__(gain, mode, **options)


@register("lasagne_uniform")
class LasagneUniform(ScaledInitializer):
    """Uniform weights as Lasagne's `GlorotUniform` draws them, for code and papers that used it.

    `w ~ U(-a, a)` with `a = gain * sqrt(6 / (fan_in + fan_out))`; `gain="relu"` is sqrt(2), which
    makes it the `sqrt(12 / (fan_in + fan_out))` of Lasagne's documentation page.

    Args:
        gain: See `ScaledInitializer`. Lasagne takes a number or `"relu"`.
        mode: See `ScaledInitializer`.
        **options: `truncate`, `seed`, `input_axes`, `output_axes`, `batch_axes` of
            `ScaledInitializer`.

    Source: `lasagne.init.GlorotUniform`, https://lasagne.readthedocs.io/en/latest/modules/init.html

    Example:
        >>> import keras
        >>> weights = LasagneUniform(gain="relu", seed=1)((150, 450))
        >>> round(float(keras.ops.max(weights)), 3)  # sqrt(12 / 600)
        0.141
    """

    uniform: ClassVar[bool] = True

    def __init__(
        self, gain: Any = 1.0, mode: str = "fan_avg", **options: Unpack[ScaledOptions]
    ) -> None:
        super().__init__(gain, mode, **options)


@register("lasagne_normal")
class LasagneNormal(ScaledInitializer):
    """Normal weights as Lasagne's `GlorotNormal` draws them, for code and papers that used it.

    `w ~ N(0, s**2)`, not truncated, with `s = gain * sqrt(2 / (fan_in + fan_out))`.

    Args:
        gain: See `ScaledInitializer`. Lasagne takes a number or `"relu"`.
        mode: See `ScaledInitializer`.
        **options: `truncate`, `seed`, `input_axes`, `output_axes`, `batch_axes` of
            `ScaledInitializer`.

    Source: `lasagne.init.GlorotNormal`, https://lasagne.readthedocs.io/en/latest/modules/init.html

    Example:
        >>> import keras
        >>> weights = LasagneNormal(gain=10.0, seed=1)((100, 100))
        >>> round(float(keras.ops.std(weights)), 1)
        1.0
    """

    uniform: ClassVar[bool] = False

    def __init__(
        self, gain: Any = 1.0, mode: str = "fan_avg", **options: Unpack[ScaledOptions]
    ) -> None:
        super().__init__(gain, mode, **options)


@register("kaiming_uniform")
class HeUniform(ScaledInitializer):
    """Uniform weights that keep the forward signal through rectifiers.

    `w ~ U(-a, a)` with `a = gain * sqrt(3 / fan_in)`; the gain of ReLU is sqrt(2). Name the
    layer's activation, or `gain="auto"`, for others.

    Args:
        gain: See `ScaledInitializer`.
        mode: See `ScaledInitializer`.
        **options: `truncate`, `seed`, `input_axes`, `output_axes`, `batch_axes` of
            `ScaledInitializer`.

    Source: He et al., 2015, section 2.2, https://arxiv.org/abs/1502.01852

    Example:
        >>> import keras
        >>> round(float(keras.ops.max(HeUniform(seed=1)((600, 100)))), 2)
        0.1
    """

    uniform: ClassVar[bool] = True

    def __init__(
        self, gain: Any = "relu", mode: str = "fan_in", **options: Unpack[ScaledOptions]
    ) -> None:
        super().__init__(gain, mode, **options)


@register("kaiming_normal")
class HeNormal(ScaledInitializer):
    """Normal weights that keep the forward signal through rectifiers.

    `w ~ N(0, s**2)`, not truncated, with `s = gain * sqrt(1 / fan_in)`; the gain of ReLU is
    sqrt(2). Name the layer's activation, or `gain="auto"`, for others.

    Args:
        gain: See `ScaledInitializer`.
        mode: See `ScaledInitializer`.
        **options: `truncate`, `seed`, `input_axes`, `output_axes`, `batch_axes` of
            `ScaledInitializer`.

    Source: He et al., 2015, section 2.2, https://arxiv.org/abs/1502.01852

    Example:
        >>> import keras
        >>> layer = keras.layers.Dense(64, activation="gelu", kernel_initializer=HeNormal("auto"))
        >>> layer.build((None, 256))
        >>> kernel = keras.ops.convert_to_numpy(layer.kernel)
        >>> round(float(kernel.std()) * 16, 1)  # the gain of GELU is 1.5335
        1.5
    """

    uniform: ClassVar[bool] = False

    def __init__(
        self, gain: Any = "relu", mode: str = "fan_in", **options: Unpack[ScaledOptions]
    ) -> None:
        super().__init__(gain, mode, **options)


@register()
class LecunUniform(ScaledInitializer):
    """Uniform weights that keep the forward signal through linear layers and SELU.

    `w ~ U(-a, a)` with `a = gain * sqrt(3 / fan_in)`.

    Args:
        gain: See `ScaledInitializer`.
        mode: See `ScaledInitializer`.
        **options: `truncate`, `seed`, `input_axes`, `output_axes`, `batch_axes` of
            `ScaledInitializer`.

    Source: LeCun et al., 1998, section 4.6, https://doi.org/10.1007/3-540-49430-8_2

    Example:
        >>> import keras
        >>> round(float(keras.ops.max(LecunUniform(seed=1)((300, 100)))), 2)
        0.1
    """

    uniform: ClassVar[bool] = True

    def __init__(
        self, gain: Any = 1.0, mode: str = "fan_in", **options: Unpack[ScaledOptions]
    ) -> None:
        super().__init__(gain, mode, **options)


@register()
class LecunNormal(ScaledInitializer):
    """Normal weights that keep the forward signal through linear layers and SELU.

    `w ~ N(0, s**2)`, not truncated, with `s = gain * sqrt(1 / fan_in)`.

    Args:
        gain: See `ScaledInitializer`.
        mode: See `ScaledInitializer`.
        **options: `truncate`, `seed`, `input_axes`, `output_axes`, `batch_axes` of
            `ScaledInitializer`.

    Source: LeCun et al., 1998, section 4.6, https://doi.org/10.1007/3-540-49430-8_2;
    Klambauer et al., 2017 (SELU), https://arxiv.org/abs/1706.02515

    Example:
        >>> import keras
        >>> round(float(keras.ops.std(LecunNormal(seed=1)((400, 400)))), 3)
        0.05
    """

    uniform: ClassVar[bool] = False

    def __init__(
        self, gain: Any = 1.0, mode: str = "fan_in", **options: Unpack[ScaledOptions]
    ) -> None:
        super().__init__(gain, mode, **options)
