"""Layers keep the size of the signal: forward with `fan_in`, backward with `fan_out`.

The fans are those of the layers themselves: a wrong fan shows as a factor in the variance.
"""

import keras
import numpy as np
import pytest

from kerasinit.initializers import LecunNormal, LecunUniform

L = keras.layers


def kernel(initializer):
    return {"kernel_initializer": initializer}


def depthwise(initializer):
    return {"depthwise_initializer": initializer}


def separable(initializer):
    return {**depthwise(initializer), "pointwise_initializer": initializer}


# Name: layer, shape of the inputs, entries to leave out at the spatial borders of the outputs and
# of the gradient of the inputs, where windows are cut off and fewer summands meet.
CASES = {
    "dense": (lambda i: L.Dense(200, **kernel(i)), (64, 300), 0, 0),
    "conv1d": (lambda i: L.Conv1D(64, 5, **kernel(i)), (16, 64, 48), 0, 4),
    "conv2d": (lambda i: L.Conv2D(48, 3, **kernel(i)), (4, 12, 12, 48), 0, 2),
    "conv3d": (lambda i: L.Conv3D(24, 3, **kernel(i)), (4, 7, 7, 7, 24), 0, 2),
    "dilated": (lambda i: L.Conv1D(64, 3, dilation_rate=2, **kernel(i)), (16, 64, 48), 0, 4),
    "grouped": (lambda i: L.Conv1D(64, 3, groups=4, **kernel(i)), (16, 32, 128), 0, 2),
    "strided": (lambda i: L.Conv2D(64, 4, strides=2, **kernel(i)), (8, 14, 14, 32), 0, 4),
    "depthwise1d": (lambda i: L.DepthwiseConv1D(9, **depthwise(i)), (8, 40, 512), 0, 8),
    "depthwise2d": (
        lambda i: L.DepthwiseConv2D(5, depth_multiplier=2, **depthwise(i)),
        (2, 16, 16, 128),
        0,
        4,
    ),
    "separable1d": (lambda i: L.SeparableConv1D(64, 9, **separable(i)), (8, 40, 192), 0, 8),
    "separable2d": (lambda i: L.SeparableConv2D(64, 5, **separable(i)), (4, 16, 16, 96), 0, 4),
    "transposed1d": (lambda i: L.Conv1DTranspose(32, 4, strides=2, **kernel(i)), (8, 40, 64), 4, 0),
    "transposed2d": (lambda i: L.Conv2DTranspose(32, 3, **kernel(i)), (4, 12, 12, 64), 2, 0),
    "upsampling": (
        lambda i: L.Conv2DTranspose(32, 4, strides=2, **kernel(i)),
        (8, 9, 9, 64),
        4,
        0,
    ),
    "uneven upsampling": (
        lambda i: L.Conv1DTranspose(32, 3, strides=2, **kernel(i)),
        (16, 41, 64),
        4,
        0,
    ),
    "transposed3d": (
        lambda i: L.Conv3DTranspose(16, 2, strides=2, **kernel(i)),
        (2, 5, 5, 5, 32),
        0,
        0,
    ),
    "einsum": (
        lambda i: L.EinsumDense("abc,cde->abde", (None, 8, 16), **kernel(i)),
        (16, 8, 128),
        0,
        0,
    ),
    "joining einsum": (
        lambda i: L.EinsumDense("abcd,cde->abe", (None, 96), **kernel(i)),
        (32, 8, 8, 16),
        0,
        0,
    ),
    "experts": (lambda i: L.EinsumDense("bei,eio->beo", (16, 32), **kernel(i)), (64, 16, 64), 0, 0),
}


def outputs_of(name, initializer):
    make, shape, crop, _ = CASES[name]
    return inner(make(initializer)(normal(shape)), crop)


def gradient_of(name, initializer):
    """Gradient of the inputs when the gradient of the outputs has unit variance."""
    make, shape, _, crop = CASES[name]
    layer, inputs = make(initializer), normal(shape)
    seed = normal(layer(inputs).shape)
    return inner(input_gradient(lambda x: keras.ops.sum(layer(x) * seed), inputs), crop)


def input_gradient(function, inputs):
    """Gradient of a number by the inputs, as each backend computes it."""
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function(inputs)
        return tape.gradient(outputs, inputs)
    if keras.config.backend() == "jax":
        import jax

        return jax.jit(jax.grad(function))(inputs)
    inputs = inputs.clone().requires_grad_(True)
    function(inputs).backward()
    return inputs.grad


def normal(shape):
    values = np.random.default_rng(0).standard_normal(tuple(shape))
    return keras.ops.convert_to_tensor(values.astype("float32"))


def inner(tensor, crop):
    """The tensor without `crop` entries at both ends of each spatial axis."""
    values = keras.ops.convert_to_numpy(keras.ops.stop_gradient(tensor)).astype("float64")
    if not crop:
        return values
    return values[(slice(None), *[slice(crop, -crop)] * (values.ndim - 2))]


def assert_unit_variance(values, tolerance=0.1):
    """Two to five standard errors: a kernel of n weights gives a relative error of sqrt(2 / n)."""
    assert abs(values.var() - 1) < tolerance, f"actual variance {values.var()}"


@pytest.mark.parametrize("name", CASES)
def test_the_outputs_have_unit_variance(name):
    assert_unit_variance(outputs_of(name, LecunNormal(seed=1)))


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_of_the_inputs_has_unit_variance(name):
    assert_unit_variance(gradient_of(name, LecunUniform(mode="fan_out", seed=1)))


@pytest.mark.parametrize("name", ["depthwise1d", "depthwise2d", "transposed2d", "upsampling"])
def test_the_forward_check_notices_the_fans_of_keras(name):
    with pytest.raises(AssertionError, match="actual variance"):
        assert_unit_variance(outputs_of(name, keras.initializers.LecunNormal(seed=1)))


@pytest.mark.parametrize("name", ["grouped", "strided", "transposed2d", "experts"])
def test_the_backward_check_notices_the_fans_of_keras(name):
    initializer = keras.initializers.VarianceScaling(1.0, "fan_out", "uniform", seed=1)
    with pytest.raises(AssertionError, match="actual variance"):
        assert_unit_variance(gradient_of(name, initializer))


@pytest.mark.parametrize(("cls", "gates"), [(L.LSTM, 4), (L.GRU, 3)], ids=["lstm", "gru"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
def test_recurrent_kernels_are_scaled_for_one_gate(cls, gates, mode):
    layer = cls(
        64,
        kernel_initializer=LecunNormal(mode=mode, seed=1),
        recurrent_initializer=LecunNormal(mode=mode, seed=2),
    )
    layer.build((None, 3, 96))
    fan = {"fan_in": 96, "fan_out": 64}[mode]
    cell = layer.cell
    assert_unit_variance(fan**0.5 * inner(cell.kernel, 0), 0.1)
    assert_unit_variance(64**0.5 * inner(cell.recurrent_kernel, 0), 0.1)
    assert cell.kernel.shape == (96, gates * 64)


@pytest.mark.parametrize("part", ["query_dense", "key_dense", "value_dense"])
def test_attention_projects_at_unit_variance(part):
    layer = L.MultiHeadAttention(8, 16, **kernel(LecunNormal(seed=1)))
    layer.build((None, 8, 96), (None, 8, 96))
    assert_unit_variance(inner(getattr(layer, part)(normal((16, 8, 96))), 0))


def test_attention_joins_its_heads_at_unit_variance():
    layer = L.MultiHeadAttention(8, 16, **kernel(LecunNormal(seed=1)))
    layer.build((None, 8, 96), (None, 8, 96))
    assert_unit_variance(inner(layer.output_dense(normal((16, 8, 8, 16))), 0))
