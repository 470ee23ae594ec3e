"""Playlists that people made, as tracks of a catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue

COLUMNS = ("playlist_id", "track_id")


@dataclass(frozen=True)
class HumanPlaylist:
    """One list."""

    name: str
    """Its id."""
    tracks: NDArray[np.int64]
    """(n,) indices of its tracks, in order, none of them twice."""


def read_playlists(path: Path, catalogue: Catalogue, shortest: int) -> list[HumanPlaylist]:
    """Read the playlists of a CSV file with a row per playlist and track, in order.

    Args:
        path: a table with the columns of :data:`COLUMNS`, and any others.
        catalogue: tracks that it does not have are left out.
        shortest: lists with fewer tracks are left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such table, or no list is left.
    """
    found = pd.read_csv(path, nrows=0, encoding="utf-8-sig").columns
    if missing := [name for name in COLUMNS if name not in found]:
        raise ValueError(
            f"{path} has no column {missing[0]!r}; playlists are rows of {' and '.join(COLUMNS)}, in order"
        )
    rows = pd.read_csv(path, usecols=list(COLUMNS), dtype=str, encoding="utf-8-sig").dropna().drop_duplicates()
    index = pd.Series(np.arange(len(catalogue)), index=list(catalogue.track_ids))
    known = rows.assign(track=rows["track_id"].map(index)).dropna()
    lists = [
        HumanPlaylist(str(name), tracks.to_numpy(np.int64))
        for name, tracks in known.groupby("playlist_id", sort=False)["track"]
        if len(tracks) >= shortest
    ]
    if not lists:
        raise ValueError(
            f"{path} has no playlist with {shortest} tracks of {catalogue.source}: "
            f"{len(known):,} of its {len(rows):,} entries are in that catalogue"
        )
    return lists
