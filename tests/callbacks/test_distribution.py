"""On several devices, the recorded gradient is that of the whole batch."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

BACKEND = keras.config.backend()

PROGRAM = """
import json, sys
import numpy as np
{setup}
import keras
from kerasinit.callbacks import GradientStats

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(16, 6)).astype("float32")
y = np.random.default_rng(1).normal(size=(16, 3)).astype("float32")

def build():
    model = keras.Sequential([
        keras.Input((6,)),
        keras.layers.Dense(8, activation="tanh", name="first"),
        keras.layers.Dense(3, name="last"),
    ])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    return model

{build}
before = [np.array(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables]
stats = GradientStats(activations_every=1)
history = model.fit(x, y, batch_size=16, verbose=0, callbacks=[stats]).history
after = [np.array(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables]
moves = [float(np.linalg.norm(b - a)) for b, a in zip(before, after)]
norms = [part["norm"] for part in stats.history[0]["variables"].values()]
shares = stats.history[0]["layers"]["last"]["update_ratio"]
print("RESULT", json.dumps([moves, norms, history["grad_norm"][0], shares]))
"""

MIRRORED = {
    "setup": """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
""",
    "build": "with strategy.scope():\n    model = build()",
}
PARALLEL = {
    "setup": """
import jax, keras
assert len(jax.devices()) == 2
keras.distribution.set_distribution(keras.distribution.DataParallel())
""",
    "build": "model = build()",
}


def result(program):
    env = dict(os.environ) | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(**program)],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, run.stderr[-3000:]
    return json.loads(lines[0].removeprefix("RESULT"))


def assert_gradient_of_the_whole_batch(found):
    moves, norms, global_norm, update_ratio = found
    assert norms == pytest.approx(moves, rel=1e-4)
    assert global_norm == pytest.approx(np.linalg.norm(moves), rel=1e-4)
    assert update_ratio > 0


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute")
def test_mirrored_strategy_on_two_devices():
    assert_gradient_of_the_whole_batch(result(MIRRORED))


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution runs on JAX")
def test_data_parallel_on_two_devices():
    assert_gradient_of_the_whole_batch(result(PARALLEL))
