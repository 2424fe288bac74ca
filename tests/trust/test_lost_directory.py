"""A run directory that goes away while a run writes into it costs no training."""

import os
import re
import shutil

import pytest

from kerasinit.experiments import Experiment, compare, run

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows keeps a directory that is in use")
SAVED = r"finished trainings are kept in '([^']*)'"


@pytest.fixture
def spec():
    return Experiment(
        data="xor", initializers=("zeros", "he_normal"), activations=("relu", "tanh"),
        depths=1, widths=4, learning_rates=0.1, epochs=1, seeds=2,
    )  # fmt: skip


def losing(lose, when):
    """A listener that loses the directory at the given event."""
    seen = []

    def listen(event):
        seen.append(event.kind)
        if seen.count("cell_end") == when and event.kind == "cell_end":
            lose()

    return listen


@pytest.mark.parametrize(
    "lose",
    [
        lambda out: shutil.rmtree(out),
        lambda out: out.rename(out.with_name("moved")),
        lambda out: (out / "records.jsonl").unlink(),
        lambda out: (shutil.rmtree(out), out.mkdir(), (out / "records.jsonl").write_text("")),
    ],
    ids=["deleted", "moved", "records deleted", "replaced"],
)
@pytest.mark.parametrize("when", [1, 2], ids=["in the middle", "at the end"])
def test_what_is_trained_is_kept_elsewhere(spec, tmp_path, lose, when):
    out = tmp_path / "run"
    with pytest.raises(OSError, match=SAVED) as caught:
        run(spec, out, on_event=losing(lambda: lose(out), when))
    saved = re.search(SAVED, str(caught.value))[1]
    assert saved.startswith(str(out))
    assert len(compare(saved).replicas) == 8
    run(spec, saved)  # nothing is left to train, and the spec is the same
    assert len(compare(saved).replicas) == 8


def test_the_shell_says_where_it_is_kept(written_spec, tmp_path, shell, monkeypatch):
    from kerasinit import experiments

    whole, out = experiments.run, tmp_path / "run"

    def interrupted(spec, out, executor=None, *, on_event):
        whole(spec, out, executor, on_event=losing(lambda: shutil.rmtree(out), 1))

    monkeypatch.setattr(experiments, "run", interrupted)
    code, _, err = shell("compare", written_spec(), "--out", out, "--quiet")
    assert code == 1
    assert re.search(SAVED.replace("'", ".?'"), err)
