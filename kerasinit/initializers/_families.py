"""The named variance-scaled initializers, which differ in four words each.

| class | distribution | gain | mode | the same as |
| --- | --- | --- | --- | --- |
| `XavierUniform` | uniform | 1 | fan_avg | Keras' `GlorotUniform`, on a plain kernel |
| `XavierNormal` | normal | 1 | fan_avg | Keras' `GlorotNormal`, not truncated |
| `LasagneUniform` | uniform | 1 | fan_avg | `XavierUniform` |
| `LasagneNormal` | normal | 1 | fan_avg | `XavierNormal` |
| `HeUniform` | uniform | that of ReLU | fan_in | Keras' `HeUniform`, on a plain kernel |
| `HeNormal` | normal | that of ReLU | fan_in | Keras' `HeNormal`, not truncated |
| `LecunUniform` | uniform | 1 | fan_in | Keras' `LecunUniform`, on a plain kernel |
| `LecunNormal` | normal | 1 | fan_in | Keras' `LecunNormal`, not truncated |

A plain kernel is one of Dense, or of a convolution without groups and strides. Keras cuts its
normal classes at two standard deviations: `truncate=2.0` does that here. Where Keras has a class of
the same name, its positional arguments stand first.
"""

from __future__ import annotations

from typing import ClassVar

from kerasinit._typing import Axes, Mode, SeedLike
from kerasinit.initializers._base import register
from kerasinit.initializers._gains import GainLike
from kerasinit.initializers._scaled import ScaledInitializer


@register("xavier_uniform")
class XavierUniform(ScaledInitializer):
    """Uniform weights that compromise between the forward and the backward signal.

    `w ~ U(-a, a)` with `a = gain * sqrt(6 / (fan_in + fan_out))`. For tanh, softsign and linear
    layers. Xavier Glorot's "normalized initialization": Keras and torch call it Glorot and Xavier
    uniform, Lasagne `GlorotUniform`.

    Args:
        gain: Factor on the standard deviation, dimensionless: a number > 0, an activation (name,
            function or layer), or `"auto"`: that of the layer's own activation.
        mode: Whose number of weights divides the variance: `"fan_in"`, `"fan_out"`, `"fan_avg"` or
            `"fan_geo"`.
        truncate: None alone: a uniform distribution has no tails to cut.
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`; see `LayerInitializer`.
        input_axes: Axes that are summed over; None to read them from the layer.
        output_axes: Axes of the output units; given together with `input_axes`.
        batch_axes: Axes of independent kernels, such as experts.

    Source: Glorot and Bengio, 2010, equation 16, https://proceedings.mlr.press/v9/glorot10a.html

    Example:
        >>> import keras
        >>> layer = keras.layers.Dense(64, activation="tanh", kernel_initializer="xavier_uniform")
        >>> float(keras.ops.max(XavierUniform(seed=1)((3, 3)))) <= 1.0
        True
    """

    uniform: ClassVar[bool] = True


@register("xavier_normal")
class XavierNormal(ScaledInitializer):
    """Normal weights that compromise between the forward and the backward signal.

    `w ~ N(0, s**2)`, not truncated, with `s = gain * sqrt(2 / (fan_in + fan_out))`. For tanh,
    softsign and linear layers. Keras and torch call it Glorot and Xavier normal.

    Args:
        gain: Factor on the standard deviation, dimensionless: a number > 0, an activation (name,
            function or layer), or `"auto"`: that of the layer's own activation.
        mode: Whose number of weights divides the variance: `"fan_in"`, `"fan_out"`, `"fan_avg"` or
            `"fan_geo"`.
        truncate: None, or where the distribution is cut, in standard deviations; 2.0 is usual. The
            variance stays.
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`; see `LayerInitializer`.
        input_axes: Axes that are summed over; None to read them from the layer.
        output_axes: Axes of the output units; given together with `input_axes`.
        batch_axes: Axes of independent kernels, such as experts.

    Source: Glorot and Bengio, 2010, https://proceedings.mlr.press/v9/glorot10a.html

    Example:
        >>> import keras
        >>> round(float(keras.ops.std(XavierNormal(seed=1)((100, 100)))), 2)
        0.1
    """


@register("lasagne_uniform")
class LasagneUniform(ScaledInitializer):
    """`XavierUniform` under the name of Lasagne, for code and papers that used it.

    `w ~ U(-a, a)` with `a = gain * sqrt(6 / (fan_in + fan_out))`. What Lasagne adds is its gain:
    `gain="relu"` is sqrt(2), which makes it the `sqrt(12 / (fan_in + fan_out))` of Lasagne's
    documentation page. `XavierUniform` with the same arguments gives the same weights.

    Args:
        gain: Factor on the standard deviation, dimensionless: a number > 0, an activation (name,
            function or layer), or `"auto"`: that of the layer's own activation. Lasagne
            takes a number or `"relu"`.
        mode: Whose number of weights divides the variance: `"fan_in"`, `"fan_out"`, `"fan_avg"` or
            `"fan_geo"`.
        truncate: None alone: a uniform distribution has no tails to cut.
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`; see `LayerInitializer`.
        input_axes: Axes that are summed over; None to read them from the layer.
        output_axes: Axes of the output units; given together with `input_axes`.
        batch_axes: Axes of independent kernels, such as experts.

    Source: `lasagne.init.GlorotUniform`, https://lasagne.readthedocs.io/en/latest/modules/init.html

    Example:
        >>> import keras
        >>> weights = LasagneUniform(gain="relu", seed=1)((150, 450))
        >>> round(float(keras.ops.max(weights)), 3)  # sqrt(12 / 600)
        0.141
    """

    uniform: ClassVar[bool] = True


@register("lasagne_normal")
class LasagneNormal(ScaledInitializer):
    """`XavierNormal` under the name of Lasagne, for code and papers that used it.

    `w ~ N(0, s**2)`, not truncated, with `s = gain * sqrt(2 / (fan_in + fan_out))`, as Lasagne's
    `GlorotNormal`. `XavierNormal` with the same arguments gives the same weights.

    Args:
        gain: Factor on the standard deviation, dimensionless: a number > 0, an activation (name,
            function or layer), or `"auto"`: that of the layer's own activation. Lasagne
            takes a number or `"relu"`.
        mode: Whose number of weights divides the variance: `"fan_in"`, `"fan_out"`, `"fan_avg"` or
            `"fan_geo"`.
        truncate: None, or where the distribution is cut, in standard deviations; 2.0 is usual. The
            variance stays.
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`; see `LayerInitializer`.
        input_axes: Axes that are summed over; None to read them from the layer.
        output_axes: Axes of the output units; given together with `input_axes`.
        batch_axes: Axes of independent kernels, such as experts.

    Source: `lasagne.init.GlorotNormal`, https://lasagne.readthedocs.io/en/latest/modules/init.html

    Example:
        >>> import keras
        >>> weights = LasagneNormal(gain=10.0, seed=1)((100, 100))
        >>> round(float(keras.ops.std(weights)), 1)
        1.0
    """


class _He(ScaledInitializer):
    """Arguments of the He classes."""

    def __init__(
        self,
        seed: SeedLike = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
        *,
        gain: GainLike = "relu",
        mode: Mode = "fan_in",
        truncate: float | None = None,
        batch_axes: Axes = None,
    ) -> None:
        super().__init__(
            gain=gain,
            mode=mode,
            truncate=truncate,
            seed=seed,
            input_axes=input_axes,
            output_axes=output_axes,
            batch_axes=batch_axes,
        )


@register("kaiming_uniform")
class HeUniform(_He):
    """Uniform weights that keep the forward signal through rectifiers.

    `w ~ U(-a, a)` with `a = gain * sqrt(3 / fan_in)`; the gain of ReLU is sqrt(2). Name the
    layer's activation, or `gain="auto"`, for others. Torch calls it Kaiming uniform.

    Args:
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`; see `LayerInitializer`.
        input_axes: Axes that are summed over; None to read them from the layer.
        output_axes: Axes of the output units; given together with `input_axes`.
        gain: Factor on the standard deviation, dimensionless: a number > 0, an activation (name,
            function or layer), or `"auto"`: that of the layer's own activation.
        mode: Whose number of weights divides the variance: `"fan_in"`, `"fan_out"`, `"fan_avg"` or
            `"fan_geo"`.
        truncate: None alone: a uniform distribution has no tails to cut.
        batch_axes: Axes of independent kernels, such as experts.

    Source: He et al., 2015, section 2.2, https://arxiv.org/abs/1502.01852

    Example:
        >>> import keras
        >>> round(float(keras.ops.max(HeUniform(seed=1)((600, 100)))), 2)
        0.1
    """

    uniform: ClassVar[bool] = True


@register("kaiming_normal")
class HeNormal(_He):
    """Normal weights that keep the forward signal through rectifiers.

    `w ~ N(0, s**2)`, not truncated, with `s = gain * sqrt(1 / fan_in)`; the gain of ReLU is
    sqrt(2). Name the layer's activation, or `gain="auto"`, for others. Torch calls it Kaiming
    normal.

    Args:
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`; see `LayerInitializer`.
        input_axes: Axes that are summed over; None to read them from the layer.
        output_axes: Axes of the output units; given together with `input_axes`.
        gain: Factor on the standard deviation, dimensionless: a number > 0, an activation (name,
            function or layer), or `"auto"`: that of the layer's own activation.
        mode: Whose number of weights divides the variance: `"fan_in"`, `"fan_out"`, `"fan_avg"` or
            `"fan_geo"`.
        truncate: None, or where the distribution is cut, in standard deviations; 2.0 is usual. The
            variance stays.
        batch_axes: Axes of independent kernels, such as experts.

    Source: He et al., 2015, section 2.2, https://arxiv.org/abs/1502.01852

    Example:
        >>> import keras
        >>> exact = HeNormal(gain="auto", seed=1)
        >>> layer = keras.layers.Dense(64, activation="gelu", kernel_initializer=exact)
        >>> layer.build((None, 256))
        >>> kernel = keras.ops.convert_to_numpy(layer.kernel)
        >>> round(float(kernel.std()) * 16, 1)  # the gain of GELU is 1.5335
        1.5
    """


class _Lecun(ScaledInitializer):
    """Arguments of the LeCun classes."""

    def __init__(
        self,
        seed: SeedLike = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
        *,
        gain: GainLike = 1.0,
        mode: Mode = "fan_in",
        truncate: float | None = None,
        batch_axes: Axes = None,
    ) -> None:
        super().__init__(
            gain=gain,
            mode=mode,
            truncate=truncate,
            seed=seed,
            input_axes=input_axes,
            output_axes=output_axes,
            batch_axes=batch_axes,
        )


@register()
class LecunUniform(_Lecun):
    """Uniform weights that keep the forward signal through linear layers and SELU.

    `w ~ U(-a, a)` with `a = gain * sqrt(3 / fan_in)`.

    Args:
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`; see `LayerInitializer`.
        input_axes: Axes that are summed over; None to read them from the layer.
        output_axes: Axes of the output units; given together with `input_axes`.
        gain: Factor on the standard deviation, dimensionless: a number > 0, an activation (name,
            function or layer), or `"auto"`: that of the layer's own activation.
        mode: Whose number of weights divides the variance: `"fan_in"`, `"fan_out"`, `"fan_avg"` or
            `"fan_geo"`.
        truncate: None alone: a uniform distribution has no tails to cut.
        batch_axes: Axes of independent kernels, such as experts.

    Source: LeCun et al., 1998, section 4.6, https://doi.org/10.1007/3-540-49430-8_2

    Example:
        >>> import keras
        >>> round(float(keras.ops.max(LecunUniform(seed=1)((300, 100)))), 2)
        0.1
    """

    uniform: ClassVar[bool] = True


@register()
class LecunNormal(_Lecun):
    """Normal weights that keep the forward signal through linear layers and SELU.

    `w ~ N(0, s**2)`, not truncated, with `s = gain * sqrt(1 / fan_in)`.

    Args:
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`; see `LayerInitializer`.
        input_axes: Axes that are summed over; None to read them from the layer.
        output_axes: Axes of the output units; given together with `input_axes`.
        gain: Factor on the standard deviation, dimensionless: a number > 0, an activation (name,
            function or layer), or `"auto"`: that of the layer's own activation.
        mode: Whose number of weights divides the variance: `"fan_in"`, `"fan_out"`, `"fan_avg"` or
            `"fan_geo"`.
        truncate: None, or where the distribution is cut, in standard deviations; 2.0 is usual. The
            variance stays.
        batch_axes: Axes of independent kernels, such as experts.

    Source: LeCun et al., 1998, section 4.6, https://doi.org/10.1007/3-540-49430-8_2;
    Klambauer et al., 2017 (SELU), https://arxiv.org/abs/1706.02515

    Example:
        >>> import keras
        >>> round(float(keras.ops.std(LecunNormal(seed=1)((400, 400)))), 3)
        0.05
    """
