"""The proofs of `run.py`, with few cases of each."""

import pytest
from run import prove

CASES = {"damage": 24, "fuzz": 80, "names": 8, "memory": 100}  # the others take their time


@pytest.mark.filterwarnings("ignore")  # what the inputs of strangers make Keras and numpy say
@pytest.mark.parametrize("name", CASES)
def test_few_cases_of_a_proof(name, tmp_path):
    cases, failed = prove(name, CASES[name], tmp_path)
    assert cases
    assert failed == []


def test_a_proof_that_fails_is_counted(tmp_path, monkeypatch):
    import proofs.damage

    monkeypatch.setattr(proofs.damage, "damaged", lambda whole, rng: b"{]\n")
    monkeypatch.setattr(proofs.damage, "told", lambda *ended: "no message")
    cases, failed = prove("damage", 4, tmp_path)
    assert cases == len(failed) == 4
