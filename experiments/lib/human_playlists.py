"""Playlists that people made, as tracks of a catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue

COLUMNS = ["playlist_id", "track_id"]


def read_playlists(path: Path, catalogue: Catalogue, shortest: int) -> dict[str, NDArray[np.int64]]:
    """Read the playlists of a CSV file with a row per playlist and track, in order.

    Args:
        path: a table with the columns of :data:`COLUMNS`, and any others.
        catalogue: tracks that it does not have are left out.
        shortest: lists with fewer tracks are left out.

    Returns:
        The tracks of each list by its id, (n,) indices in order, none of them twice.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such table, or no list is left.
    """
    found = pd.read_csv(path, nrows=0, encoding="utf-8-sig").columns
    if missing := [name for name in COLUMNS if name not in found]:
        raise ValueError(
            f"{path} has no column {missing[0]!r}; playlists are rows of {' and '.join(COLUMNS)}, in order"
        )
    rows = pd.read_csv(path, usecols=COLUMNS, dtype=str, encoding="utf-8-sig").dropna().drop_duplicates()
    index = pd.Series(np.arange(len(catalogue)), index=list(catalogue.track_ids))
    known = rows.assign(track=rows["track_id"].map(index)).dropna()
    by_list = known.groupby("playlist_id", sort=False)["track"]
    lists = {str(name): tracks.to_numpy(np.int64) for name, tracks in by_list if len(tracks) >= shortest}
    if not lists:
        raise ValueError(
            f"{path} has no playlist with {shortest} tracks of {catalogue.source}: "
            f"{len(known):,} of its {len(rows):,} entries are in that catalogue"
        )
    return lists
