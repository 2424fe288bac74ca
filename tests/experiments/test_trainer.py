import os

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasinit import _backend
from kerasinit.experiments import _trainer, run
from kerasinit.experiments._data import load
from kerasinit.experiments._objective import batch_order, loss_and_accuracy
from kerasinit.experiments._stacking import ELEMENTWISE, Weights, why_not_mapped
from kerasinit.experiments._trainer import Trainer, replicas_per_call

SGD = {"class_name": "SGD", "config": {"momentum": 0.9}}
ADAM = {"class_name": "Adam", "config": {}}
BATCH = 64
RATE = 0.05


@pytest.fixture(scope="module")
def dataset():
    return load("spiral")


def dense_model():
    x = inputs = keras.Input((2,))
    for _ in range(2):
        x = layers.Dense(8, "tanh", kernel_regularizer="l2")(x)
    return keras.Model(inputs, layers.Dense(2)(x))


def normalized_model():
    x = inputs = keras.Input((2,))
    x = layers.Dense(8, use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.5)(x))
    return keras.Model(inputs, layers.Dense(2)(x))


def drawn(model, seed):
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0.1, 0.5, variable.shape))
    return Weights.of(model)


def test_unmapped_training_equals_mapped_training(dataset):
    model = dense_model()
    start = drawn(model, 1)
    results = []
    for replicas in (None, 1):
        trainer = Trainer(model, dataset, optimizer=SGD, batch_size=BATCH, replicas=replicas)
        trainer.load([start], RATE)
        trainer.train_epoch(0)
        results.append(trainer.evaluate())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-4)


def test_training_leaves_the_model_as_it_was(dataset):
    model = dense_model()
    start = drawn(model, 1)
    trainer = Trainer(model, dataset, optimizer=SGD, batch_size=BATCH, replicas=2)
    trainer.load([start, start], RATE)
    trainer.train_epoch(0)
    trainer.probe()
    for before, after in zip(start.trainable, Weights.of(model).trainable, strict=True):
        np.testing.assert_array_equal(before, after)


def test_loading_forgets_the_optimizer(dataset):
    model = dense_model()
    start = drawn(model, 1)
    trainer = Trainer(model, dataset, optimizer=ADAM, batch_size=BATCH, replicas=1)
    rows = []
    for _ in range(2):
        trainer.load([start], RATE)
        rows.append(trainer.train_epoch(0))
    np.testing.assert_array_equal(rows[0], rows[1])


def test_a_replica_that_blows_up_leaves_the_others_alone(dataset):
    model = dense_model()
    healthy, wild = drawn(model, 1), drawn(model, 2)
    wild.trainable[0][:] = np.nan
    trainer = Trainer(model, dataset, optimizer=SGD, batch_size=BATCH, replicas=2)
    rows = []
    for other in (wild, healthy):
        trainer.load([healthy, other], RATE)
        rows.append(trainer.train_epoch(0))
    assert np.isnan(rows[0][1, 0])
    np.testing.assert_allclose(rows[0][0], rows[1][0], rtol=1e-5)


def test_evaluation_agrees_with_keras(dataset):
    model = dense_model()
    start = drawn(model, 4)
    trainer = Trainer(model, dataset, optimizer=SGD, batch_size=BATCH, replicas=1)
    trainer.load([start], RATE)
    logits = model.predict(dataset.x_val, verbose=0)
    expected = np.mean(np.argmax(logits, axis=1) == dataset.y_val)
    assert trainer.evaluate()[0, 1] == pytest.approx(expected, abs=1e-6)


def test_batches_visit_every_example_at_most_once():
    order = batch_order(100, 32, 0, 0)
    assert order.shape == (3, 32)
    assert len(np.unique(order)) == 96


def test_batches_change_with_epoch_and_seed_alone():
    first = batch_order(100, 10, 0, 0)
    np.testing.assert_array_equal(first, batch_order(100, 10, 0, 0))
    assert not np.array_equal(first, batch_order(100, 10, 0, 1))
    assert not np.array_equal(first, batch_order(100, 10, 1, 0))


@pytest.mark.parametrize("scale", [1, 1e4])
def test_loss_and_accuracy_agree_with_keras(scale):
    rng = np.random.default_rng(0)
    logits = scale * rng.normal(size=(50, 3)).astype("float32")
    targets = np.eye(3, dtype="float32")[rng.integers(0, 3, 50)]
    expected = keras.losses.CategoricalCrossentropy(from_logits=True)(targets, logits)
    tensors = map(ops.convert_to_tensor, (logits, targets))
    loss, accuracy = loss_and_accuracy(*tensors)
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert float(accuracy) == pytest.approx(np.mean(logits.argmax(1) == targets.argmax(1)))


def test_classes_that_tie_share_the_point():
    targets = ops.convert_to_tensor(np.eye(4, dtype="float32"))
    _, accuracy = loss_and_accuracy(ops.zeros((4, 4)), targets)
    assert float(accuracy) == pytest.approx(0.25)


def test_logits_of_nan_are_never_right():
    targets = ops.convert_to_tensor(np.eye(4, dtype="float32"))
    _, accuracy = loss_and_accuracy(ops.full((4, 4), float("nan")), targets)
    assert float(accuracy) == 0.0


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_elementwise_optimizer_acts_on_a_stack_as_on_its_parts(name):
    rng = np.random.default_rng(0)
    values, gradients = rng.normal(size=(2, 2, 3, 4)).astype("float32")

    def updated(value, gradient):
        optimizer = keras.optimizers.get({"class_name": name, "config": {"learning_rate": 0.1}})
        variable = keras.Variable(value)
        optimizer.build([variable])
        for _ in range(2):
            optimizer.apply([ops.convert_to_tensor(gradient)])
        return ops.convert_to_numpy(variable)

    alone = [updated(v, g) for v, g in zip(values, gradients, strict=True)]
    np.testing.assert_allclose(updated(values, gradients), np.stack(alone), rtol=1e-5, atol=1e-7)


def test_an_optimizer_that_looks_at_whole_tensors_is_not_stacked():
    assert "Adafactor" in why_not_mapped({"class_name": "Adafactor", "config": {}})
    assert why_not_mapped({"class_name": "SGD", "config": {"global_clipnorm": 1.0}})
    assert why_not_mapped(ADAM) == ""


def test_few_replicas_go_into_one_call(dataset):
    assert replicas_per_call(dense_model(), dataset.x, BATCH, 40) == 40


def test_many_replicas_are_split_into_equal_groups(dataset, monkeypatch):
    model = dense_model()
    monkeypatch.setattr("kerasinit.experiments._trainer.MEMORY", 300_000)
    size = replicas_per_call(model, dataset.x, BATCH, 100)
    assert 1 <= size < 100
    assert -(-100 // size) * size < 100 + size


@pytest.mark.skipif(keras.config.backend() != "jax", reason="elsewhere there is one part")
@pytest.mark.parametrize("make", [dense_model, normalized_model])
def test_parts_side_by_side_give_what_one_part_gives(make, dataset, monkeypatch):
    model = make()
    starts = [drawn(model, seed) for seed in range(5)]
    results = []
    for parts in ((1, 5), (3, 2)):  # the third is filled up
        monkeypatch.setattr(_trainer._backend, "parts_of", lambda *_, parts=parts: parts)
        trainer = Trainer(model, dataset, optimizer=ADAM, batch_size=BATCH, replicas=5)
        trainer.load(starts, RATE)
        rows = trainer.train_epoch(0)
        probe, weights = trainer.probe(), trainer.weights()
        results.append(
            [rows, trainer.evaluate(), probe.loss, *probe.taps, *probe.outputs, *probe.gradients,
             *weights.trainable, *weights.states]
        )  # fmt: skip
    for one, several in zip(*results, strict=True):
        assert one.shape == several.shape
        np.testing.assert_allclose(one, several, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("cores", [1, 2, 3, 64])
@pytest.mark.parametrize("replicas", [1, 2, 3, 10, 40, 101])
@pytest.mark.parametrize(("bytes_of_one", "most"), [(1, 4), (2**20, 4), (2**21, 2), (2**30, 2)])
def test_parts_hold_all_replicas_and_busy_no_core_longer_than_needed(
    replicas, cores, bytes_of_one, most, monkeypatch
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(cores), raising=False)
    if keras.config.backend() == "jax":
        monkeypatch.setattr("jax.default_backend", lambda: "cpu")
    count, size = _backend.parts_of(replicas, bytes_of_one)
    assert 0 <= count * size - replicas < size
    if keras.config.backend() != "jax":
        assert (count, size) == (1, replicas)
        return
    assert size <= most
    fewest = -(-replicas // cores)  # replicas that some core must train
    assert -(-count // cores) * size < fewest + most


@pytest.mark.skipif(keras.config.backend() != "jax", reason="elsewhere there is one part")
@pytest.mark.parametrize(("replicas", "size"), [(2, 1), (3, 2), (102, 2)])
def test_a_part_of_one_replica_must_gain_more_than_it_costs(replicas, size, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(2), raising=False)
    monkeypatch.setattr("jax.default_backend", lambda: "cpu")
    assert _backend.parts_of(replicas, 2**21)[1] == size


@pytest.mark.parametrize("replicas", [None, 2])
def test_random_layers_do_the_same_whenever_a_training_begins_anew(replicas, dataset):
    x = inputs = keras.Input((2,))
    x = layers.Dropout(0.5)(layers.Dense(16, "relu")(x))
    model = keras.Model(inputs, layers.Dense(2)(x))
    start = drawn(model, 1)
    trainer = Trainer(model, dataset, optimizer=SGD, batch_size=BATCH, replicas=replicas)
    found = []
    for _ in range(2):
        keras.random.uniform((3,))  # somebody draws from the generators of the process
        trainer.load([start] * (replicas or 1), RATE)
        found.append([trainer.train_epoch(epoch) for epoch in range(3)])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


@pytest.mark.parametrize("replicas", [None, 2])
def test_layers_in_half_precision_train_and_are_probed(replicas, dataset):
    x = inputs = keras.Input((2,))
    x = layers.Dense(8, "tanh", dtype="mixed_bfloat16")(x)
    model = keras.Model(inputs, layers.Dense(2, dtype="float32")(x))
    start = drawn(model, 1)
    trainer = Trainer(model, dataset, optimizer=SGD, batch_size=BATCH, replicas=replicas)
    trainer.load([start] * (replicas or 1), RATE)
    before = trainer.probe()
    for epoch in range(10):
        trainer.train_epoch(epoch)
    assert all(array.dtype == "float32" for array in (*before.outputs, *before.taps))
    assert np.all(trainer.probe().loss < before.loss)


def test_the_replicas_of_one_learning_rate_fill_a_group(tmp_path, tiny, monkeypatch):
    trained = []
    load = Trainer.load

    def counting(trainer, starts, learning_rate):
        trained.append((learning_rate, len(starts), trainer.replicas))
        load(trainer, starts, learning_rate)

    monkeypatch.setattr(Trainer, "load", counting)
    run(tiny(initializers="he_normal", learning_rates=(0.1, 0.01), epochs=1), tmp_path / "run")
    assert trained == [(0.1, 2, 2), (0.01, 2, 2)]
