"""Ranking measures: by hand, over all orders of ties, and beside scikit-learn."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score, roc_auc_score

from experiments.playlists import Ranking

TIED = ([3, 2, 2, 1, 2], [1, 4, 3])
"""Scores and relevant tracks: the three in the middle stand in any order."""


def test_measures__by_hand() -> None:
    ranking = Ranking.of([0.9, 0.1, 0.8, 0.2, 0.7, 0.6], relevant=[0, 4, 3])  # on ranks 1, 3 and 5 of 6
    assert ranking.r_precision() == pytest.approx(2 / 3)
    assert ranking.recall(1) == pytest.approx(1 / 3)
    assert ranking.recall(5) == ranking.recall(500) == 1
    assert ranking.auc() == pytest.approx(1 - (0 + 1 + 2) / 9)
    gain, ideal = 1 + 1 / 2 + 1 / np.log2(6), 1 + 1 / np.log2(3) + 1 / 2
    assert ranking.ndcg() == pytest.approx(gain / ideal)
    assert ranking.ndcg(k=2) == pytest.approx(1 / (1 + 1 / np.log2(3)))


def test_measures__of_the_best_and_the_worst_ranking() -> None:
    best, worst = (Ranking.of(sign * np.arange(10), relevant=[8, 9]) for sign in (1, -1))
    assert (best.r_precision(), best.recall(2), best.ndcg(), best.auc()) == (1, 1, 1, 1)
    assert (worst.r_precision(), worst.recall(8), worst.auc()) == (0, 0, 0)


def test_measures__ignore_who_is_excluded() -> None:
    scores = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    ranking = Ranking.of(scores, relevant=[0, 2, 2, 4], excluded=[0, 1, 1])
    alone = Ranking.of(scores[2:], relevant=[0, 2])
    assert ranking.n_relevant == 2
    assert ranking.n_candidates == 3
    assert (ranking.ndcg(), ranking.auc()) == (alone.ndcg(), alone.auc())


def test_ties__give_the_mean_over_all_their_orders() -> None:
    tied = Ranking.of(*TIED)
    broken = [Ranking.of([9, order[0], order[1], 1, order[2]], TIED[1]) for order in permutations([2, 3, 4])]
    for k in range(1, 6):
        assert tied.recall(k) == pytest.approx(np.mean([ranking.recall(k) for ranking in broken]))
        assert tied.ndcg(k) == pytest.approx(np.mean([ranking.ndcg(k) for ranking in broken]))
    assert tied.r_precision() == pytest.approx(np.mean([ranking.r_precision() for ranking in broken]))
    assert tied.auc() == pytest.approx(np.mean([ranking.auc() for ranking in broken]))


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30), st.integers(1, 30))
def test_measures__equal_scikit_learns(tracks: list[tuple[int, bool]], k: int) -> None:
    scores, relevant = np.array(tracks).T
    if relevant.all() or not relevant.any():
        return
    ranking = Ranking.of(scores, np.flatnonzero(relevant))
    assert ranking.auc() == pytest.approx(roc_auc_score(relevant, scores))
    assert ranking.ndcg() == pytest.approx(ndcg_score([relevant], [scores]))
    assert ranking.ndcg(k) == pytest.approx(ndcg_score([relevant], [scores], k=k))


def test_auc__of_equal_scores_is_a_half() -> None:
    assert Ranking.of(np.zeros(100, np.float32), relevant=[3, 50]).auc() == 0.5


def test_ranking__takes_infinite_scores() -> None:
    assert Ranking.of([-np.inf, 1.0, np.inf], relevant=[2]).ndcg() == 1


@pytest.mark.parametrize(
    ("scores", "relevant", "excluded", "message"),
    [
        ([1.0, np.nan], [0], [], "1 of 2 scores are not a number"),
        ([1.0, 2.0], np.array([], int), [], "no relevant track is left"),
        ([1.0, 2.0], [1], [1], "no relevant track is left"),
    ],
)
def test_ranking__refuses_what_cannot_be_ranked(scores, relevant, excluded, message) -> None:
    with pytest.raises(ValueError, match=message):
        Ranking.of(scores, relevant, excluded)


def test_auc__needs_tracks_that_are_not_relevant() -> None:
    with pytest.raises(ValueError, match="nothing to tell them from"):
        Ranking.of([1.0, 2.0], [0, 1]).auc()
