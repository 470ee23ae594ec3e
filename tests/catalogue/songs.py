"""Small tables that tests write, whole or damaged, and what is read of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from spotify_gym.catalogue import FEATURE_NAMES, Catalogue

COLUMNS = ("genre", "artist_name", "track_name", "track_id", "popularity", *FEATURE_NAMES)


def song(number: int, **changes: object) -> dict[str, object]:
    """Make one row; rows of different numbers differ in every feature."""
    features = {name: round(0.05 + 0.017 * number + 0.01 * column, 3) for column, name in enumerate(FEATURE_NAMES)}
    row: dict[str, object] = {
        "genre": "Folk",
        "artist_name": f"Artist {number}",
        "track_name": f"Song {number}",
        "track_id": f"id{number}",
        "popularity": 10 + number,
        **features,
        "loudness": -10.0 - number,
        "tempo": 100.0 + number,
    }
    return {**row, **changes}


def songs(n_rows: int) -> list[dict[str, object]]:
    return [song(number) for number in range(n_rows)]


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    return pd.DataFrame(rows, columns=COLUMNS).to_csv(index=False)


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text(csv_text(rows), encoding="utf-8")
    return path


def read(tmp_path: Path, content: bytes | str, name: str = "songs.csv", **options: object) -> Catalogue:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Catalogue.read(path, **options)  # type: ignore[arg-type]


def plain(tmp_path: Path, n_rows: int = 5) -> Catalogue:
    return Catalogue.read(write_csv(tmp_path / "plain.csv", songs(n_rows)))


def raw(catalogue: Catalogue) -> np.ndarray:
    return catalogue.scaling.undo(catalogue.features)


def frame(n_rows: int = 5) -> pd.DataFrame:
    return pd.DataFrame(songs(n_rows))
