"""Session metrics, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from spotify_gym.training.metrics import catalogue_coverage, intra_list_diversity, novelty, repeat_rate, skill

TRACKS = np.array([[0, 1, 0, -1], [2, -1, -1, -1], [0, 1, 2, 3]])


def test_skill__is_0_at_the_fixed_list_and_1_at_the_planner() -> None:
    assert skill(np.array([9.4, 18.9, 14.15]), 9.4, 18.9).tolist() == pytest.approx([0, 1, 0.5])
    with pytest.raises(ValueError, match="needs a planner"):
        skill(np.zeros(1), 2.0, 2.0)


def test_repeat_rate__counts_plays_only() -> None:
    repeats = np.array([[False, False, True, True], [False] * 4, [False] * 4])
    assert repeat_rate(repeats, TRACKS).tolist() == pytest.approx([1 / 3, 0, 0])


def test_coverage__is_the_share_of_tracks_ever_played() -> None:
    assert catalogue_coverage(TRACKS, 8) == 0.5


def test_diversity__is_one_less_the_mean_pairwise_cosine() -> None:
    units = np.array([[1, 0], [0, 1], [-1, 0], [0, 1]], np.float32)
    first, alone, all_four = intra_list_diversity(TRACKS, units)
    assert first == pytest.approx(1 - 1 / 3)  # cosines 0, 1, 0
    assert np.isnan(alone)
    assert all_four == pytest.approx(1 - (0 - 1 + 0 + 0 + 1 + 0) / 6)


def test_novelty__is_in_bits_and_leaves_the_unknown_out() -> None:
    popularity = np.array([100, 100 / 2 - 0.5, np.nan, 0], np.float32)
    first, unknown, mixed = novelty(TRACKS, popularity)
    assert first == pytest.approx(1 / 3)
    assert np.isnan(unknown)
    assert mixed == pytest.approx((0 + 1 + np.log2(101)) / 3)
