"""Explanations of a recommendation: notable features of a track or vibe, and what they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

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
    """The distribution of each feature over a catalogue; points are scaled features, (d,)."""

    words: tuple[FeatureWords, ...]  # (d,)
    mean: NDArray[np.float32]  # (d,)
    spread: NDArray[np.float32]  # (d,) standard deviation, 1 where a feature is constant
    quantiles: NDArray[np.float32]  # (101, d), of a sample

    @classmethod
    @lru_cache(maxsize=8)
    def of(cls, catalogue: Catalogue) -> Profile:
        """Measure a catalogue, once."""
        features = catalogue.features
        spread = features.std(axis=0)
        sample = features[np.linspace(0, len(features) - 1, min(_SAMPLE, len(features))).astype(np.int64)]
        quantiles = np.quantile(sample, np.linspace(0, 1, 101), axis=0).astype(np.float32)
        words = tuple(map(words_for, catalogue.feature_names))
        return cls(words, features.mean(axis=0), np.where(spread > 0, spread, 1), quantiles)

    def standing(self, point: ArrayLike) -> NDArray[np.float32]:
        """Return how far each feature of a point is from the average, in standard deviations."""
        standing: NDArray[np.float32] = (np.asarray(point, np.float32) - self.mean) / self.spread
        return standing

    def share_below(self, point: ArrayLike) -> NDArray[np.float64]:
        """Return the percentile rank, in [0, 1], of each feature of a point.

        Ties count half, so that a feature that is mostly zero does not start at 0.
        """
        values = np.asarray(point, np.float32)
        share: NDArray[np.float64] = ((self.quantiles < values) + (self.quantiles <= values).astype(float)).mean(axis=0)
        return share / 2

    def at(self, direction: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the point in a direction, (d,), at the distance of most tracks; nearer if it is shorter than 1."""
        far = np.sqrt((self.mean**2 + self.spread**2).sum())
        point: NDArray[np.float32] = direction * far / max(1.0, float(np.linalg.norm(direction)))
        return point

    def describe(self, point: ArrayLike, most: int = 3) -> str:
        """Return the notable features of a point in words, the most notable first; "" if there are none."""
        standing = self.standing(point)
        order = np.argsort(-np.abs(standing), kind="stable")[:most]
        return listed([self.words[j].end(standing[j]) for j in order if abs(standing[j]) > _REMARKABLE])

    def differences(self, base: ArrayLike, other: ArrayLike) -> Sequence[str]:
        """Describe which features of `other` are larger or smaller than those of `base`; empty if they are close."""
        return self._comparatives(self.standing(other) - self.standing(base))

    def likeness(self, vibe: NDArray[np.float32], track: NDArray[np.float32]) -> str:
        """Describe in a sentence what a track shares with a vibe, and how it differs."""
        shares, ours, theirs = similarity_shares(vibe, track), self.standing(vibe), self.standing(track)
        shared = [j for j in np.argsort(-shares, kind="stable")[:3] if shares[j] > _NOTABLE and ours[j] * theirs[j] > 0]
        even = [j for j in shared if abs(theirs[j]) > abs(ours[j])]
        alike = listed([self.words[j].end(theirs[j]) for j in shared]).capitalize()
        led = listed(self._comparatives(theirs - ours, even))
        said = f"{alike}, like your vibe" if alike else "Little in common with your vibe"
        return f"{said}; {led}." if led else f"{said}."

    def balance(self, apart: ArrayLike, shares: NDArray[np.float32]) -> str:
        """Describe which features favour one track over another, and which do not.

        Args:
            apart: how far the one track is from the other, (d,) scaled features.
            shares: what each feature adds to its value, (d,).
        """
        words = [word.more if far > 0 else word.less for word, far in zip(self.words, np.asarray(apart), strict=True)]
        order = np.argsort(-shares, kind="stable")
        speaks = [f"{words[j]} ({shares[j]:+.3f})" for j in order[:2] if shares[j] > _SPEAKS]
        against = [f"{words[j]} ({shares[j]:+.3f})".replace("-", "−") for j in order[:-3:-1] if shares[j] < -_SPEAKS]
        pros_and_cons = (("For it", speaks), ("Against it", against))
        return " ".join(f"{side}: {listed(features)}." for side, features in pros_and_cons if features)

    def _comparatives(self, apart: NDArray[np.float32], even: Sequence[int] = ()) -> Sequence[str]:
        """Put the two largest differences, (d,) in standard deviations, into words, some of them with "even"."""
        largest = [j for j in np.argsort(-np.abs(apart), kind="stable")[:2] if abs(apart[j]) > _APART]
        words = [self.words[j].more if apart[j] > 0 else self.words[j].less for j in largest]
        return [f"even {word}" if j in even else word for j, word in zip(largest, words, strict=True)]


def similarity_shares(vibe: ArrayLike, track: ArrayLike) -> NDArray[np.float64]:
    """Return what each feature, (d,), adds to the cosine of a track to a vibe, both scaled and (d,)."""
    v, x = np.asarray(vibe, np.float64), np.asarray(track, np.float64)
    shares: NDArray[np.float64] = v * x / (np.linalg.norm(v) * np.linalg.norm(x) or 1.0)
    return shares
