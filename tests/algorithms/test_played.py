"""Few ids instead of wide masks."""

from __future__ import annotations

import numpy as np
import pytest

from spotify_gym.algorithms.played import draw_unplayed, played_next, played_of


def test_played__is_none_where_repeats_are_legal():
    assert played_of([{}, {"track": 3}]) is None


def test_played__pads_sessions_of_different_length():
    infos = [{"played": np.array([4, 2, 9])}, {}, {"played": np.array([1])}]
    assert played_of(infos).tolist() == [[4, 2, 9], [-1, -1, -1], [1, -1, -1]]


def test_played_next__is_that_of_the_new_session_where_one_is_done():
    ended, reset = [{"played": [1, 2, 3]}, {"played": [4, 5, 6]}], [{"played": [7]}, {"played": [8]}]
    assert played_next(ended, np.array([False, True]), reset).tolist() == [[1, 2, 3], [8, -1, -1]]


def test_draw__is_uniform_over_what_is_left():
    recordings = np.array([0, 1, 2, 0, 4, 1])  # 3 is a version of 0, 5 of 1
    played = np.array([[3, -1], [1, 2]])
    rng = np.random.default_rng(0)
    draws = np.array([draw_unplayed(rng, recordings, played) for _ in range(6000)])
    for column, left in ((0, [1, 2, 4, 5]), (1, [0, 3, 4])):
        tracks, counts = np.unique(draws[:, column], return_counts=True)
        assert tracks.tolist() == left
        np.testing.assert_allclose(counts / 6000, 1 / len(left), atol=0.03)


def test_draw__says_so_where_nothing_is_left():
    with pytest.raises(ValueError, match="all 2 recordings"):
        draw_unplayed(np.random.default_rng(0), np.array([0, 0, 2]), np.array([[0, 2]]))
