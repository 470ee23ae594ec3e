"""From a table in a file to raw tracks and a report of what was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spotify_gym.catalogue.report import Report
from spotify_gym.catalogue.text import TextColumn
from spotify_gym.catalogue.tracks import FEATURE_NAMES, Tracks


def read_tracks(path: Path) -> tuple[Tracks, Report]:
    """Read a clean table."""
    import pandas as pd

    table = pd.read_csv(path).drop_duplicates("track_id")
    tracks = Tracks(table[list(FEATURE_NAMES)].to_numpy(np.float64), TextColumn.of(table["track_id"]))
    return tracks, Report(len(table), len(table))
