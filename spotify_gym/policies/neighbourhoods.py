"""Lists that stay in one place: a track and its like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotify_gym.session import SessionDynamics, SessionState

Ints = NDArray[np.int64]

_SESSIONS = 64  # each list is tried in
_SESSIONS_AT_ONCE = 2**15


def best_neighbourhood(
    dynamics: SessionDynamics, sessions: SessionState, n_tracks: int, tracks: Ints, n_centres: int
) -> Ints:
    """Return the best list that stays around one track: it alone or, where it may not repeat, its nearest neighbours.

    A search that goes track by track passes these lists by, as their first track earns little. It is there to take the
    vibe along, at which long feature vectors are best.

    Args:
        dynamics: of the sessions; nothing is left to chance.
        sessions: sessions that all get the same list; they stay as they are, and the first 64 must do.
        n_tracks: T, the length of the list.
        tracks: (M,) what may be played, one version of each recording.
        n_centres: how many of them to try as centres, the longest feature vectors first.

    Returns:
        The list, (T,).
    """
    few = sessions.take(np.arange(min(len(sessions), _SESSIONS)))
    lengths = np.linalg.norm(dynamics.catalogue.features[tracks], axis=1)
    centres = tracks[np.argsort(-lengths, kind="stable")[:n_centres]]
    lists = (
        np.repeat(centres[:, None], n_tracks, axis=1)
        if dynamics.repeats
        else _nearest(dynamics, centres, tracks, n_tracks)
    )
    parts = np.array_split(lists, -(-len(lists) * len(few) // _SESSIONS_AT_ONCE))
    worth = np.concatenate([_mean_returns(dynamics, few, part) for part in parts])
    best: Ints = lists[worth.argmax()]
    return best


def _nearest(dynamics: SessionDynamics, centres: Ints, tracks: Ints, n_tracks: int) -> Ints:
    """The tracks nearest to each centre by cosine, (n_centres, n_tracks), the nearest first; all of them if too few."""
    units = dynamics.catalogue.unit_features
    far = -units[centres] @ units[tracks].T
    near = far.argsort(axis=1)[:, :n_tracks]
    return np.resize(tracks[near].T, (n_tracks, len(centres))).T


def _mean_returns(dynamics: SessionDynamics, sessions: SessionState, lists: Ints) -> NDArray[np.float64]:
    """What each list earns, (n_lists,), the mean over the sessions."""
    now = sessions.take(np.tile(np.arange(len(sessions)), len(lists)))
    total = np.zeros(len(now))
    for tracks in lists.T:
        total += dynamics.step(now, np.repeat(tracks, len(sessions))).reward
    means: NDArray[np.float64] = total.reshape(len(lists), -1).mean(axis=1)
    return means
