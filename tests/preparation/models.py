"""Small models and data for the tests of this room."""

import keras
import numpy as np
from keras import layers

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 6)).astype("float32")
CLASSES = (X[:, 0] > 0).astype("int32") + (X[:, 1] > 0)


def classifier(depth=2, optimizer="sgd", **options):
    inner = [layers.Dense(8, "relu", name=f"layer_{i}") for i in range(depth)]
    model = keras.Sequential([keras.Input((6,)), *inner, layers.Dense(3, name="head")])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, **options)
    return model


class OwnStep(keras.Model):
    """A model with a `train_step` of its own, on any backend."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, x):
        return self.dense(x)

    def train_step(self, *arguments):
        return super().train_step(*arguments)


def with_own_step(kind=OwnStep):
    model = kind()
    model(X[:2])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def state_of(model):
    """Everything that a preparation could disturb: values, and which objects are held."""
    variables = [*model.variables, *model.metrics_variables]
    variables += [] if model.optimizer is None else model.optimizer.variables
    values = [keras.ops.convert_to_numpy(variable).tobytes() for variable in variables]
    values += [id(getattr(variable.value, "grad", None)) for variable in variables]  # torch's
    held = [
        {name: id(value) for name, value in vars(one).items()} for one in [model, *model.layers]
    ]
    return values, held
