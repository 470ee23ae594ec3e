"""What the answers of a session tell: sums, and estimates of a taste by ridge and logistic regression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.catalogue import TINY
from spotify_gym.compiled import compiled
from spotify_gym.session.state import Floats, Ints, Ints32


@compiled
def told(features: Floats, tracks: Ints32, answers: NDArray[np.int8], n_start: int) -> tuple[Floats, Floats]:
    """Sum up what sessions have told: unit features by what came of the tracks, one track after the other.

    Args:
        features: (N, d).
        tracks: (B, L) the starting tracks, then those recommended, padded with -1.
        answers: (B, L) 1 heard out, -1 skipped, 0 nobody was asked.
        n_start: starting tracks.

    Returns:
        Mean unit features of the start, of the tracks heard out and of those skipped, 0 where there are none,
        (B, 3, d); how many were heard out and skipped, and how much patience that has cost, (B, 3): a skip costs one,
        and a track heard out gives one back.
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
