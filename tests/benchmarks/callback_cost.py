"""What GradientStats costs: ratio of step times with and without it, in one process.

    KERAS_BACKEND=tensorflow python tests/benchmarks/callback_cost.py [--model mlp|cnn] [--pairs 20]

Both trainings take turns in short runs of steps (a few warm steps, then timed ones), so that
whatever else the machine does meets both alike; the number is the median over pairs of the ratio
of the times per step, with the interval that holds the middle half. `second pass` is a callback
that computes the gradients anew, as people do today.
"""

import argparse
import os
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers

from kerasinit.callbacks import GradientStats, GradientWarning

CLOCK = time.perf_counter
TARGETS = {"every=1": {"cnn": 1.02, "mlp": 1.05}, "every=10": 1.01, "every=100 + probe": 1.02}


def mlp():
    """Eight layers of 512 units, batch 256."""
    hidden = [layers.Dense(512, activation="relu") for _ in range(8)]
    return keras.Sequential([keras.Input((512,)), *hidden, layers.Dense(10)]), (512,), 256


def cnn():
    """ResNet-20 for 32x32 images (0.27 million weights), batch 32."""
    inputs = keras.Input((32, 32, 3))

    def convolution(x, filters, strides=1):
        x = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    x = layers.ReLU()(convolution(inputs, 16))
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        for block in range(3):
            step = strides if block == 0 else 1
            y = layers.ReLU()(convolution(x, filters, step))
            y = convolution(y, filters)
            if step == 2:
                x = layers.Conv2D(filters, 1, step, use_bias=False)(x)
            x = layers.ReLU()(layers.Add()([x, y]))
    outputs = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs), (32, 32, 3), 32


class SecondPass(keras.callbacks.Callback):
    """Gradient norms by another forward and backward pass over the batch."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def on_train_begin(self, logs=None):
        model = self.model
        if keras.config.backend() == "tensorflow":
            import tensorflow as tf

            @tf.function
            def norms(x, y):
                with tf.GradientTape() as tape:
                    loss = model.compute_loss(x, y, model(x, training=True))
                gradients = tape.gradient(loss, model.trainable_weights)
                return [tf.norm(g) for g in gradients]

        elif keras.config.backend() == "jax":
            import jax

            def loss_of(trainable, others, x, y):
                y_pred, _ = model.stateless_call(trainable, others, x, training=True)
                return model.compute_loss(x, y, y_pred)

            compiled = jax.jit(
                lambda t, n, x, y: [jax.numpy.linalg.norm(g) for g in jax.grad(loss_of)(t, n, x, y)]
            )

            def norms(x, y):
                trainable = [v.value for v in model.trainable_variables]
                return compiled(trainable, [v.value for v in model.non_trainable_variables], x, y)

        else:

            def norms(x, y):
                model.zero_grad()
                model.compute_loss(x, y, model(x, training=True)).backward()
                return [v.value.grad.norm() for v in model.trainable_weights]

        self.norms = norms

    def on_train_batch_end(self, batch, logs=None):
        model = self.model  # on JAX this fetches the weights
        assert model is not None
        tensors = (keras.ops.convert_to_tensor(a) for a in (self.x, self.y))
        self.last = [float(keras.ops.convert_to_numpy(n)) for n in self.norms(*tensors)]


class Clock(keras.callbacks.Callback):
    """Seconds of the timed steps of one `fit`, which ends when the device is done."""

    def __init__(self, warm):
        super().__init__()
        self.async_safe = True
        self.warm = warm

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.warm:
            self.start = CLOCK()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = CLOCK() - self.start


class Training:
    """One model, trained with these callbacks or with those.

    The same for both: two models of one kind lie elsewhere in memory, which alone makes one a
    percent slower than the other, as long as the process lives.
    """

    def __init__(self, make, steps, warm):
        keras.utils.set_random_seed(0)
        self.model, shape, batch = make()
        self.model.compile(
            keras.optimizers.Adam(1e-4),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        rng = np.random.default_rng(0)
        count = batch * (steps + warm)
        self.x = rng.normal(size=(count, *shape)).astype("float32")
        self.y = rng.integers(0, 10, count)
        self.batch, self.steps, self.warm = batch, steps, warm

    def seconds(self, callbacks):
        """Seconds per step of one short run."""
        clock = Clock(self.warm)
        self.model.fit(
            self.x,
            self.y,
            batch_size=self.batch,
            shuffle=False,
            verbose=0,
            callbacks=[*callbacks, clock],
        )
        return clock.seconds / self.steps


CASES = {
    "no callback": lambda training: [],
    "every=1": lambda training: [GradientStats(1)],
    "every=1, no histogram": lambda training: [GradientStats(1, histogram=False)],
    # Waits and keeps copies as `"stop"` does, but no verdict ends the training that is timed.
    "every=1, may stop": lambda training: [GradientStats(1, on_verdict=lambda verdict: None)],
    "every=10": lambda training: [GradientStats(10)],
    "budget=0.01": lambda training: [GradientStats(budget=0.01)],
    "every=100 + probe": lambda training: [GradientStats(100, activations_every=100)],
    "second pass": lambda training: [
        SecondPass(training.x[: training.batch], training.y[: training.batch])
    ],
}
# Enough records in a run that its end, where the last are worked out, counts as in a training.
LONG = {"every=100 + probe": 100, "every=10": 98, "budget=0.01": 200}


def measure(make, case, pairs, steps):
    """Ratios of times per step, with the case and without, and the plain time."""
    steps = max(steps, LONG.get(case, 0))
    training = Training(make, steps, 2)
    sides = ([], CASES[case](training))  # without and with
    for callbacks in sides:
        training.seconds(callbacks)
    ratios, times = [], []
    for pair in range(pairs):
        seconds = {side: training.seconds(sides[side]) for side in ((0, 1), (1, 0))[pair % 2]}
        ratios.append(seconds[1] / seconds[0])
        times.append(seconds[0])
    return np.array(ratios), float(np.median(times))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", choices=("mlp", "cnn"), action="append")
    parser.add_argument("--case", choices=list(CASES), action="append")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument(
        "--cpu", action="store_true", help="processor time instead of time, for a busy machine"
    )
    options = parser.parse_args()
    if options.cpu:
        global CLOCK
        CLOCK = time.process_time
    # Random labels cannot be learned: verdicts are no surprise here.
    warnings.filterwarnings("ignore", category=GradientWarning)
    print(f"{keras.config.backend()}: ratio of step times, median [middle half] of pairs")
    for name in options.model or ("mlp", "cnn"):
        for case in options.case or list(CASES):
            ratios, plain = measure(
                {"mlp": mlp, "cnn": cnn}[name], case, options.pairs, options.steps
            )
            low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75))
            target = TARGETS.get(case)
            target = target[name] if isinstance(target, dict) else target
            print(
                f"{name:4} {case:22} {middle:.3f} [{low:.3f}, {high:.3f}]"
                f"  plain step {plain * 1e3:.1f} ms" + (f"  target {target}" if target else ""),
                flush=True,
            )


if __name__ == "__main__":
    main()
