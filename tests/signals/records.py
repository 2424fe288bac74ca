"""Records of one real output, which tests change field by field."""

import dataclasses
import math
import warnings

import keras
import numpy as np

from kerasinit.signals import measure


def measured_head(y, *, units=1, activation=None, loss="mse"):
    """What is told of the only output of a small model with these targets."""
    x = np.random.default_rng(0).standard_normal((len(y), 8)).astype("float32")
    out = keras.layers.Dense(units, activation, name="out")
    model = keras.Sequential([keras.Input((8,)), out])
    model.compile("sgd", loss)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras names some misfits, too
        (head,) = measure(model, x, y).heads
    return head


HEAD = measured_head(np.array([[0.0], [1.0]]))


def head_of(**fields):
    """An output of three units of which little is known."""
    usual = {
        "name": "head", "shape": (3,), "activation": None, "is_layer": False, "switch": None,
        "reach": (-math.inf, math.inf), "low": 0.0, "high": 0.0, "sums_to_one": False,
        "spread": 1.0, "loss": "", "from_logits": False, "is_twice": False, "targets": None,
    }  # fmt: skip
    return dataclasses.replace(HEAD, **usual | fields)


def targets_of(**fields):
    """Targets of 0 and 1."""
    usual = {
        "shape": (1,), "low": 0.0, "high": 1.0, "rms": 0.5, "std": 0.5, "whole": True,
        "sums_to_one": False, "zero_share": 0.0,
    }  # fmt: skip
    return dataclasses.replace(HEAD.targets, **usual | fields)
