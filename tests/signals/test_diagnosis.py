"""The health report of a model."""

import json

import keras
import numpy as np
import pytest
from keras import layers
from rich.console import Console

import kerasinit
from kerasinit.preparation import diagnose
from kerasinit.signals import Diagnosis


@pytest.fixture(scope="module")
def sick(zoo):
    keras.utils.set_random_seed(0)
    return diagnose(zoo.mlp("sigmoid", 30, zoo.normal(0.01)), *zoo.data())


@pytest.fixture(scope="module")
def sound(zoo):
    keras.utils.set_random_seed(0)
    return diagnose(zoo.mlp("relu", 3, "he_normal"), *zoo.data())


def test_it_is_offered_at_the_top(sound):
    assert kerasinit.diagnose is diagnose
    assert isinstance(sound, Diagnosis)


def test_a_healthy_model_is_called_healthy(sound):
    assert sound.healthy
    assert sound.verdicts == ()
    assert "Healthy" in str(sound)


def test_a_faulty_model_shows_cause_place_evidence_and_cure(sick):
    text = str(sick)
    assert not sick.healthy
    assert "Root cause: vanishing at hidden_0" in text
    assert "Because" in text
    assert "To fix:" in text
    assert "kerasinit.initialize(model)" in text


def test_the_first_verdict_is_the_root_and_the_others_come_after_it(zoo):
    model = zoo.mlp("relu", 3, "zeros")
    model.compile(keras.optimizers.Adam(1e3), "sparse_categorical_crossentropy")
    x, y = zoo.data()
    diagnosis = diagnose(model, 1e4 * x, y)
    assert len(diagnosis.verdicts) > 1
    lines = [line for line in str(diagnosis).splitlines() if line.startswith(("Root", "Also"))]
    words = [line.split(":")[0] for line in lines]
    assert words == ["Root cause", *["Also"] * (len(diagnosis.verdicts) - 1)]
    causes = [verdict.cause.replace("_", " ") for verdict in diagnosis.verdicts]
    assert [line.split(": ")[1].split(" at ")[0] for line in lines] == causes


@pytest.mark.parametrize("classes", [3, 10])
def test_the_loss_stands_beside_that_of_a_model_that_knows_nothing(zoo, classes):
    model = keras.Sequential([keras.Input((16,)), layers.Dense(classes, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    x = np.random.default_rng(0).normal(size=(30, 16)).astype("float32")
    text = str(diagnose(model, x, np.arange(30) % 3))
    assert f"(a model that knows nothing: {np.log(classes):.4g})." in text


def test_a_regression_has_no_loss_to_stand_beside_its_own(zoo):
    model = keras.Sequential([keras.Input((16,)), layers.Dense(1)])
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(30, 16)).astype("float32")
    text = str(diagnose(model, x, x[:, :1]))
    assert "\nLoss " in text
    assert "knows nothing" not in text


def test_the_table_has_a_row_for_each_layer(sound):
    assert [row.name for row in sound.layers] == ["hidden_0", "hidden_1", "hidden_2", "head"]
    assert all(row.name in str(sound) for row in sound.layers)


def test_the_table_of_a_deep_model_is_cut_in_the_middle(sick):
    text = str(sick)
    assert "hidden_0 " in text
    assert "head " in text
    assert "... 11 more" in text
    assert f"all {len(sick.layers)}: diagnosis.layers" in text


def test_no_line_is_wider_than_a_page(sick):
    assert max(len(line) for line in str(sick).splitlines()) <= 100


def test_it_prints_on_a_rich_console(sound):
    console = Console(width=120)
    with console.capture() as captured:
        console.print(sound)
    assert "hidden_0" in captured.get()


def test_a_layer_name_that_looks_like_markup_stays_text(zoo):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="[bold]x[-bold]")])
    assert "[bold]x[-bold]" in str(diagnose(model, np.ones((8, 4))))


def test_it_goes_through_json(sick):
    read = json.loads(json.dumps(sick.to_dict()))
    assert read["healthy"] is False
    assert read["verdicts"][0]["cause"] == "vanishing"
    assert len(read["layers"]) == 31


def test_a_model_without_weights_is_healthy():
    model = keras.Sequential([keras.Input((4,)), layers.ReLU()])
    diagnosis = diagnose(model, np.ones((8, 4)))
    assert diagnosis.healthy
    assert "No layer could be watched. Nothing found" in str(diagnosis)


def test_the_cure_cures(zoo):
    x, y = zoo.data()
    model = zoo.mlp("relu", 30, "glorot_uniform")
    assert diagnose(model, x, y).verdicts[0].cause == "vanishing"
    kerasinit.initialize(model, seed=0)
    assert diagnose(model, x, y).healthy


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_compiled_model_keeps_its_weights_and_its_optimizer(zoo, optimizer):
    x, y = zoo.data()
    model = zoo.mlp("relu", 2, "he_normal")
    model.compile(optimizer, "sparse_categorical_crossentropy")
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in model.variables]
    diagnose(model, x, y)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)
    assert not model.optimizer.built


def test_inputs_by_name_come_in_any_order():
    wide, narrow = keras.Input((8,), name="b"), keras.Input((2,), name="a")
    inner = layers.Concatenate()([layers.Dense(4)(wide), narrow])
    model = keras.Model([wide, narrow], layers.Dense(1)(inner))
    x = {"b": np.eye(8, dtype="float32"), "a": np.eye(8, 2, dtype="float32")}
    assert diagnose(model, x).healthy
    with pytest.raises(ValueError, match="must have the shape"):
        diagnose(model, {"a": x["b"], "b": x["a"]})


def test_an_output_that_is_always_one_is_no_matter_of_the_weights():
    class Endpoint(layers.Layer):
        """Adds the loss of its inputs, and gives their shares: of one unit, 1."""

        def call(self, inputs, targets):
            self.add_loss(keras.ops.mean((inputs - targets) ** 2))
            return inputs / inputs

    x, y = keras.Input((4,)), keras.Input((1,))
    model = keras.Model([x, y], Endpoint()(layers.Dense(1)(x), y))
    model.compile("adam")
    (found,) = diagnose(model, [np.eye(4, dtype="float32"), np.ones((4, 1), "float32")]).verdicts
    assert (found.cause, found.remedy) == ("constant_output", None)
    assert "softmax over one unit" in found.fix


def test_the_loss_of_a_model_that_is_not_compiled_is_named():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
    x, y = np.ones((6, 4), "float32"), np.arange(6) % 3
    text = " ".join(str(kerasinit.diagnose(model, x, y)).split())
    assert "not compiled: assumed to be sparse_categorical_crossentropy" in text


@pytest.mark.parametrize(
    ("norm", "uses_batch"),
    [
        (keras.layers.BatchNormalization(), True),
        (keras.layers.BatchNormalization(trainable=False), False),
        (keras.layers.LayerNormalization(), False),
    ],
    ids=["batch", "frozen", "layer"],
)
def test_what_batch_norms_use_is_said(norm, uses_batch):
    hidden = [keras.layers.Dense(4), norm]
    model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(3)])
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    said = "as in training" in " ".join(str(kerasinit.diagnose(model, x)).split())
    assert said is uses_batch
