"""A map of the catalogue: its features seen from the side on which tracks differ most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spotify_gym.app.words import listed, words_for
from spotify_gym.catalogue import Catalogue

_SHOWN = 1_500  # tracks drawn, so that the map stays light
_PLACES = 10  # genres named on it
_NAME = (0.16, 0.05)  # of the width and height of the map, what a name takes up
_BEYOND = 0.4  # percent of the tracks that lie beyond each edge
_MARGIN = 0.05  # of the width of the map, around it


@dataclass(frozen=True)
class Place:
    """A name on the map."""

    name: str
    x: float
    y: float


@dataclass(frozen=True, eq=False)
class PcaMap:
    """The first two principal components of the features, computed once for a catalogue."""

    mean: NDArray[np.float64]  # (d,)
    axes: NDArray[np.float64]  # (2, d), orthonormal
    sample: NDArray[np.int64]  # (n,) tracks drawn
    points: NDArray[np.float32]  # (n, 2) where they lie
    labels: tuple[str, ...]  # (n,)
    low: NDArray[np.float64]  # (2,) the edges of the map, a few tracks lying beyond
    high: NDArray[np.float64]  # (2,)
    places: tuple[Place, ...]
    directions: tuple[tuple[str, str], tuple[str, str]]
    """In words, what lies at the lower and at the upper end of each axis."""

    @classmethod
    def of(cls, catalogue: Catalogue) -> PcaMap:
        """Draw the map of a catalogue; a catalogue of one feature is a line."""
        features = catalogue.features
        mean = features.mean(axis=0, dtype=np.float64)
        axes = _principal_axes(features)
        rng = np.random.default_rng(0)
        sample = np.sort(rng.choice(len(features), min(_SHOWN, len(features)), replace=False))
        points = (features[sample] - mean) @ axes.T
        low, high = np.percentile(points, [_BEYOND, 100 - _BEYOND], axis=0)
        margin = np.maximum(_MARGIN * (high - low), 1e-6)
        low, high = low - margin, high + margin
        directions = (_ends(catalogue.feature_names, axes[0]), _ends(catalogue.feature_names, axes[1]))
        inside = np.clip(points, low, high).astype(np.float32)
        labels = tuple(map(catalogue.label, sample.tolist()))
        places = _places(catalogue, mean, axes, high - low)
        return cls(mean, axes, sample, inside, labels, low, high, places, directions)

    @property
    def moods(self) -> dict[str, NDArray[np.float64]]:
        """Three directions (d,) in which the catalogue reaches furthest, each by what lies there."""
        (left, right), (_, up) = self.directions
        return {right: self.axes[0], left: -self.axes[0], up: self.axes[1]}

    def locate(self, points: ArrayLike) -> NDArray[np.float32]:
        """Return where scaled points (..., d) lie on the map, (..., 2); those beyond its edge lie on it."""
        located = np.clip((np.asarray(points) - self.mean) @ self.axes.T, self.low, self.high)
        return located.astype(np.float32)


def _principal_axes(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the two directions of largest variance, (2, d), of the two signs of each the one that points upwards."""
    _, vectors = np.linalg.eigh(np.atleast_2d(np.cov(features, rowvar=False)))
    axes = np.zeros((2, features.shape[1]))
    axes[: min(2, len(vectors))] = vectors.T[::-1][:2]
    axes *= np.where(axes.sum(axis=1, keepdims=True) < 0, -1, 1)
    return axes


def _ends(feature_names: Sequence[str], axis: NDArray[np.float64]) -> tuple[str, str]:
    """Name the two features that an axis is mostly made of, at either end."""
    strongest = np.argsort(-np.abs(axis), kind="stable")[:2]
    words = [(words_for(feature_names[j]), axis[j] > 0) for j in strongest]
    return (
        listed([word.low if up else word.high for word, up in words]),
        listed([word.high if up else word.low for word, up in words]),
    )


def _places(
    catalogue: Catalogue, mean: NDArray[np.float64], axes: NDArray[np.float64], size: NDArray[np.float64]
) -> tuple[Place, ...]:
    """Name the largest genres where their tracks lie on average, leaving out names that would cover others."""
    if catalogue.genres is None:
        return ()
    sizes = catalogue.genres.sum(axis=0)
    room_x, room_y = np.multiply(_NAME, size)
    kept: list[Place] = []
    for g in np.argsort(-sizes, kind="stable"):
        if len(kept) == _PLACES or not sizes[g]:
            break
        x, y = (catalogue.features[catalogue.genres[:, g]].mean(axis=0) - mean) @ axes.T
        if not any(abs(x - other.x) < room_x and abs(y - other.y) < room_y for other in kept):
            kept.append(Place(catalogue.genre_names[g], float(x), float(y)))
    return tuple(kept)
