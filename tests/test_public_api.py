"""The public names are fixed: other work builds on them."""

import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import kerasinit

ROOMS = [
    "callbacks", "experiments", "initializers", "models", "playground", "preparation", "report",
    "signals", "theory",
]  # fmt: skip
TOP_LEVEL = [
    "GradientStats", "HeNormal", "LayerInitializer", "Orthogonal", "Plan", "XavierUniform",
    "diagnose", "fans", "gain", "initialize", "learning_rate", "portable", "prepare", "reset",
]  # fmt: skip
PUBLIC = {
    "callbacks": ["GradientStats"],
    "experiments": ["Experiment", "compare", "run"],
    "initializers": [
        "Auto",
        "Critical",
        "CriticalBias",
        "DeltaOrthogonal",
        "HeNormal",
        "HeUniform",
        "ICNR",
        "Identity",
        "LasagneNormal",
        "LasagneUniform",
        "LayerInitializer",
        "LecunNormal",
        "LecunUniform",
        "OddPart",
        "OddPartBias",
        "Orthogonal",
        "ScaledInitializer",
        "Siren",
        "Sparse",
        "XavierNormal",
        "XavierUniform",
    ],
    "preparation": ["Preparation", "RateAdvice", "diagnose", "learning_rate", "prepare"],
    "report": ["write"],
    "signals": ["Diagnosis", "Verdict", "examine"],
    "theory": ["CriticalPoint", "DepthScales", "critical", "depth_scales", "propagate"],
}


@pytest.mark.parametrize("name", ROOMS + TOP_LEVEL)
def test_the_package_offers(name):
    assert name in kerasinit.__all__
    assert hasattr(kerasinit, name)


@pytest.mark.parametrize(
    ("room", "name"), [(room, name) for room, names in PUBLIC.items() for name in names]
)
def test_a_room_offers(room, name):
    module = importlib.import_module(f"kerasinit.{room}")
    assert name in module.__all__
    assert getattr(module, name).__doc__


@pytest.mark.parametrize("room", ROOMS)
def test_every_exported_name_exists(room):
    module = importlib.import_module(f"kerasinit.{room}")
    assert sorted(module.__all__) == sorted(set(module.__all__))
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_shows_its_public_names_only(room):
    module = importlib.import_module(f"kerasinit.{room}")
    assert dir(module) == sorted(module.__all__)


@pytest.mark.parametrize("room", [*ROOMS, "cli", "layers", "_backend"])
def test_a_room_describes_modules_that_it_has(room):
    described = importlib.import_module(f"kerasinit.{room}").__doc__
    named = re.findall(r"`(_\w+)(?:\.\w+)?`", described)
    spec = importlib.util.find_spec
    assert [name for name in named if spec(f"kerasinit.{room}.{name}") is None] == []


def test_the_version_is_that_of_the_project():
    project = Path(__file__).parents[1] / "pyproject.toml"
    assert tomllib.loads(project.read_text("utf-8"))["project"]["version"] == kerasinit.__version__


def test_the_package_shows_its_public_names_only():
    assert dir(kerasinit) == sorted([*kerasinit.__all__, "__version__"])


def test_a_misspelt_name_is_an_error_with_the_near_name():
    code = "import kerasinit; kerasinit.initialise"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "no attribute 'initialise'. Did you mean: 'initialize'?" in run.stderr


def public(kind):
    for room in ROOMS:
        module = importlib.import_module(f"kerasinit.{room}")
        for name in module.__all__:
            if kind(found := getattr(module, name)):
                yield pytest.param(found, id=f"{room}.{name}")


def arguments_of(thing):
    try:
        found = inspect.signature(thing).parameters.values()
    except ValueError:  # a class in C: of a `TypedDict` its keys
        return list(thing.__annotations__)
    return [one.name for one in found if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]


@pytest.mark.parametrize("thing", [*public(inspect.isclass), *public(inspect.isfunction)])
def test_help_writes_out_the_arguments_and_has_an_example(thing):
    text = inspect.getdoc(thing)
    described = re.findall(r"^ +([\w, ]+):", text, flags=re.MULTILINE)
    names = {name for line in described for name in line.split(", ")}
    assert [name for name in arguments_of(thing) if name not in names] == []
    assert ">>>" in text or "```python" in text


@pytest.mark.parametrize("function", list(public(inspect.isfunction)))
def test_a_public_function_says_what_it_takes_and_gives(function):
    signature = inspect.signature(function)
    assert function.__doc__
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not parameter.empty


def test_importing_loads_no_extra():
    extras = ["sklearn", "plotly", "jinja2", "pandas", "dask", "distributed", "scipy"]
    code = (
        "import sys, keras; before = set(sys.modules); import kerasinit; "
        f"print([name for name in {extras!r} if name in set(sys.modules) - before])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
