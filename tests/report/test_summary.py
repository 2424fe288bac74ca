"""The three sentences."""

import dataclasses

import pytest

from kerasinit.report import summary


@pytest.fixture(scope="module")
def deep(make_comparison):
    return make_comparison(settings=(("relu", 3), ("relu", 30)))


def test_first_sentence_counts_what_was_compared(deep):
    assert summary(deep)[0] == (
        "8 initializers trained the mlp on digits with 3 seeds each in 2 settings: relu, "
        "depths 3 and 30."
    )


def test_second_sentence_names_the_winner_and_the_baseline(deep):
    sentence = summary(deep)[1]
    assert deep.rows[0].initializer in sentence
    assert "glorot_uniform" in sentence


def test_third_sentence_names_faults_in_plain_words(deep):
    sentence = summary(deep)[2]
    assert "vanishing gradients" in sentence
    assert "units that stay copies of each other (zeros)" in sentence


def test_nothing_failed_is_said(make_comparison):
    healthy = make_comparison(initializers=("glorot_uniform", "he_normal"))
    assert summary(healthy)[2].startswith("Nothing failed")


def test_no_difference_is_claimed_when_none_can_be_told(make_comparison):
    comparison = make_comparison(
        initializers=("glorot_uniform", "he_normal"), settings=(("relu", 3),), seeds=1
    )
    rows = tuple(
        dataclasses.replace(row, conclusion="undetermined") if row.rank == 1 else row
        for row in comparison.rows
    )
    undecided = dataclasses.replace(comparison, rows=rows, baseline=rows[1].initializer)
    assert "cannot tell it from the baseline" in summary(undecided)[1]


def test_single_setting_needs_no_count_of_settings(make_comparison):
    single = make_comparison(settings=(("relu", 3),))
    assert "in 1 setting: relu, depth 3." in summary(single)[0]
    assert "came first with" in summary(single)[1]
