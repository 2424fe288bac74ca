"""An own initializer that knows its layer, in ten lines: the ends of residual branches start small.

Whether a layer ends a branch stands in its name, and the layer is what the base class hands over,
with the fans it really has. One instance serves the whole model, draws other weights for every
layer, and is saved with the model: seeds, dtypes and configs are the work of the base class.

    python examples/own_initializer.py
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np

from kerasinit.initializers import LayerInitializer

BLOCKS = 12
WIDTH = 64


@keras.saving.register_keras_serializable("examples")
class SkipInit(LayerInitializer):
    """He's rule, times `branch` in layers whose name begins with "end"."""

    def __init__(self, *, branch: float = 0.1, seed: int | None = None) -> None:
        super().__init__(seed=seed)
        self.branch = branch

    def draw(self, shape, dtype, *, seed, site):
        """Normal values; `site` is None outside a layer."""
        ends = site is not None and site.layer.name.startswith("end")
        std = (self.branch if ends else 1.0) * (2 / self.fans(shape, site).fan_in) ** 0.5
        return std * keras.random.normal(shape, dtype=dtype, seed=seed)


def network(initializer) -> keras.Model:
    """A residual network of depthwise and pointwise convolutions on sequences."""
    layers = keras.layers
    inputs = x = keras.Input((32, WIDTH))
    for block in range(BLOCKS):
        branch = layers.DepthwiseConv1D(
            3, padding="same", activation="relu", depthwise_initializer=initializer
        )(x)
        branch = layers.Conv1D(WIDTH, 1, kernel_initializer=initializer, name=f"end_{block}")(
            branch
        )
        x = layers.Add()([x, branch])
    return keras.Model(inputs, x)


def growth(model: keras.Model) -> float:
    """Size of the outputs of unit normal inputs."""
    x = np.random.default_rng(0).standard_normal((64, 32, WIDTH)).astype("float32")
    return float(np.std(model.predict(x, verbose=0)))


def main() -> None:
    """Prints how much each start lets the signal grow, and that the own one survives a save."""
    own = network(SkipInit(seed=1))
    print(f"Size of the signal after {BLOCKS} residual blocks, from 1:")
    print(f"kerasinit>HeNormal   {growth(network('kerasinit>HeNormal')):.2f}")
    print(f"SkipInit             {growth(own):.2f}")
    with TemporaryDirectory() as folder:
        own.save(path := Path(folder) / "model.keras")
        again = keras.models.load_model(path)
    print("Loaded with:", again.get_layer("end_0").kernel_initializer.get_config())


if __name__ == "__main__":
    main()
