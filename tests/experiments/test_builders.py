import keras
import numpy as np
import pytest

from kerasinit.experiments._builders import BUILDERS, find

OPTIONS = {"depth": 2, "width": 4, "activation": "tanh"}


@pytest.mark.parametrize("shape", [(16,), (4, 4), (4, 4, 2)], ids=str)
@pytest.mark.parametrize("name", BUILDERS)
def test_every_builder_gives_logits_for_every_kind_of_input(name, shape):
    model = find(name)(shape, 3, **OPTIONS)
    assert model(np.zeros((2, *shape), "float32")).shape == (2, 3)


@pytest.mark.parametrize("name", BUILDERS)
def test_a_deeper_model_has_more_weights(name):
    shallow, deep = (find(name)((4, 4), 3, **{**OPTIONS, "depth": d}) for d in (1, 3))
    assert deep.count_params() > shallow.count_params()


def test_an_mlp_has_as_many_hidden_layers_as_its_depth():
    model = find("mlp")((5,), 3, depth=4, width=7, activation="relu")
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.units for layer in dense] == [7, 7, 7, 7, 3]


def test_convolutions_of_what_is_no_image_are_refused():
    with pytest.raises(ValueError, match=r"Convolutions need images.*\(30,\)"):
        find("cnn")((30,), 2, **OPTIONS)


def my_model(input_shape, classes, *, width):
    return keras.Sequential(
        [keras.Input(input_shape), keras.layers.Dense(width), keras.layers.Dense(classes)]
    )


def test_a_function_of_the_users_own_gets_the_arguments_it_takes(monkeypatch):
    import math

    monkeypatch.setattr(math, "my_model", my_model, raising=False)
    model = find("math:my_model")((5,), 3, **OPTIONS)
    assert [layer.units for layer in model.layers] == [4, 3]
