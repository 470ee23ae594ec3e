"""What tracks are worth to several sessions at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotify_gym.session import SessionDynamics, SessionState

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

SCORES_AT_ONCE = 2**22
"""Rewards held at once: 16 MB."""


def mean_expected_rewards(
    dynamics: SessionDynamics,
    sessions: SessionState,
    tracks: Ints | None = None,
    n_groups: int = 1,
    playing: NDArray[np.bool_] | None = None,
) -> Floats:
    """Return the expected reward of each track if it were played now, the mean over the sessions of a group.

    Args:
        dynamics: of the sessions.
        sessions: S · G sessions; the first of each group, then the second of each, ...
        tracks: (M,) the tracks to value; None for the whole catalogue, M = N.
        n_groups: G.
        playing: (S · G,) which sessions still go on; the others earn nothing more.

    Returns:
        (G, M).
    """
    if dynamics.listener is None:
        return _mean_likeness(dynamics, sessions, tracks, n_groups)
    total = np.zeros((n_groups, len(dynamics.catalogue) if tracks is None else len(tracks)), np.float32)
    rows = np.arange(len(sessions))
    at_once = n_groups * max(1, SCORES_AT_ONCE // total.size)
    for part in np.split(rows, rows[at_once::at_once]):
        rewards = dynamics.expected_rewards(sessions.take(part), tracks)
        if playing is not None:
            rewards *= playing[part, None]
        total += rewards.reshape(-1, *total.shape).sum(axis=0)
    return total / np.float32(len(sessions) // n_groups)


def _mean_likeness(dynamics: SessionDynamics, sessions: SessionState, tracks: Ints | None, n_groups: int) -> Floats:
    """Appraise the mean direction instead: rewards are linear in it. Where nobody in particular listens, all stay."""
    units = dynamics.catalogue.unit_features
    units = units if tracks is None else units[tracks]
    directions, constant = dynamics.likeness(sessions)
    mean = directions.reshape(-1, n_groups, directions.shape[1]).mean(axis=0, dtype=np.float64)
    rewards: Floats = mean.astype(np.float32) @ units.T + constant
    if not dynamics.repeats:
        rows, places = _distinct(*dynamics.refused(sessions, tracks))
        lost = np.vecdot(directions[rows], units[places]) + constant - np.float32(dynamics.reward_bounds[0])
        np.subtract.at(rewards, (rows % n_groups, places), lost * np.float32(n_groups / len(sessions)))
    return rewards


def _distinct(rows: Ints, places: Ints) -> tuple[Ints, Ints]:
    """Leave out pairs that stand there again: recordings that were played although they had been before."""
    width = places.max(initial=0) + 1
    pairs = np.sort(rows * width + places)  # several times faster than np.unique, which hashes
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    return pairs // width, pairs % width
