"""A catalogue in the making: rows become tracks, and nothing is left out unsaid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.description import first_equal
from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.groups import first_equal_rows
from spotify_gym.catalogue.report import Finding
from spotify_gym.catalogue.tracks import Tracks

OTHER_FEATURES = "same id as an earlier row, but other features: the earlier row was kept"


@dataclass(frozen=True)
class Draft:
    """Usable rows, and what happened to the others. Every step returns another draft."""

    tracks: Tracks
    places: NDArray[np.int64]  # (n_tracks,), the line or row that each stands on
    dropped: tuple[Finding, ...] = ()
    folded: tuple[Finding, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)  # role or feature: the column that serves it
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def fold_ids(self) -> Draft:
        """Make one track of the rows of one id: the first row speaks for all, and their genres are gathered."""
        first = first_equal(self.tracks.track_ids.arrow)
        repeats = first != np.arange(len(first))
        differs = np.zeros_like(repeats)
        differs[repeats] = (self.tracks.features[repeats] != self.tracks.features[first[repeats]]).any(axis=1)
        reasons = {
            "same id as an earlier row": repeats & ~differs,
            OTHER_FEATURES: repeats & differs,
        }
        return self._fold(first, reasons)

    def merge_recordings(self) -> Draft:
        """Make one track of those with exactly equal features: the most popular speaks for all."""
        first = first_equal_rows(self.tracks.features)
        keeper = _most_popular(self.tracks.popularity, first)
        return self._fold(keeper, {"same recording as another track": keeper != np.arange(len(first))})

    def drop_unpopular(self, min_popularity: float) -> Draft:
        """Leave out the tracks that are less popular, or of unknown popularity.

        Raises:
            CatalogueError: if the table has no popularity.
        """
        popularity = self.tracks.popularity
        if popularity is None:
            raise CatalogueError(f"min_popularity={min_popularity:g}, but the table has no column of popularity.")
        return self.drop(
            {
                "popularity is unknown": np.isnan(popularity),
                f"popularity is below {min_popularity:g}": popularity < min_popularity,
            }
        )

    def drop(self, reasons: Mapping[str, NDArray[np.bool_]]) -> Draft:
        """Leave out the rows that are marked, (n_tracks,) for each reason and in one at most."""
        kept = np.flatnonzero(~np.any(list(reasons.values()), axis=0))
        if len(kept) == len(self.tracks):
            return self
        return replace(
            self,
            tracks=self.tracks.take(kept),
            places=self.places[kept],
            dropped=(*self.dropped, *self._findings(reasons)),
        )

    def _fold(self, keeper: NDArray[np.int64], reasons: Mapping[str, NDArray[np.bool_]]) -> Draft:
        """Let ``keeper[i]`` (n_tracks,) speak for row ``i``, and gather the genres of all it speaks for."""
        kept = np.flatnonzero(keeper == np.arange(len(keeper)))
        if len(kept) == len(keeper):
            return self
        tracks = self.tracks.take(kept)
        if self.tracks.genres is not None:
            position = np.zeros(len(keeper), dtype=np.int64)
            position[kept] = np.arange(len(kept))
            row, genre = np.nonzero(self.tracks.genres)
            genres = np.zeros_like(self.tracks.genres[kept])
            genres[position[keeper[row]], genre] = True
            tracks = replace(tracks, genres=genres)
        return replace(self, tracks=tracks, places=self.places[kept], folded=(*self.folded, *self._findings(reasons)))

    def _findings(self, reasons: Mapping[str, NDArray[np.bool_]]) -> Iterator[Finding]:
        return (Finding.at(reason, self.places[marks]) for reason, marks in reasons.items() if marks.any())


def _most_popular(popularity: NDArray[np.float32] | None, first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find for each row (n_rows,) the most popular one with the same ``first``; the first of several."""
    if popularity is None:
        return first
    order = np.lexsort((-np.nan_to_num(popularity, nan=-1.0), first))
    best = order[np.flatnonzero(np.diff(first[order], prepend=-1))]
    keeper = np.empty_like(first)
    keeper[first[best]] = best
    return keeper[first]
