"""Parsing of columns: numbers, units, ids, artists, genres, any number of features."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spotify_gym.catalogue import FEATURE_NAMES, Catalogue, CatalogueError
from spotify_gym.catalogue.columns import describe_fault, parse_numbers
from tests.catalogues import csv_text, frame, plain, raw, read, real_table, song, songs, write_csv


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.5", 0.5),
        (" 0.5 ", 0.5),
        ("8.19E-06", 8.19e-6),
        ("-60", -60),
        ("+1", 1),
        (".5", 0.5),
        ("1.", 1),
        ("1e999", np.inf),
        ("58%", 58),
        ("58 %", 58),
        ("58\N{NO-BREAK SPACE}%", 58),
        ("120 BPM", 120),
        ("-6.85db", -6.85),
        ("\N{MINUS SIGN}7.1", -7.1),
        ("0,5", 0.5),
        ("-7,104", -7104),  # the comma may separate thousands
        ("1,234,567", 1234567),
    ],
)
def test_parse__reads_numbers_as_people_write_them(text: str, number: float) -> None:
    parsed = parse_numbers({"": pa.chunked_array([["no number", text]])})[""]
    assert np.isnan(parsed[0])
    assert parsed[1] == number


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("", "missing"),
        (" NaN ", "missing"),
        ("NULL", "missing"),
        (None, "missing"),
        ("-nan", "not a number"),
        ("inf", "infinite"),
        ("1e999", "infinite"),
        (float("-inf"), "infinite"),
        ("4-Apr", "not a number"),
        ("1.234,5", "not a number"),
        ("1_000", "not a number"),
    ],
)
def test_fault__is_described_in_words(value: object, fault: str) -> None:
    assert not np.isfinite(parse_numbers({"": pa.chunked_array([pa.array([value])])})[""][0])
    assert describe_fault(value) == fault


def test_commas__are_decimal_in_all_columns_if_one_cell_says_so() -> None:
    parsed = parse_numbers(
        {"energy": pa.chunked_array([["0,5", "0,25"]]), "tempo": pa.chunked_array([["121,017", "98,5"]])}
    )
    assert parsed["energy"].tolist() == [0.5, 0.25]
    assert parsed["tempo"].tolist() == [121.017, 98.5]


SHARES = [name for name in FEATURE_NAMES if name not in ("loudness", "tempo")]


@pytest.mark.parametrize("kind", ["small", "real"])
def test_table_in_per_cent__gives_the_same_tracks(tmp_path: Path, kind: str) -> None:
    table = frame(30) if kind == "small" else pd.read_csv(real_table("SpotifyFeatures_first_1397_rows.csv"))
    table.to_csv(tmp_path / "original.csv", index=False)
    table[SHARES] *= 100
    table.to_csv(tmp_path / "percent.csv", index=False)
    original, percent = (Catalogue.read(tmp_path / f"{name}.csv") for name in ("original", "percent"))
    assert list(original.track_ids) == list(percent.track_ids)
    np.testing.assert_allclose(original.features, percent.features, atol=1e-5)
    assert percent.report.verdict == original.report.verdict == "ok"
    assert "the table is in per cent" in str(percent.report)


def test_whole_per_cents__of_a_table_without_one_feature(tmp_path: Path) -> None:
    text = "title,artist,bpm,nrgy,dnce,dB,live,val,acous,spch,pop\n" + "".join(
        f"Song {n},Band,{100 + n},{40 + n},{60 + n},-{5 + n},{n % 3},{30 + n},{n},{3 + n},{50 + n}\n" for n in range(20)
    )
    catalogue = read(tmp_path, text)
    assert raw(catalogue)[0] == pytest.approx([0, 0.60, 0.40, 0, -5, 0.03, 100, 0.30], abs=1e-6)
    assert catalogue.feature_names == tuple(name for name in FEATURE_NAMES if name != "instrumentalness")


def test_rows_in_another_unit__are_brought_to_the_same_and_counted(tmp_path: Path) -> None:
    rows = [song(n, **({name: 100 * song(n)[name] for name in SHARES} if n % 4 == 0 else {})) for n in range(40)]
    catalogue = read(tmp_path, csv_text(rows))
    np.testing.assert_allclose(raw(catalogue), raw(plain(tmp_path, 40)), rtol=1e-5, atol=1e-6)
    assert catalogue.report.verdict == "warning: mixed units: 10 rows read as per cent, unlike the others"


def test_rows_without_numbers__say_nothing_of_the_unit(tmp_path: Path) -> None:
    rows = [song(n, **{name: 100 * song(n)[name] for name in SHARES}) for n in range(10)]
    empty = [song(n, **dict.fromkeys(FEATURE_NAMES, "")) for n in range(10, 30)]
    report = read(tmp_path, csv_text([*rows, *empty])).report
    assert (report.tracks, report.verdict) == (10, "warning: 66% of the rows were dropped")


def test_few_numbers_out_of_range__cost_their_rows_and_many_the_table(tmp_path: Path) -> None:
    rows = [song(n % 20, track_id=f"id{n}", energy=0.1 + n / 1000) for n in range(400)]
    few = [{**row, "energy": 706.0} if n < 4 else row for n, row in enumerate(rows)]
    catalogue = read(tmp_path, csv_text(few))
    assert len(catalogue) == 396
    assert "4 × energy is outside 0 to 1 (line 2, 3, 4, 5), first '706.0'" in str(catalogue.report)
    with pytest.raises(CatalogueError, match=r"energy is '706\.0' on line 2, outside 0 to 1, as are 5 of 400 rows"):
        read(tmp_path, csv_text([{**row, "energy": 706.0} if n < 5 else row for n, row in enumerate(rows)]))


def test_features_that_are_scaled_already__are_kept_and_warned_of(tmp_path: Path) -> None:
    table = frame(30)
    table[list(FEATURE_NAMES)] = (table[list(FEATURE_NAMES)] - table[list(FEATURE_NAMES)].mean()) / 0.1
    catalogue = read(tmp_path, table.to_csv(index=False))
    assert len(catalogue) == 30
    assert "assumed to be scaled" in catalogue.report.verdict
    table = frame(30).assign(tempo=table["tempo"])
    catalogue = read(tmp_path, table.to_csv(index=False))
    np.testing.assert_allclose(raw(catalogue), table[list(FEATURE_NAMES)], rtol=1e-5, atol=1e-5)
    assert catalogue.report.verdict == "warning: tempo below 0 in many rows: assumed to be scaled, and kept"
    with pytest.raises(CatalogueError, match=r"tempo is '-1\.0' on line 2"):
        read(tmp_path, frame(30).assign(tempo=[-1.0] * 8 + [-99.0] + [100.0] * 21).to_csv(index=False))


def test_decimal_commas_and_units__are_read(tmp_path: Path) -> None:
    rows = [
        song(
            n,
            energy=f"{40 + n}%",
            tempo=f"{100 + n} BPM",
            loudness=f"\N{MINUS SIGN}{10 + n},0 dB",
            **{name: str(100 * song(n)[name]).replace(".", ",") for name in SHARES if name != "energy"},
        )
        for n in range(6)
    ]
    text = pd.DataFrame(rows).to_csv(index=False, sep=";")
    expected = raw(plain(tmp_path, 6))
    expected[:, 2] = np.arange(0.40, 0.455, 0.01)
    np.testing.assert_allclose(raw(read(tmp_path, text)), expected, rtol=1e-6, atol=1e-6)


def test_tempos_of_two_scales__are_warned_of(tmp_path: Path) -> None:
    rows = [song(n, tempo=n / 20 if n < 10 else 100 + n) for n in range(20)]
    assert "much of tempo is at most 1 BPM, unlike the rest" in read(tmp_path, csv_text(rows)).report.verdict


def test_loudness_without_its_sign__is_warned_of(tmp_path: Path) -> None:
    rows = [song(n, loudness=10.0 + n % 5) for n in range(20)]
    assert "most of loudness is above 0 dB" in read(tmp_path, csv_text(rows)).report.verdict
    scaled = [song(n, loudness=n / 20, tempo=n / 20) for n in range(20)]
    assert read(tmp_path, csv_text(scaled)).report.verdict == "ok"


@pytest.mark.parametrize(
    "link",
    [
        "spotify:track:{}",
        "https://open.spotify.com/track/{}",
        "https://open.spotify.com/intl-de/track/{}?si=1f",
        "https://api.spotify.com/v1/audio-features/{}",
        "  {} ",
    ],
)
def test_ids__are_taken_out_of_links_and_found_by_them(tmp_path: Path, link: str) -> None:
    ids = [f"{n:022}" for n in range(3)]
    catalogue = read(tmp_path, csv_text([song(n, track_id=link.format(one)) for n, one in enumerate(ids)]))
    assert list(catalogue.track_ids) == ids
    assert catalogue.index_of(link.format(ids[2]).strip()) == 2


def test_made_ids__are_stable_and_tell_rows_of_other_features_apart(tmp_path: Path) -> None:
    names = ["Hurt", "Hurt", "Hurt", "Hurt (2)", ""]
    artists = ["Band", "Band", "Band", "", "Band"]
    tables = [song(n, track_name=names[n], artist_name=artists[n]) for n in range(5)] + [song(0, track_name="Hurt")]
    tables[-1]["artist_name"] = "Band"
    text = pd.DataFrame(tables).drop(columns="track_id").to_csv(index=False)
    catalogue = read(tmp_path, text)
    assert list(catalogue.track_ids) == ["Hurt — Band", "Hurt — Band (2)", "Hurt — Band (3)", "Hurt (2)"]
    assert [(one.what, one.rows) for one in catalogue.report.dropped] == [("no track id", 1)]
    assert [(one.what, one.rows) for one in catalogue.report.folded] == [("same id as an earlier row", 1)]
    assert catalogue.fingerprint == read(tmp_path, text).fingerprint
    assert "they are made from title and artist" in str(catalogue.report)


def test_neither_ids_nor_titles__makes_numbers_of_rows(tmp_path: Path) -> None:
    catalogue = read(tmp_path, frame()[list(FEATURE_NAMES)].to_csv(index=False))
    assert list(catalogue.track_ids) == ["1", "2", "3", "4", "5"]
    assert "they are row numbers" in str(catalogue.report)


def test_missing_ids__are_no_id(tmp_path: Path) -> None:
    rows = [song(0), song(1, track_id="NA"), song(2, track_id="nan"), song(3), song(4), song(5, track_id="\\N")]
    assert list(read(tmp_path, csv_text(rows)).track_ids) == ["id0", "id3", "id4"]


def test_more_specific_id__wins_unless_it_stands_for_other_songs(tmp_path: Path) -> None:
    table = frame(8).rename(columns={"track_id": "id"})
    table.insert(0, "spotify_id", "the album")
    catalogue = read(tmp_path, table.to_csv(index=False))
    assert (len(catalogue), dict(catalogue.report.columns)["track_id"]) == (8, "id")
    table["spotify_id"] = [f"s{n}" for n in range(8)]
    assert dict(read(tmp_path, table.to_csv(index=False)).report.columns)["track_id"] == "spotify_id"
    table["spotify_id"] = range(8)
    assert dict(read(tmp_path, table.to_csv(index=False)).report.columns)["track_id"] == "id"


def test_links_to_something_else__are_no_ids(tmp_path: Path) -> None:
    table = frame().drop(columns="track_id")
    table.insert(0, "url", [f"https://open.spotify.com/artist/{n}" for n in range(5)])
    table.insert(0, "tid", [f"3:0{n}" for n in range(5)])  # "time" in Danish
    assert read(tmp_path, table.to_csv(index=False)).track_ids[0] == "Song 0 — Artist 0"


def test_ids_of_many_rows_with_other_features__are_warned_of_with_the_way_out(tmp_path: Path) -> None:
    rows = [song(n, track_id=f"id{n % 6}", track_name=f"Song {n % 6}") for n in range(12)]
    catalogue = read(tmp_path, csv_text(rows))
    assert len(catalogue) == 6
    assert catalogue.report.verdict.startswith("warning: 50% of the rows have an earlier row's id but other features")
    assert catalogue.report.verdict.endswith("songs.csv --columns track_id=")
    assert len(read(tmp_path, csv_text(rows), columns={"track_id": ""})) == 12


def test_numbers_of_tracks__are_no_titles(tmp_path: Path) -> None:
    table = frame().rename(columns={"track_name": "title"})
    table.insert(0, "track", range(5))
    assert read(tmp_path, table.to_csv(index=False)).names[0] == "Song 0"


def test_several_tracks_in_a_row__are_no_more_than_one_and_said(tmp_path: Path) -> None:
    features = frame()[list(FEATURE_NAMES)]
    table = features.add_prefix("tracks.0.").join(features.add_prefix("tracks.1."))
    report = read(tmp_path, table.to_csv(index=False)).report
    assert (report.tracks, "a row holds several tracks: only the first was read" in report.notes) == (5, True)


def test_links_to_artists__are_no_names_of_theirs(tmp_path: Path) -> None:
    table = frame().assign(artist_name="spotify:artist:0OdUWJ0sBjDrqHygGUXeCF", singer="Band of Horses")
    assert read(tmp_path, table.to_csv(index=False)).artists[0] == "Band of Horses"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["['A', \"B's\"]", "['A']"], ["A;B's", "A"]),
        (['["A", "B, C"]', "[]"], ["A;B, C", ""]),
        (['c("A", "B")', "D"], ["A;B", "D"]),
        (["['A' 'B']", "['C']"], ["A;B", "C"]),
        (["'A', \"B's\"", "'C'"], ["A;B's", "C"]),
        (["'A', B", '"C" & D'], ["'A';B", '"C" & D']),
        (["A_B band", "C"], ["A_B band", "C"]),
        ([json.dumps(["Beyoncé \N{HONEYBEE}", "B"]), "[]"], ["Beyoncé \N{HONEYBEE};B", ""]),
        (["{'66CX': 'A', '7d2e': 'B'}", "{}"], ["A;B", ""]),
        (['["A\\u001b[2J", "B\\x9b\\u0007C"]', "[]"], ["A [2J;B C", ""]),
        (
            [
                'list(id = "1", name = "A", uri = "u")',
                'list(id = c("1", "2"), name = c("A", "B (UK)"), uri = c("u", "v"))',
            ],
            ["A", "A;B (UK)"],
        ),
        (["[{'id': '1', 'name': 'A', 'type': 'artist'}, {'id': '2', 'name': \"B's\"}]", "[]"], ["A;B's", ""]),
        (["A;B", "Earth, Wind & Fire"], ["A;B", "Earth, Wind & Fire"]),
        (["A, B", "10,000 Maniacs, C"], ["A;B", "10,000 Maniacs;C"]),
        (["A,B", "C"], ["A;B", "C"]),
        (["A\\, Jr., B", "C, D"], ["A, Jr.;B", "C;D"]),
        (["A|B", "C"], ["A;B", "C"]),
    ],
)
def test_several_artists_in_a_cell__are_told_apart(tmp_path: Path, cells: list[str], expected: list[str]) -> None:
    rows = [song(n, artist_name=cell) for n, cell in enumerate(cells)]
    assert list(read(tmp_path, csv_text(rows)).artists) == expected


def test_separator__is_decided_once_by_many_cells(tmp_path: Path) -> None:
    names = ["Tyler, The Creator", "[:SITD:]", *(f"Artist {n}" for n in range(60))]
    rows = [song(n % 30, track_id=f"id{n}", artist_name=name) for n, name in enumerate(names)]
    assert list(read(tmp_path, csv_text(rows)).artists) == names


def test_several_genres_in_a_cell__are_told_apart(tmp_path: Path) -> None:
    rows = [song(0, genre="pop,rock"), song(1, genre="rock, dance pop"), song(2, genre="NA")]
    rows += [song(3, genre="[]"), song(4, genre="character(0)")]
    catalogue = read(tmp_path, csv_text(rows))
    assert catalogue.genre_names == ("dance pop", "pop", "rock")
    assert catalogue.genres.astype(int).tolist() == [[0, 1, 1], [1, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    underscored = read(tmp_path, csv_text([song(0, genre="dance_pop rap"), song(1, genre="hip_hop")]))
    assert underscored.genre_names == ("dance_pop", "hip_hop", "rap")
    joined = read(tmp_path, csv_text([song(0, genre="r_n_b / soul"), song(1, genre="hip_hop & rap")]))
    assert joined.genre_names == ("hip_hop & rap", "r_n_b / soul")


def test_artists__split_a_catalogue_each(tmp_path: Path) -> None:
    rows = [song(n, artist_name=f"['Band {n % 5}', 'Band {n % 5 + 5}']") for n in range(20)]
    train, test = read(tmp_path, csv_text(rows)).split(0.4)
    assert not {one for both in train.artists for one in both.split(";")} & {
        one for both in test.artists for one in both.split(";")
    }


def test_features__are_any_columns(tmp_path: Path) -> None:
    table = frame(6).assign(**{"x, y": range(6), "50 %": [5, 1, 4, 2, 3, 0], "streams": ["1,010"] * 5 + ["2,020,000"]})
    catalogue = read(tmp_path, table.to_csv(index=False), features=["50 %", "x, y", "energy", "streams"])
    assert catalogue.feature_names == ("50 %", "x, y", "energy", "streams")
    assert raw(catalogue)[5] == pytest.approx([0, 5, song(5)["energy"], 2_020_000], abs=0.1)


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float32(), 128), pa.large_list(pa.float64())])
def test_embeddings__in_one_column_of_lists(tmp_path: Path, kind: pa.DataType) -> None:
    values = np.random.default_rng(0).normal(size=(20, 128))
    table = pa.table({"track_id": [f"id{n}" for n in range(20)], "vector": pa.array(values.tolist(), kind)})
    pq.write_table(table, tmp_path / "songs.parquet")
    catalogue = Catalogue.read(tmp_path / "songs.parquet", features=["vector"])
    assert catalogue.feature_names == tuple(f"vector_{place}" for place in range(128))
    np.testing.assert_allclose(raw(catalogue), values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "write", [str, lambda x: " ".join(map(str, x)), lambda x: ";".join(map(str, x)), lambda x: str(np.array(x))]
)
def test_embeddings__in_one_column_of_texts(tmp_path: Path, write: Callable[[list[float]], str]) -> None:
    values = np.random.default_rng(0).normal(size=(20, 30)).round(3)
    values[3, 0] = 1.0
    table = pd.DataFrame({"track_id": range(21), "vector": [*map(write, values.tolist()), "none yet"]})
    catalogue = read(tmp_path, table.to_csv(index=False), features=["vector"])
    assert catalogue.feature_names == tuple(f"vector_{place}" for place in range(30))
    np.testing.assert_allclose(raw(catalogue), values, atol=1e-5)
    assert sum(finding.rows for finding in catalogue.report.dropped) == 1


def test_embeddings__of_another_length_are_left_out(tmp_path: Path) -> None:
    records = [
        {"id": "a", "v": [1.0, 2.0]},
        {"id": "b", "v": [1.0]},
        {"id": "c", "v": [3.0, 4.0]},
        {"id": "d", "v": None},
    ]
    catalogue = read(tmp_path, json.dumps(records), "songs.json", features=["v"])
    assert list(catalogue.track_ids) == ["a", "c"]
    assert catalogue.feature_names == ("v_0", "v_1")


def test_any_five_features__are_enough(tmp_path: Path) -> None:
    five = ["danceability", "energy", "valence", "tempo", "liveness"]
    assert read(tmp_path, frame()[["track_id", *five]].to_csv(index=False)).feature_names == tuple(sorted(five))
    catalogue = read(tmp_path, frame().assign(energy="", tempo="NA").to_csv(index=False))
    assert catalogue.feature_names == tuple(name for name in FEATURE_NAMES if name not in ("energy", "tempo"))
    assert "the column of energy is empty: ignored" in str(catalogue.report)
    table = frame().rename(columns={"energy": "nrgx"}).assign(nrgx="", tempo="").drop(columns="valence")
    with pytest.raises(CatalogueError, match="all 5 rows are unusable: 5 × energy is missing"):
        read(tmp_path, table.to_csv(index=False), columns={"energy": "nrgx"})
    catalogue = read(tmp_path, table.to_csv(index=False))
    assert "no column of energy, valence: 6 of the nine features" in str(catalogue.report)
    with pytest.raises(CatalogueError, match="only danceability, energy, tempo, valence are known features"):
        read(tmp_path, frame()[["track_id", *five[:4]]].to_csv(index=False))


def test_genres_of_repeated_ids__are_gathered(tmp_path: Path) -> None:
    rows = [song(0), song(1, genre="Children’s Music"), song(0, genre="Jazz"), song(2, genre="Children's Music")]
    catalogue = Catalogue.read(write_csv(tmp_path / "songs.csv", rows))
    assert catalogue.genre_names == ("Children's Music", "Folk", "Jazz")
    assert catalogue.genres.astype(int).tolist() == [[0, 1, 1], [1, 0, 0], [1, 0, 0]]
    assert "1 × same id as an earlier row (line 4)" in str(catalogue.report)


BAD_ROWS = {
    "danceability is not a number (line 5), first 'very'": song(9, danceability="very"),
    "energy is missing (line 5)": song(9, energy=""),
    "loudness is infinite (line 5)": song(9, loudness="-inf"),
    "valence is missing (line 5)": song(9, valence="NaN"),
    "tempo is not a number (line 5)": song(9, tempo="4-Apr"),
    "speechiness is outside 0 to 1 (line 5)": song(9, speechiness=214290),
    "no track id (line 5)": song(9, track_id="  "),
}


@pytest.mark.parametrize("reason", BAD_ROWS)
def test_bad_row__is_left_out_and_reported_by_line(tmp_path: Path, reason: str) -> None:
    rows = songs(8)
    rows.insert(3, BAD_ROWS[reason])
    catalogue = Catalogue.read(write_csv(tmp_path / "songs.csv", rows))
    assert list(catalogue.track_ids) == [f"id{number}" for number in range(8)]
    assert f"1 × {reason}" in str(catalogue.report)


def test_one_column_in_per_cent__is_brought_to_the_unit_of_the_others_and_warned_of(tmp_path: Path) -> None:
    rows = [song(n, energy=10 * n) for n in range(1, 9)]
    catalogue = Catalogue.read(write_csv(tmp_path / "songs.csv", rows), scaling="minmax")
    assert len(catalogue) == 8
    assert dict((name, (low, high)) for name, low, high in catalogue.report.ranges)["energy"] == (0.1, 0.8)
    assert catalogue.report.verdict.startswith("warning: mixed units: energy read as per cent")


def test_constant_feature__is_zero_and_noted(tmp_path: Path) -> None:
    catalogue = Catalogue.read(write_csv(tmp_path / "songs.csv", [song(n, tempo=120) for n in range(5)]))
    assert not catalogue.features[:, FEATURE_NAMES.index("tempo")].any()
    assert "constant in all tracks, so scaled to 0 and without effect: tempo (120)" in str(catalogue.report)
    same = csv_text([{**song(1), "track_id": f"id{n}", "tempo": 90 + n} for n in range(11)])
    assert read(tmp_path, same).report.verdict.startswith("warning: constant in all tracks")


def test_unreadable_popularity__is_unknown_and_counted(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "songs.csv", [song(0, popularity="high"), song(1, popularity=""), song(2, popularity=101)]
    )
    catalogue = Catalogue.read(path)
    assert np.isnan(catalogue.popularity).all()
    assert "popularity is not a number from 0 to 100 in 2 rows" in str(catalogue.report)


def test_popularity_that_counts_plays__is_left_out_and_warned_of(tmp_path: Path) -> None:
    rows = [song(n, popularity=50 * n) for n in range(30)]
    catalogue = read(tmp_path, csv_text(rows))
    assert catalogue.popularity is None
    assert catalogue.report.verdict == "warning: popularity is not from 0 to 100 in 27 rows: ignored"
    unknown = [song(n, popularity=-1 if n % 2 else n) for n in range(30)]
    assert np.nanmax(read(tmp_path, csv_text(unknown)).popularity) == 28


def test_records_in_cells__are_no_titles(tmp_path: Path) -> None:
    records = [json.dumps({"id": n, "name": f"Song {n}"}) for n in range(5)]
    catalogue = read(tmp_path, frame().drop(columns="track_name").assign(track=records).to_csv(index=False))
    assert catalogue.names is None
    assert "no titles" in catalogue.report.verdict


def test_popularity_from_0_to_1__is_in_per_cent(tmp_path: Path) -> None:
    catalogue = read(tmp_path, frame().assign(popularity=[0, 0.25, -1, 1, 0.1]).to_csv(index=False))
    assert np.array_equal(catalogue.popularity, [0, 25, np.nan, 100, 10], equal_nan=True)
    assert "popularity is from 0 to 1: it was multiplied by 100" in catalogue.report.notes


def test_popularity_of_yes_and_no__is_a_genre(tmp_path: Path) -> None:
    table = frame().drop(columns="popularity").assign(pop=[0, 1, 1, 0, 1])
    catalogue = read(tmp_path, table.to_csv(index=False))
    assert catalogue.popularity is None
    assert "a popularity of only 0 and 1 may mean the genre pop: ignored" in str(catalogue.report)
    catalogue = read(tmp_path, table.to_csv(index=False), columns={"popularity": "pop"})
    assert catalogue.popularity.tolist() == [0, 1, 1, 0, 1]
    catalogue = read(tmp_path, table.rename(columns={"pop": "popularity"}).to_csv(index=False))
    assert catalogue.popularity.tolist() == [0, 1, 1, 0, 1]


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
