"""The record of one fault."""

import dataclasses

import pytest

from kerasinit.signals import CAUSES, TRAINING_CAUSES, Remedy, Verdict


@pytest.mark.parametrize("cause", TRAINING_CAUSES)
def test_every_cause_is_accepted(cause):
    assert Verdict(cause, "dense", "evidence", "fix").cause == cause


def test_an_unknown_cause_is_refused_with_its_name():
    with pytest.raises(ValueError, match="Received: cause='bad luck'"):
        Verdict("bad luck", "dense", "evidence", "fix")


def test_causes_of_training_continue_those_of_one_batch():
    assert TRAINING_CAUSES[: len(CAUSES)] == CAUSES
    assert len(set(TRAINING_CAUSES)) == len(TRAINING_CAUSES)


def test_a_verdict_cannot_be_changed():
    verdict = Verdict("symmetric", "dense", "evidence", "fix")
    with pytest.raises(dataclasses.FrozenInstanceError, match="cause"):
        verdict.cause = "vanishing"


def test_a_verdict_becomes_plain_strings():
    fields = {"cause": "symmetric", "where": "dense", "evidence": "why", "fix": "how"}
    assert Verdict(**fields).to_dict() == {**fields, "remedy": None}


def test_a_cured_verdict_is_fixed_by_the_line_of_its_remedy():
    remedy = Remedy("learning_rate", 0.01)
    verdict = Verdict.cured("large_updates", "dense", "evidence", remedy, "it was 1")
    assert verdict.fix == "model.optimizer.learning_rate = 0.01  # it was 1"
    assert verdict.to_dict()["remedy"] == {"kind": "learning_rate", "value": 0.01, "where": None}
