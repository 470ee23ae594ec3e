"""Bayes filter over the taste and the mood of a listener who skips."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym.listeners import SkippingListener
from spotify_gym.policies.policy import DirectedPolicy, simulated
from spotify_gym.session import SessionState
from spotify_gym.session.state import Bools, Floats, Ints, Log, log_of

_SAMPLE = 512  # tracks that stand in for the rivals of a starting track


class BeliefPolicy(DirectedPolicy):
    """Play the track with the largest dot product with the posterior mean of the taste.

    The policy knows the model of :class:`~spotify_gym.listeners.SkippingListener` and the distribution of its hidden
    state. The belief is a grid of weights over tastes, a sample of tracks since the taste may be any track, and moods,
    Gauss-Hermite nodes. It is initialised with the likelihood of the starting tracks (each is the nearest of several
    rivals), and updated by Bayes' rule with the likelihood of each response.

    Args:
        env: see :class:`ReferencePolicy`.
        n_tastes: number of tracks drawn from the catalogue as possible tastes.
        n_moods: number of moods.
        seed: seed of the draw.

    Raises:
        ValueError: the listener is of another class.
    """

    knows = SkippingListener
    about = "Infers your taste from your answers by Bayes' rule, with a model of how listeners answer."

    def __init__(self, env: Any, n_tastes: int = 4096, n_moods: int = 5, seed: int = 0) -> None:
        super().__init__(env)
        self._listener: SkippingListener = simulated(self.dynamics)
        self._rng = np.random.default_rng(seed)
        units = self.dynamics.catalogue.unit_features
        some = self._rng.choice(len(units), min(n_tastes, len(units)), replace=False)
        self._tastes: Floats = units[np.sort(some)]  # (P, d)
        nodes, weights = np.polynomial.hermite_e.hermegauss(n_moods)
        self._moods = (nodes * self._listener.mood_sd).astype(np.float32)
        self._prior = np.log(weights / weights.sum()).astype(np.float32)
        self._seen = Log(np.empty((0, 0), np.int64), np.empty((0, 0), np.int8))

    def directions(self, sessions: SessionState) -> Floats:
        """Return the posterior mean tastes, (B, d)."""
        self._follow(log_of(sessions), sessions.time)
        weights = np.exp(self._beliefs - self._beliefs.max(axis=(1, 2), keepdims=True)).sum(axis=2)
        tastes: Floats = (weights / weights.sum(axis=1, keepdims=True)) @ self._tastes
        return tastes

    def _follow(self, log: Log, time: Ints) -> None:
        """Update the beliefs: by the new responses in sessions that have continued, from the start in others."""
        n_start, known = self.dynamics.history_length, self._seen.tracks.shape
        begun = np.ones(len(time), np.bool_)
        if known[0] == len(time) and known[1] <= log.tracks.shape[1]:
            tracks, answers = log.tracks[:, : known[1]], log.answers[:, : known[1]]
            as_before = (tracks == self._seen.tracks) & (answers == self._seen.answers)
            begun = ~(as_before | (self._seen.tracks < 0)).all(axis=1)
        else:
            self._beliefs = np.empty((len(time), len(self._tastes), len(self._moods)), np.float32)
            self._time = np.zeros(len(time), np.int64)
        if begun.any():
            self._beliefs[begun] = self._prior + self._of_start(log.tracks[begun, :n_start])[:, :, None]
            self._time[begun] = 0
        while len(rows := np.flatnonzero(self._time < time)):
            place = n_start + self._time[rows]
            asked = log.answers[rows, place] != 0
            self._note(rows[asked], log, place[asked])
            self._time[rows] += 1
        self._seen = Log(log.tracks.copy(), log.answers.copy())

    def _note(self, rows: Ints, log: Log, places: Ints) -> None:
        """Multiply the beliefs of sessions `rows` by the likelihood of the responses at `places`."""
        odds = readiness(self._listener, log.answers[rows], places)[:, None, None] + self._moods  # of a skip
        cosines = self.dynamics.catalogue.unit_features[log.tracks[rows, places]] @ self._tastes.T
        odds = odds - np.float32(self._listener.taste_weight) * cosines[:, :, None]
        odds *= log.answers[rows, places, None, None]
        self._beliefs[rows] -= np.logaddexp(0, odds)

    def _of_start(self, starts: Ints) -> Floats:
        """Return the log-likelihood of the starts, (R, H), given each taste, (R, P), up to a constant.

        The density of the largest of n cosines is their density times n F^(n − 1), with F their distribution function;
        only F^(n − 1) is used.
        """
        n_rivals = (self._listener.start_pool - 1) // starts.shape[1]
        if n_rivals < 2:
            return np.zeros((len(starts), len(self._tastes)), np.float32)
        apart = 4 * np.arange(len(self._tastes))[:, None]  # offsets, so that one sorted search serves all tastes
        cosines = self._tastes @ self.dynamics.catalogue.unit_features[starts.ravel()].T
        below = np.searchsorted((self._rivals + apart).ravel(), (cosines + apart).ravel()).reshape(cosines.shape)
        share = (below - _SAMPLE * np.arange(len(cosines))[:, None] + 0.5) / (_SAMPLE + 1)
        powers: Floats = (n_rivals - 1) * np.log(share).astype(np.float32)
        likelihood: Floats = powers.reshape(len(cosines), *starts.shape).sum(axis=2).T
        return likelihood

    @cached_property
    def _rivals(self) -> NDArray[np.float64]:
        """Cosines of a sample of tracks to each taste, sorted, (P, _SAMPLE)."""
        n_tracks = len(self.dynamics.catalogue)
        sample = self._rng.choice(n_tracks, _SAMPLE, replace=n_tracks < _SAMPLE)
        return np.sort((self._tastes @ self.dynamics.catalogue.unit_features[sample].T).astype(np.float64), axis=1)


def readiness(listener: SkippingListener, answers: NDArray[np.int8], places: Ints) -> Floats:
    """Return the log-odds of a skip, (R,), without the effects of track and mood.

    Args:
        listener: the model.
        answers: (R, L) answers of the log.
        places: (R,) position of the track in the log; answers from there on are ignored.
    """
    before: Bools = (answers != 0) & (np.arange(answers.shape[1]) < places[:, None])
    n_asked = before.sum(axis=1)
    age = n_asked[:, None] - before.cumsum(axis=1)  # 0 for the last one
    skipped = before & (answers < 0)
    odds: Floats = np.array(listener.position, np.float32)[np.minimum(n_asked, len(listener.position) - 1)]
    odds += np.float32(listener.last_skip) * (skipped & (age == 0)).any(axis=1)
    odds += np.float32(listener.recent_skips) * (skipped & (age < 3)).sum(axis=1).astype(np.float32)
    return odds
