"""Deep autoencoders of digits, without norms or skips."""

import keras
from data import VALIDATION, digits
from keras import layers
from starts import by, ours, own

TITLE = (
    "Autoencoders of digits, 8 numbers in the middle: mean squared error on the validation part "
    "after 20 epochs, the mean digit has 0.41 (lower is better)"
)
STARTS = {
    "Keras": own, "he_normal": by("he_normal"), "orthogonal": by("kerasinit>Orthogonal"),
    "ours": ours,
}  # fmt: skip
CELLS = {
    f"{activation}, {depth} layers, {optimizer}": {
        "activation": activation,
        "depth": depth,
        "optimizer": optimizer,
    }
    for optimizer in ("adam", "sgd")
    for activation in ("relu", "tanh")
    for depth in (10, 30, 50)
}


def train(draw, seed, activation, depth, optimizer):
    half = [layers.Dense(64, activation) for _ in range(depth // 2 - 1)]
    rest = [layers.Dense(64, activation) for _ in range(depth // 2 - 1)]
    code = layers.Dense(8, activation)
    model = keras.Sequential([keras.Input((64,)), *half, code, *rest, layers.Dense(64)])
    draw(model, seed)
    used = (
        keras.optimizers.Adam(1e-3 if depth < 30 else 3e-4)
        if optimizer == "adam"
        else keras.optimizers.SGD(0.1 if depth < 30 else 0.03, momentum=0.9)
    )
    model.compile(used, "mse")
    x, _ = digits()
    kept = x[VALIDATION:]
    model.fit(kept, kept, batch_size=32, epochs=20, verbose=0)
    return float(model.evaluate(x[:VALIDATION], x[:VALIDATION], verbose=0))
