"""One tiny finished run, and the shell that reads it."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as `python tests/trust/run.py` has it

from proofs.small import SPEC

from kerasinit.cli import main


@pytest.fixture(scope="session")
def written_spec(tmp_path_factory):
    """Writes a specification; its path."""

    def write(model="mlp", data="xor", **changes):
        path = tmp_path_factory.mktemp("spec") / "spec.toml"
        extra = "".join(f"{key} = {value}\n" for key, value in changes.items())
        path.write_text(SPEC.format(model=model, data=data) + extra)
        return path

    return write


@pytest.fixture(scope="session")
def finished(written_spec, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    assert main(["compare", str(written_spec()), "--out", str(out), "--quiet"]) == 0
    return out


@pytest.fixture
def run_directory(finished, tmp_path):
    """A copy of the finished run, to be damaged."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture
def shell(capsys):
    """Exit code, stdout and stderr of one command."""

    def run(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def assert_refused(shell):
    """Checks that a command ends with 1 and one message, which holds all the parts."""

    def check(*words, parts):
        code, _, err = shell(*words)
        assert code == 1
        assert "Traceback" not in err
        assert "kerasinit: " in err
        for part in parts:
            assert part in err

    return check
