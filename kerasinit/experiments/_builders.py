"""Named models for comparisons, and how a model of the user's own is found."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable
from typing import Any

import keras

from kerasinit._typing import Shape

Builder = Callable[..., Any]


def mlp(input_shape: Shape, classes: int, *, depth: int, width: int, activation: str) -> Any:
    """A plain stack of `depth` hidden dense layers of `width` units, and a linear output."""
    x = inputs = keras.Input(input_shape)
    if len(input_shape) > 1:
        x = keras.layers.Flatten()(x)
    for index in range(depth):
        x = keras.layers.Dense(width, activation, name=f"hidden_{index + 1}")(x)
    return keras.Model(inputs, keras.layers.Dense(classes, name="output")(x), name="mlp")


def cnn(input_shape: Shape, classes: int, *, depth: int, width: int, activation: str) -> Any:
    """`depth` 3x3 convolutions of `width` filters, halved in size once, and a linear output."""
    inputs = keras.Input(input_shape)
    x = _as_image(inputs, input_shape)
    for index in range(depth):
        x = keras.layers.Conv2D(
            width, 3, padding="same", activation=activation, name=f"conv_{index + 1}"
        )(x)
        if index == 0:
            x = keras.layers.AveragePooling2D(2)(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(inputs, keras.layers.Dense(classes, name="output")(x), name="cnn")


def resnet(input_shape: Shape, classes: int, *, depth: int, width: int, activation: str) -> Any:
    """`depth` residual blocks of two 3x3 convolutions with batch normalization before each."""
    inputs = keras.Input(input_shape)
    x = _as_image(inputs, input_shape)
    x = keras.layers.Conv2D(width, 3, padding="same", name="stem")(x)
    for block in range(1, depth + 1):
        branch = x
        for part in ("a", "b"):
            branch = keras.layers.BatchNormalization(name=f"block_{block}{part}_norm")(branch)
            branch = keras.layers.Activation(activation)(branch)
            branch = keras.layers.Conv2D(
                width, 3, padding="same", name=f"block_{block}{part}_conv"
            )(branch)
        x = keras.layers.Add()([x, branch])
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Activation(activation)(x))
    return keras.Model(inputs, keras.layers.Dense(classes, name="output")(x), name="resnet")


def lstm(input_shape: Shape, classes: int, *, depth: int, width: int, activation: str) -> Any:
    """`depth` LSTM layers of `width` units over the rows of the input, and a linear output."""
    inputs = keras.Input(input_shape)
    x = _as_sequence(inputs, input_shape)
    for index in range(depth):
        # Unrolled: a loop in the graph cannot be mapped over replicas on every backend.
        x = keras.layers.LSTM(
            width,
            activation=activation,
            return_sequences=index < depth - 1,
            unroll=True,
            name=f"lstm_{index + 1}",
        )(x)
    return keras.Model(inputs, keras.layers.Dense(classes, name="output")(x), name="lstm")


def transformer(
    input_shape: Shape, classes: int, *, depth: int, width: int, activation: str
) -> Any:
    """`depth` pre-norm attention blocks of `width` units over the rows of the input."""
    inputs = keras.Input(input_shape)
    x = keras.layers.Dense(width, name="embed")(_as_sequence(inputs, input_shape))
    heads = next(heads for heads in (4, 2, 1) if width % heads == 0)
    for block in range(1, depth + 1):
        y = keras.layers.LayerNormalization(name=f"block_{block}_norm_1")(x)
        attention = keras.layers.MultiHeadAttention(
            heads, width // heads, flash_attention=False, name=f"block_{block}_attention"
        )
        x = keras.layers.Add()([x, attention(y, y)])
        y = keras.layers.LayerNormalization(name=f"block_{block}_norm_2")(x)
        y = keras.layers.Dense(2 * width, activation, name=f"block_{block}_expand")(y)
        x = keras.layers.Add()([x, keras.layers.Dense(width, name=f"block_{block}_shrink")(y)])
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.LayerNormalization(name="norm")(x))
    return keras.Model(inputs, keras.layers.Dense(classes, name="output")(x), name="transformer")


BUILDERS: dict[str, Builder] = {
    "mlp": mlp,
    "cnn": cnn,
    "resnet": resnet,
    "lstm": lstm,
    "transformer": transformer,
}


def find(name: str) -> Builder:
    """The builder called `name`: a named one, or `"package.module:function"`.

    A function of the user's own is called as `function(input_shape, classes, *, depth, width,
    activation)`, with those of the three keywords that it takes, and returns a built model
    whose outputs are logits of shape `(batch, classes)`.

    Raises:
        ValueError: If there is no such builder.
    """
    if name in BUILDERS:
        return BUILDERS[name]
    module_name, _, function_name = name.partition(":")
    if not is_own(name):
        raise ValueError(
            f"Unknown model {name!r}. Use one of {tuple(BUILDERS)} or 'package.module:function'."
        )
    try:
        function = getattr(importlib.import_module(module_name), function_name)
        return _with_taken_arguments(function)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The model {name!r} could not be imported: {error}. `kerasinit compare` looks for a "
            "module beside the specification and where Python looks; `Experiment` where Python "
            "looks: put the folder into PYTHONPATH, or import the module first."
        ) from error
    except Exception as error:  # the code of any module runs here
        raise ValueError(
            f"The model {name!r} could not be imported: {error} ({type(error).__name__})."
        ) from error


def is_own(name: Any) -> bool:
    """Whether `name` stands for code of the user's own, as `"package.module:function"`."""
    return isinstance(name, str) and ":" in name


def _with_taken_arguments(function: Builder) -> Builder:
    if not callable(function):
        raise TypeError(f"it is not a function. Received: {function!r}")
    signature = inspect.signature(function)
    parameters = signature.parameters
    takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())

    def build(input_shape: Shape, classes: int, **options: Any) -> Any:
        taken = {key: value for key, value in options.items() if takes_all or key in parameters}
        try:
            signature.bind(input_shape, classes, **taken)
        except TypeError as error:
            raise TypeError(
                f"it is given the shape of an input and the number of outputs, then those of "
                f"{sorted(options)} by name that it takes: {error}"
            ) from None
        return function(input_shape, classes, **taken)

    return build


def _as_image(inputs: Any, input_shape: Shape) -> Any:
    """Images `(rows, columns, channels)` from flat square images or from rows of pixels."""
    if len(input_shape) == 3:
        return inputs
    if len(input_shape) == 2:
        return keras.layers.Reshape((*input_shape, 1))(inputs)
    side = math.isqrt(input_shape[0])
    if side * side != input_shape[0]:
        raise ValueError(
            "Convolutions need images: `x` of shape (examples, rows, columns[, channels]) or "
            f"flat squares. Received examples of shape {input_shape}."
        )
    return keras.layers.Reshape((side, side, 1))(inputs)


def _as_sequence(inputs: Any, input_shape: Shape) -> Any:
    """Sequences `(steps, features)`: rows of an image, or one value per step."""
    if len(input_shape) == 2:
        return inputs
    if len(input_shape) == 3:
        return keras.layers.Reshape((input_shape[0], input_shape[1] * input_shape[2]))(inputs)
    side = math.isqrt(input_shape[0])
    shape = (side, side) if side * side == input_shape[0] else (input_shape[0], 1)
    return keras.layers.Reshape(shape)(inputs)
