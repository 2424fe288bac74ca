"""What a step measured, worked out outside of it."""

import math
import types

import keras
import numpy as np
import pytest
from kerasinit.callbacks._measured import LogValue, Numbers
from kerasinit.callbacks._measurement import StepReader
from kerasinit.callbacks._plan import step_plan

from kerasinit import _backend
from kerasinit.callbacks import GradientStats


def odd_model():
    """Weights of many sizes: more than are looked at, fewer, and one that gets no gradient."""
    inputs = keras.Input((6,))
    x = keras.layers.Dense(300, activation="relu")(inputs)
    x = keras.layers.Dense(40, activation="relu")(x)
    x = keras.layers.Dense(700, activation="relu", use_bias=False)(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    model.unused = model.add_weight(shape=(2, 2), name="unused")
    model.compile("sgd", "mse")
    return model


# The weight without a gradient is a verdict, and on some backends a warning of Keras.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("options", [{}, {"exact": True}, {"clipped": True}])
def test_several_steps_in_one_go_give_what_each_gives(train, options):
    # A policy that may stop the training has each step recorded before the next; else some wait
    # for each other.
    histories = []
    for policy in ("warn", lambda verdict: None):
        keras.backend.clear_session()  # the same names again
        keras.utils.set_random_seed(0)
        stats = GradientStats(on_verdict=policy, **options)
        train(odd_model(), stats, epochs=3)
        histories.append(list(stats.history))
    assert len(histories[0]) > 5
    assert histories[0] == histories[1]


def test_the_logs_hold_the_norms_of_the_record(train):
    rows = []
    note = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: rows.append(logs))
    stats = GradientStats()
    train(odd_model(), stats, note)
    for logs, record in zip(rows, stats.history, strict=True):
        layers = [layer["norm"] for layer in record["layers"].values() if layer["connected"]]
        expected = (record["grad_norm"], min(layers), max(layers))
        actual = [logs[key] for key in ("grad_norm", "grad_norm_min", "grad_norm_max")]
        np.testing.assert_allclose(actual, expected, rtol=1e-5)


done_later = pytest.mark.skipif(
    _backend.compiles_steps(), reason="worked out in the step there, not later"
)
LAYERS = ("a/kernel", "a/bias", "b/kernel", "c/kernel", "a/gain", "d/kernel")
SHAPES = ((400, 200), (3,), (40, 50), (2, 2), (700,), (5,))


def quick_summary(arrays, scale=None):
    """The norms for the logs of a step with two optimizers, without the rows."""
    tensors = [a if a is None else keras.ops.convert_to_tensor(a, "float32") for a in arrays]
    scale = None if scale is None else keras.ops.convert_to_tensor(scale)
    plans, read = [], []
    for part in (slice(0, 4), slice(4, None)):
        variables = [types.SimpleNamespace(path=path) for path in LAYERS[part]]
        values = [keras.ops.ones(shape) for shape in SHAPES[part]]
        plan, finish = StepReader().read(variables, tensors[part], values, scale)
        plans.append(plan)
        read.append(finish(values))
    plan = step_plan(*plans)
    return plan.quick_summary(_backend.small_array(plan.layer_squares(read)))


@done_later
@pytest.mark.parametrize("scale", [None, 8.0])
def test_the_norms_for_the_logs_are_those_of_model_and_layers(scale):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in SHAPES]
    arrays[1][:] = 0  # some zeros are no reason for a closer look
    arrays[-1] = None  # and a layer without gradient is none with a small one
    found = quick_summary(arrays, scale)
    norm = [0 if array is None else np.linalg.norm(array) / (scale or 1.0) for array in arrays]
    layers = [math.hypot(norm[0], norm[1], norm[4]), norm[2], norm[3]]
    expected = [math.hypot(*norm), min(layers), max(layers)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@done_later
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e-25, 1e20, 0.0])
@pytest.mark.parametrize("row", [0, 2, 3])
def test_norms_that_need_a_closer_look_are_not_given(bad, row):
    arrays = [np.ones(shape) for shape in SHAPES]
    for others in (1, 4) if row == 0 else ():
        arrays[others] *= 0
    arrays[row] *= bad
    assert quick_summary(arrays) is None


def test_what_was_read_is_not_what_the_update_writes_into(train):
    # One tensor of each size: no copy may be saved where nothing is joined.
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(3, use_bias=False, name="dense")]
    )
    model.compile(keras.optimizers.SGD(0.5), "mse")
    stats = GradientStats()
    train(model, stats, epochs=2)
    assert all(record["variables"]["dense/kernel"]["update_ratio"] > 0 for record in stats.history)


def test_a_log_value_is_worked_out_when_it_is_asked_for():
    asked = []

    def summary():
        asked.append(True)
        return np.array([1.0, 2.5], "float32")

    numbers = Numbers(summary)
    values = [LogValue(numbers, index) for index in (0, 1)]
    assert not asked
    assert [float(value) for value in values] == [1.0, 2.5]
    assert len(asked) == 1


def read_once(reader, variables, values, gradients):
    """The sampled weights that a reader sees before and after a step, as arrays."""
    plan, finish = reader.read(variables, gradients, values, None)
    read = finish(values)
    found = (
        np.concatenate([_backend.small_array(a) for a in read[k]]) for k in ("before", "after")
    )
    return plan, *found


@pytest.mark.skipif(keras.config.backend() != "torch", reason="only torch writes into weights")
@pytest.mark.parametrize("whole", [True, False])
def test_weights_are_read_where_they_are_now(whole):
    import torch

    weight = torch.nn.Parameter(torch.zeros(200, 300))
    if not whole:
        weight.data = torch.zeros(300, 200).T
    reader = StepReader()
    arguments = ([types.SimpleNamespace(path="a/kernel")], [weight], [torch.ones(200, 300)])
    plan, before, _ = read_once(reader, *arguments)
    assert not before.any()
    with torch.no_grad():
        weight += 1.0  # in place, as an update
    again, before, after = read_once(reader, *arguments)
    assert again is plan
    assert (before == 1.0).all()
    assert (after == 1.0).all()
    weight.data = torch.full((200, 300), 2.0)  # elsewhere, as when a model changes its device
    _, before, _ = read_once(reader, *arguments)
    assert (before == 2.0).all()


@done_later
def test_a_change_of_the_gradients_is_another_plan():
    variables = [types.SimpleNamespace(path=f"{name}/kernel") for name in "ab"]
    values = [keras.ops.ones((3, 4)), keras.ops.ones((5, 6))]
    reader = StepReader()
    both = reader.read(variables, values, values, None)[0]
    one = reader.read(variables, [values[0], None], values, None)[0]
    assert both.variables.connected == (True, True)
    assert one.variables.connected == (True, False)
    assert reader.read(variables[:1], values[:1], values[:1], None)[0].variables.paths == (
        "a/kernel",
    )
    assert reader.read(variables, values, values, None)[0] is both
