"""The columns of a catalogue before scaling: what reading a table and inventing one have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spotify_gym.catalogue.text import TextColumn

FEATURE_RANGES: Mapping[str, tuple[float, float]] = {
    "acousticness": (0, 1),
    "danceability": (0, 1),
    "energy": (0, 1),
    "instrumentalness": (0, 1),
    "liveness": (0, 1),
    "loudness": (-100, 20),  # [dB], most between −60 and 0
    "speechiness": (0, 1),
    "tempo": (0, 400),  # [BPM], 0 where none was found
    "valence": (0, 1),
}
"""The nine continuous audio features of the Spotify Web API, and what their values can be."""

FEATURE_NAMES = tuple(FEATURE_RANGES)

Self = TypeVar("Self", bound="Tracks")


@dataclass(frozen=True, eq=False)
class Tracks:
    """Tracks, one a row, with what is known of them."""

    features: NDArray[Any]  # (n_tracks, d)
    track_ids: TextColumn  # (n_tracks,), unique
    feature_names: tuple[str, ...] = FEATURE_NAMES  # (d,)
    names: TextColumn | None = None
    artists: TextColumn | None = None  # several artists of one track are joined by ";"
    genres: NDArray[np.bool_] | None = None  # (n_tracks, n_genres)
    genre_names: tuple[str, ...] = ()  # (n_genres,)
    popularity: NDArray[np.float32] | None = None  # (n_tracks,) in [0, 100], NaN where unknown

    def __len__(self) -> int:
        return len(self.features)

    def take(self: Self, indices: ArrayLike) -> Self:
        """Return the tracks at ``indices`` (k,), in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        return replace(
            self,
            features=self.features[chosen],
            track_ids=self.track_ids.take(chosen),
            names=None if self.names is None else self.names.take(chosen),
            artists=None if self.artists is None else self.artists.take(chosen),
            genres=None if self.genres is None else self.genres[chosen],
            popularity=None if self.popularity is None else self.popularity[chosen],
        )
