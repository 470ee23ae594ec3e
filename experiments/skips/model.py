"""A model of skips that can be fitted to any log: logistic, with a mood of its own for every session.

P(skip) = σ(position_t + last_skip · [previous skipped] + recent_skips · #{skips among the last three} + m), where the
mood m is normal around 0 and integrated out by Gauss-Hermite quadrature. That is the response of
:class:`~spotify_gym.listeners.SkippingListener` but for what no log shows: how well the track fits the taste. So a
listener's numbers are not simply those of the model; :mod:`~experiments.skips.matching` gets from one to the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize
from scipy.special import expit, log_expit, softmax
from sklearn.linear_model import LogisticRegression

from experiments.skips.log import SkipLog

Floats = NDArray[np.float64]

_N_NODES = 15
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(_N_NODES)
_LOG_WEIGHTS = np.log(_WEIGHTS / _WEIGHTS.sum())


@dataclass(frozen=True, eq=False)
class SkipModel:
    """The fitted model, all numbers in log-odds."""

    effects: Floats
    """(P + 2,) what a skip owes to positions 0 to P − 1, the last for all later ones too; last_skip; recent_skips."""
    mood_sd: float
    errors: Floats
    """(P + 3,) standard errors of the effects and of mood_sd."""

    @property
    def values(self) -> Floats:
        """The effects and mood_sd, (P + 3,)."""
        return np.append(self.effects, self.mood_sd)

    @property
    def n_positions(self) -> int:
        """P."""
        return len(self.effects) - 2

    def predict(self, log: SkipLog) -> Floats:
        """Return the probability of a skip of each play given the plays before it in its session, (S, T).

        The mood is what those plays tell of it: its distribution is updated play by play.
        """
        at_mood = _at_moods(design(log, self.n_positions) @ self.effects, self.mood_sd)
        seen = np.cumsum(_log_likelihood(at_mood, log), axis=1)
        before = np.concatenate([np.zeros_like(seen[:, :1]), seen[:, :-1]], axis=1)
        probability: Floats = np.sum(softmax(before + _LOG_WEIGHTS, axis=2) * expit(at_mood), axis=2)
        return probability


def design(log: SkipLog, n_positions: int) -> Floats:
    """Return what the effects multiply, (S, T, n_positions + 2)."""
    n_sessions, n_plays = log.skipped.shape
    x = np.zeros((n_sessions, n_plays, n_positions + 2))
    places = np.arange(n_plays)
    x[:, places, np.minimum(places, n_positions - 1)] = 1
    x[:, 1:, -2] = log.skipped[:, :-1]
    for lag in (1, 2, 3):
        x[:, lag:, -1] += log.skipped[:, :-lag]
    return x


def fit_without_mood(log: SkipLog, n_positions: int = 5, prior_sd: float = 3.0) -> SkipModel:
    """Fit the effects alone, as if all sessions were of one mood: logistic regression, without standard errors."""
    x, y = design(log, n_positions)[log.played], log.skipped[log.played]
    effects = LogisticRegression(C=prior_sd**2, fit_intercept=False).fit(x, y).coef_[0]
    return SkipModel(effects, 0.0, np.full(len(effects) + 1, np.nan))


def fit(
    log: SkipLog, n_positions: int = 5, prior_sd: float = 3.0, progress: Callable[[float], None] | None = None
) -> SkipModel:
    """Fit the model by regularised maximum likelihood.

    Args:
        log: of sessions that are independent of each other.
        n_positions: P.
        prior_sd: standard deviation of the normal prior around 0 of each effect and of mood_sd; the larger, the weaker.
        progress: called with the penalised log-loss per play after each iteration.

    Raises:
        RuntimeError: the fit did not settle.
    """
    x = design(log, n_positions)

    def loss(theta: Floats) -> tuple[float, Floats]:
        value, gradient = _negative_log_likelihood(theta, x, log)
        penalised = value + 0.5 * float(np.sum((theta / prior_sd) ** 2))
        return penalised / log.n_plays, (gradient + theta / prior_sd**2) / log.n_plays

    def report(intermediate_result: OptimizeResult) -> None:
        if progress is not None:
            progress(float(intermediate_result.fun))

    start = np.append(fit_without_mood(log, n_positions, prior_sd).effects, 0.5)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", callback=report)
    if not found.success:
        raise RuntimeError(f"the fit did not settle: {found.message}")
    hessian = log.n_plays * jacobian(lambda theta: loss(theta)[1], found.x, step=1e-4)
    errors = np.sqrt(np.diag(np.linalg.inv((hessian + hessian.T) / 2)))
    return SkipModel(found.x[:-1], abs(float(found.x[-1])), errors)


def jacobian(function: Callable[[Floats], Floats], at: Floats, step: float) -> Floats:
    """Return the derivatives of a vector function, (n_values, n_arguments), by central differences."""
    columns = [(function(at + e) - function(at - e)) / (2 * step) for e in step * np.eye(len(at))]
    return np.stack(columns, axis=1)


def _at_moods(log_odds: Floats, mood_sd: float) -> Floats:
    """Log-odds of a skip at each node of the mood, (S, T, Q)."""
    return log_odds[:, :, None] + mood_sd * _NODES


def _log_likelihood(at_mood: Floats, log: SkipLog) -> Floats:
    """Of each play at each node, (S, T, Q); 0 where nothing played."""
    sign = np.where(log.skipped, 1, -1) * log.played
    return np.where(log.played[:, :, None], log_expit(sign[:, :, None] * at_mood), 0)


def _negative_log_likelihood(theta: Floats, x: Floats, log: SkipLog) -> tuple[float, Floats]:
    """Of all sessions, the moods integrated out, with its gradient."""
    at_mood = _at_moods(x @ theta[:-1], theta[-1])
    joint = _log_likelihood(at_mood, log).sum(axis=1) + _LOG_WEIGHTS  # (S, Q)
    top = joint.max(axis=1)
    evidence = top + np.log(np.exp(joint - top[:, None]).sum(axis=1))
    posterior = np.exp(joint - evidence[:, None])
    residual = (log.skipped[:, :, None] - expit(at_mood)) * log.played[:, :, None]
    by_play = np.einsum("stq,sq->st", residual, posterior)
    by_mood = np.einsum("stq,sq,q->", residual, posterior, _NODES)
    return -float(evidence.sum()), -np.r_[np.einsum("st,stk->k", by_play, x), by_mood]
