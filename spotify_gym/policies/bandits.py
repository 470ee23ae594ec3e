"""Bandits: a linear or logistic model of each listener, with optimistic or randomised exploration."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym.listeners import SkippingListener
from spotify_gym.policies.belief import readiness
from spotify_gym.policies.policy import DirectedPolicy, SeenPolicy, ValuingPolicy, simulated
from spotify_gym.session import SessionDynamics, SessionState
from spotify_gym.session.estimation import logistic_filter, regression
from spotify_gym.session.state import Floats, Ints, log_of

_NUMBERS_AT_ONCE = 2**20


class OptimisticPolicy(ValuingPolicy, SeenPolicy):
    """Play the track u with the highest upper confidence bound, f·u + bonus · √(uᵀ P u).

    f and P are mean and covariance of what the listener likes, given the responses so far.

    Args:
        env: see :class:`ReferencePolicy`.
        bonus: number of standard deviations added to the mean.
    """

    is_quick = False
    value_name = "upper bound on the similarity to your taste"

    def __init__(self, env: Any, bonus: float) -> None:
        super().__init__(env)
        self.bonus = np.float32(bonus)

    @abstractmethod
    def estimate(self, sessions: SessionState) -> tuple[Floats, Floats]:
        """Return f, (B, d), and P, (B, d, d)."""

    def directions(self, sessions: SessionState) -> Floats:
        """Return the means f, (B, d)."""
        return self.estimate(sessions)[0]

    def values(self, sessions: SessionState) -> Floats:
        """Return the upper confidence bounds of all tracks, (B, N)."""
        mean, covariance = self.estimate(sessions)
        i, j = np.triu_indices(mean.shape[1])
        form = covariance[:, i, j] * np.where(i == j, 1, 2).astype(np.float32)  # uᵀPu is linear in the products of u
        units = self.dynamics.catalogue.unit_features
        values = mean @ units.T
        size = max(1, _NUMBERS_AT_ONCE // len(i))
        for start in range(0, len(units), size):
            part = units[start : start + size]
            variance = form @ (part[:, i] * part[:, j]).T
            values[:, start : start + size] += self.bonus * np.sqrt(np.maximum(variance, 0))
        return values


class LinUCBPolicy(OptimisticPolicy):
    """LinUCB (Li et al. 2010): ridge regression of responses, 1 or -1, on unit features, in each session.

    Deviation from the paper: one model for all tracks instead of one per track. If the listener chooses the starting
    tracks by taste, these count as heard out.

    Args:
        env: see :class:`ReferencePolicy`.
        bonus: α of the paper.
        ridge: weight of the penalty.
    """

    about = "Fits a linear model to your answers, and plays the track that might please you most."

    def __init__(self, env: Any, bonus: float = 0.1, ridge: float = 3.0) -> None:
        super().__init__(env, bonus)
        self.ridge = ridge

    def estimate(self, sessions: SessionState) -> tuple[Floats, Floats]:
        """Return the ridge regression coefficients and the inverse of the regularised Gram matrix."""
        return ridge_regression(self.dynamics, sessions, self.ridge)


class ThompsonPolicy(DirectedPolicy):
    """Thompson sampling with the same ridge regression (Agrawal and Goyal 2013).

    Args:
        env: see :class:`ReferencePolicy`.
        spread: v of the paper, the scale of the standard deviation of a sample.
        ridge: weight of the penalty.
    """

    about = "Fits a linear model to your answers, and explores by drawing its weights at random (Thompson sampling)."

    def __init__(self, env: Any, spread: float = 0.1, ridge: float = 3.0) -> None:
        super().__init__(env)
        self.spread, self.ridge = spread, ridge

    def directions(self, sessions: SessionState) -> Floats:
        """Return one sample of the coefficients per session, the same at every call in the same state."""
        mean, covariance = ridge_regression(self.dynamics, sessions, self.ridge)
        seeds = (tracks[tracks >= 0] for tracks in log_of(sessions).tracks)
        draws = np.stack([np.random.default_rng(seed).standard_normal(mean.shape[1]) for seed in seeds])
        scatter = np.linalg.cholesky(covariance.astype(np.float64)) @ draws[:, :, None]
        drawn: Floats = mean + (self.spread * scatter[:, :, 0]).astype(np.float32)
        return drawn


class KalmanUCBPolicy(OptimisticPolicy):
    """Online logistic regression by an extended Kalman filter, with an upper confidence bound.

    It knows the model of a :class:`~spotify_gym.listeners.SkippingListener` with mood 0. Tastes are assumed to be
    distributed like tracks: with w the `taste_weight`, μ and C mean and covariance of the unit features, f starts at
    wμ/2 and P at w²C. Each response y, 1 heard out and 0 skipped, updates them with p = σ(f·u − log-odds of a skip)
    and s = p(1 − p):

        P ← P − s P u uᵀ P / (1 + s uᵀPu),     f ← f + P u (y − p).

    If the listener chooses the starting tracks by taste, these count as heard out.

    Args:
        env: see :class:`ReferencePolicy`.
        bonus: number of standard deviations added to the mean.
    """

    knows = SkippingListener
    about = "Keeps an estimate of your taste and its uncertainty, and plays the track that might please you most."

    def __init__(self, env: Any, bonus: float = 1.3) -> None:
        super().__init__(env, bonus)
        listener: SkippingListener = simulated(self.dynamics)
        mean, covariance = self.dynamics.catalogue.unit_moments
        weight = listener.taste_weight
        self._prior = (weight / 2 * mean).astype(np.float32), (weight**2 * covariance).astype(np.float32)

    def estimate(self, sessions: SessionState) -> tuple[Floats, Floats]:
        """Return mean and covariance after all responses so far."""
        tracks, answers = noted(self.dynamics, sessions)
        n_sessions, width = tracks.shape
        rows, places = np.repeat(np.arange(n_sessions), width), np.tile(np.arange(width), n_sessions)
        odds = readiness(simulated(self.dynamics), log_of(sessions).answers[rows], places).reshape(n_sessions, width)
        odds[:, : self.dynamics.history_length] = 0
        return logistic_filter(self.dynamics.catalogue.unit_features, tracks, answers, odds, *self._prior)


def noted(dynamics: SessionDynamics, sessions: SessionState) -> tuple[Ints, NDArray[np.int8]]:
    """Return tracks and answers, (B, L) each; starting tracks chosen by taste count as heard out."""
    log, n_start = log_of(sessions), dynamics.history_length
    answers = log.answers.copy()
    answers[:, :n_start] = simulated(dynamics).start_pool > n_start + 1
    return log.tracks, answers


def ridge_regression(dynamics: SessionDynamics, sessions: SessionState, ridge: float) -> tuple[Floats, Floats]:
    """Return (λ + Σuuᵀ)⁻¹ Σyu, (B, d), and (λ + Σuuᵀ)⁻¹, (B, d, d)."""
    gram, moment = regression(dynamics.catalogue.unit_features, *noted(dynamics, sessions))
    inverse = np.linalg.inv(gram.astype(np.float64) + ridge * np.eye(gram.shape[1])).astype(np.float32)
    mean: Floats = (inverse @ moment[:, :, None])[:, :, 0]
    return mean, inverse
