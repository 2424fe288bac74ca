"""Plain stacks of layers, with nothing between them but activations: digits, SGD with momentum."""

import keras
from data import VALIDATION, digits
from keras import layers
from starts import by, ours, own

from kerasinit import initializers

TITLE = "Plain stacks: accuracy on digits, SGD with momentum 0.9 (higher is better)"
BIAS_STD = {"tanh": 2e-5**0.5, "gelu": 0.2}  # of the papers; else 0


def critical(model, seed):
    """Orthogonal at the edge of chaos; of convolutions, the centre tap (Xiao et al., 2018)."""
    kind = keras.activations.get(model.layers[0].activation)
    options = {"activation": kind, "bias_std": BIAS_STD.get(kind.__name__, 0.0)}
    dense = initializers.Critical(distribution="orthogonal", **options)
    taps = initializers.Critical(distribution="delta_orthogonal", **options)
    rules = [("bias", initializers.CriticalBias(**options)), (layers.Dense, dense)]
    first, second = model.layers[:2]
    if isinstance(second, layers.Conv2D):  # the first has too few channels for a centre tap
        rules = [(f"/{first.name}/", "lecun_normal"), *rules, (layers.Conv2D, taps)]
    by(rules)(model, seed)


STARTS = {
    "Keras": own,
    "he_normal": by("he_normal"),
    "orthogonal": by("kerasinit>Orthogonal"),
    "critical": critical,
    "ours": ours,
}
ACTIVATIONS = ("relu", "gelu", "tanh", "sigmoid")
RATES = {100: 1e-3, 200: 1e-3, 1000: 2e-4}
CELLS = {
    f"{activation}, {depth} layers": {"activation": activation, "depth": depth}
    for depth in (100, 1000)
    for activation in ACTIVATIONS
} | {
    "tanh CNN, 200 layers": {"activation": "tanh", "depth": 200, "channels": 16},
    "tanh CNN, 1000 layers": {"activation": "tanh", "depth": 1000, "channels": 16, "epochs": 8},
    "tanh CNN, 1000 layers, flattened": {
        "activation": "tanh",
        "depth": 1000,
        "channels": 16,
        "epochs": 8,
        "pools": False,
    },
}
WIDTH = 64


def stack(activation, depth, channels, pools):
    if channels:
        hidden = [
            layers.Conv2D(channels, 3, padding="same", activation=activation) for _ in range(depth)
        ]
        # An average forgets where things are, which only taps beside the centre have told it.
        ends = [layers.GlobalAveragePooling2D() if pools else layers.Flatten(), layers.Dense(10)]
        return keras.Sequential([keras.Input((8, 8, 1)), *hidden, *ends])
    hidden = [layers.Dense(WIDTH, activation) for _ in range(depth)]
    return keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10)])


def train(draw, seed, activation, depth, channels=0, epochs=None, pools=True):
    model = stack(activation, depth, channels, pools)
    draw(model, seed)
    rate = RATES[depth]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss, metrics=["accuracy"])
    x, y = digits()
    x = x.reshape(-1, 8, 8, 1) if channels else x
    kept = slice(VALIDATION, None)
    epochs = epochs or (10 if depth <= 100 else 2)
    model.fit(x[kept], y[kept], batch_size=32, epochs=epochs, verbose=0)
    return float(model.evaluate(x[:VALIDATION], y[:VALIDATION], verbose=0)[1])
