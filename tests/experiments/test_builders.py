"""The named models, and a function of the user's own, by the kernels that a run draws in them."""

import keras
import numpy as np
import pytest

SHAPES = []
NAMES = ("mlp", "cnn", "resnet", "lstm", "transformer")


@keras.saving.register_keras_serializable("tests_of_builders")
class Drawn(keras.initializers.Zeros):
    """Zeros; remembers the shapes that it filled."""

    def __call__(self, shape, dtype=None):
        SHAPES.append(tuple(shape))
        return super().__call__(shape, dtype)


@pytest.fixture
def kernels(tmp_path, tiny, claimed):
    """Shapes of the kernels of a model for inputs of a shape, as a run checks it at the start."""

    def drawn(model, shape, classes=3, **changes):
        labels = np.arange(20) % classes
        np.savez(
            tmp_path / "data.npz", x=np.random.default_rng(0).normal(size=(20, *shape)), y=labels
        )
        options = {"depths": 2, "widths": 4, "activations": "tanh", "seeds": 1, **changes}
        rule = {"class_name": "tests_of_builders>Drawn", "config": {}, "label": "drawn"}
        data = str(tmp_path / "data.npz")
        SHAPES.clear()
        out = tmp_path / f"run {len(list(tmp_path.iterdir()))}"
        claimed(tiny(models=model, data=data, initializers=[rule], **options), out)
        return list(SHAPES)

    return drawn


@pytest.mark.parametrize("shape", [(16,), (4, 4), (4, 4, 2)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_every_model_gives_logits_for_every_kind_of_input(kernels, name, shape):
    assert kernels(name, shape)  # a run refuses other outputs


@pytest.mark.parametrize("name", NAMES)
def test_a_deeper_model_has_more_weights(kernels, name):
    shallow, deep = (kernels(name, (4, 4), depths=depth) for depth in (1, 3))
    assert sum(map(np.prod, deep)) > sum(map(np.prod, shallow))


def test_an_mlp_has_as_many_hidden_layers_as_its_depth(kernels):
    found = kernels("mlp", (5,), depths=4, widths=7)
    assert_drawn(found, [(5, 7), (7, 7), (7, 7), (7, 7), (7, 3)])


def test_convolutions_of_what_is_no_image_are_refused(kernels):
    with pytest.raises(ValueError, match=r"Convolutions need images.*\(30,\)"):
        kernels("cnn", (30,))


def my_model(input_shape, classes, *, width):
    return keras.Sequential(
        [keras.Input(input_shape), keras.layers.Dense(width), keras.layers.Dense(classes)]
    )


def test_a_function_of_the_users_own_gets_the_arguments_it_takes(kernels, monkeypatch):
    import math

    monkeypatch.setattr(math, "my_model", my_model, raising=False)
    assert_drawn(kernels("math:my_model", (5,)), [(5, 4), (4, 3)])


def assert_drawn(found, expected):
    """Raises unless these kernels were filled in this order, once or several times."""
    assert found == expected * max(1, len(found) // len(expected))


def test_a_function_of_other_arguments_is_told_what_it_is_given(kernels, monkeypatch):
    def build(activation, depth):
        return keras.Sequential()

    monkeypatch.setattr(keras, "strange_builder", build, raising=False)
    with pytest.raises(ValueError, match=r"the shape of an input.*multiple values.*'activation'"):
        kernels("keras:strange_builder", (6,))
