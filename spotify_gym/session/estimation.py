"""Statistics of the responses in a session, and estimates of a taste by ridge and logistic regression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.catalogue import TINY
from spotify_gym.compiled import compiled
from spotify_gym.session.state import Floats, Ints, Ints32


@compiled
def told(features: Floats, tracks: Ints32, answers: NDArray[np.int8], n_start: int) -> tuple[Floats, Floats]:
    """Return mean unit features and counts of the tracks of each session by the response to them.

    Args:
        features: (N, d).
        tracks: (B, L) the starting tracks, then those recommended, padded with -1.
        answers: (B, L) 1 heard out, -1 skipped, 0 not asked.
        n_start: number of starting tracks.

    Returns:
        Mean unit features of the starting tracks, of those heard out and of those skipped, (B, 3, d), 0 where there
        are none; and (B, 3): the number heard out, the number skipped and the patience spent. A skip costs one unit
        of patience, and a track heard out gives one back.
    """
    means = np.zeros((len(tracks), 3, features.shape[1]), np.float32)
    counts = np.zeros((len(tracks), 3), np.float32)
    for b in range(len(tracks)):
        for place in range(tracks.shape[1]):
            track, answer = tracks[b, place], answers[b, place]
            if track < 0:
                break
            if place >= n_start and answer == 0:
                continue
            square = np.float32(0)
            for j in range(features.shape[1]):
                square += features[track, j] * features[track, j]
            length = max(np.sqrt(square), TINY)
            kind = 0 if place < n_start else (1 if answer > 0 else 2)
            for j in range(features.shape[1]):
                means[b, kind, j] += features[track, j] / length
            if kind > 0:
                counts[b, kind - 1] += 1
                counts[b, 2] = max(counts[b, 2] - answer, 0)
        for kind in range(3):
            n = np.float32(n_start) if kind == 0 else max(counts[b, kind - 1], np.float32(1))
            for j in range(features.shape[1]):
                means[b, kind, j] /= n
    return means, counts


@compiled
def regression(units: Floats, tracks: Ints, answers: NDArray[np.int8]) -> tuple[Floats, Floats]:
    """Return Σ u uᵀ, (B, d, d), and Σ y u, (B, d), over tracks with unit features u and response y = 1 or -1.

    Args:
        units: (N, d).
        tracks: (B, L) in order, padded with -1.
        answers: (B, L) 1 heard out, -1 skipped, 0 not asked.
    """
    d = units.shape[1]
    gram, moment = np.zeros((len(tracks), d, d), np.float32), np.zeros((len(tracks), d), np.float32)
    for b in range(len(tracks)):
        for place in range(tracks.shape[1]):
            track, answer = tracks[b, place], np.float32(answers[b, place])
            if track < 0:
                break
            if answer == 0:
                continue
            for i in range(d):
                moment[b, i] += answer * units[track, i]
                for j in range(d):
                    gram[b, i, j] += units[track, i] * units[track, j]
    return gram, moment


@compiled
def logistic_filter(
    units: Floats, tracks: Ints, answers: NDArray[np.int8], odds: Floats, mean: Floats, covariance: Floats
) -> tuple[Floats, Floats]:
    """Fit an online logistic regression by an extended Kalman filter.

    A track with unit features u is heard out with log-odds f·u - o. Each response y, 1 heard out and 0 skipped, updates
    mean and covariance of f, with p = σ(f·u - o) and s = p(1 - p):

        P ← P - s P u uᵀ P / (1 + s uᵀPu),     f ← f + P u (y - p).

    Args:
        units: (N, d).
        tracks: (B, L) in order, padded with -1.
        answers: (B, L) 1 heard out, -1 skipped, 0 not asked.
        odds: (B, L) o, the known part of the log-odds of a skip; or (1, 1), the same for all.
        mean: (d,) prior mean of f.
        covariance: (d, d) prior covariance of f.

    Returns:
        Posterior means, (B, d), and covariances, (B, d, d).
    """
    n_sessions, d = len(tracks), len(mean)
    means, covariances = np.empty((n_sessions, d), np.float32), np.empty((n_sessions, d, d), np.float32)
    turned = np.empty(d, np.float32)
    for b in range(n_sessions):
        f, p = means[b], covariances[b]
        f[:], p[:] = mean, covariance
        for place in range(tracks.shape[1]):
            track, answer = tracks[b, place], answers[b, place]
            if track < 0:
                break
            if answer == 0:
                continue
            likeness = variance = np.float32(0)
            for i in range(d):
                turned[i] = 0
                for j in range(d):
                    turned[i] += p[i, j] * units[track, j]
                likeness += f[i] * units[track, i]
            for i in range(d):
                variance += units[track, i] * turned[i]
            offset = odds[b % len(odds), place % odds.shape[1]]
            heard = np.float32(0.5) + np.float32(0.5) * np.tanh(np.float32(0.5) * (likeness - offset))
            s = heard * (1 - heard)
            surprise = (np.float32(answer > 0) - heard) / (1 + s * variance)
            for i in range(d):
                f[i] += turned[i] * surprise
                for j in range(d):
                    p[i, j] -= s * turned[i] * turned[j] / (1 + s * variance)
    return means, covariances


def log_likelihood(tastes: Floats, units: Floats, answers: NDArray[np.int8], log_odds: Floats) -> Floats:
    """Return log σ(y (f·u + o)) of each taste f, (B, P).

    Args:
        tastes: (P, d) f.
        units: (B, d) unit features u of one track for each session.
        answers: (B,) the response y to it: 1 heard out, -1 skipped, 0 not asked, where all tastes get the same.
        log_odds: (B,) o.
    """
    likeness = units @ tastes.T
    likeness += log_odds[:, None]
    likeness *= -answers[:, None].astype(np.float32)
    likelihood: Floats = -np.log(1 + np.exp(likeness))  # faster than np.log1p or np.logaddexp
    return likelihood
