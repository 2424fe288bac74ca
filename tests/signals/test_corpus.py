"""The corpus is what it says, and a few of its programs are judged rightly."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from kerasinit.signals import TRAINING_CAUSES

CORPUS = Path(__file__).with_name("corpus")
SLICE = {  # what `GradientStats` says of a training
    "mlp_classes/plain": None,
    "mlp_classes/rate/1e-3": "small_updates",
}


@pytest.fixture(scope="module")
def corpus():
    sys.path.insert(0, str(CORPUS))
    try:
        from outcomes import said
        from programs import programs
    finally:
        sys.path.remove(str(CORPUS))
    return {program.name: program for program in programs()}, said


def test_there_are_enough_programs_of_either_kind(corpus):
    programs, _ = corpus
    kinds = Counter((program.held, program.healthy) for program in programs.values())
    assert sum(kinds.values()) >= 200
    assert kinds[False, True] + kinds[True, True] >= 80
    assert min(kinds.values()) >= 30


def test_no_family_is_in_both_parts(corpus):
    programs, _ = corpus
    parts = {
        part: {p.family for p in programs.values() if p.held is part} for part in (True, False)
    }
    assert not parts[True] & parts[False]


def test_labels_are_causes(corpus):
    programs, _ = corpus
    found = {cause for program in programs.values() for cause in program.causes}
    assert found <= {*TRAINING_CAUSES}


@pytest.mark.parametrize("name", SLICE)
def test_a_training_is_judged_rightly(corpus, name):
    programs, said = corpus
    found = said(programs[name], before=False)
    assert found["errors"] == []
    causes = [verdict["cause"] for verdict in found["during"]]
    assert causes[:1] == ([SLICE[name]] if SLICE[name] else [])
