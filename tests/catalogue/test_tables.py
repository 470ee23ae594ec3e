from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from spotify_gym.catalogue import CatalogueError, Finding, Report, TextColumn
from spotify_gym.catalogue.tables import Draft
from spotify_gym.catalogue.tracks import Tracks


def draft_of(ids: str, features: list[float], genres: list[int], popularity: list[float] | None = None) -> Draft:
    tracks = Tracks(
        features=np.array(features)[:, None],
        track_ids=TextColumn.of(ids),
        feature_names=("x",),
        genres=np.array(genres)[:, None] == np.arange(3),
        genre_names=("folk", "jazz", "rock"),
        popularity=None if popularity is None else np.array(popularity, dtype=np.float32),
    )
    return Draft(tracks, places=np.arange(len(ids)) + 2)


def test_fold_ids__gathers_the_genres_of_one_track() -> None:
    folded = draft_of("abab", [1, 2, 1, 2], [0, 1, 2, 1])
    folded.fold_ids()
    assert list(folded.tracks.track_ids) == ["a", "b"]
    assert folded.tracks.genres.astype(int).tolist() == [[1, 0, 1], [0, 1, 0]]
    assert [(finding.rows, finding.lines) for finding in folded.account.folded] == [(2, (4, 5))]


def test_fold_ids__keeps_the_first_and_reports_other_features_apart() -> None:
    folded = draft_of("aaa", [1, 1, 9], [0, 0, 0])
    folded.fold_ids()
    assert folded.tracks.features.tolist() == [[1]]
    assert [(finding.what, finding.lines) for finding in folded.account.folded] == [
        ("same id as an earlier row", (3,)),
        ("same id as an earlier row, but other features: the earlier row was kept", (4,)),
    ]


def test_merge__lets_the_most_popular_speak_for_all() -> None:
    merged = draft_of("abcd", [5, 5, 7, 5], [0, 1, 0, 2], [np.nan, 30, 10, 30])
    merged.merge_recordings()
    assert list(merged.tracks.track_ids) == ["b", "c"]
    assert merged.tracks.genres.astype(int).tolist() == [[1, 1, 1], [1, 0, 0]]
    assert merged.account.folded[0].rows == 2


def test_merge__keeps_the_first_where_popularity_is_unknown() -> None:
    merged = draft_of("abc", [5, 6, 5], [0, 0, 0])
    merged.merge_recordings()
    assert list(merged.tracks.track_ids) == ["a", "b"]


def test_drop_unpopular__drops_the_unknown_too() -> None:
    dropped = draft_of("abc", [1, 2, 3], [0, 0, 0], [50, np.nan, 20])
    dropped.drop_unpopular(30)
    assert list(dropped.tracks.track_ids) == ["a"]
    assert [(finding.what, finding.lines) for finding in dropped.account.dropped] == [
        ("popularity is unknown", (3,)),
        ("popularity is below 30", (4,)),
    ]


def test_drop_unpopular__needs_popularity() -> None:
    with pytest.raises(CatalogueError, match="no column of popularity"):
        draft_of("a", [1], [0]).drop_unpopular(30)


REPORT = Report(
    rows=12_000,
    tracks=11_990,
    columns=(("track_id", "track_id"), ("artists", "artist_name")),
    folded=(Finding("same id as an earlier row", 3, (4, 5, 6)),),
    dropped=(Finding.at("tempo is missing", range(10, 17)),),
    notes=("a note",),
    ranges=(("tempo", 0.0, 249.4),),
)


def test_report__prints_all_that_was_found() -> None:
    assert str(REPORT).splitlines() == [
        "12,000 rows read, 11,990 tracks kept",
        "  folded   3 × same id as an earlier row (line 4, 5, 6)",
        "  dropped  7 × tempo is missing (line 10, 11, 12, 13, 14, ...)",
        "  note     a note",
        "  columns  track_id, artists = 'artist_name'",
        "  range    tempo                     0 to 249.4",
    ]


def test_report__survives_json() -> None:
    assert Report.from_json(json.loads(json.dumps(asdict(REPORT)))) == REPORT
