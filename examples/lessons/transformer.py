"""A Transformer without norms: the signal grows with every branch unless they start small.

python examples/lessons/transformer.py [FOLDER]
"""

import keras
import numpy as np
from lesson import Lesson, line, panels, show
from sklearn.datasets import load_digits

import kerasinit

STARTS = {
    "glorot_uniform": "glorot_uniform",
    "t-fixup": "t-fixup",
    "initialize(model)": None,
}
BLOCKS, WIDTH, EPOCHS, TRAINING, RATE = 6, 32, 4, 1400, 0.02


def build() -> keras.Model:
    """Blocks of attention and two dense layers with skips, over the rows of an image."""
    inputs = keras.Input((8, 8))
    x = keras.layers.Dense(WIDTH, name="embed")(inputs)
    for _ in range(BLOCKS):
        attention = keras.layers.MultiHeadAttention(4, WIDTH // 4)
        x = keras.layers.Add()([x, attention(x, x)])
        inner = keras.layers.Dense(2 * WIDTH, "gelu")(x)
        x = keras.layers.Add()([x, keras.layers.Dense(WIDTH)(inner)])
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, keras.layers.Dense(10, name="output")(x))


def lesson() -> Lesson:
    """One model, trained from three starts."""
    x, y = load_digits(return_X_y=True)
    x = (x / 16 - 0.3).reshape(-1, 8, 8).astype("float32")
    train, test = (x[:TRAINING], y[:TRAINING]), (x[TRAINING:], y[TRAINING:])
    model = build()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(RATE, momentum=0.9)
    optimizer.build(model.trainable_variables)  # or TensorFlow traces its first step twice
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    picture = panels("Accuracy on the test images")
    text, ends = [f"{'':20}{'size of the logits':>20}{'accuracy':>10}"], {}
    for color, (name, rule) in zip((2, 4, 7), STARTS.items(), strict=True):
        keras.utils.set_random_seed(0)
        kerasinit.initialize(model, rule, seed=0, reset_optimizer=True)
        logits = float(np.std(keras.ops.convert_to_numpy(model(test[0]))))
        history = model.fit(
            *train, batch_size=64, epochs=EPOCHS, validation_data=test, verbose=0
        ).history
        line(picture, range(1, EPOCHS + 1), history["val_accuracy"], name, color=color)
        ends[name] = history["val_accuracy"][-1]
        text.append(f"{name:20}{logits:>20.2g}{ends[name]:>10.2f}")
    picture.update_xaxes(title="epoch")
    theirs, fixup, ours = ends.values()
    text.append(
        f"{BLOCKS} blocks without norms, {EPOCHS} epochs at a rate of {RATE:g}: from "
        f"glorot_uniform, Keras' own, {theirs:.2f}; from T-Fixup, made for Adam, {fixup:.2f}; "
        f"initialize(model) makes the branches small: {ours:.2f}."
    )
    return Lesson(picture, "\n".join(text))


if __name__ == "__main__":
    show(lesson)
