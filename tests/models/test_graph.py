"""What a plan tells of a model's graph: nested models are opened, subclassed ones traced."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit
from kerasinit.layers import mixes
from kerasinit.models._graph import read_graph


def plan_of(model, rules=None):
    return kerasinit.initialize(model, rules, seed=0, dry_run=True)


def reasons(plan):
    """Why each kernel starts as it does, in the order of the variables."""
    return [row.reason.split(":")[0] for row in plan if row.kind == "kernel"]


def test_nested_models_are_opened(build):
    assert reasons(plan_of(build("nested"))) == [
        "relu follows", "ends one of 1 residual branches", "the model's output"
    ]  # fmt: skip


def test_subclassed_models_are_traced_down_to_plain_layers(build):
    block = ["short residual branch", "ends one of 2 residual branches"]
    plan = plan_of(build("subclassed"))
    assert reasons(plan) == [*block, *block, "the model's output"]


def test_tracing_leaves_no_nodes_behind(build):
    model = build("subclassed")
    plan_of(model)
    assert all(not layer._inbound_nodes for layer in model.layers)


def residual(inner):
    """`x + inner(x)`, twice with the same layer."""
    x = inputs = keras.Input((3,))
    for _ in range(2):
        x = layers.Add()([x, inner(x)])
    return keras.Model(inputs, layers.Dense(2)(x))


def test_a_shared_layer_is_called_twice():
    assert "one of 2 residual branches" in plan_of(residual(layers.Dense(3)))["dense/kernel"].reason


def test_a_shared_layer_that_is_the_output_of_its_last_call_is_the_models_output(build):
    assert reasons(plan_of(build("shared_layer"))) == ["the model's output"]


def test_a_model_called_twice_is_read_twice():
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(3), layers.ReLU(), layers.Dense(3)])
    assert reasons(plan_of(residual(inner))) == [
        "relu follows", "ends one of 2 residual branches", "the model's output"
    ]  # fmt: skip


class Stubborn(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(ops.convert_to_tensor(ops.convert_to_numpy(x)))


def test_a_call_that_cannot_be_traced_gives_no_graph():
    model = Stubborn()
    model(np.zeros((2, 3), "float32"))
    with pytest.raises(ValueError, match=r"the `call` of 'stubborn' could not be traced"):
        plan_of(model, "residual")
    assert plan_of(model).changed


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("multi_input", ["6x2", "6x1"]),
        ("lstm", ["2x1"]),
        ("u_net", ["1x1x8x1"]),
        ("gru_encoder_decoder", ["4x3"]),
    ],
)
def test_outputs_are_found_whatever_lies_before_them(build, name, outputs):
    plan = plan_of(build(name))
    found = ["x".join(map(str, row.shape)) for row in plan if row.reason.startswith("the model's")]
    assert found == outputs


def test_what_follows_a_value_is_found_in_one_pass(architecture):
    """Against a walk from each value: does it leave the model, does a kernel read it?"""
    graph = read_graph(architecture)
    for value in {*graph.inputs, *(value for call in graph.calls for value in call.outputs)}:
        below = graph.reached([value], without=())
        assert (value in graph.leaving) == bool(below & set(graph.outputs))
        read = any(mixes(call.operation) for call in graph.calls if below & set(call.inputs))
        assert (value in graph.weighed) == read
