"""Starts of a session: what many know, a mood, a genre, a surprise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue

Ints = NDArray[np.int64]

_KNOWN_SHARE = 0.1  # of a genre or a mood, the most popular, that a start is drawn from
_FAR_SHARE = 0.02  # of the catalogue, those furthest in its direction, that make a mood


def well_known(catalogue: Catalogue, most: int = 8) -> Ints:
    """Return the most popular tracks, for those who cannot think of one; none where popularity is unknown."""
    if catalogue.popularity is None:
        return np.zeros(0, np.int64)
    n_candidates = min(10 * most, len(catalogue))
    popularity = catalogue.known_popularity
    known = np.argpartition(-popularity, n_candidates - 1)[:n_candidates]
    ordered = known[np.lexsort((known, -popularity[known]))]
    return catalogue.one_of_each_song(ordered[popularity[ordered] >= 0])[:most]


def mood_start(catalogue: Catalogue, direction: NDArray[np.float64], n_tracks: int, seed: int) -> Ints:
    """Draw `n_tracks` songs out of those that lie furthest in a direction (d,) of feature space.

    Of these, the better known where popularity is known.
    """
    far = np.argsort(-(catalogue.unit_features @ direction.astype(np.float32)), kind="stable")
    return _draw(catalogue, far[: max(20 * n_tracks, int(_FAR_SHARE * len(far)))], n_tracks, seed)


def genres_to_start_from(catalogue: Catalogue, n_tracks: int) -> tuple[str, ...]:
    """Return the genres, by name, that have at least `n_tracks` songs; none where genres are unknown."""
    if catalogue.genres is None:
        return ()
    first_versions = catalogue.songs == np.arange(len(catalogue))
    enough = catalogue.genres[first_versions].sum(axis=0) >= n_tracks
    return tuple(sorted(name for name, is_enough in zip(catalogue.genre_names, enough, strict=True) if is_enough))


def genre_start(catalogue: Catalogue, genre: str, n_tracks: int, seed: int) -> Ints:
    """Draw `n_tracks` songs of a genre, out of its best known tenth if popularity is known.

    Raises:
        ValueError: the catalogue does not know the genre, or has too few tracks of it.
    """
    if catalogue.genres is None or genre not in catalogue.genre_names:
        raise ValueError(f"this catalogue has no genre {genre!r}")
    member = np.flatnonzero(catalogue.genres[:, catalogue.genre_names.index(genre)])
    return _draw(catalogue, member, n_tracks, seed)


def surprise_start(catalogue: Catalogue, n_tracks: int, seed: int) -> Ints:
    """Draw one track, and then its nearest neighbours among a few hundred others: a start with a taste.

    Five tracks from all over the catalogue would have a vibe of nothing in particular.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(catalogue), size=min(len(catalogue), 400))
    pool = catalogue.one_of_each_song(np.concatenate([drawn, np.arange(min(len(catalogue), 4 * n_tracks))]))
    likeness = catalogue.unit_features[pool] @ catalogue.unit_features[pool[0]]
    return pool[np.argsort(-likeness, kind="stable")[:n_tracks]]


def _draw(catalogue: Catalogue, tracks: Ints, n_tracks: int, seed: int) -> Ints:
    """Draw songs out of the best known tenth of some tracks.

    Raises:
        ValueError: there are too few.
    """
    known = tracks[np.argsort(-catalogue.known_popularity[tracks], kind="stable")]
    pool = catalogue.one_of_each_song(known[: max(4 * n_tracks, int(_KNOWN_SHARE * len(known)))])
    if len(pool) < n_tracks:
        raise ValueError(f"only {len(pool)} different tracks to draw from, and a session starts from {n_tracks}")
    return np.random.default_rng(seed).choice(pool, n_tracks, replace=False)
