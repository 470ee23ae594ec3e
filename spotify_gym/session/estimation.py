"""Estimates of a taste from the answers of a session: ridge and logistic regression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotify_gym.compiled import compiled
from spotify_gym.session.state import Floats, Ints


@compiled
def regression(units: Floats, tracks: Ints, answers: NDArray[np.int8]) -> tuple[Floats, Floats]:
    """Return Σ u uᵀ, (B, d, d), and Σ y u, (B, d), over the tracks of unit features u that were answered y, 1 or -1.

    Args:
        units: (N, d).
        tracks: (B, L) one after the other, padded with -1.
        answers: (B, L) 1 heard out, -1 skipped, 0 nobody was asked.
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
    """Logistic regression, answer by answer, by an extended Kalman filter.

    A track of unit features u is heard out with the log-odds f·u - o. Mean and covariance of f are moved by each answer
    y, 1 heard out and 0 not, with p = σ(f·u - o) and s = p(1 - p):

        P ← P - s P u uᵀ P / (1 + s uᵀPu),     f ← f + P u (y - p).

    Args:
        units: (N, d).
        tracks: (B, L) one after the other, padded with -1.
        answers: (B, L) 1 heard out, -1 skipped, 0 nobody was asked.
        odds: (B, L) what is known of the odds of a skip, o; or (1, 1), the same for all.
        mean: (d,) of f beforehand.
        covariance: (d, d) of f beforehand.

    Returns:
        Means, (B, d), and covariances, (B, d, d).
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
