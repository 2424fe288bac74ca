"""Implicit networks: sines that fit a picture, coordinate by coordinate."""

import keras
import numpy as np
from data import picture
from keras import layers, ops
from starts import by, ours, own

import kerasinit

TITLE = "Implicit networks: PSNR in dB of a picture of 48 x 48 pixels (higher is better)"
OMEGA = 30.0
CELLS = {f"Adam {rate:g}": {"rate": rate} for rate in (1e-4, 1e-3)}
SIDE, STEPS = 48, (50, 150, 500)


def sine(x):
    return ops.sin(OMEGA * x)


def siren(model, seed):
    """The kernels of the paper by hand."""
    first, last = model.layers[0].name, model.layers[-1].name
    hidden = kerasinit.initializers.Siren(omega=OMEGA)
    coordinates = kerasinit.initializers.Siren(first=True, omega=OMEGA)
    by([(f"{first}/", coordinates), (f"{last}/", hidden), (layers.Dense, hidden)])(model, seed)


STARTS = {"Keras": own, "siren": siren, "ours": ours, "scaled-siren": by("scaled-siren")}


def train(draw, seed, rate):
    hidden = [layers.Dense(128, sine) for _ in range(4)]
    model = keras.Sequential([keras.Input((2,)), *hidden, layers.Dense(1)])
    draw(model, seed)
    model.compile(keras.optimizers.Adam(rate), "mse")
    x, y = picture(SIDE)
    found, done = {}, 0
    for steps in STEPS:
        epochs = steps - done
        model.fit(x, y, batch_size=len(x), epochs=epochs, shuffle=False, verbose=0)
        done = steps
        error = model.evaluate(x, y, batch_size=len(x), verbose=0)
        found[f"after {steps} steps"] = float(10 * np.log10(4 / error))  # values from -1 to 1
    return found
