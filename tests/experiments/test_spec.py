import json

import keras
import pytest

from kerasinit.experiments import Experiment


def mistakes(**values):
    with pytest.raises(ValueError, match=r"The spec has \d+ mistake") as caught:
        Experiment(**values)
    return str(caught.value)


def test_the_default_is_valid_and_plain():
    values = Experiment().to_dict()
    assert json.loads(json.dumps(values)) == values


def test_the_default_compares_what_the_main_job_promises():
    labels = set(Experiment().rules)
    assert {"zeros", "glorot_uniform", "he_normal", "orthogonal", "kerasinit>Auto"} <= labels


def test_the_quick_version_is_small():
    quick, full = Experiment.quick(), Experiment()
    trainings = [len(s.architectures) * s.replicas_per_architecture for s in (quick, full)]
    assert trainings[0] * 5 < trainings[1]


def test_the_grid_has_one_architecture_per_combination():
    spec = Experiment(depths=(1, 2), activations=("relu", "tanh"), widths=(4, 8, 16))
    assert len(set(spec.architectures)) == 12


def test_single_values_stand_for_lists():
    spec = Experiment(models="mlp", data="xor", activations="relu", depths=1, learning_rates=0.1)
    assert (spec.models, spec.depths, spec.learning_rates) == (("mlp",), (1,), (0.1,))


def test_a_spec_survives_its_dict():
    spec = Experiment(initializers=[keras.initializers.RandomNormal(stddev=0.2), "zeros"], seeds=2)
    assert Experiment.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_toml_says_the_same_as_python(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(
        'data = "xor"\nepochs = 3\nseeds = [3, 4]\n'
        'initializers = ["he_normal", {label = "tiny", class_name = "RandomNormal", '
        "config = {stddev = 0.01}}]\n"
        '[optimizer]\nclass_name = "Adam"\nconfig = {beta_1 = 0.8}\n'
    )
    tiny = {"label": "tiny", "class_name": "RandomNormal", "config": {"stddev": 0.01}}
    assert Experiment.load(path) == Experiment(
        data="xor",
        epochs=3,
        seeds=[3, 4],
        initializers=["he_normal", tiny],
        optimizer={"class_name": "Adam", "config": {"beta_1": 0.8}},
    )


def test_broken_toml_is_reported_with_its_line(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text("epochs = 3\nseeds = = 2\n")
    with pytest.raises(ValueError, match=r"spec\.toml' is not TOML: .*line 2"):
        Experiment.load(path)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(ValueError, match=r"nothing\.toml' could not be read"):
        Experiment.load(tmp_path / "nothing.toml")


def test_all_mistakes_are_reported_at_once(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(
        'epoch = 3\nbatch_size = 0\ninitializers = ["he_norml"]\nactivations = ["rellu"]\n'
    )
    with pytest.raises(ValueError, match="The spec has 4 mistakes") as caught:
        Experiment.load(path)
    for part in ("'epochs'", "batch_size must", "'he_normal'", "'relu'"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"epochs": 0}, "epochs must be a whole number from 1 on. Received: 0."),
        ({"epochs": 1.5}, "epochs must be"),
        ({"epochs": True}, "epochs must be"),
        ({"batch_size": -1}, "batch_size must be"),
        ({"depths": ()}, "depths must be"),
        ({"widths": ["wide"]}, "widths must be"),
        ({"learning_rates": (0.1, 0.0)}, "learning_rates must be positive"),
        ({"learning_rates": float("inf")}, "learning_rates must be positive"),
        ({"seeds": 0}, "seeds must be"),
        ({"seeds": "many"}, "seeds must be"),
        ({"seeds": (1, 1)}, "seeds names 1 more than once"),
        ({"target": 90}, "target must be an accuracy in (0, 1]"),
        ({"shuffle_seed": None}, "shuffle_seed must be"),
        ({"models": "mpl"}, "Unknown model 'mpl'"),
        ({"models": "no.such.module:build"}, "could not be imported"),
        ({"models": "math:pi"}, "is not a function"),
        ({"data": "digit"}, "Unknown data 'digit'"),
        ({"data": "nowhere.npz"}, "There is no file 'nowhere.npz'"),
        ({"data": "keras:minst"}, "Unknown data 'keras:minst'"),
        ({"activations": "rellu"}, "Near matches: 'relu'"),
        ({"optimizer": "sdg"}, "optimizer: "),
        ({"initializers": ()}, "initializers must name at least one"),
        ({"initializers": "kerasinit>HeNorml"}, "Near matches: 'kerasinit>HeNormal'"),
        ({"initializers": {"class_name": "HeNorml", "config": {}}}, "Near matches: 'HeNormal'"),
        ({"initializers": {"class_name": "HeNormal", "config": {"sed": 1}}}, "does not make"),
        ({"initializers": ("zeros", "zeros")}, "the label 'zeros' stands for more than one"),
        ({"initializers": (3,)}, "3 does not make an initializer"),
    ],
    ids=str,
)
def test_a_mistake_is_reported_with_its_key(values, expected):
    assert expected in mistakes(**values)


def test_a_mistake_of_several_lines_is_one_beside_an_unknown_key(tmp_path, monkeypatch):
    (tmp_path / "breaking_models.py").write_text("raise RuntimeError('one\\ntwo')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="The spec has 2 mistakes") as caught:
        Experiment.from_dict({"models": "breaking_models:make", "epoch": 3})
    assert "imported: one\ntwo (RuntimeError)" in str(caught.value)


def test_labels_name_what_they_stand_for():
    spec = Experiment(
        initializers=[
            "initialize",
            {"label": "small", "initializer": "he_normal"},
            {"label": "rule", "initializer": "lsuv"},
        ]
    )
    assert spec.rules == {"initialize": "initialize", "small": "he_normal", "rule": "lsuv"}


def test_a_missing_extra_is_one_sentence_with_the_command(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("kerasinit.experiments._data.importlib.import_module", missing)
    assert "pip install scikit-learn" in mistakes(data="digits", epochs=0)
