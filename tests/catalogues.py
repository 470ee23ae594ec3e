"""Test data: small catalogues, real tables, and small tables that are written to files, intact or damaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from spotify_gym.catalogue import FEATURE_NAMES, Catalogue
from spotify_gym.catalogue.report import Report
from spotify_gym.catalogue.scaling import Scaling
from spotify_gym.catalogue.tracks import TextColumn, Tracks

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def hand_made(features: NDArray[np.float32], names: Sequence[str] | None = None) -> Catalogue:
    """Return a catalogue of these features, (n_tracks, d), unscaled."""
    n_tracks, d = features.shape
    tracks = Tracks(
        features,
        TextColumn.of(f"id{i}" for i in range(n_tracks)),
        tuple(f"feature {j}" for j in range(d)),
        names=None if names is None else TextColumn.of(names),
    )
    unscaled = Scaling("standard", np.zeros(d), np.ones(d))
    return Catalogue.of(tracks, unscaled, source="by hand", synthetic=True, report=Report(n_tracks, n_tracks))


def real_table(name: str) -> Path:
    """Return the path of a real table next to the project; skip the test if it is missing."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the real table {name} is not at hand")
    return path


VALUES = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 0.1, 1e-6, 1e-19, 1e-22, -1e-38, 1e6, 1e12, -1e12, 12345.678]),
    st.floats(-(2.0**39), 2.0**39, width=32),
    st.floats(-3, 3, width=32),
)


@st.composite
def odd_catalogues(draw: st.DrawFn, smallest: int = 6) -> Catalogue:
    """Draw a catalogue of unusual features: constant, duplicate, tiny, huge or zero; as drawn or scaled."""
    n_tracks, d = draw(st.integers(smallest, smallest + 20)), draw(st.integers(1, 10))
    few = draw(hnp.arrays(np.float32, (draw(st.integers(1, n_tracks)), d), elements=VALUES))
    features = few[draw(st.lists(st.integers(0, len(few) - 1), min_size=n_tracks, max_size=n_tracks))]
    if draw(st.booleans()):
        return hand_made(features)
    return Catalogue.from_features(features, scaling=draw(st.sampled_from(["standard", "minmax"])))


COLUMNS = ("genre", "artist_name", "track_name", "track_id", "popularity", *FEATURE_NAMES)


def song(number: int, **changes: object) -> dict[str, object]:
    """Return one row of a table; rows with different numbers differ in every feature."""
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
