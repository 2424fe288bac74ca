"""Fixes that are suggested were tried, and the model is as it was."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit

from .models import CLASSES, X, state_of


def compiled(inner, head, loss, optimizer="sgd"):
    model = keras.Sequential([keras.Input((6,)), *inner, head])
    model.compile(optimizer, loss)
    return model


def small_kernels():
    inner = [layers.Dense(16, "relu", kernel_initializer="zeros") for _ in range(3)]
    return compiled(inner, layers.Dense(3, "softmax"), "sparse_categorical_crossentropy")


def far_too_fast():
    return compiled([layers.Dense(16, "tanh")], layers.Dense(1), "mse", keras.optimizers.Adam(30.0))


def missing_from_logits():
    return compiled([layers.Dense(16, "relu")], layers.Dense(1, name="head"), "bce")


@pytest.mark.parametrize(
    ("make", "y"),
    [
        (small_kernels, CLASSES),
        (far_too_fast, X[:, :1]),
        (missing_from_logits, (CLASSES[:, None] > 0).astype("int32")),
    ],
)
def test_a_fix_that_helps_is_told_with_its_losses_and_nothing_changes(make, y):
    model = make()
    before = state_of(model)[0]
    found = kerasinit.diagnose(model, X[:64], y[:64], verify=True)
    assert state_of(model)[0] == before
    first = found.verdicts[0]
    assert first.remedy is not None
    assert "; tried: loss " in first.fix
    assert "in 30 steps, without it " in " ".join(str(found).split())


def test_a_fix_that_does_not_help_is_not_suggested():
    model = small_kernels()
    y = np.zeros(64, "int32")  # there is nothing to tell apart: a bias is enough
    found = kerasinit.diagnose(model, X[:64], y, verify=True)
    useless = [one for one in found.verdicts if "does not help (tried: " in one.fix]
    assert all(one.remedy is None and one.fix.startswith("# ") for one in useless)


def test_a_dataset_without_batches_is_told_how_to_make_them():
    model = keras.Sequential([keras.Input((X.shape[1],)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"`dataset\.batch\(32\)` makes them"):
        kerasinit.diagnose(model, (sample for sample in zip(X, CLASSES, strict=True)))


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return X[:32] * (1 + index), CLASSES[:32]


DATASETS = {
    "PyDataset": Batches,
    "generator": lambda: (batch for batch in [(X[:32], CLASSES[:32])]),
    "with weights": lambda: [(X[:32], CLASSES[:32], np.ones(32))].__iter__(),
}


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_of_a_dataset_the_first_batch_is_looked_at(dataset):
    model = small_kernels()
    assert str(kerasinit.diagnose(model, dataset())) == str(
        kerasinit.diagnose(model, X[:32], CLASSES[:32])
    )


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="its own data sets")
def test_a_dataset_of_tensorflow_is_one_too():
    import tensorflow as tf

    model = small_kernels()
    dataset = tf.data.Dataset.from_tensor_slices((X[:32], CLASSES[:32])).batch(32)
    found = kerasinit.diagnose(model, dataset, verify=True)
    assert str(found) == str(kerasinit.diagnose(model, X[:32], CLASSES[:32], verify=True))


def test_targets_beside_a_dataset_are_refused():
    with pytest.raises(ValueError, match="`y` must be None where `x` is a dataset"):
        kerasinit.diagnose(small_kernels(), Batches(), CLASSES[:32])


@pytest.mark.parametrize("y", [None, X[:, 0]])
def test_what_cannot_be_trained_cannot_be_verified(y):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    with pytest.raises(ValueError, match="needs targets and a compiled model"):
        kerasinit.diagnose(model, X, y, verify=True)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_diagnosis_leaves_a_compiled_model_as_it_is(optimizer):
    model = compiled([layers.Dense(4, "relu")], layers.Dense(1), "mse", optimizer)
    before = state_of(model)[0]
    kerasinit.diagnose(model, X[:32], X[:32, :1])
    assert state_of(model)[0] == before


class Graphs(keras.utils.PyDataset):
    """Batches of graphs: 20 nodes and 30 edges of 4 graphs, with a target for each graph."""

    def __len__(self):
        return 8

    def __getitem__(self, number):
        rng = np.random.default_rng(number)
        nodes = rng.standard_normal((20, 6)).astype("float32")
        edges = rng.integers(0, 20, (30, 2)).astype("int32")
        return {"nodes": nodes, "edges": edges}, rng.standard_normal((4, 1)).astype("float32")


class OfGraphs(keras.Model):
    def __init__(self):
        super().__init__()
        self.inside = layers.Dense(8, "relu")
        self.head = layers.Dense(1)

    def call(self, inputs):
        x = self.inside(inputs["nodes"])
        ends, starts = inputs["edges"][:, 0], inputs["edges"][:, 1]
        messages = keras.ops.segment_sum(keras.ops.take(x, starts, axis=0), ends, num_segments=20)
        return self.head(keras.ops.mean(keras.ops.reshape(x + messages, (4, 5, 8)), axis=1))


def test_a_dataset_of_graphs_has_more_nodes_than_targets():
    model = OfGraphs()
    model(Graphs()[0][0])
    model.compile("adam", "mse")
    found = kerasinit.diagnose(model, Graphs())
    assert found.healthy, found
    assert found.signals.samples == 4
    assert kerasinit.prepare(model, Graphs(), seed=1).diagnosis is not None


class Distiller(keras.Model):
    """A student whose loss calls its teacher."""

    def __init__(self):
        super().__init__()
        inside = [layers.Dense(16, "relu"), layers.Dense(16, "relu")]
        self.teacher = keras.Sequential([*inside, layers.Dense(3)])
        self.student = keras.Sequential([layers.Dense(8, "relu"), layers.Dense(3)])
        self.teacher.build((None, 6))

    def call(self, x):
        return self.student(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean((self.teacher(x, training=False) - y_pred) ** 2)


def weighing(weights):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return X, CLASSES, weights

    return Batches()


def test_sample_weights_of_a_dataset_count_in_the_loss():
    model = keras.Sequential([keras.Input(X.shape[1:]), layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    weights = np.linspace(0, 3, len(X), dtype="float32")
    found = kerasinit.diagnose(model, weighing(weights), verify=True).signals.loss
    assert found == pytest.approx(model.evaluate(X, CLASSES, len(X), 0, weights), rel=1e-5)


def test_sample_weights_of_a_dataset_and_those_of_classes_are_refused_as_by_fit():
    model = keras.Sequential([keras.Input(X.shape[1:]), layers.Dense(3, "softmax")])
    with pytest.raises(ValueError, match="cannot both be given"):
        kerasinit.diagnose(model, weighing(np.ones(len(X))), class_weight={0: 2.0})


class OwnLoss(keras.Model):
    """Names arguments in its own way, and takes no `training`: `fit` hands them over by place."""

    def __init__(self):
        super().__init__()
        self.head = keras.layers.Dense(3)

    def call(self, inputs):
        return self.head(inputs)

    def compute_loss(self, inputs, targets, outputs, weights=None):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return loss(targets, outputs, weights)


@pytest.mark.parametrize("class_weight", [None, {0: 1.0, 1: 5.0}], ids=["plain", "weighted"])
def test_a_loss_of_ones_own_is_asked_as_fit_asks(class_weight):
    model = OwnLoss()
    model.compile("sgd")
    assert kerasinit.diagnose(model, X, CLASSES, class_weight=class_weight).healthy


def test_layers_that_the_loss_calls_are_no_part_of_the_signal():
    model = Distiller()
    model(X[:2])
    model.compile("adam")
    found = kerasinit.diagnose(model, X, CLASSES)
    assert found.healthy, found
    assert [row.units for row in found.layers] == [8, 3]


class Policy(keras.Model):
    """Mean and deviation of an action; the deviation is one weight for all states."""

    def __init__(self, is_spread):
        super().__init__()
        self.inside, self.mean = layers.Dense(16, "tanh"), layers.Dense(3)
        self.log_std = self.add_weight(shape=(3,), name="log_std")
        self.is_spread = is_spread

    def call(self, states):
        mean = self.mean(self.inside(states))
        std = keras.ops.exp(self.log_std)
        return mean, keras.ops.zeros_like(mean) + std if self.is_spread else std


@pytest.mark.parametrize("is_spread", [True, False])
def test_a_weight_that_is_given_out_may_be_the_same_for_all_samples(is_spread):
    model = Policy(is_spread)
    model(X[:2])
    assert kerasinit.diagnose(model, X).healthy


def test_a_matrix_of_places_starts_as_the_identity_by_its_bias():
    """Kernel 0, bias the identity, as in spatial transformers and PointNet."""
    inputs = keras.Input((6,))
    identity = keras.initializers.Constant(np.eye(6).ravel())
    zero = layers.Dense(36, kernel_initializer="zeros", bias_initializer=identity)
    matrix = layers.Reshape((6, 6))(zero(layers.Dense(8, "relu")(inputs)))
    x = keras.ops.einsum("bi,bij->bj", inputs, matrix)
    model = keras.Model(inputs, layers.Dense(3, "softmax")(layers.Dense(16, "relu")(x)))
    model.compile("adam", "sparse_categorical_crossentropy")
    assert kerasinit.diagnose(model, X, CLASSES).healthy


def test_a_part_without_inputs_is_no_fault(recwarn):
    inputs, nothing = keras.Input((6,)), keras.Input((0,))
    x = layers.Concatenate()([layers.Dense(8, "relu")(inputs), layers.Dense(8)(nothing)])
    model = keras.Model([inputs, nothing], layers.Dense(3, "softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    x = [X, np.zeros((len(X), 0), "float32")]
    assert kerasinit.diagnose(model, x, CLASSES).healthy
    if keras.backend.backend() != "tensorflow":  # oneDNN aborts at products of nothing, in any fit
        model.fit(x, CLASSES, epochs=2, verbose=0, callbacks=[kerasinit.GradientStats(every=1)])
    said = [str(warning.message) for warning in recwarn]
    assert not [one for one in said if "empty slice" in one or "symmetric" in one]


def test_a_model_whose_layers_cannot_be_watched_is_not_called_healthy():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8), layers.Dense(3)])
    for layer in model.layers:
        layer.quantize("int8")
    said = str(kerasinit.diagnose(model, X))
    assert "No layer could be watched." in said
    assert "Healthy" not in said


def test_narrow_layers_beside_each_other_are_no_stack():
    """A layer of two units for each of many features."""
    inputs = keras.Input((6,))
    x = layers.Concatenate()([layers.Dense(2, "relu")(inputs) for _ in range(200)])
    model = keras.Model(inputs, layers.Dense(3, "softmax")(x))
    model.compile("sgd", "sparse_categorical_crossentropy")
    kerasinit.initialize(model, seed=1)
    assert kerasinit.diagnose(model, X, CLASSES).healthy


def test_targets_are_scaled_in_a_trial_before_anything_else_was_averaged():
    code = (
        "import keras, kerasinit, numpy as np\n"
        "x = np.random.default_rng(0).standard_normal((64, 6)).astype('float32')\n"
        "hidden = keras.layers.Dense(16, 'relu')\n"
        "model = keras.Sequential([keras.Input((6,)), hidden, keras.layers.Dense(1)])\n"
        "model.compile('sgd', 'mse')\n"
        "print(kerasinit.diagnose(model, x, 3e4 * x[:, 0], verify=True).verdicts[0].fix)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "; tried: loss " in run.stdout


def rare_classes():
    labels = (np.arange(64) % 8 == 0).astype("int32")
    model = compiled(
        [layers.Dense(16, "relu")],
        layers.Dense(2),
        keras.losses.SparseCategoricalCrossentropy(True),
    )
    return model, labels, {0: 0.5, 1: 4.0}


@pytest.mark.parametrize("is_compiled", [True, False])
@pytest.mark.parametrize("form", [lambda x, y: (x, y), lambda x, y: ([(x, y)].__iter__(),)])
def test_class_weight_weighs_loss_and_gradients_as_in_fit(form, is_compiled):
    model, labels, class_weight = rare_classes()
    if not is_compiled:
        model = keras.Sequential(model.layers)
    weights = np.where(labels == 1, 4.0, 0.5)
    logits = model.predict(X[:64], verbose=0)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = np.mean(-logs[np.arange(64), labels] * weights)
    signals = kerasinit.diagnose(model, *form(X[:64], labels), class_weight=class_weight).signals
    assert signals.loss == pytest.approx(expected, rel=1e-4)
    assert signals.chance_loss == pytest.approx(np.log(2) * weights.mean(), rel=1e-6)
    by_logits = (np.exp(logs) - np.eye(2)[labels]) * weights[:, None] / 64
    rms = signals.layers[-1].gradient_rms
    assert rms == pytest.approx(np.sqrt(np.mean(by_logits**2)), rel=1e-3)


def test_class_weight_is_that_of_the_trials_of_a_fix_too():
    model = small_kernels()
    tried = kerasinit.diagnose(
        model, X[:64], CLASSES[:64], class_weight=dict.fromkeys(range(3), 100.0), verify=True
    )
    assert tried.signals.loss == pytest.approx(100 * np.log(3), rel=1e-4)
    (_, first) = tried.verdicts[0].fix.split("tried: loss ")
    assert float(first.split(" ->")[0]) > 50


@pytest.mark.parametrize(
    ("class_weight", "y", "error", "words"),
    [
        ([1.0, 2.0], CLASSES[:64], TypeError, r"must be a dict.*Received: class_weight=\[1.0, 2.0"),
        ({0: "much"}, CLASSES[:64], ValueError, r"a finite number .*'much' for class 0"),
        ({"cat": 2.0}, CLASSES[:64], ValueError, r"each class by its number.*Received: 'cat'"),
        ({0.5: 2.0}, CLASSES[:64], ValueError, r"each class by its number.*Received: 0.5"),
        ({0: np.nan}, CLASSES[:64], ValueError, r"a finite number .*nan for class 0"),
        ({0: 2.0}, None, ValueError, r"needs the labels.*Received: class_weight=\{0: 2.0\}"),
        ({0: 2.0}, np.zeros((64, 5, 2)), ValueError, r"one label for each sample.*\(64, 5, 2\)"),
    ],
)
def test_a_class_weight_that_says_nothing_is_refused(class_weight, y, error, words):
    with pytest.raises(error, match=words):
        kerasinit.diagnose(small_kernels(), X[:64], y, class_weight=class_weight)
