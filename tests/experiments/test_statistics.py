"""The statistics against closed forms and known truths."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.difference import compare, holm
from experiments.statistics import (
    Bootstrap,
    bootstrap_interval,
    interquartile_mean,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from experiments.summaries import aggregates, comparisons, improvements, score_array


def results(values: dict[str, list[list[float]]]) -> pd.DataFrame:
    """Rows of one env from (n_runs, n_sessions) values per method."""
    return pd.DataFrame(
        [
            {"env": "a", "method": method, "seed": seed, "session": session, "skill": value}
            for method, runs in values.items()
            for seed, sessions in enumerate(runs)
            for session, value in enumerate(sessions)
        ]
    )


def test_iqm__is_the_mean_of_the_middle_half() -> None:
    assert interquartile_mean([0, 1, 2, 3, 4, 5, 6, 7]) == 3.5
    assert interquartile_mean([-900, 1, 2, 3, 4, 5, 6, 900]) == 3.5


def test_optimality_gap__makes_up_for_nothing() -> None:
    assert optimality_gap([0.5, 1.5]) == 0.25


def test_interval__is_the_same_for_the_same_seed_only() -> None:
    scores = np.random.default_rng(0).normal(size=20)
    assert bootstrap_interval(scores) == bootstrap_interval(scores)
    assert bootstrap_interval(scores).low != bootstrap_interval(scores, bootstrap=Bootstrap(seed=1)).low


def test_interval__covers_the_mean_of_a_normal_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    bootstrap = Bootstrap(n_resamples=400)
    covered = [
        interval.low <= 0 <= interval.high
        for interval in (bootstrap_interval(rng.normal(size=10), np.mean, bootstrap) for _ in range(400))
    ]
    assert 0.91 < np.mean(covered) < 0.985


def test_interval__resamples_each_task_on_its_own() -> None:
    scores = np.stack([np.zeros(5), np.full(5, 100.0)], axis=1)  # tasks differ, runs do not
    assert bootstrap_interval(scores, np.mean) == (50, 50, 50)


def test_interval__needs_two_finite_runs() -> None:
    with pytest.raises(ValueError, match="at least two runs"):
        bootstrap_interval([1.0])
    with pytest.raises(ValueError, match="1 of 3 scores are not finite"):
        bootstrap_interval([1.0, np.nan, 2.0])


def test_improvement__is_the_mann_whitney_statistic() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.5, size=30), rng.normal(size=20)
    found = probability_of_improvement(x, y)
    assert found.estimate == pytest.approx(stats.mannwhitneyu(x, y).statistic / 600)
    assert found.low < found.estimate < found.high
    assert probability_of_improvement([1.0, 1.0], [1.0, 1.0]).estimate == 0.5


def test_profile__is_a_step_where_all_runs_agree() -> None:
    profile = performance_profile(np.full(4, 0.5), [0.4, 0.5, 0.6])
    assert profile.estimate.tolist() == [1, 0, 0]


def test_compare__is_the_paired_t_test_for_two_policies_without_chance() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0.3, size=(1, 50)), rng.normal(size=(1, 50))
    assert compare(ours, theirs).p_value == pytest.approx(stats.ttest_rel(ours[0], theirs[0]).pvalue)


def test_compare__is_welchs_t_test_for_one_number_a_run() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0.3, size=8), rng.normal(0, 2, size=12)
    assert compare(ours, theirs).p_value == pytest.approx(stats.ttest_ind(ours, theirs, equal_var=False).pvalue)


def test_compare__says_what_was_found_in_words() -> None:
    clear = compare([[5.0, 6.0, 7.0]], [[1.0, 2.0, 3.1]])
    assert clear.describe("a", "b").startswith("a beats b by 3.97")
    assert clear.describe("a", "b") == compare([[1.0, 2.0, 3.1]], [[5.0, 6.0, 7.0]]).describe("b", "a")
    assert "does not differ significantly" in compare([[5.0, 1.0, 7.0]], [[1.0, 9.0, 3.0]]).describe("a", "b")


def test_holm__is_monotone_and_worked_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]).tolist() == pytest.approx([0.06, 0.03, 0.06])


def test_scores__a_missing_run_is_an_error_that_names_it() -> None:
    rows = results({"a": [[1, 2], [3, 4]]})
    assert score_array(rows, "skill").tolist() == [[1.5], [3.5]]
    with pytest.raises(ValueError, match="seed 1"):
        score_array(rows.drop(index=3), "skill")


def test_summaries__put_methods_side_by_side() -> None:
    rows = results({"good": [[0.9, 1.0], [0.8, 0.9], [1.0, 1.0]], "bad": [[0.1, 0.2], [0.0, 0.2], [0.1, 0.1]]})
    table = aggregates(rows).set_index("method")
    assert table.loc["good", "estimate"] > 0.9
    assert table["n_runs"].tolist() == [3, 3]
    assert improvements(rows)["estimate"].tolist() == [1.0]
    verdict = comparisons(rows, [("good", "bad")]).iloc[0]
    assert verdict["significant"]
    assert verdict["sentence"].startswith("good beats bad")
