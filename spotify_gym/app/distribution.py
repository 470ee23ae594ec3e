"""How a point compares with the whole catalogue: what is much, and what is little, of each feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spotify_gym.app.words import FeatureWords, words_for
from spotify_gym.catalogue import Catalogue

_SAMPLE = 20_000
_REMARKABLE = 0.15  # standard deviations from the average


@dataclass(frozen=True, eq=False)
class Profile:
    """The distribution of each feature over a catalogue."""

    feature_names: tuple[str, ...]
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
        return cls(catalogue.feature_names, features.mean(axis=0), np.where(spread > 0, spread, 1), quantiles)

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
