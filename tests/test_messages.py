"""What a first user gets wrong: the message names the cure."""

import keras
import numpy as np
import pytest

import kerasinit
from kerasinit import experiments

X = np.ones((8, 4), "float32")


@pytest.fixture
def model():
    made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax", name="dense")])
    made.compile("sgd", "sparse_categorical_crossentropy")
    return made


@pytest.mark.parametrize(
    ("data", "cure"),
    [
        (lambda: X.tolist(), r"a.*list.*`np\.asarray\(x\)`"),
        (lambda: "x.npy", r"np\.asarray"),
    ],
    ids=["list", "path"],
)
def test_data_that_is_no_array(model, data, cure):
    with pytest.raises(ValueError, match=rf"`x` must be an array.*{cure}"):
        kerasinit.diagnose(model, data())


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, -1, 2, 1], [0, 1, 2, 1.5]])
def test_labels_that_no_output_has(model, labels):
    first = kerasinit.diagnose(model, X[:4], np.array(labels)).verdicts[0]
    assert first.cause == "bad_targets"


def test_a_label_that_the_loss_ignores_is_fine(model):
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(ignore_class=-1))
    assert kerasinit.diagnose(model, X[:4], np.array([0, -1, 2, 1])).signals.loss is not None


@pytest.mark.parametrize("call", [kerasinit.initialize, kerasinit.reset])
def test_a_class_instead_of_a_model(call):
    with pytest.raises(TypeError, match=r"Received: the class Sequential\. Make one of it first"):
        call(keras.Sequential)


def of_keras_2():
    """A stand-in for a model of the package `tf_keras`, compiled."""
    base = type("Model", (), {"__module__": "tf_keras.src.engine.training"})
    return type("Mine", (base,), {"__module__": "__main__", "compiled": True})()


@pytest.mark.parametrize(
    "call",
    [
        kerasinit.initialize,
        kerasinit.reset,
        kerasinit.portable,
        lambda model: kerasinit.diagnose(model, X),
        lambda model: kerasinit.prepare(model, X, X),
        lambda model: kerasinit.GradientStats().watching(model).__enter__(),
        lambda model: keras.callbacks.CallbackList([kerasinit.GradientStats()], model=model),
    ],
    ids=["initialize", "reset", "portable", "diagnose", "prepare", "watching", "fit"],
)
def test_a_model_of_keras_2_is_told_from_one_of_keras_3(call):
    with pytest.raises(TypeError, match=r"It is of tf_keras, Keras 2\. .*`import keras`"):
        call(of_keras_2())


@pytest.mark.parametrize("name", ["_orig_mod", "module"])
def test_what_torch_wraps_around_a_model_is_taken_off(model, name):
    around = type("OptimizedModule", (), {name: model})()  # `torch.compile`, `DataParallel`
    with pytest.raises(TypeError, match=rf"inside, which has the same weights: `model\.{name}`"):
        kerasinit.initialize(around)


def test_the_data_in_place_of_the_model(model):
    with pytest.raises(TypeError, match=r"instance of ndarray.*`diagnose\(model, x, y\)`"):
        kerasinit.diagnose(X, model)


@pytest.mark.parametrize(
    ("rules", "cure"),
    [
        ("he_nromal", "Near matches: 'he_normal'"),
        ("fixupp", "Near matches: 'fixup'"),
        (42, r"`initialize\(model, seed=42\)`"),
        ({"dense": "he_normal"}, r"\[\('dense', 'he_normal'\)\]"),
        ({keras.layers.Dense: "zeros"}, r"\[\(Dense, 'zeros'\)\]"),
        (keras.layers.Dense, r"`\[\(Dense, initializer\)\]`"),
    ],
    ids=["name", "scheme", "seed", "dict", "dict of classes", "class"],
)
def test_rules_that_are_none(model, rules, cure):
    with pytest.raises(ValueError, match=rf"`rules` must be.*{cure}"):
        kerasinit.initialize(model, rules)


def test_watching_a_model_that_is_not_compiled():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    watching = kerasinit.GradientStats().watching(model)
    with pytest.raises(ValueError, match=r"`model\.compile\(optimizer, loss\)` first"):
        watching.__enter__()


def test_a_file_in_place_of_the_steps():
    with pytest.raises(ValueError, match=r"GradientStats\(path='rows\.jsonl'\)"):
        kerasinit.GradientStats("rows.jsonl")


def test_a_path_in_place_of_an_experiment(tmp_path):
    with pytest.raises(TypeError, match=r"`Experiment\.load\('spec\.toml'\)`"):
        experiments.run("spec.toml", tmp_path / "out")
