import sys
import types
from concurrent.futures import Future, ThreadPoolExecutor

import keras
import numpy as np
import pytest

from kerasinit.experiments import Experiment, compare, run
from kerasinit.models import PRESETS, initialize


def records(out):
    return compare(out).replicas


def trained_here(spec, out):
    """Runs and returns how many replicas were trained by this call."""
    events = []
    run(spec, out, on_event=events.append)
    return events[-1].done - events[0].done


def test_a_finished_run_holds_every_replica_once(finished, spec):
    found = [(r.initializer, r.seed) for r in records(finished)]
    wanted = [(label, seed) for label in spec.rules for seed in spec.seeds]
    assert sorted(found) == sorted(wanted)


def test_every_record_says_what_happened(finished, spec):
    for record in records(finished):
        assert len(record.curves["loss"]) == spec.epochs
        assert record.layers == ["hidden_1", "hidden_2", "output"]
        assert len(record.gradient_norms) == len(record.measured_epochs) == 3
        assert all(len(row) == 3 for row in record.gradient_rms)
        assert record.versions["backend"] == keras.config.backend()
        assert record.seconds > 0
        assert record.mapped


def test_zeros_are_found_symmetric(finished):
    zeros = [record for record in records(finished) if record.initializer == "zeros"]
    assert all(record.symmetric and not record.trained for record in zeros)
    assert {record.start["cause"] for record in zeros} == {"symmetric"}


def test_sound_weights_train(finished):
    he = [record for record in records(finished) if record.initializer == "he_normal"]
    assert all(record.trained and not record.symmetric for record in he)
    assert {record.start["cause"] for record in he} == {"healthy"}


def test_the_same_spec_gives_the_same_curves(finished, spec, tmp_path):
    run(spec, tmp_path / "again")
    for first, second in zip(records(finished), records(tmp_path / "again"), strict=True):
        np.testing.assert_allclose(first.curves["loss"], second.curves["loss"], rtol=1e-4)


def test_a_finished_run_is_not_trained_again(tmp_path, tiny):
    spec = tiny(initializers="he_normal", seeds=1)
    assert trained_here(spec, tmp_path / "run") == 1
    assert trained_here(spec, tmp_path / "run") == 0


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, tiny):
    spec = tiny(initializers=("zeros", "he_normal"), depths=(1, 2))

    def interrupt(event):
        if event.kind == "cell_end":
            raise KeyboardInterrupt("by hand")

    with pytest.raises(KeyboardInterrupt, match="by hand"):
        run(spec, tmp_path / "run", on_event=interrupt)
    assert len(records(tmp_path / "run")) == 4
    assert trained_here(spec, tmp_path / "run") == 4
    assert len(records(tmp_path / "run")) == 8


def test_a_lost_record_alone_is_trained_again(finished, spec, tmp_path, written):
    whole = records(finished)
    out = written(tmp_path / "run", spec.to_dict(), whole[:-1])
    assert trained_here(spec, out) == 1
    again = records(out)[-1]
    assert again.key == whole[-1].key
    np.testing.assert_allclose(again.curves["loss"], whole[-1].curves["loss"], rtol=1e-4)


def test_events_count_up_to_the_total(tmp_path, tiny):
    events = []
    run(tiny(initializers="zeros"), tmp_path / "run", on_event=events.append)
    kinds = [event.kind for event in events]
    assert kinds == ["start", "cell_start", "epoch", "epoch", "cell_end", "end"]
    assert [event.done for event in events] == [0, 0, 0, 0, 2, 2]
    assert {event.total for event in events} == {2}
    assert [event.epoch for event in events if event.kind == "epoch"] == [1, 2]
    assert [event.share for event in events] == [0, 0, 0.5, 1, 1, 1]


def test_deep_models_count_for_more_of_the_work(tmp_path, tiny):
    shares = []
    spec = tiny(initializers="zeros", depths=(2, 14), epochs=1)
    run(spec, tmp_path / "run", on_event=lambda event: shares.append(event.share))
    assert shares == [0, 0, 0.2, 0.2, 0.2, 1, 1, 1]


def test_work_of_an_earlier_run_counts_as_done(finished, spec, tmp_path, written):
    whole = records(finished)
    events = []
    run(spec, written(tmp_path / "run", spec.to_dict(), whole[:3]), on_event=events.append)
    assert len(whole) == 6
    assert (events[0].done, events[0].share) == (3, 0.5)
    assert events[-1].share == 1


def test_an_executor_gives_the_same_records(finished, spec, tmp_path):
    with ThreadPoolExecutor(1) as executor:
        run(spec, tmp_path / "run", executor)
    for first, second in zip(records(finished), records(tmp_path / "run"), strict=True):
        assert first.key == second.key
        np.testing.assert_allclose(first.curves["loss"], second.curves["loss"], rtol=1e-4)


class LosesTheFirst(ThreadPoolExecutor):
    """An executor whose first task is lost with its worker."""

    lost = False

    def submit(self, task, *arguments):
        if self.lost:
            return super().submit(task, *arguments)
        self.lost = True
        failed = Future()
        failed.set_exception(RuntimeError("worker lost"))
        return failed


def test_a_cell_that_fails_loses_no_other(tmp_path, tiny):
    spec = tiny(initializers="zeros", depths=(1, 2))
    with LosesTheFirst(1) as executor, pytest.raises(RuntimeError, match="worker lost"):
        run(spec, tmp_path / "run", executor)
    assert {record.cell["depth"] for record in records(tmp_path / "run")} == {2}


def test_an_optimizer_that_cannot_be_stacked_trains_one_after_another(tmp_path, tiny):
    spec = tiny(
        initializers="he_normal",
        optimizer={"class_name": "SGD", "config": {"clipnorm": 1.0}},
        epochs=1,
    )
    events = []
    run(spec, tmp_path / "run", on_event=events.append)
    notes = [event.message for event in events if event.kind == "note"]
    assert notes == ["One training after another: clipnorm acts on whole tensors."]
    assert [record.mapped for record in records(tmp_path / "run")] == [False, False]


def test_a_model_that_cannot_be_mapped_trains_one_after_another(tmp_path, tiny, monkeypatch):
    def refuse(function):
        raise NotImplementedError("no rule for this operation")

    monkeypatch.setattr("kerasinit._backend.over_replicas", refuse)
    events = []
    run(tiny(initializers="zeros"), tmp_path / "run", on_event=events.append)
    (note,) = [event.message for event in events if event.kind == "note"]
    assert "cannot be mapped (NotImplementedError: no rule" in note
    assert [record.mapped for record in records(tmp_path / "run")] == [False, False]


def test_replicas_that_do_not_fit_are_split_into_groups(finished, spec, tmp_path, monkeypatch):
    monkeypatch.setattr("kerasinit.experiments._cell.replicas_per_call", lambda *_: 4)
    run(spec, tmp_path / "run")
    for first, second in zip(records(finished), records(tmp_path / "run"), strict=True):
        assert first.key == second.key
        np.testing.assert_allclose(first.curves["loss"], second.curves["loss"], rtol=1e-4)


def test_every_learning_rate_is_trained(tmp_path, tiny):
    spec = tiny(initializers="he_normal", learning_rates=(0.1, 1e-6), epochs=1)
    run(spec, tmp_path / "run")
    (row,) = compare(tmp_path / "run").rows
    assert row.learning_rate == 0.1
    assert len(records(tmp_path / "run")) == 4


@pytest.mark.parametrize("model", ["cnn", "resnet", "lstm", "transformer"])
def test_every_named_model_is_trained_mapped(tmp_path, model):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "images.npz", x=rng.normal(size=(40, 4, 4)), y=np.arange(40) % 2)
    spec = Experiment(
        models=model,
        data=str(tmp_path / "images.npz"),
        activations="tanh",
        depths=1,
        widths=4,
        initializers=("he_normal", "initialize"),
        learning_rates=0.01,
        epochs=1,
        seeds=1,
        batch_size=8,
    )
    events = []
    run(spec, tmp_path / "run", on_event=events.append)
    assert [event.message for event in events if event.kind == "note"] == []
    for record in records(tmp_path / "run"):
        assert record.mapped
        assert np.isfinite(record.final["loss"])


def test_a_subclassed_model_that_builds_when_called_is_trained(tmp_path, tiny, monkeypatch):
    class Plain(keras.Model):
        def __init__(self, classes, width):
            super().__init__()
            self.hidden = keras.layers.Dense(width, activation="tanh")
            self.scale = self.add_weight(shape=(), initializer="ones", name="scale")
            self.out = keras.layers.Dense(classes)

        def call(self, inputs):
            return self.out(self.scale * self.hidden(inputs))

    module = types.ModuleType("my_models")
    module.plain = lambda input_shape, classes, *, depth, width, activation: Plain(classes, width)
    monkeypatch.setitem(sys.modules, "my_models", module)
    run(tiny(models="my_models:plain", epochs=1), tmp_path / "run")
    assert all(record.mapped for record in records(tmp_path / "run"))


def test_a_model_without_a_kernel_is_refused(tmp_path, tiny, monkeypatch):
    module = types.ModuleType("my_models")
    module.scales = lambda input_shape, classes: keras.Sequential(
        [keras.Input(input_shape), keras.layers.BatchNormalization()]
    )
    monkeypatch.setitem(sys.modules, "my_models", module)
    with pytest.raises(ValueError, match=r"must have a kernel.*Received: weights of shapes \[\(2,"):
        run(tiny(models="my_models:scales"), tmp_path / "run")


def test_a_model_without_one_logit_per_class_is_refused(tmp_path, tiny, monkeypatch):
    module = types.ModuleType("my_models")
    module.wide = lambda input_shape, classes, *, depth, width, activation: keras.Sequential(
        [keras.Input(input_shape), keras.layers.Dense(classes + 1)]
    )
    monkeypatch.setitem(sys.modules, "my_models", module)
    with pytest.raises(ValueError, match=r"one logit per class.*Received: \(64, 3\)"):
        run(tiny(models="my_models:wide", epochs=1), tmp_path / "run")


def test_a_model_rule_of_each_kind_draws(tmp_path, tiny):
    spec = tiny(initializers=("initialize", "lsuv", "kerasinit>Auto"), epochs=1)
    run(spec, tmp_path / "run")
    assert {r.start["cause"] for r in records(tmp_path / "run")} == {"healthy"}


@pytest.mark.parametrize("rule", sorted(PRESETS))
def test_every_residual_rule_is_one_of_initialize(rule, tiny):
    inputs = keras.Input((4,))
    outputs = keras.layers.Add()([inputs, keras.layers.Dense(4)(inputs)])
    plan = initialize(keras.Model(inputs, outputs), rule, dry_run=True)
    assert plan.rows
    assert tiny(initializers=rule).rules == {rule: rule}


def test_what_only_fails_on_the_model_is_reported_before_training(tmp_path, tiny):
    spec = tiny(models=("mlp", "cnn"), initializers=("zeros", "stft"), seeds=1)
    with pytest.raises(ValueError, match="The spec has 2 mistakes") as caught:
        run(spec, tmp_path / "run")
    assert "Convolutions need images" in str(caught.value)
    assert "'stft'" in str(caught.value)
    assert (tmp_path / "run" / "records.jsonl").read_bytes() == b""


# --- every replica is its own training --------------------------------------------------------

SGD = {"class_name": "SGD", "config": {"momentum": 0.9}}
BATCH, RATE = 32, 0.05


def dense_model(input_shape, classes):
    x = inputs = keras.Input(input_shape)
    for _ in range(2):
        x = keras.layers.Dense(8, "tanh", kernel_regularizer="l2")(x)
    return keras.Model(inputs, keras.layers.Dense(classes)(x))


def normalized_model(input_shape, classes):
    x = inputs = keras.Input(input_shape)
    x = keras.layers.Dense(8, use_bias=False)(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.5)(x))
    return keras.Model(inputs, keras.layers.Dense(classes)(x))


def convolved_model(input_shape, classes):
    x = inputs = keras.Input(input_shape)
    x = keras.layers.Reshape((1, *input_shape, 1))(x)
    x = keras.layers.DepthwiseConv2D((1, 2), depth_multiplier=4, padding="same", activation="tanh")(
        x
    )
    x = keras.layers.SeparableConv2D(4, (1, 2), padding="same", activation="relu")(x)
    return keras.Model(inputs, keras.layers.Dense(classes)(keras.layers.Flatten()(x)))


@pytest.fixture
def two_moons(tmp_path):
    """Standardized data with a split of its own: what is in the file is what is trained on."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(96, 2)), np.arange(96) % 2
    x += 2 * y[:, None]
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype("float32")
    x_val, y_val = (x[:40] + 0.1).astype("float32"), y[:40]
    np.savez(tmp_path / "moons.npz", x=x, y=y, x_val=x_val, y_val=y_val)
    return str(tmp_path / "moons.npz"), x, y, x_val, y_val


@pytest.mark.parametrize(
    ("make", "optimizer"),
    [(dense_model, SGD), (dense_model, "adam"), (normalized_model, "adam"), (convolved_model, SGD)],
    ids=["dense-sgd", "dense-adam", "normalized-adam", "convolved-sgd"],
)
def test_every_replica_is_what_fit_makes_of_it(make, optimizer, two_moons, tmp_path, monkeypatch):
    path, x, y, x_val, y_val = two_moons
    module = types.ModuleType("my_models")
    module.make = make
    monkeypatch.setitem(sys.modules, "my_models", module)
    spec = Experiment(
        models="my_models:make", data=path, activations="linear", depths=1, widths=8,
        initializers=("he_normal", "orthogonal"), learning_rates=RATE, optimizer=optimizer,
        epochs=2, seeds=2, batch_size=BATCH,
    )  # fmt: skip
    run(spec, tmp_path / "run")
    record = records(tmp_path / "run")[-1]
    assert (record.initializer, record.seed, record.mapped) == ("orthogonal", 1, True)
    model = make((2,), 2)
    initialize(model, "orthogonal", seed=1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.get(optimizer), loss, metrics=["accuracy"])
    model.optimizer.learning_rate = RATE
    for epoch in range(2):
        order = np.random.default_rng((0, epoch)).permutation(len(x))
        found = model.fit(x[order], y[order], batch_size=BATCH, shuffle=False, verbose=0).history
        assert record.curves["accuracy"][epoch] == pytest.approx(found["accuracy"][0], abs=1e-3)
        assert record.curves["loss"][epoch] == pytest.approx(found["loss"][0], rel=1e-3)
        logits = model.predict(x_val, verbose=0)
        plain = keras.ops.convert_to_numpy(loss(y_val, logits))
        assert record.curves["val_loss"][epoch] == pytest.approx(plain, rel=1e-3)
        right = np.mean(np.argmax(logits, axis=1) == y_val)
        assert record.curves["val_accuracy"][epoch] == pytest.approx(right, abs=1e-5)
