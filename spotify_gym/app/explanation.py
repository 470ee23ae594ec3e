"""Explanation of a choice: what stands out in a track or a vibe, what they share, where one leads away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spotify_gym.app.words import FeatureWords, listed, words_for
from spotify_gym.catalogue import Catalogue

_SAMPLE = 20_000
_REMARKABLE = 0.15  # standard deviations from the average
_NOTABLE = 0.1  # of similarity, for a shared feature to be named
_SPEAKS = 5e-4  # of an expected return, for a feature to be named
_APART = 0.8  # standard deviations, for a difference to be named


@dataclass(frozen=True, eq=False)
class Profile:
    """The distribution of each feature over a catalogue."""

    feature_names: tuple[str, ...]
    features: NDArray[np.float32]  # (N, d)
    mean: NDArray[np.float32]  # (d,)
    spread: NDArray[np.float32]  # (d,) standard deviation, 1 where a feature is constant
    quantiles: NDArray[np.float32]  # (101, d), of a sample

    @classmethod
    def of(cls, catalogue: Catalogue) -> Profile:
        """Measure a catalogue."""
        features = catalogue.features
        spread = features.std(axis=0)
        sample = features[np.linspace(0, len(features) - 1, min(_SAMPLE, len(features))).astype(np.int64)]
        quantiles = np.quantile(sample, np.linspace(0, 1, 101), axis=0).astype(np.float32)
        return cls(catalogue.feature_names, features, features.mean(axis=0), np.where(spread > 0, spread, 1), quantiles)

    @property
    def words(self) -> tuple[FeatureWords, ...]:
        """The words for each feature, (d,)."""
        return tuple(map(words_for, self.feature_names))

    def standing(self, point: ArrayLike) -> NDArray[np.float32]:
        """Return how far each feature of a scaled point (d,) is from the average, in standard deviations."""
        standing: NDArray[np.float32] = (np.asarray(point, np.float32) - self.mean) / self.spread
        return standing

    def share_below(self, point: ArrayLike) -> NDArray[np.float64]:
        """Return for each feature of a scaled point (d,) the share of tracks that have less of it, in [0, 1].

        Equal values count half, so that a feature that is mostly zero starts where half of its zeros lie.
        """
        values = np.asarray(point, np.float32)
        below = (self.quantiles < values).mean(axis=0)
        not_above = (self.quantiles <= values).mean(axis=0)
        share: NDArray[np.float64] = (below + not_above) / 2
        return share

    def describe(self, point: ArrayLike, most: int = 3) -> Sequence[str]:
        """Return in words what is remarkable about a scaled point (d,), the most remarkable first; perhaps nothing."""
        standing = self.standing(point)
        order = np.argsort(-np.abs(standing), kind="stable")[:most]
        remarkable = [j for j in order if abs(standing[j]) > _REMARKABLE]
        return [self.words[j].high if standing[j] > 0 else self.words[j].low for j in remarkable]


@dataclass(frozen=True)
class Reason:
    """Why a track stands where it stands."""

    similarity: float
    """Cosine of the track to the vibe, in [-1, 1]."""
    shares: NDArray[np.float64]
    """(d,) what each feature adds to the similarity; they sum to it."""
    shared: tuple[str, ...]
    """Words for what track and vibe have in common, the weightiest first."""
    different: tuple[str, ...]
    """Words for where the track leads, the largest difference first."""

    def __str__(self) -> str:
        """Say it in one sentence."""
        alike = (
            f"{listed(self.shared).capitalize()}, like your vibe" if self.shared else "Little in common with your vibe"
        )
        return f"{alike}; {listed(self.different)}." if self.different else f"{alike}."


def explain(profile: Profile, vibe: ArrayLike, track: ArrayLike) -> Reason:
    """Compare the features of a track with the vibe, both scaled and (d,)."""
    v, x = np.asarray(vibe, np.float64), np.asarray(track, np.float64)
    lengths = np.linalg.norm(v) * np.linalg.norm(x)
    shares = v * x / lengths if lengths > 0 else np.zeros(len(v))
    ours, theirs = profile.standing(v), profile.standing(x)
    shared = [j for j in np.argsort(-shares, kind="stable")[:3] if shares[j] > _NOTABLE and ours[j] * theirs[j] > 0]
    return Reason(
        float(shares.sum()),
        shares,
        tuple(profile.words[j].high if theirs[j] > 0 else profile.words[j].low for j in shared),
        tuple(_comparatives(profile, theirs - ours, emphatic=[j for j in shared if abs(theirs[j]) > abs(ours[j])])),
    )


def differences(profile: Profile, base: ArrayLike, other: ArrayLike) -> Sequence[str]:
    """Say in words what `other` has more or less of than `base`, both scaled and (d,); nothing where they are close."""
    return _comparatives(profile, profile.standing(other) - profile.standing(base))


def balance(profile: Profile, track: int, other: int, shares: ArrayLike) -> str:
    """Say which features speak for one track over another, and which against, by what each adds, `shares` (d,)."""
    added = np.asarray(shares)
    apart = profile.features[track] - profile.features[other]
    words = [word.more if far > 0 else word.less for word, far in zip(profile.words, apart, strict=True)]
    order = np.argsort(-added, kind="stable")
    speaks = [f"{words[j]} ({added[j]:+.3f})" for j in order[:2] if added[j] > _SPEAKS]
    against = [f"{words[j]} ({added[j]:+.3f})".replace("-", "−") for j in order[:-3:-1] if added[j] < -_SPEAKS]
    pros_and_cons = (("For it", speaks), ("Against it", against))
    return " ".join(f"{side}: {listed(words)}." for side, words in pros_and_cons if words)


def _comparatives(profile: Profile, apart: NDArray[np.float32], emphatic: Sequence[int] = ()) -> Sequence[str]:
    """Put the two largest differences, (d,) in standard deviations, into words; "even louder" where both are loud."""
    largest = np.argsort(-np.abs(apart), kind="stable")[:2]
    return [
        ("even " if j in emphatic else "") + (profile.words[j].more if apart[j] > 0 else profile.words[j].less)
        for j in largest
        if abs(apart[j]) > _APART
    ]
