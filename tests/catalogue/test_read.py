"""`Catalogue.read` as users call it: valid, damaged and invalid tables."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotify_gym.catalogue import FEATURE_NAMES, Catalogue, CatalogueError, Finding, Report, TextColumn
from spotify_gym.catalogue.tables import Draft
from spotify_gym.catalogue.tracks import Tracks
from tests.catalogues import COLUMNS, csv_text, frame, plain, read, real_table, song, songs, write_csv


def test_read__takes_titles_artists_genres_and_popularity_where_present(tmp_path: Path) -> None:
    catalogue = Catalogue.read(write_csv(tmp_path / "songs.csv", songs(6)))
    assert list(catalogue.track_ids) == [f"id{number}" for number in range(6)]
    assert catalogue.label(2) == "Song 2 — Artist 2"
    assert catalogue.genre_names == ("Folk",)
    assert catalogue.popularity.tolist() == [10, 11, 12, 13, 14, 15]
    assert catalogue.source == "songs.csv"
    assert not catalogue.synthetic


def test_read__scales_by_hand_worked_numbers(tmp_path: Path) -> None:
    rows = [song(number, tempo=tempo) for number, tempo in enumerate([100, 120, 140])]
    path = write_csv(tmp_path / "songs.csv", rows)
    tempo = FEATURE_NAMES.index("tempo")
    assert Catalogue.read(path).features[:, tempo] == pytest.approx([-np.sqrt(1.5), 0, np.sqrt(1.5)])
    assert Catalogue.read(path, scaling="minmax").features[:, tempo] == pytest.approx([0, 0.5, 1])


def test_read__scales_as_another_catalogue_is(tmp_path: Path) -> None:
    other = Catalogue.builtin(50)
    catalogue = Catalogue.read(write_csv(tmp_path / "songs.csv", songs(6)), scaling=other.scaling)
    assert catalogue.coordinates == other.coordinates
    raw = [song(3)[name] for name in FEATURE_NAMES]
    np.testing.assert_allclose(catalogue.features[3], other.scaling.apply(raw))


def test_read__needs_the_required_columns_only(tmp_path: Path) -> None:
    path = tmp_path / "bare.csv"
    pd.DataFrame(songs(4))[["track_id", *FEATURE_NAMES]].to_csv(path)
    catalogue = Catalogue.read(path)
    assert catalogue.names is catalogue.artists is catalogue.genres is catalogue.popularity is None
    assert catalogue.label(1) == "id1"


def test_merge__folds_versions_of_a_recording(tmp_path: Path) -> None:
    rows = [song(0), song(1), song(0, track_id="other album", popularity=90, track_name="Song 0 again")]
    path = write_csv(tmp_path / "songs.csv", rows)
    assert Catalogue.read(path).recordings.tolist() == [0, 1, 0]
    merged = Catalogue.read(path, duplicates="merge")
    assert list(merged.names) == ["Song 1", "Song 0 again"]
    assert "same recording as another track" in str(merged.report)


def test_min_popularity__leaves_out_and_says_so(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "songs.csv", [*songs(5), song(5, popularity="")])
    catalogue = Catalogue.read(path, min_popularity=12)
    assert catalogue.popularity.tolist() == [12, 13, 14]
    assert {finding.what: finding.rows for finding in catalogue.report.dropped} == {
        "popularity is unknown": 1,
        "popularity is below 12": 2,
    }


def test_shuffle__is_seeded_and_keeps_rows_together(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "songs.csv", songs(30))
    plain, first, second = Catalogue.read(path), *(Catalogue.read(path, shuffle=True, seed=seed) for seed in (1, 2))
    assert list(first.track_ids) == list(Catalogue.read(path, shuffle=True, seed=1).track_ids)
    assert len({tuple(catalogue.track_ids) for catalogue in (plain, first, second)}) == 3
    assert first.features[first.index_of("id7")].tolist() == plain.features[7].tolist()


def test_table_without_a_usable_row__says_why(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "songs.csv", [song(number, energy="loud") for number in range(9)])
    with pytest.raises(
        CatalogueError, match=r"all 9 rows are unusable: 9 × energy is not a number \(line 2, 3, 4, 5, 6, ..."
    ):
        Catalogue.read(path)


def test_one_row__is_a_catalogue(tmp_path: Path) -> None:
    assert not Catalogue.read(write_csv(tmp_path / "songs.csv", [song(0)])).features.any()


def test_spreadsheet_damage__costs_the_cut_row_only(tmp_path: Path) -> None:
    text = csv_text(songs(5)).replace("\n", "\r\n")
    path = tmp_path / "songs.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode()[:-40])
    catalogue = Catalogue.read(path)
    assert len(catalogue) == 4
    assert f"1 × not {len(COLUMNS)} columns (line 6)" in str(catalogue.report)


def test_arguments__that_mean_nothing_are_named(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "songs.csv", songs(3))
    with pytest.raises(CatalogueError, match="duplicates='drop' is not known"):
        Catalogue.read(path, duplicates="drop")  # type: ignore[arg-type]
    with pytest.raises(CatalogueError, match="scaling='robust' is not known"):
        Catalogue.read(path, scaling="robust")
    with pytest.raises(CatalogueError, match="all 3 rows are unusable"):
        Catalogue.read(path, min_popularity=99)
    with pytest.raises(CatalogueError, match="min_popularity=101 must be from 0 to 100"):
        Catalogue.read(path, min_popularity=101)
    for what in ({"features": "tempo"}, {"columns": "tempo"}):
        with pytest.raises(CatalogueError, match=r"columns must be a dict .*, and features a list of names"):
            Catalogue.read(path, **what)  # type: ignore[arg-type]
    with pytest.raises(CatalogueError, match=r"a DataFrame is not a path; pass a DataFrame to gymnasium.make"):
        Catalogue.read(pd.DataFrame())  # type: ignore[arg-type]


def test_verdict__warns_of_many_dropped_rows(tmp_path: Path) -> None:
    for n_dropped, n_rows, share in ((3, 20, "15%"), (399, 400, "99%")):
        rows = [song(n % 50, track_id=f"t{n}", energy="" if n < n_dropped else 0.5) for n in range(n_rows)]
        assert read(tmp_path, csv_text(rows)).report.verdict == f"warning: {share} of the rows were dropped"
    assert plain(tmp_path).report.verdict == "ok"


def test_hostile_names__are_shown_without_what_a_terminal_obeys(tmp_path: Path) -> None:
    table = frame().rename(columns={"track_id": "track\x1b[2Jid"})
    catalogue = read(tmp_path, table.to_csv(index=False))
    assert "\x1b" not in str(catalogue.report)
    with pytest.raises(CatalogueError) as caught:
        read(tmp_path, table[["track\x1b[2Jid"]].to_csv(index=False))
    assert "\x1b" not in str(caught.value)


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
        "  merged   3 × same id as an earlier row (line 4, 5, 6)",
        "  dropped  7 × tempo is missing (line 10, 11, 12, 13, 14, ...)",
        "  note     a note",
        "  columns  track_id, artists = 'artist_name'",
        "  range    tempo                     0 to 249.4",
    ]


def test_report__survives_json() -> None:
    assert Report.from_json(json.loads(json.dumps(asdict(REPORT)))) == REPORT


def odd(name: str) -> Catalogue:
    return Catalogue.read(real_table(f"odd/{name}"))


@pytest.mark.parametrize(
    ("name", "n_tracks", "n_features", "verdict"),
    [
        ("multiline.csv", 2, 9, "ok"),
        ("hint.csv", 4, 9, "ok"),
        ("hint2.csv", 4, 9, "warning: no titles"),
        ("twice.csv", 2, 8, "warning: no titles"),
        ("playlist_name.csv", 2, 9, "ok"),
        ("album.csv", 5, 9, "warning: 'spotify_id' does not identify tracks"),
        ("semi.csv", 2, 9, "warning: no titles"),
        ("latin.csv", 2, 9, "ok"),
        ("list.json", 2, 9, "warning: no titles"),
        ("artists.csv", 2, 9, "ok"),
        ("archive.zip", 2, 9, "ok"),
        ("uri.csv", 3, 9, "ok"),
        ("spark_parts", 1, 9, "warning: no titles"),
    ],
)
def test_odd_table__is_read(name: str, n_tracks: int, n_features: int, verdict: str) -> None:
    catalogue = odd(name)
    assert (len(catalogue), len(catalogue.feature_names)) == (n_tracks, n_features)
    assert catalogue.report.verdict.startswith(verdict)


def test_odd_tables__hold_what_they_should() -> None:
    assert list(odd("playlist_name.csv").names) == ["First Song", "Second Song"]
    assert odd("latin.csv").names[0] == "Señorita"
    assert list(odd("artists.csv").artists) == ["Some Band;Other Band", "Some Band"]
    uri = odd("uri.csv")
    assert (uri.track_ids[0], uri.artists[0], uri.genre_names) == ("0000000000000000000001", "Band 1", ("pop", "rock"))
    assert "no column of ids: they are made from titles" in str(odd("hint.csv").report)
    assert "audio_mode" not in str(odd("hint.csv").report)
    assert "no column of instrumentalness: 8 of the nine features" in str(odd("twice.csv").report)


def test_lost_decimal_points__are_refused_by_column_value_and_line() -> None:
    with pytest.raises(
        CatalogueError, match=r"danceability is '706\.0' on line 2.*energy is '73\.0' on line 3"
    ) as caught:
        odd("points.csv")
    assert "points.csv --features acousticness instrumentalness liveness loudness speechiness tempo valence" in (
        str(caught.value)
    )


def test_spotify_features__damaged_by_a_spreadsheet() -> None:
    catalogue = Catalogue.read(real_table("SpotifyFeatures_spreadsheet_damaged.csv"))
    report = catalogue.report
    assert (report.rows, len(catalogue)) == (19_829, 19_160)
    assert [(finding.what, finding.lines) for finding in report.dropped] == [("not 18 columns", (19_830,))]
    assert catalogue.names[1] == "Perdu d'avance (par Gad Elmaleh)"
    assert catalogue.artists[1] == "Martin & les fées"


@pytest.mark.parametrize("duplicates", ["keep", "merge"])
def test_full_size_table(duplicates: str) -> None:
    catalogue = Catalogue.read(real_table("tracks_211871.csv"), duplicates=duplicates)
    assert len(catalogue) == {"keep": 211_871, "merge": 211_871 - 10_611}[duplicates]
    np.testing.assert_allclose(catalogue.features.mean(axis=0, dtype=np.float64), 0, atol=1e-4)
    np.testing.assert_allclose(catalogue.features.std(axis=0, dtype=np.float64), 1, atol=1e-4)
    if duplicates == "keep":
        assert np.isnan(catalogue.popularity).mean() == pytest.approx(0.69, abs=0.01)


REAL = {
    "SpotifyFeatures_first_1397_rows.csv": (1397, 1395, "4189327d52cca6ad8db9e8443b50923f"),
    "SpotifyFeatures_spreadsheet_damaged.csv": (19_829, 19_160, "68637aba0b13f5b56b2f924d93f59e93"),
    "dataset_sample_886_rows.csv": (886, 886, "c1c5425f992f3de7ed07defb38f53664"),
    "spotify_songs.csv": (32_833, 28_356, "ba4ae95491e10de97cfffb679fcb6e7a"),
    "tracks_211871.csv": (211_871, 211_871, "3df50a633c51223f642e082d0c921b89"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_table__is_read_as_by_the_first_version(name: str) -> None:
    catalogue = Catalogue.read(real_table(name))
    assert (catalogue.report.rows, len(catalogue), catalogue.fingerprint) == REAL[name]


values = st.one_of(st.floats(), st.sampled_from(["", "x", "nan", "4-Apr", "1e999", 0.5, 1, -60.0, 1e300]))


rows = st.builds(
    song,
    st.integers(0, 5),
    genre=st.sampled_from(["Folk", "Jazz", ""]),
    track_name=st.text(max_size=5),
    popularity=values,
    energy=values | st.just(0.4),
    tempo=values | st.just(100),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(rows, max_size=12), st.sampled_from(["keep", "merge"]), st.sampled_from(["standard", "minmax"]))
def test_any_table__becomes_a_valid_catalogue_or_an_error(tmp_path: Path, table, duplicates, scaling) -> None:
    path = tmp_path / "songs.csv"
    path.write_bytes(csv_text(table).encode("utf-8", "replace"))
    try:
        catalogue = Catalogue.read(path, duplicates=duplicates, scaling=scaling)
    except CatalogueError:
        return
    report = catalogue.report
    assert report.rows == report.tracks + sum(finding.rows for finding in (*report.folded, *report.dropped))
    assert len(set(catalogue.track_ids)) == len(catalogue) == report.tracks
    assert np.isfinite(catalogue.features).all()
    assert ((catalogue.features >= -1e-6) & (catalogue.features <= 1 + 1e-6)).all() or scaling == "standard"
    assert not (catalogue.popularity < 0).any()
