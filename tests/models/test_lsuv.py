"""`data=`: every weighted layer's real outputs get variance 1, in one corrected pass."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit

RNG = np.random.default_rng(0)


def images(count=16, size=8, channels=3):
    return RNG.normal(2.0, 3.0, size=(count, size, size, channels)).astype("float32")


def values(model):
    return [keras.ops.convert_to_numpy(variable + 0) for variable in model.weights]


def test_every_layer_converges_in_one_correction():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(8, 3, activation="gelu"),
            layers.DepthwiseConv2D(3),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(16, activation="sigmoid"),
            layers.Dense(4),
        ]
    )
    plan = kerasinit.initialize(model, data=images(), seed=1)
    measured = [row for row in plan if row.tries is not None]
    assert len(measured) == 4
    assert all(row.converged and row.tries <= 1 for row in measured)


def test_the_outputs_really_have_unit_variance_and_no_mean():
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(8, 3), layers.Conv2D(4, 3)])
    batch = images()
    kerasinit.initialize(model, data=batch, seed=1)
    outputs = keras.ops.convert_to_numpy(model(batch))
    assert outputs.var() == pytest.approx(1, rel=0.11)
    assert abs(outputs.mean()) < 0.11


@pytest.mark.parametrize("name", ["transformer_encoder", "subclassed", "shared_layer", "u_net"])
def test_any_graph_converges(build, name):
    model = build(name)
    shape = {"shared_layer": (32, 4), "u_net": (4, 8, 8, 1)}.get(name, (32, 6))
    batch = RNG.normal(size=shape) if len(shape) != 2 or shape[1] == 4 else None
    batch = RNG.integers(0, 11, shape) if batch is None else batch.astype("float32")
    plan = kerasinit.initialize(model, data=batch, seed=2)
    measured = [row for row in plan if row.tries is not None]
    assert measured
    assert all(row.converged for row in measured), str(plan)


def test_the_layers_are_as_before_afterwards(build):
    model = build("sequential")
    activations = [getattr(layer, "activation", None) for layer in model.layers]
    kerasinit.initialize(model, data=images(), seed=1)
    assert [getattr(layer, "activation", None) for layer in model.layers] == activations
    assert all("call" not in vars(layer) for layer in model.layers)


def test_rules_decide_the_start_that_is_scaled():
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(8, 3)])
    plan = kerasinit.initialize(model, "glorot_uniform", data=images(), seed=1)
    assert plan.rows[0].initializer == "GlorotUniform()"
    assert plan.rows[0].converged


def test_a_layer_without_signal_is_reported():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)])
    plan = kerasinit.initialize(model, "zeros", data=np.ones((5, 4), "float32"))
    assert not plan.rows[0].converged
    assert "outputs have variance 0: nothing to scale" in plan.rows[0].reason


def test_recurrent_cells_are_left_at_their_start(build):
    plan = kerasinit.initialize(build("lstm"), data=RNG.integers(1, 11, (8, 5)), seed=1)
    assert all(row.tries is None for row in plan if "cell" in row.path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.full((2, 8, 8, 3), np.nan, "float32"), r"`data` has 384 values that are not finite"),
        (np.ones((2, 5), "float32"), r"could not take `data`.*shapes \(2, 5\)"),
    ],
    ids=["nan", "shape"],
)
def test_bad_data_is_refused_and_changes_nothing(build, data, message):
    model = build("sequential")
    before = values(model)
    with pytest.raises(ValueError, match=message):
        kerasinit.initialize(model, data=data, seed=1)
    for old, new in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_dry_run_does_not_look_at_the_data(build):
    plan = kerasinit.initialize(build("sequential"), data=np.ones((2, 5)), dry_run=True)
    assert plan.rows[0].reason == "orthogonal start, then scaled on the data (LSUV)"


def test_reset_optimizer_starts_the_slots_anew():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    model.compile("adam", "mse")
    model.fit(np.ones((4, 4)), np.zeros((4, 3)), verbose=0)
    model.optimizer.learning_rate.assign(0.5)
    kerasinit.initialize(model, seed=1, reset_optimizer=True)
    assert int(model.optimizer.iterations) == 0
    assert float(model.optimizer.learning_rate) == 0.5
    slots = model.optimizer.variables[2:]
    assert slots
    assert all(float(keras.ops.sum(keras.ops.abs(slot))) == 0 for slot in slots)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return images(), np.zeros(16)


def dataset():
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((images(32), np.zeros(32))).batch(16)


@pytest.mark.parametrize(
    "make",
    [Batches, dataset, lambda: ((images(), np.zeros(16)) for _ in range(2))],
    ids=["PyDataset", "tf.data", "generator"],
)
def test_the_first_batch_of_a_dataset_counts(build, make):
    plan = kerasinit.initialize(build("sequential"), data=make(), seed=1)
    measured = [row for row in plan if row.tries is not None]
    assert measured
    assert all(row.converged for row in measured)


def test_a_dataset_without_a_batch_is_refused(build):
    with pytest.raises(ValueError, match="`data` has no batch"):
        kerasinit.initialize(build("sequential"), data=iter(()), seed=1)
