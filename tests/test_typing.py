"""What a type checker says of programs that use the package: mypy, run as a user runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import kerasinit

pytest.importorskip("mypy", reason="mypy is a tool of the default test environment")

RIGHT = """
from pathlib import Path

import keras
import numpy as np

import kerasinit
from kerasinit import callbacks, experiments, initializers, report
from kerasinit.initializers import HeNormal, LayerInitializer, OddPart

model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
rules = [("dense", "he_normal"), (keras.layers.Dense, HeNormal(7))]
plan = kerasinit.initialize(model, rules, seed=1)
paths: list[str] = [row.path for row in plan.rows]
kerasinit.reset(kerasinit.portable(model), seed=np.int64(3))
kerasinit.initialize(model, kerasinit.HeNormal(gain="auto"))
stats: callbacks.GradientStats = kerasinit.GradientStats(every=10)
verdicts = kerasinit.diagnose(model, np.ones((8, 4))).verdicts
model.fit(callbacks=[callbacks.GradientStats(on_verdict="stop")])
callbacks.GradientStats(on_verdict=lambda verdict: "warn")
gain: float = kerasinit.gain("leaky_relu", "backward", negative_slope=0.1)
start: LayerInitializer = OddPart(activation="gelu", depth=10, seed=keras.random.SeedGenerator(1))
spec = experiments.Experiment(initializers=("he_normal", {"class_name": "Zeros"}, start), seeds=2)
experiments.run(spec, Path("run"), on_event=lambda event: print(event.kind))
report.write(experiments.compare("run", "he_normal"), "page.html")
report.export(experiments.compare("run"), "md")
initializers.XavierNormal(gain=keras.activations.tanh, mode="fan_geo", truncate=2.0)
"""

# Wrong line -> what mypy must say of it.
WRONG = {
    "kerasinit.initialise(model)": 'has no attribute "initialise"',
    'kerasinit.callbacks.GradientStats(on_verdict="sotp")': "on_verdict",
    'kerasinit.initialize("he_normal")': 'incompatible type "str".*expected "Model"',
    "kerasinit.initialize(model, 42)": 'incompatible type "int"',
    "kerasinit.initialize(model, seeds=1)": 'Unexpected keyword argument "seeds"',
    'kerasinit.gain("relu", "backwards")': "incompatible type",
    'kerasinit.gain("leaky_relu", negative_slop=0.1)': 'argument "negative_slop"',
    'kerasinit.theory.critical("tanh", "0.2")': 'incompatible type "str"; expected "float"',
    'kerasinit.theory.log_length("gelu", 10, 10)': "incompatible type",
    'kerasinit.initializers.HeNormal(mode="fan_inn")': "incompatible type",
    'kerasinit.initializers.HeNormal("auto")': 'incompatible type "str"',
    "kerasinit.initializers.XavierUniform(gian=2)": 'Unexpected keyword argument "gian"',
    "kerasinit.HeNormal(gian=2)": 'Unexpected keyword argument "gian"',
    'kerasinit.initializers.OddPart("relu")': "Too many positional arguments",
    "kerasinit.experiments.Experiment(epoch=3)": 'Unexpected keyword argument "epoch"',
    'kerasinit.experiments.run("spec.toml", "out")': 'expected "Experiment"',
    'kerasinit.experiments.compare("out", 3)': 'incompatible type "int"',
    'kerasinit.report.export(kerasinit.experiments.compare("out"), "html")': "incompatible type",
}
HEAD = ["import keras", "import kerasinit", "model = keras.Sequential()"]


@pytest.fixture(scope="module")
def complaints(tmp_path_factory):
    """Line of each program -> what mypy says of it."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "right.py").write_text(RIGHT)
    (folder / "wrong.py").write_text("\n".join([*HEAD, *WRONG]) + "\n")
    package = Path(kerasinit.__file__).parent
    run = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--ignore-missing-imports", "--no-error-summary",
            "--config-file=", f"--cache-dir={folder}", "right.py", "wrong.py",
        ],
        cwd=folder,
        env={"MYPYPATH": str(package.parent), "PATH": "", "PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode in (0, 1), run.stderr
    found = {"right.py": {}, "wrong.py": {}}
    for name, line, text in re.findall(r"^(\w+\.py):(\d+): error: (.*)$", run.stdout, re.MULTILINE):
        found[name][int(line)] = text
    return found


def test_the_package_ships_its_types():
    assert (Path(kerasinit.__file__).parent / "py.typed").exists()


def test_a_right_program_is_not_complained_about(complaints):
    assert complaints["right.py"] == {}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_line_is_found(complaints, line):
    number = len(HEAD) + 1 + list(WRONG).index(line)
    assert re.search(WRONG[line], complaints["wrong.py"].get(number, "")), complaints["wrong.py"]
