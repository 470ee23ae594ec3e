"""A map of the catalogue by the first two principal components of its features."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spotify_gym.app.words import genres_of, listed, words_for
from spotify_gym.catalogue import Catalogue

_SHOWN = 1_500  # tracks drawn, so that the map stays light
_SIZES = {True: (560.0, 370.0), False: (290.0, 370.0)}  # of the map, on a desk and on a phone, at the least [px]
_LETTER, _LINE = 6.9, 14.0  # width and height that a letter takes up there [px]
_FULL = 0.25  # of the map, that names may cover
_BEYOND = 0.4  # percent of the tracks that lie beyond each edge
_MARGIN = 0.05  # of the width of the map, around it


@dataclass(frozen=True, eq=False)
class PcaMap:
    """The first two principal components of the features, computed once for a catalogue."""

    catalogue: Catalogue
    mean: NDArray[np.float64]  # (d,)
    axes: NDArray[np.float64]  # (2, d), orthonormal
    sample: NDArray[np.int64]  # (n,) tracks drawn
    low: NDArray[np.float64]  # (2,) the edges of the map, a few tracks lying beyond
    high: NDArray[np.float64]  # (2,)
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
        low, high = np.percentile((features[sample] - mean) @ axes.T, [_BEYOND, 100 - _BEYOND], axis=0)
        margin = np.maximum(_MARGIN * (high - low), 1e-6)
        directions = (_ends(catalogue.feature_names, axes[0]), _ends(catalogue.feature_names, axes[1]))
        return cls(catalogue, mean, axes, sample, low - margin, high + margin, directions)

    @property
    def corners(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the lower left and the upper right corner."""
        return tuple(self.low), tuple(self.high)

    @property
    def moods(self) -> dict[str, NDArray[np.float64]]:
        """Three directions, (d,), in which the catalogue extends furthest, named after their features."""
        (left, right), (_, up) = self.directions
        return {right: self.axes[0], left: -self.axes[0], up: self.axes[1]}

    @cached_property
    def landscape(self) -> bytes:
        """The static map data as JSON: `tracks`, and genre `names` for a `wide` and a narrow map."""
        points = self.locate(self.catalogue.features[self.sample]).round(4).tolist()
        tracks = [
            {"x": x, "y": y, "id": i, "track": self.catalogue.label(i), "genres": genres_of(self.catalogue, i)}
            for (x, y), i in zip(points, self.sample.tolist(), strict=True)
        ]
        names = [
            {"name": name, "x": x, "y": y, "wide": wide} for wide in _SIZES for name, x, y in self._genre_names(wide)
        ]
        return json.dumps({"tracks": tracks, "names": names}).encode()

    @cached_property
    def address(self) -> str:
        """The address of the static map data; it changes with the content."""
        return f"/map-{blake2b(self.landscape, digest_size=8).hexdigest()}.json"

    def locate(self, points: ArrayLike) -> NDArray[np.float32]:
        """Project scaled points, (..., d), to the map, (..., 2), clipped to its edges."""
        located = np.clip((np.asarray(points) - self.mean) @ self.axes.T, self.low, self.high)
        return located.astype(np.float32)

    def _genre_names(self, wide: bool) -> Iterator[tuple[str, float, float]]:
        """Yield genre labels and their positions, the largest genre first: at or near the mean of its tracks.

        Labels do not overlap; those without room are left out.
        """
        if (genres := self.catalogue.genres) is None:
            return
        size = np.array(_SIZES[wide])
        kept: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
        room = _FULL * size.prod()
        for g in np.argsort(-genres.sum(axis=0), kind="stable"):
            name, members = self.catalogue.genre_names[g], genres[:, g]
            half = np.array([_LETTER * len(name), _LINE]) / 2
            if not members.any() or (room := room - 4 * half.prod()) < 0:
                break
            centre = (self.locate(self.catalogue.features[members].mean(axis=0)) - self.low) / (self.high - self.low)
            for place in _around(centre * size, half, size):
                if all((np.abs(place - other) >= half + extent).any() for other, extent in kept):
                    kept.append((place, half))
                    yield name, *(self.low + place / size * (self.high - self.low)).tolist()
                    break


def _around(centre: NDArray[np.float64], half: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return candidate positions for a label of half that size, the nearest to its centre first [px]."""
    steps = np.array(list(product(range(-20, 21), range(-20, 21)))) * (15.0, _LINE)
    places = centre + steps
    inside = places[((places >= half) & (places <= size - half)).all(axis=1)]
    return inside[np.argsort(np.linalg.norm(inside - centre, axis=1), kind="stable")]


def _principal_axes(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the two directions of largest variance, (2, d), each with the sign that points upwards."""
    _, vectors = np.linalg.eigh(np.atleast_2d(np.cov(features, rowvar=False)))
    axes = np.zeros((2, features.shape[1]))
    axes[: min(2, len(vectors))] = vectors.T[::-1][:2]
    axes *= np.where(axes.sum(axis=1, keepdims=True) < 0, -1, 1)
    return axes


def _ends(feature_names: Sequence[str], axis: NDArray[np.float64]) -> tuple[str, str]:
    """Name the features with the largest loadings at both ends of an axis."""
    strongest = np.argsort(-np.abs(axis), kind="stable")[:2]
    words = [(words_for(feature_names[j]), axis[j] > 0) for j in strongest]
    return (
        listed([word.low if up else word.high for word, up in words]),
        listed([word.high if up else word.low for word, up in words]),
    )
