"""Off-policy evaluation: the value of a policy, estimated from sessions that another policy played.

All functions take arrays with S sessions as rows, of up to T steps. `ratios` are π(a|s) / μ(a|s), with π the policy to
evaluate and μ the one that played, where μ > 0 wherever π > 0; after the end of a session they are 1 and rewards 0.
Intervals are percentiles of a bootstrap over sessions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

_RESAMPLED = 400  # bootstrap resamples


class Estimate(NamedTuple):
    """The value of a policy: its expected discounted return."""

    value: float
    low: float
    """Lower end of its 95 % interval."""
    high: float
    """Upper end."""


def ips(rewards: Floats, ratios: Floats, gamma: float = 1.0) -> Estimate:
    """Estimate by importance sampling: weight returns by the products of ratios (Horvitz and Thompson 1952).

    Args:
        rewards: (S, T).
        ratios: (S, T).
        gamma: discount factor.

    Raises:
        ValueError: the arrays differ in shape or are empty; the other estimators raise it too.
    """
    rewards, ratios = _checked(rewards, ratios)
    return _mean(_returns(rewards, gamma) * np.prod(ratios, axis=1))


def snips(rewards: Floats, ratios: Floats, gamma: float = 1.0) -> Estimate:
    """Estimate by self-normalised importance sampling, divided by the sum of the weights: some bias, less variance.

    The estimate is NaN if no session has a weight above 0.
    """
    rewards, ratios = _checked(rewards, ratios)
    weights = _weights(ratios)
    return _mean(_returns(rewards, gamma) * weights, weights)


def per_decision_ips(rewards: Floats, ratios: Floats, gamma: float = 1.0) -> Estimate:
    """Estimate by per-decision importance sampling: ratios up to each reward's step (Precup, Sutton and Singh 2000)."""
    rewards, ratios = _checked(rewards, ratios)
    return _mean(_returns(rewards * np.cumprod(ratios, axis=1), gamma))


def doubly_robust(rewards: Floats, ratios: Floats, q: Floats, v: Floats, gamma: float = 1.0) -> Estimate:
    """Estimate doubly robustly (Jiang and Li 2016): right if either the ratios or the model are.

    Args:
        rewards: (S, T).
        ratios: (S, T).
        q: (S, T) the model's value of the action taken, under the policy to evaluate; 0 after the end.
        v: (S, T) the model's value of the state; 0 after the end.
        gamma: discount factor.
    """
    rewards, ratios, q, v = _checked(rewards, ratios, q, v)
    weights = np.cumprod(ratios, axis=1)
    before = np.concatenate([np.ones((len(weights), 1)), weights[:, :-1]], axis=1)
    return _mean(_returns(weights * (rewards - q) + before * v, gamma))


def fitted_q_evaluation(
    rewards: Floats, features: Floats, expected: Floats, gamma: float = 1.0, ridge: float = 1.0
) -> tuple[Estimate, NDArray[np.float64]]:
    """Estimate by fitted Q evaluation: regress rewards plus next values on features, once per step of a session.

    This needs no ratios, and is only as good as the features (Ernst et al. 2005; Le, Voloshin and Yue 2019).

    Args:
        rewards: (S, T).
        features: (S, T, k) of state and action; 0 after the end.
        expected: (S, T, k) expected features of each state under the policy to evaluate; 0 after the end.
        gamma: discount factor.
        ridge: penalty on the squares of the weights.

    Returns:
        The value, and weights w (k,): features · w are q, expected · w are v.
    """
    x, expected = np.asarray(features, np.float64), np.asarray(expected, np.float64)
    rewards, *_ = _checked(rewards, x[..., 0], expected[..., 0])
    later = np.concatenate([expected[:, 1:], np.zeros_like(expected[:, :1])], axis=1)
    moments = (
        np.einsum("stk,stl->skl", x, x),
        np.einsum("stk,stl->skl", x, later),
        np.einsum("stk,st->sk", x, rewards),
        expected[:, 0],
    )

    def solve(counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return values (B,) and weights (B, k) of B resamples, in which session s occurs counts[b, s] times."""
        gram, follow, earned, first = (np.tensordot(counts, moment, axes=1) for moment in moments)
        gram += ridge * np.eye(gram.shape[-1])
        weights = np.zeros_like(earned)
        for _ in range(rewards.shape[1]):
            target = earned + gamma * np.einsum("bkl,bl->bk", follow, weights)
            weights = np.linalg.solve(gram, target[..., None])[..., 0]
        return np.einsum("bk,bk->b", first, weights) / counts.sum(axis=1), weights

    (value,), (weights,) = solve(np.ones((1, len(x))))
    low, high = np.quantile(solve(_counts(len(x)))[0], (0.025, 0.975))
    return Estimate(float(value), float(low), float(high)), weights


def effective_sessions(ratios: Floats) -> float:
    """Return the effective number of sessions, (Σw)² / Σw² (Kish 1965); if it is small, do not trust the weights."""
    (ratios,) = _checked(ratios)
    if (ratios == 0).any(axis=1).all():  # no session has a weight
        return 0.0
    weights = _weights(ratios)
    return float(weights.sum() ** 2 / (weights @ weights))


def _checked(*arrays: Floats) -> list[Floats]:
    """Return the arrays after checking that they share one non-empty shape (S, T)."""
    # float32 is too short for products of many ratios
    checked: list[Floats] = [np.asarray(array, np.float64) for array in arrays]
    shapes = dict.fromkeys(array.shape for array in checked)
    if len(shapes) > 1 or checked[0].ndim != 2 or not checked[0].size:
        raise ValueError(f"the arrays must all have the same shape (n_sessions, n_steps); got {[*shapes]}")
    return checked


def _weights(ratios: Floats) -> Floats:
    """Return the products of ratios, (S,), over the largest: all may be too small for a float. NaN if all are 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(ratios).sum(axis=1)
        weights: Floats = np.exp(logs - logs.max())
    return weights


def _returns(rewards: Floats, gamma: float) -> Floats:
    returns: Floats = rewards @ gamma ** np.arange(rewards.shape[1])
    return returns


def _mean(parts: Floats, weights: Floats | None = None) -> Estimate:
    """Return Σ parts / Σ weights with its interval; the weights are 1 by default."""
    base = np.ones(len(parts)) if weights is None else weights
    counts = _counts(len(parts))
    low, high = np.quantile((counts @ parts) / np.maximum(counts @ base, 1e-300), (0.025, 0.975))
    return Estimate(float(parts.sum() / max(float(base.sum()), 1e-300)), float(low), float(high))


def _counts(n_sessions: int) -> NDArray[np.float64]:
    """Return how often each session occurs in each bootstrap resample, (B, S), the same for all estimators."""
    counts = np.random.default_rng(0).multinomial(n_sessions, np.full(n_sessions, 1 / n_sessions), size=_RESAMPLED)
    return counts.astype(np.float64)
