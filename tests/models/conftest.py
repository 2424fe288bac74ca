"""Small models of every kind that Keras users build."""

import keras
import numpy as np
import pytest
from keras import layers, ops


def sequential():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(5),
        ]
    )


def multi_input():
    left, right = keras.Input((4,)), keras.Input((6,))
    x = layers.Concatenate()([layers.Dense(3, "gelu")(left), layers.Dense(3)(right)])
    return keras.Model([left, right], [layers.Dense(2)(x), layers.Dense(1, "sigmoid")(x)])


def shared_layer():
    shared = layers.Dense(4, activation="tanh")
    inputs = keras.Input((4,))
    return keras.Model(inputs, shared(shared(inputs)))


def nested():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, "relu"), layers.Dense(4)])
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Dense(2)(inner(inputs) + inputs))


class Block(layers.Layer):
    """A composite layer without a config of its own."""

    def __init__(self, units):
        super().__init__()
        self.units = units
        self.first = layers.Dense(units)
        self.second = layers.Dense(units)

    def call(self, x):
        return x + self.second(ops.gelu(self.first(x)))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.embedding = layers.Embedding(11, 8)
        self.blocks = [Block(8), Block(8)]
        self.norm = layers.LayerNormalization()
        self.head = layers.Dense(3)

    def call(self, tokens):
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(ops.mean(self.norm(x), axis=1))


def subclassed():
    model = Subclassed()
    model(np.zeros((2, 5), "int32"))
    return model


def lstm():
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.Embedding(11, 4, mask_zero=True),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
            layers.RNN(layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(2)])),
            layers.Dense(1),
        ]
    )


def gru_encoder_decoder():
    source, target = keras.Input((5, 3)), keras.Input((4, 3))
    _, state = layers.GRU(4, return_state=True)(source)
    decoded = layers.GRU(4, return_sequences=True)(target, initial_state=state)
    return keras.Model([source, target], layers.TimeDistributed(layers.Dense(3))(decoded))


def transformer_encoder():
    tokens = keras.Input((6,))
    x = layers.Embedding(11, 8)(tokens)
    for _ in range(2):
        h = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(2, 4)(h, h)
        h = layers.LayerNormalization()(x)
        h = layers.Dropout(0.1)(layers.Dense(16, activation="gelu")(h))
        x = x + layers.Dense(8)(h)
    x = layers.LayerNormalization()(x)
    return keras.Model(tokens, layers.Dense(11)(x))


def u_net():
    inputs = keras.Input((8, 8, 1))
    down = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    middle = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D(2)(down))
    up = layers.Conv2DTranspose(4, 2, strides=2)(middle)
    x = layers.Concatenate()([up, down])
    return keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(x))


def dcgan_generator():
    model = keras.Sequential([keras.Input((10,)), layers.Dense(4 * 4 * 8, use_bias=False)])
    model.add(layers.BatchNormalization())
    model.add(layers.LeakyReLU(0.2))
    model.add(layers.Reshape((4, 4, 8)))
    model.add(layers.Conv2DTranspose(4, 5, strides=2, padding="same", use_bias=False))
    model.add(layers.BatchNormalization())
    model.add(layers.ReLU())
    model.add(layers.Conv2DTranspose(1, 5, strides=2, padding="same", activation="tanh"))
    return model


def wrappers_and_oddities():
    inputs = keras.Input((8, 8, 4))
    x = layers.SpectralNormalization(layers.Conv2D(4, 3))(inputs)
    x = layers.DepthwiseConv2D(3, activation="relu")(x)
    x = layers.PReLU()(layers.SeparableConv2D(6, 3)(x))
    x = layers.GroupNormalization(2)(layers.Conv2D(4, 1, groups=2)(x))
    x = layers.ConvLSTM1D(2, 1)(x)
    norm = getattr(layers, "RMSNormalization", layers.LayerNormalization)  # new in Keras 3.9
    x = norm()(layers.Flatten()(x))
    x = layers.EinsumDense("ab,bc->ac", 3, bias_axes="c")(x)
    return keras.Model(inputs, layers.Dense(2)(x))


ARCHITECTURES = {
    function.__name__: function
    for function in (
        sequential,
        multi_input,
        shared_layer,
        nested,
        subclassed,
        lstm,
        gru_encoder_decoder,
        transformer_encoder,
        u_net,
        dcgan_generator,
        wrappers_and_oddities,
    )
}


@pytest.fixture(params=ARCHITECTURES)
def architecture(request):
    return ARCHITECTURES[request.param]()


@pytest.fixture
def build():
    """Builds an architecture by its name."""
    return lambda name: ARCHITECTURES[name]()
