"""A prepared model starts better, says what was done, and keeps a start that is better."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit
from kerasinit.preparation._proof import proof_of
from kerasinit.preparation._rate_rule import RateCurve
from kerasinit.preparation._rate_search import MOST_STEPS

from .models import CLASSES, RNG, OwnStep, X, classifier, state_of, with_own_step


def badly_started(depth=4):
    inner = [layers.Dense(16, "relu", kernel_initializer="zeros") for _ in range(depth)]
    model = keras.Sequential([keras.Input((6,)), *inner, layers.Dense(3, "softmax", name="head")])
    model.compile(keras.optimizers.Adam(1e-9), "sparse_categorical_crossentropy")
    return model


def test_a_bad_start_is_replaced_and_the_report_says_by_what():
    model = badly_started()
    prepared = kerasinit.prepare(model, X, CLASSES, seed=0)
    assert prepared.trial.adopted
    assert prepared.trial.ready.end < prepared.trial.own.end
    assert prepared.diagnosis.healthy
    assert float(model.optimizer.learning_rate) == pytest.approx(prepared.learning_rate.rate)
    shares = np.bincount(CLASSES) / len(CLASSES)
    assert keras.ops.convert_to_numpy(model.get_layer("head").bias) == pytest.approx(
        np.log(shares), abs=1e-6
    )
    assert max(map(len, str(prepared).splitlines())) <= 80
    text = " ".join(str(prepared).split())
    for part in ("log shares of the labels", "The new start is better", "nothing found"):
        assert part in text
    assert prepared.to_dict()["trial"]["adopted"]
    # Nothing that was drawn passes for learned.
    kerasinit.initialize(model, seed=1)


def test_a_dry_run_says_the_same_and_changes_nothing():
    model = badly_started()
    before = state_of(model)
    planned = kerasinit.prepare(model, X, CLASSES, seed=0, dry_run=True)
    assert state_of(model) == before
    assert "nothing was changed" in str(planned)
    done = kerasinit.prepare(model, X, CLASSES, seed=0)
    assert done.bias == planned.bias
    assert done.learning_rate.rate == planned.learning_rate.rate
    assert [row.reason for row in done.plan] == [row.reason for row in planned.plan]


def test_a_start_that_is_better_is_kept_and_said_so():
    model = classifier()
    model.compile(keras.optimizers.Adam(0.01), model.loss)
    model.fit(X, CLASSES, epochs=15, verbose=0)
    weights = model.get_weights()
    prepared = kerasinit.prepare(model, X, CLASSES, seed=0)
    assert all(map(np.array_equal, weights, model.get_weights()))
    assert not prepared.trial.adopted
    assert "The own start is better" in str(prepared)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
    assert "goes on with what it has gathered" in prepared.notes[0]


def test_a_rate_stays_where_no_other_is_known_to_be_better():
    model = classifier(depth=0, optimizer=keras.optimizers.SGD(0.02))
    model.compile(model.optimizer, lambda y, y_pred: 0.0 * keras.ops.mean(y_pred))  # never falls
    model.layers[-1].bias.assign([0.3, -0.1, 0.2])  # learned
    prepared = kerasinit.prepare(model, X, CLASSES, seed=0)
    assert not prepared.learning_rate.falls
    assert float(model.optimizer.learning_rate) == pytest.approx(0.02)
    assert "the learning rate stays 0.02" in prepared.notes[0]
    step = str(prepared).partition("3. Learning rate")[2].partition("4. Proof")[0]
    assert "Not done: the learning rate stays 0.02: no other is known" in " ".join(step.split())
    assert str(prepared).count("Not done") == 1


@pytest.mark.parametrize("step", ["proof_of", "examined"])  # before the new start is adopted, after
def test_a_failure_in_the_middle_puts_everything_back(monkeypatch, step):
    def fails(*arguments, **options):
        raise KeyboardInterrupt("no more")

    model = badly_started()
    before = state_of(model)
    monkeypatch.setattr(f"kerasinit.preparation._prepare.{step}", fails)
    with pytest.raises(KeyboardInterrupt, match="no more"):
        kerasinit.prepare(model, X, CLASSES)
    assert state_of(model) == before


def test_weights_that_have_learned_stay_unless_the_new_ones_are_better():
    model = classifier()
    model.compile(keras.optimizers.Adam(0.01), model.loss)
    model.fit(X, CLASSES, epochs=3, verbose=0)
    weights = model.get_weights()
    prepared = kerasinit.prepare(model, X, CLASSES, seed=0)
    assert not prepared.trial.adopted
    assert all(map(np.array_equal, weights, model.get_weights()))


@pytest.mark.parametrize("has_learned", [False, True])
def test_a_start_that_is_as_good_is_adopted_unless_the_model_has_learned(has_learned):
    model = classifier(depth=0)
    model.compile("sgd", lambda y, y_pred: 0.0 * keras.ops.mean(y_pred))  # all starts are as good
    if has_learned:
        model.layers[-1].bias.assign([0.3, -0.1, 0.2])
    prepared = kerasinit.prepare(model, X, CLASSES, seed=0, dry_run=True)
    assert "as good within the spread of the batches" in prepared.trial.reason
    assert prepared.trial.adopted is not has_learned


@pytest.mark.filterwarnings("ignore:The model holds learned weights")
def test_a_model_that_was_trained_and_knows_no_more_than_chance_is_begun_anew():
    model = classifier(depth=0)
    model.compile("sgd", [model.loss])  # in a list, as for several outputs
    model.layers[-1].bias.assign([0.3, -0.1, 0.2])
    prepared = kerasinit.prepare(model, np.zeros_like(X), CLASSES, seed=0, dry_run=True)
    assert prepared.trial.adopted


def test_a_schedule_stays_and_is_said_so():
    schedule = keras.optimizers.schedules.CosineDecay(0.5, 100)
    model = classifier(optimizer=keras.optimizers.SGD(schedule))
    prepared = kerasinit.prepare(model, X, CLASSES)
    assert "follows a schedule (CosineDecay)" in prepared.notes[0]
    assert model.optimizer.get_config()["learning_rate"]["class_name"] == "CosineDecay"


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule without `get_config`."""

    def __call__(self, step):
        return 0.01 * keras.ops.minimum(1.0, (keras.ops.cast(step, "float32") + 1) / 10)


@pytest.mark.filterwarnings("ignore:The model holds learned weights")
def test_a_schedule_without_a_config_stays_too():
    model = badly_started()
    model.compile(keras.optimizers.Adam(WarmUp()), model.loss)
    model.fit(X, CLASSES, epochs=1, verbose=0)
    prepared = kerasinit.prepare(model, X, CLASSES, seed=0)
    assert "follows a schedule (WarmUp)" in prepared.notes[0]
    assert isinstance(vars(model.optimizer)["_learning_rate"], WarmUp)
    assert int(model.optimizer.iterations) == 0


def test_a_model_with_a_train_step_of_its_own_is_prepared():
    model = with_own_step()
    prepared = kerasinit.prepare(model, X, CLASSES, seed=0)
    assert prepared.bias[0].values is not None


class OfTwoParts(OwnStep):
    """Unpacks what `fit` hands over: tensors, and no third part unless there is one."""

    def train_step(self, *arguments):
        x, y = arguments[-1]
        if not (keras.ops.is_tensor(x) and keras.ops.is_tensor(y)):
            raise TypeError("no tensors")
        return super().train_step(*arguments)


def test_a_train_step_of_ones_own_sees_what_fit_hands_over():
    prepared = kerasinit.prepare(with_own_step(OfTwoParts), X, CLASSES, seed=0)
    assert len(prepared.trial.ready.losses) == MOST_STEPS


def test_a_model_that_is_not_compiled_stays_so():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    prepared = kerasinit.prepare(
        model, X, 5 + X[:, 0], loss="mse", optimizer="adam", sample_weight=np.ones(len(X))
    )
    assert not model.compiled
    assert "not compiled" in prepared.notes[0]
    assert keras.ops.convert_to_numpy(model.layers[-1].bias) == pytest.approx(
        5 + X[:, 0].mean(), abs=1e-4
    )


def test_a_model_that_is_not_compiled_is_told_its_rate_also_where_it_keeps_its_start():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
    model.layers[-1].bias.assign([0.3, -0.1, 0.2])  # learned
    never_falls = {"loss": lambda y, y_pred: 0.0 * keras.ops.mean(y_pred), "optimizer": "adam"}
    prepared = kerasinit.prepare(model, X, CLASSES, seed=0, **never_falls)
    assert not prepared.trial.adopted
    rate = prepared.learning_rate.rate
    assert prepared.notes == (f"not compiled: give Adam the learning rate {rate:.3g}",)


class FixedStart(keras.initializers.Initializer):
    """An identity that its author wrote."""

    def __call__(self, shape, dtype=None):
        return keras.ops.eye(*shape, dtype=dtype)


@pytest.mark.parametrize(
    "start",
    [keras.initializers.Identity(), keras.initializers.OrthogonalInitializer(seed=1), FixedStart()],
    ids=["identity", "drawn", "own"],
)
def test_a_kernel_that_its_author_fixed_is_not_multiplied(start):
    head = layers.Dense(6, kernel_initializer=start)
    far_off = layers.Dense(6, kernel_initializer=keras.initializers.RandomNormal(stddev=100))
    model = keras.Sequential([keras.Input((6,)), far_off, head])
    model.compile("adam", "mse")
    prepared = kerasinit.prepare(model, X, X, seed=0)
    assert prepared.trial.adopted
    is_kept = "kept" in prepared.plan[head.kernel.path].reason
    is_identity = np.array_equal(keras.ops.convert_to_numpy(head.kernel), np.eye(6))
    assert is_identity == is_kept
    assert (prepared.bias[0].kernel_factor == 1) == is_kept


def test_a_diagnosis_that_fails_says_why_under_health(monkeypatch):
    def fails(*arguments):
        raise ValueError("no taps here")

    monkeypatch.setattr("kerasinit.preparation._prepare.examined", fails)
    prepared = kerasinit.prepare(classifier(), X, CLASSES, dry_run=True)
    assert prepared.diagnosis is None
    text = str(prepared)
    assert "no taps here" in text.partition("5. Health")[2]
    assert "Not done" not in text


def test_an_output_that_is_compared_by_distance_starts_near_its_targets():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu"), layers.Dense(1)])
    model.compile("adam", "mse")
    prepared = kerasinit.prepare(model, X, 100 + X[:, :1] / 50, seed=0)
    assert prepared.bias[0].kernel_factor == pytest.approx(0.1 / 50, rel=0.2)
    outputs = model.predict(X, verbose=0)
    assert abs(outputs - 100).max() < 0.02
    assert "its kernel times 0.00" in " ".join(str(prepared).split())


def rare(**options):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    labels = (X[:, 0] > 1).astype("int32")
    share = labels.mean()
    prepared = kerasinit.prepare(model, X, labels, seed=0, **options)
    return prepared.bias[0].values[0], share


def test_the_bias_of_balanced_classes_is_zero():
    labels = (X[:, 0] > 1).mean()
    bias, _ = rare(class_weight={0: 0.5 / (1 - labels), 1: 0.5 / labels})
    assert bias == 0


def test_the_labels_of_a_bias_are_called_weighted_where_they_are():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    labels = (X[:, 0] > 1).astype("int32")
    plain, weighted = (
        kerasinit.prepare(model, X, labels, dry_run=True, **options).bias[0].reason
        for options in ({}, {"class_weight": {1: 3.0}})
    )
    assert plain.startswith("log odds of the labels")
    assert weighted.startswith("log odds of the weighted labels")


def test_the_bias_of_weighted_classes_is_their_weighted_log_odds():
    bias, share = rare(class_weight={1: 3.0})
    assert bias == pytest.approx(np.log(3 * share / (1 - share)), abs=1e-5)


def test_samples_that_are_no_batch_are_told_so():
    samples = ((x, y) for x, y in zip(X, CLASSES, strict=True))
    with pytest.raises(ValueError, match=r"must yield batches.*one sample of shape \(6,\)"):
        kerasinit.prepare(classifier(), samples)


@pytest.mark.parametrize("call", [kerasinit.prepare, kerasinit.learning_rate])
def test_of_arrays_the_axis_of_the_samples_is_asked_for_and_no_dataset(call):
    with pytest.raises(ValueError, match=r"first axis.*x\[None\].*Received.*\(6,\)") as told:
        call(classifier(), np.ones(6), np.ones(6))
    assert "dataset" not in str(told.value)


def test_a_new_head_on_learned_layers_gets_its_bias_and_these_stay():
    keras.utils.set_random_seed(0)
    y = np.sin(X[:, :1]) * X[:, 1:2]
    backbone = keras.Sequential([keras.Input((6,)), keras.layers.Dense(32, "tanh")])
    first = keras.Sequential([backbone, keras.layers.Dense(1)])
    first.compile(keras.optimizers.Adam(0.02), "mse")
    first.fit(X, y, epochs=25, verbose=0)
    learned = [weight.copy() for weight in backbone.get_weights()]

    model = keras.Sequential([backbone, keras.layers.Dense(1, name="head")])
    model.compile(keras.optimizers.Adam(0.001), "mse")
    prepared = kerasinit.prepare(model, X, 50 + 30 * y, seed=0)
    assert not prepared.trial.adopted
    assert prepared.bias_adopted
    assert "1. Weights (not kept" in str(prepared)
    assert "2. Output bias (not kept" not in str(prepared)
    assert all(map(np.array_equal, learned, backbone.get_weights()))
    np.testing.assert_allclose(model.get_layer("head").bias, np.mean(50 + 30 * y), rtol=1e-5)


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "mse"])
def test_the_prior_is_added_to_what_cancels_the_mean_of_the_last_hidden_layer(loss):
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(64, "sigmoid") for _ in range(6)]
    head = layers.Dense(1) if loss == "mse" else layers.Dense(3, "softmax")
    model = keras.Sequential([keras.Input((6,)), *hidden, head])
    model.compile(keras.optimizers.Adam(1e-3), loss)
    targets = 50 + X[:, 0] if loss == "mse" else CLASSES
    prepared = kerasinit.prepare(model, X, targets, seed=0)
    assert prepared.trial.adopted
    assert "what the plan drew + " in str(prepared.bias[0])
    prior = np.mean(targets) if loss == "mse" else np.log(np.bincount(CLASSES) / len(CLASSES))
    kernel, bias = head.get_weights()
    np.testing.assert_allclose(bias, prior - kernel.sum(axis=0) / 2, rtol=1e-4, atol=1e-4)


def test_a_start_from_which_nothing_is_learned_is_not_better_than_one_on_its_way_down():
    own = RateCurve(1e-3, (2.4, 2.32, 2.31, *[2.303] * 25))
    ready = RateCurve(1e-3, (2.6, *[2.35] * 27))
    assert not proof_of(own, ready, has_learned=False).adopted
    assert proof_of(own, ready, has_learned=True, knows_nothing=True).adopted
    rising = RateCurve(1e-3, (2.6, *[2.9] * 27))
    broken = RateCurve(1e-3, (2.6, *[float("nan")] * 27))
    for worse in (rising, broken):
        assert not proof_of(own, worse, has_learned=False, knows_nothing=True).adopted


@pytest.mark.parametrize(
    ("compiled", "given"),
    [
        ({}, {"class_weight": dict.fromkeys(range(3), 10.0)}),
        ({}, {"sample_weight": np.full(len(X), 10.0)}),
        ({"loss_weights": [10.0]}, {}),
    ],
    ids=["class_weight", "sample_weight", "loss_weights"],
)
def test_weights_that_scale_the_loss_do_not_make_a_trained_model_seem_to_know_nothing(
    compiled, given
):
    keras.utils.set_random_seed(0)
    model = classifier()
    model.compile(keras.optimizers.Adam(0.01), model.loss, **compiled)
    model.fit(X, CLASSES, epochs=10, verbose=0)
    prepared = kerasinit.prepare(model, X, CLASSES, seed=0, dry_run=True, **given)
    assert prepared.trial.own.end < 0.6 * prepared.trial.ready.end
    assert not prepared.trial.adopted


@pytest.mark.parametrize("seed", [0, 2])
def test_learned_layers_under_a_new_head_stay_where_the_proof_is_too_short_to_tell(seed):
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    backbone = classifier()
    backbone.fit(X, CLASSES, epochs=10, verbose=0)
    learned = keras.Sequential([keras.Input((6,)), *backbone.layers[:-1]])
    model = keras.Sequential([learned, layers.Dense(3)])
    model.compile("adam", backbone.loss)
    x = rng.standard_normal((1000, 6)).astype("float32")  # that says nothing of the labels
    prepared = kerasinit.prepare(model, x, rng.integers(0, 3, 1000), seed=seed, dry_run=True)
    assert not prepared.trial.adopted


@pytest.mark.filterwarnings("ignore:The model holds learned weights")
def test_an_optimizer_begins_anew_with_the_new_start_and_leaves_its_average_of_the_old_one():
    model = badly_started()
    model.compile(keras.optimizers.Adam(1e-3, use_ema=True, ema_overwrite_frequency=1), model.loss)
    model.fit(X, CLASSES, epochs=2, verbose=0)
    planned = kerasinit.prepare(model, X, CLASSES, seed=0, dry_run=True)
    assert int(model.optimizer.iterations) == planned.forgotten_steps == 14
    prepared = kerasinit.prepare(model, X, CLASSES, seed=0)
    assert prepared.trial.adopted
    assert int(model.optimizer.iterations) == 0
    assert "its 14 steps belonged to the weights that are" in str(prepared)
    model.fit(X, CLASSES, epochs=1, verbose=0)  # the average took the weights back to the old ones
    assert np.std(model.get_weights()[0]) > 0.1


class Student(keras.Model):
    """Learns from labels and from a teacher, which no step moves."""

    def __init__(self, teacher):
        super().__init__()
        self.teacher, self.dense = teacher, layers.Dense(3)

    def call(self, x):
        return self.dense(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        from_teacher = keras.ops.stop_gradient(self.teacher(x))
        own = super().compute_loss(x, y, y_pred, sample_weight)
        return own + keras.ops.mean(keras.ops.square(y_pred - from_teacher))


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_teacher_that_no_step_moves_stays_and_the_plan_says_why():
    teacher = classifier()
    teacher.fit(X, CLASSES, epochs=5, verbose=0)
    model = Student(teacher)
    model(X[:2])
    model.compile("adam", teacher.loss)
    learned = teacher.get_weights()
    prepared = kerasinit.prepare(model, X, CLASSES, seed=0)
    assert all(map(np.array_equal, learned, teacher.get_weights()))
    assert all(variable.trainable for variable in teacher.weights)
    assert prepared.plan[teacher.weights[0].path].reason == (
        "learned, and no training step moves it"
    )
    assert "6 variables stay: learned" in str(prepared)


def test_rules_say_what_is_drawn_and_what_stays():
    model = badly_started(depth=2)
    first = model.layers[0]
    kernel = RNG.standard_normal(first.kernel.shape).astype("float32")
    first.kernel.assign(kernel)
    rules = [(first.kernel.path, None), ("kernel", "he_normal")]
    prepared = kerasinit.prepare(model, X, CLASSES, rules=rules, seed=0)
    assert prepared.trial.adopted
    assert np.array_equal(keras.ops.convert_to_numpy(first.kernel), kernel)
    assert prepared.plan[model.layers[1].kernel.path].initializer == "HeNormal()"


def test_a_dry_run_leaves_no_cache_of_weight_decay():
    model = classifier(optimizer=keras.optimizers.AdamW(1e-3))
    names = set(vars(model.optimizer))
    kerasinit.prepare(model, X, CLASSES, dry_run=True)
    assert set(vars(model.optimizer)) == names
