"""Ways into a session: search for tracks, pick a genre, be surprised."""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue

Ints = NDArray[np.int64]

_MOST_WORDS = 8
_KNOWN_SHARE = 0.1  # of a genre, the most popular, that a start is drawn from


def search(catalogue: Catalogue, text: str, most: int = 12) -> Ints:
    """Return the tracks whose title, artist or id contain every word of `text`, upper or lower case alike.

    Titles that begin with the text come first, then the popular; of several versions of a recording, the first found.
    """
    words = text.split()[:_MOST_WORDS]
    if not words:
        return np.zeros(0, np.int64)
    found = np.flatnonzero(reduce(np.logical_and, (_anywhere(catalogue, word) for word in words)))
    if not len(found):
        return found
    beginning = _begins(catalogue, text.strip())
    ordered = found[np.lexsort((found, -_popularity(catalogue, found), ~beginning[found]))]
    return _one_each(catalogue, ordered[: 10 * most])[:most]


def well_known(catalogue: Catalogue, most: int = 8) -> Ints:
    """Return the most popular tracks, for those who cannot think of one; none where popularity is unknown."""
    if catalogue.popularity is None:
        return np.zeros(0, np.int64)
    n_candidates = min(10 * most, len(catalogue))
    popularity = np.nan_to_num(catalogue.popularity, nan=-1)
    known = np.argpartition(-popularity, n_candidates - 1)[:n_candidates]
    ordered = known[np.lexsort((known, -popularity[known]))]
    return _one_each(catalogue, ordered[popularity[ordered] >= 0])[:most]


def genres_to_start_from(catalogue: Catalogue, n_tracks: int) -> tuple[str, ...]:
    """Return the genres, by name, that have at least `n_tracks` recordings; none where genres are unknown."""
    if catalogue.genres is None:
        return ()
    first_versions = catalogue.recordings == np.arange(len(catalogue))
    enough = catalogue.genres[first_versions].sum(axis=0) >= n_tracks
    return tuple(sorted(name for name, is_enough in zip(catalogue.genre_names, enough, strict=True) if is_enough))


def genre_start(catalogue: Catalogue, genre: str, n_tracks: int, seed: int) -> Ints:
    """Draw `n_tracks` recordings of a genre, out of its best known tenth if popularity is known.

    Raises:
        ValueError: the catalogue does not know the genre, or has too few tracks of it.
    """
    if catalogue.genres is None or genre not in catalogue.genre_names:
        raise ValueError(f"this catalogue has no genre {genre!r}")
    member = np.flatnonzero(catalogue.genres[:, catalogue.genre_names.index(genre)])
    known = member[np.argsort(-_popularity(catalogue, member), kind="stable")]
    n_known = max(4 * n_tracks, int(_KNOWN_SHARE * len(known)))
    pool = _one_each(catalogue, known[:n_known])
    if len(pool) < n_tracks:
        raise ValueError(f"this catalogue has only {len(pool)} tracks of {genre}, and a session starts from {n_tracks}")
    return np.random.default_rng(seed).choice(pool, n_tracks, replace=False)


def surprise_start(catalogue: Catalogue, n_tracks: int, seed: int) -> Ints:
    """Draw one track, and then its nearest neighbours among a few hundred others: a start with a taste.

    Five tracks from all over the catalogue would have a vibe of nothing in particular.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(catalogue), size=min(len(catalogue), 400))
    pool = _one_each(catalogue, np.concatenate([drawn, np.arange(min(len(catalogue), 4 * n_tracks))]))
    likeness = catalogue.unit_features[pool] @ catalogue.unit_features[pool[0]]
    return pool[np.argsort(-likeness, kind="stable")[:n_tracks]]


def _anywhere(catalogue: Catalogue, word: str) -> NDArray[np.bool_]:
    columns = [column for column in (catalogue.names, catalogue.artists) if column is not None]
    return reduce(np.logical_or, (column.contains(word) for column in columns or [catalogue.track_ids]))


def _begins(catalogue: Catalogue, text: str) -> NDArray[np.bool_]:
    if catalogue.names is None:
        return np.zeros(len(catalogue), np.bool_)
    import pyarrow.compute as pc

    begins = pc.starts_with(catalogue.names.to_arrow(), text, ignore_case=True)
    return np.asarray(begins.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _popularity(catalogue: Catalogue, tracks: Ints) -> NDArray[np.float32]:
    if catalogue.popularity is None:
        return np.zeros(len(tracks), np.float32)
    return np.nan_to_num(catalogue.popularity[tracks], nan=-1)


def _one_each(catalogue: Catalogue, tracks: Ints) -> Ints:
    """Keep the first version of each recording, in order."""
    _, first = np.unique(catalogue.recordings[tracks], return_index=True)
    return tracks[np.sort(first)]
