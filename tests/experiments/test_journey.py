"""From a question to an answer: an experiment is written down, run, compared and reported."""

import math

from kerasinit import report
from kerasinit.experiments import Experiment, compare, run


def test_an_experiment_ends_in_a_page_with_its_numbers(tmp_path):
    spec = tmp_path / "spec.toml"
    spec.write_text(
        'data = "xor"\nactivations = ["relu"]\ndepths = [2]\nwidths = [16]\nepochs = 4\n'
        "seeds = 3\nlearning_rates = [0.05]\n"
        'initializers = ["glorot_uniform", "zeros", "kerasinit>Auto", "initialize"]\n'
    )
    run(Experiment.load(spec), tmp_path / "run")
    comparison = compare(tmp_path / "run")

    assert comparison.baseline == "glorot_uniform"
    assert [row.rank for row in comparison.rows] == [1, 2, 3, 4]
    worst = comparison.rows[-1]
    assert (worst.initializer, worst.verdict, worst.trained_share) == ("zeros", "symmetric", 0.0)
    for row in comparison.rows:
        assert row.replicas == len(comparison.replicas_of(row)) == 3
        finals = [replica.final["val_accuracy"] for replica in comparison.replicas_of(row)]
        assert math.isclose(row.val_accuracy.value, sum(finals) / 3, abs_tol=1e-6)

    page = report.write(comparison, tmp_path / "report.html").read_text("utf-8")
    for row in comparison.rows:
        assert f"<span>{row.initializer.replace('>', '&gt;')}</span>" in page
        assert f'<td data-value="{row.val_accuracy.value}">' in page
        assert f"{100 * row.val_accuracy.value:.1f}" in page
    assert "4 initializers trained the mlp on xor with 3 seeds each" in page
