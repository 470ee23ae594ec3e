"""What comes before the first session: the import, reading a table, loading it prepared."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from experiments.speed.measuring import Group, Task, done_often
from experiments.speed.setting import Setting, goal_at
from spotify_gym.catalogue import Catalogue
from spotify_gym.catalogue.report import Report
from spotify_gym.catalogue.tracks import FEATURE_NAMES

IMPORT = Group("import", "s")
READ = Group("read and prepare a table", "s", "rows")
LOAD = Group("load it prepared", "s", "tracks")

IMPORT_GOAL, READ_GOAL, LOAD_GOAL = 0.5, 3.0, 0.2
"""Seconds; the last two for the table of REAL_ROWS rows."""
REAL_ROWS = 232_725
"""Rows of *Ultimate Spotify Tracks DB*, the table that users bring."""

_TRACKS_A_ROW = 176_774 / REAL_ROWS  # in that table a track stands once under each of its genres
_IMPORTS = """
import time
began = time.process_time()
import gymnasium
between = time.process_time()
import spotify_gym
print(between - began, time.process_time() - between)
"""


def races(setting: Setting) -> Iterator[list[Task]]:
    """Yield what is to race each other."""
    yield _imports()
    table = setting.table or write_table(setting.folder / "table.csv", setting.effort.n_rows, setting.seed)
    catalogue = Catalogue.read(table)
    yield _reading(setting, table, catalogue.report)
    yield _loading(setting, catalogue)


def write_table(path: Path, n_rows: int, seed: int) -> Path:
    """Write an invented table with the schema of `SpotifyFeatures.csv`, tracks repeated under several genres as there.

    Returns:
        `path`.
    """
    rng = np.random.default_rng(seed)
    n_tracks = max(1, round(n_rows * _TRACKS_A_ROW))
    catalogue = Catalogue.builtin(n_tracks, seed)
    assert catalogue.names is not None
    assert catalogue.artists is not None
    tracks = np.concatenate([np.arange(n_tracks), rng.integers(n_tracks, size=n_rows - n_tracks)])
    raw = pd.DataFrame(catalogue.scaling.undo(catalogue.features)[tracks], columns=list(catalogue.feature_names))
    keys = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
    columns: dict[str, Any] = {
        "genre": rng.choice(["Movie", "R&B", "Opera", "Children's Music", "Ska"], n_rows),
        "artist_name": list(catalogue.artists.take(tracks)),
        "track_name": list(catalogue.names.take(tracks)),
        "track_id": list(catalogue.track_ids.take(tracks)),
        "popularity": rng.integers(101, size=n_rows),
        "duration_ms": rng.integers(60_000, 400_000, size=n_rows),
        "key": rng.choice(keys, n_rows),
        "mode": rng.choice(["Major", "Minor"], n_rows),
        "time_signature": "4/4",
    }
    (raw.round(4) + 0.0).assign(**columns)[_schema(raw)].to_csv(path, index=False)
    return path


def _schema(raw: pd.DataFrame) -> list[str]:
    """Return the columns of `SpotifyFeatures.csv` in their order: the features by name, the others among them."""
    first = ["genre", "artist_name", "track_name", "track_id", "popularity"]
    return [*first, *sorted([*raw.columns, "duration_ms", "key", "mode", "time_signature"])]


def _imports() -> list[Task]:
    return [
        Task(IMPORT, "spotify_gym, after gymnasium", 1, partial(_import_seconds, 1), goal=IMPORT_GOAL),
        Task(IMPORT, "gymnasium", 1, partial(_import_seconds, 0), "floor"),
    ]


def _import_seconds(which: int) -> float:
    """Return the processor time of an import in a process of its own: of gymnasium (0), then of spotify_gym (1) [s]."""
    command = [sys.executable, "-c", _IMPORTS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own text
    return float(done.stdout.split()[which])


def _reading(setting: Setting, table: Path, report: Report) -> list[Task]:
    n_rows, n_bytes = report.rows, table.stat().st_size
    ours = setting.repeating(done_often(lambda: Catalogue.read(table)))
    usual = setting.repeating(done_often(lambda: _read_usually(table, dict(report.columns))))
    limit, goal = setting.machine.moving(n_bytes, within=n_bytes), goal_at(n_rows, READ_GOAL, REAL_ROWS)
    return [
        Task(READ, "Catalogue.read", n_rows, ours, limit=limit, goal=goal),
        Task(READ, "pandas and StandardScaler, nothing checked", n_rows, usual, "usual"),
    ]


def _read_usually(table: Path, column_of: Mapping[str, str]) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    frame = pd.read_csv(table).drop_duplicates(column_of["track_id"])
    return frame, StandardScaler().fit_transform(frame[[column_of[name] for name in FEATURE_NAMES]])


def _loading(setting: Setting, catalogue: Catalogue) -> list[Task]:
    prepared, n = setting.folder / "catalogue.arrow", len(catalogue)
    catalogue.save(prepared)
    n_bytes = prepared.stat().st_size
    ours = setting.repeating(done_often(lambda: Catalogue.load(prepared)))
    session = setting.repeating(done_often(lambda: _first_session(prepared)))
    usual = setting.repeating(done_often(lambda: pd.read_feather(prepared)))
    limit, goal = setting.machine.moving(n_bytes, within=n_bytes), goal_at(n, LOAD_GOAL)
    return [
        Task(LOAD, "Catalogue.load", n, ours, limit=limit, goal=goal),
        Task(LOAD, "Catalogue.load, gym.make and reset", n, session),
        Task(LOAD, "pandas.read_feather of the same file, nothing checked", n, usual, "usual"),
    ]


def _first_session(prepared: Path) -> None:
    gym.make("SpotifySession-v0", catalogue=Catalogue.load(prepared)).reset(seed=0)
