"""Problems small enough to be solved by trying everything."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym import Catalogue
from spotify_gym.listeners import SatiatedListener
from spotify_gym.session import SessionDynamics, SessionState, make_dynamics
from tests.catalogues import hand_made

PROBLEMS: dict[str, dict[str, Any]] = {
    "session": {},
    "playlist": {"repeats": False, "reward": {"flow": 0.5, "fit": 0.5}},
    "satiation": {"repeats": False, "listener": SatiatedListener()},
}
"""Options of the envs in which nothing is left to chance."""


def tracks(n_tracks: int, seed: int = 0, d: int = 3) -> Catalogue:
    """Make a catalogue of tracks in all directions and of very different lengths; the last is the first once more."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_tracks, d)) * rng.uniform(0.3, 3, size=(n_tracks, 1))
    features[-1] = features[0]
    return hand_made(features.astype(np.float32))


def dynamics(name: str, catalogue: Catalogue, history_length: int = 2) -> SessionDynamics:
    """Make the rules of one of the problems."""
    return make_dynamics(catalogue, history_length=history_length, **PROBLEMS[name])


def starts(of: SessionDynamics, n_sessions: int, seed: int = 0) -> SessionState:
    """Begin sessions at random."""
    return of.start(np.random.default_rng(seed).integers(2**64, size=n_sessions, dtype=np.uint64))


def returns(of: SessionDynamics, sessions: SessionState, lists: NDArray[np.int64]) -> NDArray[np.float64]:
    """Play each list, (n_lists, T), in each session, and return what it earns on average, (n_lists,)."""
    now = sessions.take(np.tile(np.arange(len(sessions)), len(lists)))
    total = np.zeros(len(now))
    for played in np.asarray(lists).T:
        total += of.step(now, np.repeat(played, len(sessions))).reward
    return total.reshape(len(lists), len(sessions)).mean(axis=1)


def all_lists(of: SessionDynamics, n_tracks: int) -> NDArray[np.int64]:
    """Every list of so many tracks there is, (N ** n_tracks, n_tracks)."""
    return np.array(list(product(range(len(of.catalogue)), repeat=n_tracks)))
