"""The statistics against closed forms and known truths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from experiments.lib.statistics import (
    Bootstrap,
    bootstrap_interval,
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


def test_probability_of_improvement__takes_a_method_that_does_not_vary() -> None:
    found = probability_of_improvement([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [7.5])
    assert found.estimate == pytest.approx(0.3)
    assert found.low < 0.3 < found.high


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
def test_bootstrap_interval__covers_the_mean_of_a_normal_as_often_as_it_says(n_runs, n_tasks, statistic) -> None:
    samples = np.random.default_rng(2).normal(5.0, 2.0, (2_000, n_runs, n_tasks))
    interval = bootstrap_interval(samples, statistic, Bootstrap(n_resamples=500))
    coverage = np.mean((interval.low <= 5) & (interval.high >= 5))
    assert 0.93 <= coverage <= 0.98


def test_bootstrap_interval__has_the_width_of_the_normal_interval() -> None:
    scores = np.random.default_rng(3).normal(size=(400, 1))
    interval = bootstrap_interval(scores, np.mean, Bootstrap(n_resamples=10_000))
    half_width = 1.96 * scores.std(ddof=1) / 20
    assert interval.high - interval.low == pytest.approx(2 * half_width, rel=0.05)


def test_bootstrap_interval__resamples_within_tasks() -> None:
    scores = np.tile([0.0, 100.0], (6, 1))  # tasks differ, runs do not: nothing to be unsure of
    assert [float(part) for part in bootstrap_interval(scores, np.mean)] == [50, 50, 50]


def test_bootstrap_interval__repeats_with_the_seed() -> None:
    scores = np.random.default_rng(4).normal(size=(10, 3))
    first, again, other = (bootstrap_interval(scores, bootstrap=Bootstrap(seed=seed)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_bootstrap_interval__widens_with_confidence() -> None:
    scores = np.random.default_rng(5).normal(size=(10, 3))
    narrow, wide = (bootstrap_interval(scores, bootstrap=Bootstrap(confidence=level)) for level in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high


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
