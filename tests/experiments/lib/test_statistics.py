"""The statistics against closed forms, known truths, and SciPy's tests where one of them applies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from experiments.lib import statistics
from experiments.lib.statistics import (
    bootstrap_interval,
    compare,
    holm,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
)


def test_interquartile_mean__averages_the_middle_half() -> None:
    assert interquartile_mean(np.arange(8)) == 3.5
    assert interquartile_mean([[0, 1], [2, 3], [4, 5], [-600, 700]]) == 2.5
    np.testing.assert_array_equal(interquartile_mean([[1, 1, 3, 90], [0, 2, 2, 2]], axis=1), [2, 2])


def test_probability_of_improvement__is_mann_whitney_u_over_nm() -> None:
    generator = np.random.default_rng(0)
    scores, others = generator.integers(0, 9, 12), generator.integers(1, 10, 7)  # with ties
    u = stats.mannwhitneyu(scores, others).statistic
    assert probability_of_improvement(scores, others).estimate == pytest.approx(u / (12 * 7))


def test_probability_of_improvement__of_shifted_samples_by_hand() -> None:
    # 0 1 2 3 against the same plus 2: of 16 pairs two are ties and one, 3 over 2, is a win.
    assert probability_of_improvement([0, 1, 2, 3], [2, 3, 4, 5]).estimate == (1 + 2 / 2) / 16


def test_probability_of_improvement__averages_tasks() -> None:
    scores = np.array([[1, 0], [1, 0]])
    others = np.array([[0, 1], [0, 0]])
    assert probability_of_improvement(scores, others).estimate == pytest.approx((1 + 0.25) / 2)


def test_probability_of_improvement__is_symmetric() -> None:
    ours, theirs = np.random.default_rng(1).normal(size=(2, 10, 3))
    estimate = probability_of_improvement(ours, theirs).estimate
    assert estimate + probability_of_improvement(theirs, ours).estimate == pytest.approx(1)


def test_performance_profile__of_a_step_is_a_step() -> None:
    profile = performance_profile(np.full((5, 2), 0.7), [0.5, 0.69, 0.7, 0.9])
    for part in profile:
        np.testing.assert_array_equal(part, [1, 1, 0, 0])


def test_performance_profile__is_the_share_of_runs_above() -> None:
    profile = performance_profile([0.1, 0.2, 0.3, 0.4], [0.0, 0.15, 0.25, 0.4])
    np.testing.assert_allclose(profile.estimate, [1, 0.75, 0.5, 0])
    assert (profile.low <= profile.estimate).all()
    assert (profile.estimate <= profile.high).all()


@pytest.mark.parametrize(("n_runs", "n_tasks", "statistic"), [(10, 1, np.mean), (10, 4, interquartile_mean)])
def test_bootstrap_interval__covers_the_mean_of_a_normal_as_often_as_it_says(
    n_runs, n_tasks, statistic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "N_RESAMPLES", 500)
    samples = np.random.default_rng(2).normal(5.0, 2.0, (2_000, n_runs, n_tasks))
    interval = bootstrap_interval(samples, statistic)
    coverage = np.mean((interval.low <= 5) & (interval.high >= 5))
    assert 0.93 <= coverage <= 0.98


def test_bootstrap_interval__has_the_width_of_the_normal_interval() -> None:
    scores = np.random.default_rng(3).normal(size=(400, 1))
    interval = bootstrap_interval(scores, np.mean)
    half_width = 1.96 * scores.std(ddof=1) / 20
    assert interval.high - interval.low == pytest.approx(2 * half_width, rel=0.05)


def test_bootstrap_interval__resamples_within_tasks() -> None:
    scores = np.tile([0.0, 100.0], (6, 1))  # tasks differ, runs do not: nothing to be unsure of
    assert [float(part) for part in bootstrap_interval(scores, np.mean)] == [50, 50, 50]


def test_bootstrap_interval__is_the_same_every_time() -> None:
    scores = np.random.default_rng(4).normal(size=(10, 3))
    assert bootstrap_interval(scores) == bootstrap_interval(scores)


def test_bootstrap_interval__keeps_leading_axes() -> None:
    curve = np.random.default_rng(6).normal(size=(5, 10, 2))
    interval = bootstrap_interval(curve)
    assert [part.shape for part in interval] == [(5,)] * 3
    alone = bootstrap_interval(curve[3])
    np.testing.assert_allclose([part[3] for part in interval], alone)


@pytest.mark.parametrize(
    ("scores", "message"),
    [([1.0, np.nan, 2.0], "1 of 3 scores are not finite"), ([], "0 of 0"), ([1.0], "at least two runs")],
)
def test_bootstrap_interval__refuses_what_it_cannot_judge(scores, message) -> None:
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(scores)


def test_probability_of_improvement__refuses_what_it_cannot_judge() -> None:
    with pytest.raises(ValueError, match="different tasks: 2 and 1"):
        probability_of_improvement(np.ones((3, 2)), np.ones((3, 1)))
    with pytest.raises(ValueError, match="at least two runs"):
        probability_of_improvement([1.0], [2.0])


# Two methods compared.


def test_compare__of_two_learners_is_welchs_test() -> None:
    generator = np.random.default_rng(0)
    ours, theirs = generator.normal(1, 1, 10), generator.normal(0, 3, 7)
    found, known = compare(ours, theirs), stats.ttest_ind(ours, theirs, equal_var=False)
    interval = known.confidence_interval()
    assert found.p_value == pytest.approx(known.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_compare__of_two_deterministic_policies_is_the_paired_test() -> None:
    ours, theirs = np.random.default_rng(1).normal(size=(2, 1, 50))
    found, known = compare(ours, theirs), stats.ttest_rel(ours[0], theirs[0])
    interval = known.confidence_interval()
    assert found.p_value == pytest.approx(known.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_compare__ignores_what_makes_a_session_hard_for_both() -> None:
    generator = np.random.default_rng(2)
    hardness = generator.normal(0, 100, 200)
    ours, theirs = hardness + generator.normal(0.5, 0.1, (5, 200)), hardness + generator.normal(0, 0.1, (1, 200))
    found = compare(ours, theirs)
    assert found.significant
    assert 0.4 < found.low < 0.5 < found.high < 0.6


def test_compare__errs_no_more_often_than_it_says() -> None:
    generator = np.random.default_rng(3)
    n_trials, n_runs, n_sessions = 1_000, 5, 40
    sessions = generator.normal(size=(n_trials, 1, n_sessions))
    runs = generator.normal(0, 0.3, (n_trials, n_runs, 1)) + generator.normal(0, 0.5, (n_trials, n_runs, n_sessions))
    wrong = [compare(ours, theirs).significant for ours, theirs in zip(sessions + runs, sessions, strict=True)]
    assert 0.02 < np.mean(wrong) < 0.07


def test_compare__is_antisymmetric_and_says_the_same() -> None:
    ours, theirs = np.random.default_rng(4).normal(size=(2, 5, 20))
    one, other = compare(ours, theirs), compare(theirs, ours)
    assert one.estimate == -other.estimate
    assert one.describe("A", "B") == other.describe("B", "A")


def test_compare__says_in_words_what_is_significant() -> None:
    sentence = compare([[1.0, 1.1, 0.9]], [[0.0, 0.0, 0.1]]).describe("greedy", "random", "skill")
    assert sentence.startswith("greedy beats random by 0.967 in skill (95 % interval 0.587 to 1.35, p = 0.0082;")
    sentence = compare([0.0, 1.0, 2.0], [0.0, 1.0, 2.5]).describe("DQN", "DoubleDQN")
    assert sentence.startswith("DoubleDQN does not differ significantly from DQN in return: +0.167")
    assert sentence.endswith("3 runs against 3).")


def test_compare__knows_certainty() -> None:
    same, sure = compare([1.0, 1.0], [1.0, 1.0]), compare([2.0, 2.0], [1.0, 1.0])
    assert not same.significant
    assert sure.significant
    assert (sure.low, sure.high) == (1, 1)


def test_compare__refuses_what_it_cannot_judge() -> None:
    with pytest.raises(ValueError, match="different sessions: 3 and 2"):
        compare(np.ones((2, 3)), np.ones((2, 2)))
    with pytest.raises(ValueError, match="have no variance"):
        compare([1.0], [2.0])
    with pytest.raises(ValueError, match="not finite"):
        compare([1.0, np.inf], [2.0, 3.0])


def test_holm__by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1, 1])
    assert holm([]).size == 0
