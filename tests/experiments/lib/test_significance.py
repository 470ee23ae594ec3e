"""Comparing two methods, against SciPy's tests where one of them applies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from experiments.lib.significance import compare, holm


def test_compare__of_two_learners_is_welchs_test() -> None:
    generator = np.random.default_rng(0)
    ours, theirs = generator.normal(1, 1, 10), generator.normal(0, 3, 7)
    found, known = compare(ours, theirs), stats.ttest_ind(ours, theirs, equal_var=False)
    interval = known.confidence_interval()
    assert found.p_value == pytest.approx(known.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_compare__of_two_deterministic_policies_is_the_paired_test() -> None:
    ours, theirs = np.random.default_rng(1).normal(size=(2, 1, 50))
    found, known = compare(ours, theirs, confidence=0.9), stats.ttest_rel(ours[0], theirs[0])
    interval = known.confidence_interval(0.9)
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
    with pytest.raises(ValueError, match="say nothing of chance"):
        compare([1.0], [2.0])
    with pytest.raises(ValueError, match="not finite"):
        compare([1.0, np.inf], [2.0, 3.0])


def test_holm__by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1, 1])
    assert holm([]).size == 0
