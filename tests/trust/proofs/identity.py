"""A training that is watched gives the same bits as one that is not."""

import itertools
import random
import warnings

import keras
import numpy as np

from kerasinit.callbacks import GradientStats, GradientWarning

NAMES = ("SGD", "Adam", "AdamW", "Nadam", "Adamax", "Adagrad", "Adadelta", "RMSprop", "Ftrl")
NEWER = ("Lion", "Lamb", "Adafactor", "Muon")
OPTIMIZERS = {
    "momentum": {"class": "SGD", "momentum": 0.9, "nesterov": True},
    **{name: {"class": name} for name in (*NAMES, *NEWER) if hasattr(keras.optimizers, name)},
}
OPTIONS = {
    "plain": {},
    "clip each": {"clipvalue": 0.01},
    "clip all": {"global_clipnorm": 0.1},
    "decay": {"weight_decay": 0.01},
    "average": {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3},
    "accumulate": {"gradient_accumulation_steps": 2},
    "scaled loss": {"loss_scale_factor": 128.0},
}
MODES = {
    "compiled": {"jit_compile": False},
    "auto": {"jit_compile": "auto"},
    "eager": {"run_eagerly": True},
    "several steps": {"jit_compile": False, "steps_per_execution": 2},
    "float16": {"jit_compile": False, "dtype": "mixed_float16"},
    "bfloat16": {"jit_compile": False, "dtype": "mixed_bfloat16"},
}
if keras.config.backend() == "torch":
    del MODES["several steps"]  # Keras refuses it there


def identity(count, where):
    """Every optimizer in every mode with every option, in random order, until `count`."""
    found = list(itertools.product(OPTIMIZERS, MODES, OPTIONS))
    random.Random(0).shuffle(found)
    for names in found[:count]:
        keras.utils.clear_session(free_memory=False)
        plain = trained(*names)
        same = trained(*names, GradientStats(2, activations_every=3)) == plain
        assert same or trained(*names) == plain, f"{names}: two plain trainings differ"
        yield "" if same else f"{names}: other bits when watched"


def trained(optimizer, mode, option, *callbacks):
    """The bits of weights, optimizer and losses after a training."""
    keras.utils.set_random_seed(0)
    modes = dict(MODES[mode])
    dtype = modes.pop("dtype", "float32")
    layers = [
        keras.layers.Conv1D(4, 3, activation="relu", dtype=dtype),
        keras.layers.BatchNormalization(dtype=dtype),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(6, "tanh", dtype=dtype),
        keras.layers.Dense(1, dtype="float32"),
    ]
    model = keras.Sequential([keras.Input((6, 2)), *layers])
    options = {**OPTIMIZERS[optimizer], **OPTIONS[option]}
    rule = getattr(keras.optimizers, options.pop("class"))(0.01, **options)
    if dtype == "mixed_float16":
        rule = keras.optimizers.LossScaleOptimizer(rule, dynamic_growth_steps=2)
    model.compile(rule, "mse", **modes)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(28, 6, 2)).astype("float32"), rng.normal(size=(28, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GradientWarning)  # some of these trainings are sick
        logs = model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[*callbacks]).history
    state = [*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)]
    return [np.asarray(value).tobytes() for value in state], logs["loss"]
