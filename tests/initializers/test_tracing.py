"""Draws can be traced, and sharded draws equal unsharded ones."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasinit.initializers import HeNormal, HeUniform, LecunNormal

SHARDED = """
import keras
import numpy as np
from keras.src.backend.jax import core

from kerasinit.initializers import HeNormal

core.should_shard_at_init = lambda layout, shape: True  # small variables too


def weights():
    shared = HeNormal(seed=1)
    layers = [keras.layers.Dense(8, kernel_initializer=shared) for _ in range(3)]
    model = keras.Sequential([keras.Input((8,)), *layers])
    return [variable.value for variable in model.weights if "kernel" in variable.path]


whole = weights()
mesh = keras.distribution.DeviceMesh((1, 4), ["batch", "model"])
layout = keras.distribution.LayoutMap(mesh)
layout[".*kernel"] = (None, "model")
parallel = keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
keras.distribution.set_distribution(parallel)
sharded = weights()
for one, parts in zip(whole, sharded, strict=True):
    assert len(parts.sharding.device_set) == 4, parts.sharding
    assert parts.addressable_shards[0].data.shape == (8, 2), parts.sharding
    np.testing.assert_array_equal(np.asarray(one), np.asarray(parts))
assert not np.array_equal(np.asarray(sharded[0]), np.asarray(sharded[1]))
print("equal")
"""


def traced(function):
    """`function` compiled by the active backend."""
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function)
    if keras.config.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


@pytest.mark.parametrize(
    "initializer",
    [HeNormal(seed=1), HeUniform(seed=1), LecunNormal(truncate=1.5, seed=1)],
    ids=["normal", "uniform", "truncated"],
)
def test_a_traced_draw_equals_an_eager_one(initializer):
    eager = initializer((6, 4))
    compiled = traced(lambda: initializer((6, 4)))()
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(compiled),
        keras.ops.convert_to_numpy(eager),
        rtol=1e-5,
        atol=1e-6,
    )


def test_an_automatic_gain_is_found_while_tracing():
    layer = keras.layers.Dense(
        4, activation=lambda x: 2 * x, kernel_initializer=HeNormal(gain="auto")
    )
    keras.Sequential([layer]).predict(np.ones((1, 3), "float32"), verbose=0)
    assert layer.kernel.shape == (3, 4)


@pytest.mark.skipif(keras.config.backend() != "jax", reason="only JAX shards variables")
def test_sharded_kernels_equal_unsharded_ones():
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SHARDED],
        env=os.environ | flags,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.strip() == "equal", result.stderr
