"""What an installation needs: the line for those without `tensorflow` says all of it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BACKENDS = {"tensorflow", "jax", "torch"}

# Every module but the files of the other backends is imported, and what a user does first is done,
# where the packages that are named on the command line are not found.
USE_ONE_BACKEND = """
import importlib, pkgutil, sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] not in sys.argv[1:]:
            return PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without

import keras, numpy as np
import kerasinit

for module in pkgutil.walk_packages(kerasinit.__path__, "kerasinit."):
    name = module.name.rpartition(".")[2]
    if name != "__main__" and name.strip("_").split("_")[0] not in sys.argv[1:]:
        importlib.import_module(module.name)
x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
model = keras.Sequential([
    keras.Input((4,)), keras.layers.Dense(4, "tanh", kernel_initializer="kerasinit>Auto"),
    keras.layers.Dense(1),
])
model.compile("sgd", "mse")
kerasinit.initialize(model)
kerasinit.diagnose(model, x, x[:, :1])
model.fit(x, x[:, :1], verbose=0, callbacks=[kerasinit.callbacks.GradientStats()])
"""


def use_without(backends, code=USE_ONE_BACKEND):
    command = [sys.executable, "-c", code, *sorted(backends)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_no_other_backend_is_needed(backend):
    done = use_without(BACKENDS - {backend})
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_import_of_another_backend_would_be_noticed(backend):
    other = min(BACKENDS - {backend})
    code = USE_ONE_BACKEND.replace("import kerasinit\n", f"import {other}\n", 1)
    done = use_without(BACKENDS - {backend}, code)
    assert f"No module named {other!r}" in done.stderr


def documented_command(name):
    text = (ROOT / "examples" / "getting_started.md").read_text("utf-8")
    return re.search(rf"<!-- command: {name} -->\n```sh\n(.*)\n```", text).group(1)


@pytest.fixture
def dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return project["dependencies"]


def test_the_line_for_other_backends_names_every_dependency_but_tensorflow(dependencies):
    named = re.findall(r'"(\w+>=[\d.]+)"', documented_command("no-tensorflow"))
    rest = [one for one in dependencies if not one.startswith("tensorflow")]
    assert sorted(named) == sorted(rest)
    assert len(rest) == len(dependencies) - 1
