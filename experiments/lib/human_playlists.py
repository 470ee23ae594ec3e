"""Playlists that people made, as tracks of a catalogue."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue, CatalogueError, Finding, read_content

COLUMNS = ["playlist_id", "track_id"]


def read_playlists(
    path: Path, catalogue: Catalogue, shortest: int, say: Callable[[str], object] = lambda _: None
) -> dict[str, NDArray[np.int64]]:
    """Read the playlists of a CSV file, also packed, with a row per playlist and track, in order.

    Args:
        path: a table with the columns of :data:`COLUMNS`, and any others; tracks by their ids, URIs or links.
        catalogue: tracks that it does not have are left out.
        shortest: lists with fewer tracks are left out.
        say: is told which rows are left out because they name no list or no track.

    Returns:
        The tracks of each list by its id, (n,) indices in order, none of them twice.

    Raises:
        ValueError: the file cannot be read, is no such table, or no list is left.
    """
    table = pd.read_csv(io.BytesIO(read_content(path)), dtype=str, encoding="utf-8-sig", encoding_errors="replace")
    if missing := [name for name in COLUMNS if name not in table]:
        raise ValueError(
            f"{path} has no column {missing[0]!r}; playlists are rows of {' and '.join(COLUMNS)}, in order"
        )
    bad = table[COLUMNS].isna().any(axis=1)
    if bad.any():
        say(f"{path}: left out: {Finding.at('no playlist or no track', table.index[bad] + 1).describe('row')}")
    rows = table.loc[~bad, COLUMNS].drop_duplicates()
    index = {track_id: _index_of(catalogue, track_id) for track_id in rows["track_id"].unique()}
    known = rows.assign(track=rows["track_id"].map(index)).dropna()
    by_list = known.groupby("playlist_id", sort=False)["track"]
    lists = {str(name): tracks.to_numpy(np.int64) for name, tracks in by_list if len(tracks) >= shortest}
    if not lists:
        raise ValueError(
            f"{path} has no playlist with {shortest} tracks of {catalogue.source}: "
            f"{len(known):,} of its {len(rows):,} entries are in that catalogue"
        )
    return lists


def _index_of(catalogue: Catalogue, track_id: str) -> int | None:
    try:
        return catalogue.index_of(track_id)
    except CatalogueError:
        return None
