"""The smallest run that has something to lose, and the shell that reads it."""

import contextlib
import io
import json
from pathlib import Path

from kerasinit.cli import main

SPEC = """\
models = ["{model}"]
data = ["{data}"]
activations = ["relu"]
depths = [1]
widths = [4]
initializers = ["zeros", "he_normal"]
learning_rates = [0.1]
epochs = 1
seeds = 1
"""
SEVERAL = SPEC.replace('["relu"]', '["relu", "tanh"]').replace("[1]", "[1, 2]")  # four cells


def write_spec(path: Path, text: str = SPEC, *, model: str = "mlp", data: str = "xor") -> Path:
    path.write_text(text.format(model=model, data=data))
    return path


def finished_run(where: Path) -> Path:
    """The directory of a run that came to its end."""
    code, _, err = shell("compare", write_spec(where / "spec.toml"), "--out", where / "run")
    assert code == 0, err
    return where / "run"


def shell(*words: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


def whole_lines(path: Path) -> list[bytes]:
    """The lines that are complete; a torn last one is no record."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def trainings(lines: list[bytes]) -> dict[str, object]:
    """What each training gave, but for the time it took. Raises if one is there twice."""
    found: dict[str, object] = {}
    for line in lines:
        record = json.loads(line)
        key = json.dumps([record["cell"], record["initializer"], record["seed"]], sort_keys=True)
        assert key not in found, f"{key} was trained twice"
        found[key] = {**record, "seconds": None}
    return found


def told(code: int, out: str, err: str, *names: str) -> str:
    """What is wrong with how a command ended: done, or one message that names the file."""
    if "Traceback" in out + err:
        return f"a traceback: {err.strip().splitlines()[-1][:200]}"
    if code == 0 or (code == 1 and out):
        return ""  # done; `diagnose` ends with 1 where it finds something
    if code != 1 or "kerasinit: " not in err:
        return f"exit code {code}: {err[:200]}"
    if not any(name in err for name in names):
        return f"names no file: {err[:200]}"
    return ""
