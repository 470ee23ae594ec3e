"""Training tracks and test tracks that have nothing in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.tracks import TextColumn


def related_groups(recordings: NDArray[np.int64], artists: TextColumn | None) -> NDArray[np.int64]:
    """Number (n_tracks,) the groups of tracks linked, directly or through others, by an artist or a recording.

    ``"A;B"`` links the tracks of A with those of B; an empty text links nothing.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_tracks = len(recordings)
    tracks, links = [np.arange(n_tracks)], [recordings]
    if artists is not None:
        numbers: dict[str, int] = {}
        pairs = [
            (track, numbers.setdefault(artist, n_tracks + len(numbers)))
            for track, together in enumerate(artists)
            for artist in map(str.strip, together.split(";"))
            if artist
        ]
        tracks.append(np.array([track for track, _ in pairs], dtype=np.int64))
        links.append(np.array([artist for _, artist in pairs], dtype=np.int64))
    row, column = np.concatenate(tracks), np.concatenate(links)
    size = max(n_tracks, int(column.max(initial=0)) + 1)
    graph = coo_array((np.ones(len(row), dtype=np.bool_), (row, column)), shape=(size, size))
    _, groups = connected_components(graph, directed=False)
    return np.asarray(groups[:n_tracks], dtype=np.int64)


def split_groups(groups: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Mark (n_tracks,) whole groups drawn at random, as many as fit in ``fraction`` of the tracks."""
    sizes = np.bincount(groups)
    room = round(fraction * len(groups))
    chosen = np.zeros(len(sizes), dtype=np.bool_)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        if sizes[group] <= room:
            chosen[group] = True
            room -= sizes[group]
    return chosen[groups]
