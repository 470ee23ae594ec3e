"""`Catalogue.read` from the outside: good tables, bad tables, and every table in between."""

import gzip
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotify_gym.catalogue import FEATURE_NAMES, Catalogue, CatalogueError
from tests.catalogue.songs import COLUMNS, csv_text, song, songs, write_csv


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


@pytest.mark.parametrize("name", ["songs.csv.gz", "songs.parquet", "songs.csv"])
def test_read__tells_kinds_of_file_apart_by_content(tmp_path: Path, name: str) -> None:
    frame, path = pd.DataFrame(songs(5)), tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(csv_text(songs(5)).encode()))
    elif name.endswith(".parquet"):
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    misnamed = path.rename(tmp_path / "table")
    assert Catalogue.read(misnamed).fingerprint == Catalogue.read(write_csv(tmp_path / "x.csv", songs(5))).fingerprint


def test_read__maps_columns_of_other_names(tmp_path: Path) -> None:
    path = tmp_path / "songs.csv"
    pd.DataFrame(songs(4)).rename(columns={"track_id": "uri", "tempo": "bpm"}).to_csv(path, index=False)
    catalogue = Catalogue.read(path, columns={"track_id": "uri", "tempo": "bpm"})
    assert ("tempo", "bpm") in catalogue.report.columns
    assert "tempo = 'bpm'" in str(catalogue.report)


def test_parquet__joins_lists_and_reads_categories(tmp_path: Path) -> None:
    frame = pd.DataFrame(songs(3))
    frame["artist_name"] = [["A", "B"], ["C"], []]
    frame["genre"] = frame["genre"].astype("category")
    frame["popularity"] = [5, None, 120]
    frame.to_parquet(tmp_path / "songs.parquet")
    catalogue = Catalogue.read(tmp_path / "songs.parquet")
    assert list(catalogue.artists) == ["A;B", "C", ""]
    assert catalogue.label(0) == "Song 0 — A, B"
    assert catalogue.genre_names == ("Folk",)
    assert np.isnan(catalogue.popularity).tolist() == [False, True, True]


def test_parquet__counts_rows_and_refuses_columns_of_dates(tmp_path: Path) -> None:
    frame = pd.DataFrame([song(0), song(1, energy=np.nan), song(2)])
    frame.to_parquet(tmp_path / "songs.parquet")
    assert "1 × energy is missing (row 2)" in str(Catalogue.read(tmp_path / "songs.parquet").report)
    frame["tempo"] = pd.Timestamp("2020-04-04")
    frame.to_parquet(tmp_path / "dates.parquet")
    with pytest.raises(CatalogueError, match=r"'tempo' holds timestamp.*neither texts nor numbers"):
        Catalogue.read(tmp_path / "dates.parquet")


def test_genres_of_repeated_ids__are_gathered(tmp_path: Path) -> None:
    rows = [song(0), song(1, genre="Children’s Music"), song(0, genre="Jazz"), song(2, genre="Children's Music")]
    catalogue = Catalogue.read(write_csv(tmp_path / "songs.csv", rows))
    assert catalogue.genre_names == ("Children's Music", "Folk", "Jazz")
    assert catalogue.genres.astype(int).tolist() == [[0, 1, 1], [1, 0, 0], [1, 0, 0]]
    assert "1 × same id as an earlier row (line 4)" in str(catalogue.report)


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


BAD_ROWS = {
    "danceability is not a number": song(9, danceability="very"),
    "energy is missing": song(9, energy=""),
    "loudness is infinite": song(9, loudness="-inf"),
    "valence is missing": song(9, valence="NaN"),
    "tempo is not a number": song(9, tempo="4-Apr"),
    "speechiness is outside 0 to 1": song(9, speechiness=214290),
    "no track id": song(9, track_id="  "),
}


@pytest.mark.parametrize("reason", BAD_ROWS)
def test_bad_row__is_left_out_and_reported_by_line(tmp_path: Path, reason: str) -> None:
    rows = songs(8)
    rows.insert(3, BAD_ROWS[reason])
    catalogue = Catalogue.read(write_csv(tmp_path / "songs.csv", rows))
    assert list(catalogue.track_ids) == [f"id{number}" for number in range(8)]
    assert f"1 × {reason} (line 5)" in str(catalogue.report)


def test_table_without_a_usable_row__says_why(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "songs.csv", [song(number, energy="loud") for number in range(9)])
    with pytest.raises(
        CatalogueError, match=r"none of its 9 rows .* 9 × energy is not a number \(line 2, 3, 4, 5, 6, ..."
    ):
        Catalogue.read(path)


def test_one_column_in_per_cent__is_brought_to_the_unit_of_the_others_and_warned_of(tmp_path: Path) -> None:
    rows = [song(n, energy=10 * n) for n in range(1, 9)]
    catalogue = Catalogue.read(write_csv(tmp_path / "songs.csv", rows), scaling="minmax")
    assert len(catalogue) == 8
    assert dict((name, (low, high)) for name, low, high in catalogue.report.ranges)["energy"] == (0.1, 0.8)
    assert catalogue.report.verdict.startswith("warning: mixed units: energy taken to be in per cent")


def test_constant_feature__is_zero_and_noted(tmp_path: Path) -> None:
    catalogue = Catalogue.read(write_csv(tmp_path / "songs.csv", [song(n, tempo=120) for n in range(5)]))
    assert not catalogue.features[:, FEATURE_NAMES.index("tempo")].any()
    assert "the same in every track, so scaled to 0 and telling none apart: tempo (120)" in str(catalogue.report)


def test_one_row__is_a_catalogue(tmp_path: Path) -> None:
    assert not Catalogue.read(write_csv(tmp_path / "songs.csv", [song(0)])).features.any()


def test_unreadable_popularity__is_unknown_and_counted(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "songs.csv", [song(0, popularity="high"), song(1, popularity=""), song(2, popularity=101)]
    )
    catalogue = Catalogue.read(path)
    assert np.isnan(catalogue.popularity).all()
    assert "popularity is not a number from 0 to 100 in 2 rows" in str(catalogue.report)


def test_many_genres__are_limited_to_the_frequent(tmp_path: Path) -> None:
    rows = [song(n % 40, track_id=f"id{n}", genre=f"genre {n}") for n in range(600)] + [
        song(3, track_id="x", genre="genre 1")
    ]
    catalogue = Catalogue.read(write_csv(tmp_path / "songs.csv", rows))
    assert catalogue.genres.shape == (601, 500)
    assert catalogue.genres[1].any()
    assert "600 genres: only the 500 most frequent" in str(catalogue.report)


def test_control_characters__do_not_reach_the_terminal(tmp_path: Path) -> None:
    catalogue = Catalogue.read(write_csv(tmp_path / "songs.csv", [song(0, track_name="\x1b[2J boo\x07"), song(1)]))
    assert catalogue.names[0] == "[2J boo"


def test_spreadsheet_damage__costs_the_cut_row_only(tmp_path: Path) -> None:
    text = csv_text(songs(5)).replace("\n", "\r\n")
    path = tmp_path / "songs.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode()[:-40])
    catalogue = Catalogue.read(path)
    assert len(catalogue) == 4
    assert f"1 × not {len(COLUMNS)} columns (line 6)" in str(catalogue.report)


BAD_FILES = {
    "is empty": b"",
    "a header, but no rows": csv_text([]).encode(),
    "damaged, cut off or encrypted: File is not a zip file": b"PK\x03\x04" + bytes(60),
    "is packed, but damaged": gzip.compress(csv_text(songs(3)).encode())[:-30],
    "Parquet file is damaged": b"PAR1" + bytes(100),
    "no table of audio features": b"name,price\nbread,3\n",
    "is a picture": b"\x89PNG\x0d\x0a" + bytes(range(256)),
    "neither a text nor of a kind": b"\x07\x00\x00" + bytes(range(256)),
    r"is a web page \(HTML": b"\n<!DOCTYPE html><html><body>404</body></html>",
    "is a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    "is a pickle": pickle.dumps(songs(3)),
    "is a file of R": gzip.compress(b"X\n\x00\x00\x00\x03"),
    "is an old spreadsheet": b"\xd0\xcf\x11\xe0" + bytes(100),
    "is an array of NumPy": b"\x93NUMPY" + bytes(100),
    "is a database": b"SQLite format 3\x00",
    "is a tar archive": b"songs.csv".ljust(257, b"\x00") + b"ustar\x00",
    "this is no JSON": b"[{]\n{}}",
    "holds no record": b'{"a": [1, 2, {"b": null}]}',
    "nested too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("message", BAD_FILES)
def test_bad_file__gets_one_clear_message_with_its_name(tmp_path: Path, message: str) -> None:
    path = tmp_path / "songs.csv"
    path.write_bytes(BAD_FILES[message])
    with pytest.raises(CatalogueError, match=message) as caught:
        Catalogue.read(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_folder__are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="there is no such file"):
        Catalogue.read(tmp_path / "songs.csv")
    with pytest.raises(CatalogueError, match="has no table in it"):
        Catalogue.read(tmp_path)


def test_arguments__that_mean_nothing_are_named(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "songs.csv", songs(3))
    with pytest.raises(CatalogueError, match="duplicates='drop' is not known"):
        Catalogue.read(path, duplicates="drop")  # type: ignore[arg-type]
    with pytest.raises(CatalogueError, match="scaling='robust' is not known"):
        Catalogue.read(path, scaling="robust")
    with pytest.raises(CatalogueError, match="none of its 3 rows"):
        Catalogue.read(path, min_popularity=99)


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


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
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


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_damage__ends_in_a_valid_catalogue_or_an_error(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(csv_text([*songs(5), song(5, track_name='Say "hi",\nagain')]).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.sampled_from([start, start + 1, start + 20, len(content)]))
        content[start:end] = data.draw(
            st.sampled_from([b"", b'"', b",", b"\n", b"\r", b"\0", b"\xff", b"9" * 50, b";"])
        )
    path = tmp_path / "songs.csv"
    path.write_bytes(content)
    try:
        catalogue = Catalogue.read(path)
    except CatalogueError:
        return
    assert len(set(catalogue.track_ids)) == len(catalogue) == catalogue.report.tracks
    assert np.isfinite(catalogue.features).all()
    assert all(catalogue.label(index) for index in range(len(catalogue)))
