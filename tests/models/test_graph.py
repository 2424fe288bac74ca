"""The graph: nested models opened, subclassed models traced, nothing left behind."""

import keras
import pytest
from keras import layers, ops

from kerasinit.models._graph import read_graph


def names(model):
    return [type(call.operation).__name__ for call in read_graph(model).calls]


def test_nested_models_are_opened(build):
    assert names(build("nested")) == ["Dense", "Dense", "Add", "Dense"]


def test_subclassed_models_are_traced_down_to_plain_layers(build):
    block = ["Dense", "Gelu", "Dense", "Add"]
    assert names(build("subclassed")) == [
        "Embedding",
        *block,
        *block,
        "LayerNormalization",
        "Mean",
        "Dense",
    ]


def test_tracing_leaves_no_nodes_behind(build):
    model = build("subclassed")
    read_graph(model)
    assert all(not layer._inbound_nodes for layer in model.layers)


def test_a_shared_layer_is_called_twice(build):
    model = build("shared_layer")
    assert len(read_graph(model).calls_of(model.layers[1])) == 2


def test_a_model_called_twice_is_read_twice():
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(3), layers.ReLU()])
    inputs = keras.Input((3,))
    model = keras.Model(inputs, inner(inner(inputs)))
    graph = read_graph(model)
    assert names(model) == ["Dense", "ReLU", "Dense", "ReLU"]
    assert len({value for call in graph.calls for value in call.outputs}) == 4


def test_a_call_that_cannot_be_traced_gives_no_graph():
    class Stubborn(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(ops.convert_to_tensor(ops.convert_to_numpy(x)))

    model = Stubborn()
    model.dense.build((2, 3))
    model.built = True
    assert read_graph(model) is None


@pytest.mark.parametrize("name", ["multi_input", "lstm", "u_net", "gru_encoder_decoder"])
def test_outputs_descend_from_inputs(build, name):
    graph = read_graph(build(name))
    for output in graph.outputs:
        assert graph.ancestors(output) & set(graph.inputs)
