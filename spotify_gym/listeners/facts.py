"""Stylised facts about skips in real or simulated logs of plays, and the simulation of such logs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from spotify_gym.catalogue import Catalogue, units_of
from spotify_gym.listeners.listener import Listener
from spotify_gym.listeners.logged import LoggedListener, LoggedMind
from spotify_gym.listeners.plays import VibeOf, features_of
from spotify_gym.listeners.skip_log import SkipLog

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Recommender = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.int64]]

LAGS = range(1, 11)
TOLERANCES = {
    "skip rate with": 0.05,
    "skip rate": 0.03,
    "autocorrelation": 0.03,
    "standard deviation": 0.05,
    "mean run": 0.3,
    "plays in a session": 0.5,
    "regard for sound": 0.15,
}
"""Tolerance for the difference between a simulated and a real fact, by the beginning of its name."""
_CHOICES = 10  # random tracks among which the simulated recommender plays the nearest, half of the time


def tolerance(name: str) -> float:
    """Return the tolerance for the difference between a simulated and a real fact."""
    return next(value for start, value in TOLERANCES.items() if name.startswith(start))


def facts_of(skipped: Bools, played: Bools, cosine: Floats | None = None) -> dict[str, float]:
    """Return the facts, by name, about S sessions of up to T plays; NaN for facts about plays that do not occur.

    Args:
        skipped: (S, T) whether the play was skipped; False after the end of a session.
        played: (S, T) True from the first play of a session to its last.
        cosine: (S, T) cosine of each track to the vibe, 0 if unknown; None if all are unknown.
    """
    n_plays = played.shape[1]
    facts = {f"skip rate at position {t + 1}": _rate(skipped[:, t], played[:, t]) for t in range(min(n_plays, 20))}
    for name, before in (("a track heard out", False), ("a skip", True)):
        facts[f"skip rate after {name}"] = _rate(skipped[:, 1:], played[:, 1:] & (skipped[:, :-1] == before))
    recent = skipped[:, :-3].astype(int) + skipped[:, 1:-2] + skipped[:, 2:-1]
    for k in range(4):
        facts[f"skip rate with {k} skips among the last three"] = _rate(skipped[:, 3:], played[:, 3:] & (recent == k))
    facts["standard deviation between sessions"] = float(np.std(skipped.sum(axis=1) / played.sum(axis=1)))
    for lag in [lag for lag in LAGS if lag < n_plays]:
        both = played[:, lag:]
        facts[f"autocorrelation of skips at lag {lag}"] = _correlation(skipped[:, :-lag][both], skipped[:, lag:][both])
    facts["mean run of skips"] = _mean_run(skipped & played)
    facts["mean run of tracks heard"] = _mean_run(~skipped & played)
    facts["plays in a session"] = float(played.sum(axis=1).mean())
    if cosine is not None and (known := played & (cosine != 0)).any():
        facts["regard for sound, log-odds per unit of cosine"] = _slope(cosine[known], skipped[known])
    return facts


def _rate(skipped: Bools, where: Bools) -> float:
    return float(skipped[where].mean()) if where.any() else np.nan


def _correlation(first: Bools, second: Bools) -> float:
    varies = len(first) > 1 and first.any() and second.any() and not first.all() and not second.all()
    return float(np.corrcoef(first, second)[0, 1]) if varies else np.nan


def _mean_run(these: Bools) -> float:
    starts = these & ~np.pad(these, ((0, 0), (1, 0)))[:, :-1]
    return float(these.sum() / max(starts.sum(), 1))


def _slope(cosine: Floats, skipped: Bools) -> float:
    if skipped.all() or not skipped.any():
        return np.nan
    return float(LogisticRegression(C=1e3).fit(cosine[:, None], skipped).coef_[0, 0])


def simulate(
    listener: Listener[Any],
    catalogue: Catalogue,
    n_sessions: int,
    n_plays: int = 20,
    seed: int = 0,
    *,
    tracks: NDArray[np.int64] | Recommender | None = None,
    shortest: int = 1,
    history_length: int = 5,
) -> tuple[SkipLog, Floats]:
    """Simulate the sessions of a population of listeners; tracks may repeat, as they do in real sessions.

    The random numbers depend on the seed but not on the listener, so that two populations differ only by their
    parameters.

    Args:
        listener: the listener model.
        catalogue: the tracks that can be played.
        n_sessions: S.
        n_plays: plays after which every session ends.
        seed: seed of all random numbers.
        tracks: (S, n_plays) the tracks to play, -1 if the features are unknown; or a recommender, a function from the
            unit vectors of the vibes, (S, d), 0 if nothing was heard, and a generator to tracks, (S,). None: with equal
            probability a random track, or the nearest to the vibe of ten random ones, which is neither good nor bad,
            like the recommendations in a log.
        shortest: number of plays before which no listener leaves.
        history_length: number of tracks heard before the session; their vibe is the initial one if `tracks` is None.

    Returns:
        The log, and the cosine of each track to the vibe, or to the decayed mean if the listener regards that,
        (S, n_plays).
    """
    rng = np.random.default_rng(seed)
    pool = catalogue.features[rng.integers(len(catalogue), size=(n_sessions, max(listener.start_pool, history_length)))]
    dealt = rng.random((n_sessions, listener.n_start_uniforms), np.float32)
    places, state = listener.start(units_of(pool), history_length, dealt)
    decayed = isinstance(listener, LoggedListener) and listener.regard == "decayed"
    vibe, other = (VibeOf(n_sessions, catalogue.features.shape[1], which) for which in (False, True))
    mixed = partial(_mixed, catalogue)
    if tracks is None:
        for place in places.T:
            for one in (vibe, other):
                one.move(pool[np.arange(n_sessions), place], np.ones(n_sessions, np.bool_))
    elif decayed:
        state.taste[:] = 0
    chosen = np.full((n_sessions, n_plays), -1)
    grade, cosine, started = chosen.copy(), np.zeros(chosen.shape), chosen.copy()
    going, left_at_all = np.ones(n_sessions, np.bool_), np.zeros(n_sessions, np.bool_)
    for t in range(n_plays):
        now = tracks[:, t] if isinstance(tracks, np.ndarray) else (tracks or mixed)(vibe.direction, rng)
        features = features_of(catalogue, now)
        likeness = (other if decayed else vibe).cosine(features)
        how = state.started.copy() if isinstance(state, LoggedMind) else np.zeros(n_sessions, np.int64)
        dealt = rng.random((n_sessions, listener.n_uniforms), np.float32)
        response = listener.respond(state, units_of(features), likeness, dealt)
        completed = np.ones(n_sessions, np.bool_) if response.completed is None else response.completed
        left = state.grades[:, -1] if isinstance(state, LoggedMind) else np.where(completed, 0, 2)
        for array, values in ((chosen, now), (grade, left), (cosine, likeness), (started, how)):
            array[going, t] = values[going]
        for one in (vibe, other):
            one.move(features, completed)
        if response.left is not None and t + 1 >= shortest:
            left_at_all |= going & response.left & (t + 1 < n_plays)
            going &= ~response.left
    names = np.array([f"session-{i}" for i in range(n_sessions)], object)
    ids = np.array(catalogue.track_ids, object)
    return SkipLog(grade, chosen, names, names, left_at_all, started, track_ids=ids), cosine


def _mixed(catalogue: Catalogue, towards: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return for each session, with equal probability, a random track or the nearest to the vibe of ten random ones."""
    choices = rng.integers(len(catalogue), size=(len(towards), _CHOICES))
    nearness = np.einsum("bkd,bd->bk", units_of(catalogue.features[choices]), towards)
    best = np.where(rng.random(len(towards)) < 0.5, 0, nearness.argmax(axis=1))
    return np.take_along_axis(choices, best[:, None], axis=1)[:, 0]
