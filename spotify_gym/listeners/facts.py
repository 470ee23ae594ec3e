"""Stylised facts about skips, counted in logs of plays, real or simulated; and the simulation of such logs."""

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
"""How far a simulated fact may be from the real one and still count as the same, by how its name begins."""
_CHOICES = 10  # random tracks of which the simulated recommender plays the nearest, every other time


def tolerance(name: str) -> float:
    """Return how far a simulated fact may be from the real one."""
    return next(value for start, value in TOLERANCES.items() if name.startswith(start))


def facts_of(skipped: Bools, played: Bools, cosine: Floats | None = None) -> dict[str, float]:
    """Count the facts in S sessions of up to T plays, NaN where there is no such play.

    Args:
        skipped: (S, T) whether the play was skipped; False where nothing played.
        played: (S, T) True from the first play of a session to its last.
        cosine: (S, T) cosine of each track to the vibe, 0 where it is not known; None: it never is.
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
    """Play to a population of listeners, all at once; tracks may repeat, as they do in real sessions.

    The same seed draws the same random numbers for every listener, so that two populations differ only by what their
    numbers make of them.

    Args:
        listener: who listens.
        catalogue: what can be played.
        n_sessions: S.
        n_plays: plays after which every session ends.
        seed: of all that is random.
        tracks: (S, n_plays) what plays, -1 where its sound is not known; or who recommends, from the directions of the
            vibes (S, d), 0 where nothing was heard, and random numbers to (S,) tracks; None: by the toss of a coin a
            random track, or the nearest to the vibe of ten random ones, neither good nor bad, as the recommendations
            in a log are.
        shortest: plays before which nobody leaves.
        history_length: tracks heard before the session, which its vibe starts from where `tracks` are not given.

    Returns:
        The log, and the cosine of each track to what the listener has regard for, or to the vibe, (S, n_plays).
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
    """Choose a track for each session: random, or of ten random ones the nearest to the vibe, as a coin falls."""
    choices = rng.integers(len(catalogue), size=(len(towards), _CHOICES))
    nearness = np.einsum("bkd,bd->bk", units_of(catalogue.features[choices]), towards)
    best = np.where(rng.random(len(towards)) < 0.5, 0, nearness.argmax(axis=1))
    return np.take_along_axis(choices, best[:, None], axis=1)[:, 0]
