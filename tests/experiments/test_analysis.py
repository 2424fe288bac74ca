import numpy as np
import pytest
from scipy import stats

from kerasinit.experiments import Estimate, compare

NOISE = (0.0, 0.004, -0.004, 0.002, -0.002)


@pytest.fixture
def compared(tmp_path, replica, written):
    """Compares made-up replicas: `compared({label: [accuracies]}, ...)`."""

    def compare_accuracies(accuracies, baseline="glorot_uniform", **changes):
        replicas = [
            replica(label, seed, accuracy, **changes)
            for label, values in accuracies.items()
            for seed, accuracy in enumerate(values)
        ]
        spec = {"initializers": [*dict.fromkeys(["glorot_uniform", *accuracies])]}
        return compare(written(tmp_path / "run", spec, replicas), baseline)

    return compare_accuracies


def spread(mean):
    return [mean + noise for noise in NOISE]


def row(comparison, label):
    return next(row for row in comparison.rows if row.initializer == label)


def test_the_better_initializer_ranks_first(compared):
    rows = compared({"zeros": spread(0.1), "he_normal": spread(0.9)}).rows
    assert [(row.initializer, row.rank) for row in rows] == [("he_normal", 1), ("zeros", 2)]


@pytest.mark.parametrize(
    ("accuracy", "expected"), [(0.95, "better"), (0.85, "worse"), (0.9, "equal")]
)
def test_a_clear_difference_to_the_baseline_is_told(compared, accuracy, expected):
    other = [accuracy + noise for noise in NOISE[::-1]]
    comparison = compared({"glorot_uniform": spread(0.9), "he_normal": other})
    assert row(comparison, "he_normal").conclusion == expected


def test_a_difference_within_the_noise_is_undetermined(compared):
    comparison = compared({"glorot_uniform": [0.9, 0.5, 0.7], "he_normal": [0.6, 0.95, 0.8]})
    assert row(comparison, "he_normal").conclusion == "undetermined"


def test_a_difference_between_starts_that_stayed_stuck_is_undetermined(compared):
    accuracies = {"glorot_uniform": spread(0.12), "he_normal": spread(0.09)}
    assert row(compared(accuracies, trained=False), "he_normal").conclusion == "undetermined"


def test_a_single_seed_is_undetermined(compared):
    comparison = compared({"glorot_uniform": [0.5], "he_normal": [0.9]})
    assert row(comparison, "he_normal").conclusion == "undetermined"
    assert row(comparison, "he_normal").difference == Estimate(pytest.approx(0.4))


def test_before_the_baseline_is_trained_nothing_is_told(compared):
    found = row(compared({"he_normal": spread(0.9)}), "he_normal")
    assert (found.difference, found.conclusion) == (None, "undetermined")


def test_a_misspelt_baseline_is_refused_with_near_matches(compared):
    accuracies = {"glorot_uniform": spread(0.9), "he_normal": spread(0.9)}
    with pytest.raises(ValueError, match=r"'glorot_unifrom' is not part.*'glorot_uniform'"):
        compared(accuracies, baseline="glorot_unifrom")


def test_the_baseline_is_the_usual_one_unless_named(compared):
    comparison = compared({"he_normal": spread(0.9), "glorot_uniform": spread(0.9)}, baseline=None)
    assert comparison.baseline == "glorot_uniform"


def test_the_baseline_is_not_compared_with_itself(compared):
    found = row(compared({"glorot_uniform": spread(0.9)}), "glorot_uniform")
    assert (found.difference, found.conclusion) == (None, "baseline")


def test_pairing_over_seeds_finds_what_the_spread_of_seeds_hides(compared):
    seeds = [0.5, 0.7, 0.9, 0.6, 0.8]
    better = [a + 0.03 + noise for a, noise in zip(seeds, NOISE, strict=True)]
    comparison = compared({"glorot_uniform": seeds, "he_normal": better})
    assert row(comparison, "he_normal").conclusion == "better"
    assert row(comparison, "he_normal").val_accuracy.low < 0.7


def test_the_rank_says_how_sure_it_is(compared):
    comparison = compared(
        {"a": [0.9, 0.8, 0.7], "b": [0.7, 0.8, 0.89], "zeros": [0.1, 0.1, 0.1]}, baseline="a"
    )
    assert row(comparison, "a").rank_interval == (1, 2)
    assert row(comparison, "zeros").rank_interval == (3, 3)


def test_a_seed_that_is_still_to_be_trained_does_not_count_as_zero(compared):
    comparison = compared({"a": [0.8, 0.8, 0.8], "b": [0.9, 0.9]}, baseline="a")
    assert (row(comparison, "b").rank, row(comparison, "b").rank_interval) == (1, (1, 1))


def test_the_best_learning_rate_counts_and_is_reported(tmp_path, replica, written):
    replicas = [
        replica(seed=seed, val_accuracy=accuracy, cell={**replica().cell, "learning_rate": rate})
        for rate, accuracy in ((0.1, 0.3), (0.01, 0.8))
        for seed in range(2)
    ]
    comparison = compare(written(tmp_path / "run", {}, replicas))
    (only,) = comparison.rows
    assert only.learning_rate == 0.01
    assert only.val_accuracy.value == pytest.approx(0.8)
    assert {r.cell["learning_rate"] for r in comparison.replicas_of(only)} == {0.01}


def test_a_learning_rate_at_which_all_diverged_is_not_the_best(tmp_path, replica, written):
    nan = float("nan")  # R2 of such a training
    replicas = [
        replica(
            seed=seed,
            cell={**replica().cell, "learning_rate": rate},
            curves={"loss": [loss], "accuracy": [score], "val_accuracy": [score]},
        )
        for rate, loss, score in ((10.0, nan, nan), (0.01, 0.4, 0.6))
        for seed in range(2)
    ]
    (only,) = compare(written(tmp_path / "run", {}, replicas)).rows
    assert (only.learning_rate, only.diverged) == (0.01, 0)


def test_a_training_that_diverged_counts_as_zero_in_the_difference(compared):
    nan = float("nan")
    found = row(compared({"glorot_uniform": [0.9] * 3, "he_normal": [0.9, nan, 0.9]}), "he_normal")
    assert found.difference.value == pytest.approx(-0.3)


def test_the_first_and_last_gradient_are_those_at_the_start(compared):
    (only,) = compared({"he_normal": spread(0.9)}).rows
    assert (only.first_gradient, only.last_gradient) == (pytest.approx(1), pytest.approx(4))


def test_a_fault_at_the_start_is_the_verdict(compared):
    start = {"cause": "dead_units", "where": "hidden_1", "evidence": "9 of 9"}
    (only,) = compared({"he_normal": spread(0.9)}, start=start).rows
    assert (only.verdict, only.evidence) == ("dead units", "9 of 9")


@pytest.mark.parametrize(("reached", "verdict"), [(2, "healthy"), (None, "bad scale")])
def test_a_slowing_cause_counts_where_the_target_was_not_reached(compared, reached, verdict):
    start = {"cause": "bad_scale", "where": "hidden_1", "evidence": "times 9"}
    (only,) = compared({"a": spread(0.9)}, start=start, epochs_to_target=reached).rows
    assert only.verdict == verdict


def test_a_healthy_start_that_led_nowhere_did_not_train(compared):
    (only,) = compared({"he_normal": spread(0.1)}).rows
    assert only.verdict == "did not train"
    assert "5 of 5 seeds" in only.evidence


def test_epochs_to_target_are_none_where_most_seeds_never_got_there(compared):
    assert compared({"a": spread(0.9)}, epochs_to_target=None).rows[0].epochs_to_target is None


def test_a_training_that_blew_up_ranks_last(compared):
    comparison = compared({"a": [float("nan")] * 3, "b": [0.1] * 3}, baseline="b")
    assert [row.initializer for row in comparison.rows] == ["b", "a"]
    assert row(comparison, "a").conclusion == "undetermined"


def test_cells_follow_the_order_of_the_spec(tmp_path, replica, written):
    replicas = [
        replica(cell={**replica().cell, "depth": depth, "activation": activation})
        for depth in (30, 3)
        for activation in ("relu", "tanh")
    ]
    spec = {"depths": [3, 30], "activations": ["tanh", "relu"]}
    cells = compare(written(tmp_path / "run", spec, replicas)).cells
    found = [(cell["depth"], cell["activation"]) for cell in cells]
    assert found == [(3, "tanh"), (3, "relu"), (30, "tanh"), (30, "relu")]


def test_a_directory_without_replicas_is_refused(tmp_path, spec, claimed):
    with pytest.raises(ValueError, match="no finished replica"):
        compare(claimed(spec, tmp_path / "run"))


def test_a_comparison_of_real_records_is_plain_values(finished):
    import json

    comparison = compare(finished, rng=np.random.default_rng(1))
    assert json.loads(json.dumps(comparison.to_dict()))["baseline"] == "glorot_uniform"
    assert len(comparison.rows_of(comparison.cells[0])) == 3


@pytest.mark.parametrize(
    ("seeds", "expected"), [(2, "undetermined"), (3, "worse")], ids=["two seeds", "three"]
)
def test_seeds_that_agree_to_the_last_sample_know_no_more_than_it(compared, seeds, expected):
    accuracies = {"glorot_uniform": [0.97] * seeds, "he_normal": [0.955] * seeds}
    assert row(compared(accuracies, val_samples=200), "he_normal").conclusion == expected


def test_the_least_interval_is_students_for_the_rounding_of_both_sides(compared):
    accuracies = {"glorot_uniform": [0.97] * 3, "he_normal": [0.95] * 3}
    difference = row(compared(accuracies, val_samples=200), "he_normal").difference
    half = stats.t.ppf(0.975, 2) * np.sqrt(2 / 12 / 200**2 / 3)
    assert (difference.low, difference.high) == pytest.approx((-0.02 - half, -0.02 + half))
