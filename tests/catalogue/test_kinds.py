"""Kinds of table that the public has, each small and invented: read right at once, or refused by name."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spotify_gym.catalogue import FEATURE_NAMES, Catalogue, CatalogueError
from tests.catalogue.songs import csv_text, song, songs, write_csv
from tests.catalogues import real_table

SHARES = [name for name in FEATURE_NAMES if name not in ("loudness", "tempo")]


def odd(name: str) -> Catalogue:
    return Catalogue.read(real_table(f"odd/{name}"))


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


# Small tables that show one fault each.


@pytest.mark.parametrize(
    ("name", "n_tracks", "n_features", "verdict"),
    [
        ("multiline.csv", 2, 9, "ok"),
        ("hint.csv", 4, 9, "ok"),
        ("hint2.csv", 4, 9, "warning: no titles"),
        ("twice.csv", 2, 8, "warning: no titles"),
        ("playlist_name.csv", 2, 9, "ok"),
        ("album.csv", 5, 9, "warning: 'spotify_id' does not tell tracks apart"),
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
    assert "there is no column of ids: they are made of the titles" in str(odd("hint.csv").report)
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


def test_one_column_for_two_roles__is_refused() -> None:
    with pytest.raises(CatalogueError, match="'liveness' cannot serve two roles"):
        Catalogue.read(real_table("odd/twice.csv"), columns={"instrumentalness": "liveness"})


# Units and numbers.


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
    assert catalogue.report.verdict == "warning: mixed units: 10 rows taken to be in per cent, unlike the others"


def test_few_numbers_out_of_range__cost_their_rows_and_many_the_table(tmp_path: Path) -> None:
    rows = [song(n % 20, track_id=f"id{n}", energy=0.1 + n / 1000) for n in range(400)]
    few = [{**row, "energy": 706.0} if n < 4 else row for n, row in enumerate(rows)]
    catalogue = read(tmp_path, csv_text(few))
    assert len(catalogue) == 396
    assert "4 × energy is outside 0 to 1 (line 2, 3, 4, 5), first '706.0'" in str(catalogue.report)
    with pytest.raises(CatalogueError, match=r"energy is '706\.0' on line 2, .*nor are 5 of 400 rows"):
        read(tmp_path, csv_text([{**row, "energy": 706.0} if n < 5 else row for n, row in enumerate(rows)]))


def test_features_that_are_scaled_already__are_kept_and_warned_of(tmp_path: Path) -> None:
    table = frame(30)
    table[list(FEATURE_NAMES)] = (table[list(FEATURE_NAMES)] - table[list(FEATURE_NAMES)].mean()) / 0.1
    catalogue = read(tmp_path, table.to_csv(index=False))
    assert len(catalogue) == 30
    assert "taken as scaled already" in catalogue.report.verdict


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


def test_loudness_without_its_sign__is_warned_of(tmp_path: Path) -> None:
    rows = [song(n, loudness=10.0 + n % 5) for n in range(20)]
    assert "most of loudness is above 0 dB" in read(tmp_path, csv_text(rows)).report.verdict
    scaled = [song(n, loudness=n / 20, tempo=n / 20) for n in range(20)]
    assert read(tmp_path, csv_text(scaled)).report.verdict == "ok"


def test_no_number__is_shown_with_its_line(tmp_path: Path) -> None:
    rows = [song(0), song(1, energy="loud"), song(2)]
    assert "1 × energy is not a number (line 3), first 'loud'" in str(read(tmp_path, csv_text(rows)).report)


# Ids, titles, artists, genres.


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
    assert "they are made of title and artist" in str(catalogue.report)


def test_neither_ids_nor_titles__makes_numbers_of_rows(tmp_path: Path) -> None:
    catalogue = read(tmp_path, frame()[list(FEATURE_NAMES)].to_csv(index=False))
    assert list(catalogue.track_ids) == ["1", "2", "3", "4", "5"]
    assert "they are the numbers of the rows" in str(catalogue.report)


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


def test_links_to_something_else__are_no_ids(tmp_path: Path) -> None:
    table = frame().drop(columns="track_id")
    table.insert(0, "url", [f"https://open.spotify.com/artist/{n}" for n in range(5)])
    assert read(tmp_path, table.to_csv(index=False)).track_ids[0] == "Song 0 — Artist 0"


def test_ids_of_many_rows_with_other_features__are_warned_of_with_the_way_out(tmp_path: Path) -> None:
    rows = [song(n, track_id=f"id{n % 6}", track_name=f"Song {n % 6}") for n in range(12)]
    catalogue = read(tmp_path, csv_text(rows))
    assert len(catalogue) == 6
    assert catalogue.report.verdict.startswith(
        "warning: 50% of the rows have an id of an earlier row and other features"
    )
    assert catalogue.report.verdict.endswith("songs.csv --columns track_id=")
    assert len(read(tmp_path, csv_text(rows), columns={"track_id": ""})) == 12


def test_numbers_of_tracks__are_no_titles(tmp_path: Path) -> None:
    table = frame().rename(columns={"track_name": "title"})
    table.insert(0, "track", range(5))
    assert read(tmp_path, table.to_csv(index=False)).names[0] == "Song 0"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["['A', \"B's\"]", "['A']"], ["A;B's", "A"]),
        (['["A", "B, C"]', "[]"], ["A;B, C", ""]),
        (['c("A", "B")', "D"], ["A;B", "D"]),
        (["['A' 'B']", "['C']"], ["A;B", "C"]),
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
    rows = [song(0, genre="pop,rock"), song(1, genre="rock, dance pop"), song(2, genre="NA"), song(3, genre="[]")]
    catalogue = read(tmp_path, csv_text(rows))
    assert catalogue.genre_names == ("dance pop", "pop", "rock")
    assert catalogue.genres.astype(int).tolist() == [[0, 1, 1], [1, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_artists__split_a_catalogue_each(tmp_path: Path) -> None:
    rows = [song(n, artist_name=f"['Band {n % 5}', 'Band {n % 5 + 5}']") for n in range(20)]
    train, test = read(tmp_path, csv_text(rows)).split(0.4)
    assert not {one for both in train.artists for one in both.split(";")} & {
        one for both in test.artists for one in both.split(";")
    }


# Features of any number.


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
    with pytest.raises(CatalogueError, match="only danceability, energy, tempo, valence of the nine are there"):
        read(tmp_path, frame()[["track_id", *five[:4]]].to_csv(index=False))


# Containers.


def zipped(content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("__MACOSX/._songs.csv", b"junk")
        file.writestr("data/songs.csv", content)
        file.writestr("README.txt", b"about")
    return archive.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: pa.compress(content, "zstd", asbytes=True),
    "zip": zipped,
    "zip in gz": lambda content: gzip.compress(zipped(content)),
}


@pytest.mark.parametrize("kind", PACKERS)
def test_packed_table__is_as_the_plain_one(tmp_path: Path, kind: str) -> None:
    catalogue = read(tmp_path, PACKERS[kind](csv_text(songs(5)).encode()))
    assert catalogue.fingerprint == plain(tmp_path).fingerprint


@pytest.mark.parametrize("kind", PACKERS)
def test_bomb__is_refused_in_bounded_memory(tmp_path: Path, kind: str) -> None:
    with pytest.raises(CatalogueError, match="unpacks to more than 200 times its size"):
        read(tmp_path, PACKERS[kind](bytes(2**26 + 2**23)))


def test_packed_too_often_or_wrongly__is_refused(tmp_path: Path) -> None:
    twice = gzip.compress(gzip.compress(gzip.compress(b"a,b\n")))
    with pytest.raises(CatalogueError, match="packed more than 2 times over"):
        read(tmp_path, twice)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.csv", b"x")
        file.writestr("b\x1b[2J.csv", b"x")
    with pytest.raises(CatalogueError, match=r"has 2 tables, 'a\.csv', 'b\\x1b\[2J\.csv'; one is needed"):
        read(tmp_path, archive.getvalue())


def test_notices_above_the_header__are_passed_over(tmp_path: Path) -> None:
    catalogue = read(tmp_path, 'sep=;\n"Exported, on Monday"\n\n' + frame().to_csv(index=False, sep=";"))
    assert catalogue.fingerprint == plain(tmp_path).fingerprint
    assert "line 4 was taken as the header" in str(catalogue.report)


@pytest.mark.parametrize("write", [str, json.dumps])
def test_records_in_cells__are_columns(tmp_path: Path, write: Callable[[dict[str, object]], str]) -> None:
    table = frame().assign(audio=[write({name: one[name] for name in FEATURE_NAMES}) for one in songs(5)])
    table = table.drop(columns=list(FEATURE_NAMES))
    catalogue = read(tmp_path, table.to_csv(index=False))
    assert catalogue.fingerprint == plain(tmp_path).fingerprint
    assert dict(catalogue.report.columns)["energy"] == "audio.energy"
    table["audio"] = ["{'energy': 'loud', \"tempo\": 1e2}", *table["audio"][1:]]
    catalogue = read(tmp_path, table.to_csv(index=False))
    assert [(one.what, one.lines) for one in catalogue.report.dropped] == [("acousticness is missing", (2,))]


def test_several_lines_of_names__are_one_header(tmp_path: Path) -> None:
    table = frame().set_index("track_id")
    table.columns = pd.MultiIndex.from_tuples([("echonest", "audio", name) for name in table.columns])
    catalogue = read(tmp_path, table.to_csv())
    assert (catalogue.fingerprint, catalogue.report.rows) == (plain(tmp_path).fingerprint, 5)
    numbered = frame().to_csv().replace("0,Folk,Artist 0", "0,,", 1)
    assert read(tmp_path, numbered).report.rows == 5


def test_lines_in_quotes_as_a_whole__are_a_table_of_one_column_and_read(tmp_path: Path) -> None:
    lines = csv_text([song(0), song(1, track_name='Say "hi", twice'), *songs(5)[2:]]).splitlines()
    wrapped = "\n".join('"' + line.replace('"', '""') + '"' for line in lines)
    assert read(tmp_path, wrapped).fingerprint == read(tmp_path, "\n".join(lines)).fingerprint


TEXT_TYPES = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.binary(),
    pa.binary_view(),
    pa.dictionary(pa.int32(), pa.string()),
]


@pytest.mark.parametrize("kind", TEXT_TYPES, ids=str)
def test_parquet__holds_text_in_any_type(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.Table.from_pandas(frame(), preserve_index=False)
    for number, column in enumerate(table.column_names):
        if column in ("genre", "artist_name", "track_name", "track_id"):
            values = table.column(column).cast(pa.string())
            held = values.dictionary_encode() if pa.types.is_dictionary(kind) else values.cast(kind)
            table = table.set_column(number, column, held)
    pq.write_table(table, tmp_path / "songs.parquet")
    assert Catalogue.read(tmp_path / "songs.parquet").fingerprint == plain(tmp_path).fingerprint


def test_parquet__of_pandas_nullable_types_and_dotted_names(tmp_path: Path) -> None:
    table = frame().convert_dtypes().rename(columns={"track_name": "track.name"}).assign(name="My Playlist")
    table.to_parquet(tmp_path / "songs.parquet")
    assert Catalogue.read(tmp_path / "songs.parquet").fingerprint == plain(tmp_path).fingerprint


def test_parquet__of_structs_in_structs(tmp_path: Path) -> None:
    rows = [
        {
            "track": {"id": row["track_id"], "name": row["track_name"], "artists": [{"name": "A"}, {"name": "B"}]},
            "audio": {"features": {name: float(row[name]) for name in FEATURE_NAMES}},
        }
        for row in songs(5)
    ]
    pq.write_table(
        pa.Table.from_pylist([*rows, {"track": None, "audio": rows[0]["audio"]}]), tmp_path / "table.parquet"
    )
    catalogue = Catalogue.read(tmp_path / "table.parquet")
    assert np.array_equal(catalogue.features, plain(tmp_path).features)
    assert catalogue.names is not None
    assert list(catalogue.names) == [row["track_name"] for row in songs(5)]
    assert list(catalogue.artists or ()) == ["A;B"] * 5


@pytest.mark.parametrize("kind", ["text", "struct", "list"])
def test_parquet__of_few_bytes_for_endless_text_is_refused(tmp_path: Path, kind: str) -> None:
    texts = pa.DictionaryArray.from_arrays(np.zeros(20_000, np.int32), ["x" * 1_000_000])
    column = {
        "text": texts,
        "struct": pa.StructArray.from_arrays([texts], ["name"]),
        "list": pa.ListArray.from_arrays(np.arange(20_001), texts),
    }
    table = pa.table({"track": column[kind], **{name: np.zeros(20_000) for name in FEATURE_NAMES}})
    pq.write_table(table, tmp_path / "songs.parquet")
    with pytest.raises(CatalogueError, match="its columns hold more than"):
        Catalogue.read(tmp_path / "songs.parquet")


def records() -> list[dict[str, object]]:
    return [{key: value for key, value in one.items() if value != ""} for one in songs(5)]


JSON_KINDS: dict[str, Callable[[], str]] = {
    "list": lambda: json.dumps(records()),
    "lines": lambda: "\n".join(map(json.dumps, records())) + "\n",
    "web API": lambda: json.dumps({"audio_features": records()}),
    "pages": lambda: json.dumps([{"audio_features": records()[:2]}, {"audio_features": records()[2:]}]),
    "split": lambda: frame().to_json(orient="split"),
    "columns": lambda: frame().to_json(orient="columns"),
    "index": lambda: frame().to_json(orient="index"),
    "table": lambda: frame().to_json(orient="table"),
    "lists": lambda: json.dumps(frame().to_dict(orient="list")),
    "rows": lambda: json.dumps([list(frame().columns), *frame().values.tolist()]),
    "sheet": lambda: json.dumps({"range": "A1:N6", "values": [list(frame().columns), *frame().values.tolist()]}),
    "nested": lambda: json.dumps(
        {
            "items": [
                {
                    "added_at": "2020",
                    "track": {
                        "id": one["track_id"],
                        "name": one["track_name"],
                        "artists": [{"name": one["artist_name"], "id": "x"}],
                        "popularity": one["popularity"],
                        "album": {"name": "Album", "id": "y"},
                    },
                    "genre": one["genre"],
                    "audio_features": {name: one[name] for name in FEATURE_NAMES},
                }
                for one in records()
            ]
        }
    ),
}


@pytest.mark.parametrize("kind", JSON_KINDS)
def test_json__of_many_kinds(tmp_path: Path, kind: str) -> None:
    assert read(tmp_path, JSON_KINDS[kind](), "songs.json").fingerprint == plain(tmp_path).fingerprint


def test_json__keyed_by_id(tmp_path: Path) -> None:
    text = json.dumps({f"id{n}": {name: one[name] for name in FEATURE_NAMES} for n, one in enumerate(records())})
    assert list(read(tmp_path, text, "songs.json").track_ids) == [f"id{n}" for n in range(5)]


def test_json__what_is_no_record_is_counted(tmp_path: Path) -> None:
    catalogue = read(tmp_path, json.dumps({"audio_features": [None, *records(), {"error": 404}]}), "songs.json")
    assert (len(catalogue), catalogue.report.rows) == (5, 7)
    assert "2 × no record of a track (row 1, 7)" in str(catalogue.report)
    lines = "\n".join([*map(json.dumps, records()), '{"track_id": "cut o'])
    assert "1 × no record of a track (row 6)" in str(read(tmp_path, lines, "songs.json").report)


def test_json__that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="too large to be read at once"):
        read(tmp_path, "[" + "{}," * 2**23 + "{}]", "songs.json")


def workbook(path: Path) -> Path:
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"about": ["this book"]}).to_excel(book, sheet_name="About", index=False)
        frame().to_excel(book, sheet_name="Songs", index=False, startrow=2)
    return path


def test_workbook__is_read_from_the_sheet_and_row_where_the_table_is(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    catalogue = Catalogue.read(workbook(tmp_path / "songs.xlsx"))
    assert catalogue.fingerprint == plain(tmp_path).fingerprint


def test_workbook__damaged_or_endless_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    with zipfile.ZipFile(workbook(tmp_path / "songs.xlsx")) as book:
        members = {name: book.read(name) for name in book.namelist()}
    sheet = "xl/worksheets/sheet2.xml"
    for damage in (b"<nothing", b"<worksheet/>", members[sheet][:-200], b" " * 2**28):
        with zipfile.ZipFile(tmp_path / "bad.xlsx", "w", zipfile.ZIP_DEFLATED) as book:
            for name, content in members.items():
                book.writestr(name, damage if name == sheet else content)
        with pytest.raises(CatalogueError):
            Catalogue.read(tmp_path / "bad.xlsx")


def test_workbook__far_cells_cost_little(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    with zipfile.ZipFile(workbook(tmp_path / "songs.xlsx")) as book:
        members = {name: book.read(name) for name in book.namelist()}
    far = b'<row r="999999999"><c r="XFD999999999" t="n"><v>1</v></c></row></sheetData>'
    members["xl/worksheets/sheet2.xml"] = members["xl/worksheets/sheet2.xml"].replace(b"</sheetData>", far)
    with zipfile.ZipFile(tmp_path / "far.xlsx", "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in members.items():
            book.writestr(name, content)
    assert len(Catalogue.read(tmp_path / "far.xlsx")) == 5


def test_folder__of_parts_is_one_table(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "_SUCCESS").write_bytes(b"")
    (folder / ".part-00000.csv.crc").write_bytes(b"crc")
    (folder / "part-00001.csv.gz").write_bytes(gzip.compress(csv_text(songs(5)[3:]).encode()))
    (folder / "part-00000.csv").write_text(csv_text(songs(5)[:3]) + "cut,off\n")
    (folder / "part-00002.csv").write_bytes(b"")
    catalogue = Catalogue.read(folder)
    assert catalogue.fingerprint == plain(tmp_path).fingerprint
    assert (catalogue.report.rows, catalogue.report.dropped[0].rows) == (6, 1)
    (folder / "part-00003.csv").write_text("other,columns\n1,2\n")
    with pytest.raises(CatalogueError):
        Catalogue.read(folder)


def test_folder__of_parquet_parts_or_one_table(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for part in range(2):
        frame().iloc[3 * part : 3 * part + 3].to_parquet(folder / f"part-{part:05}.snappy.parquet")
    assert Catalogue.read(folder).fingerprint == plain(tmp_path).fingerprint
    alone = tmp_path / "alone"
    alone.mkdir()
    write_csv(alone / "songs.csv", songs(5))
    assert len(Catalogue.read(alone)) == 5
    write_csv(alone / "other.csv", songs(5))
    with pytest.raises(CatalogueError, match=r"has 2 tables, 'other\.csv', 'songs\.csv'"):
        Catalogue.read(alone)


def test_folder__does_not_follow_links(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "part-00000.csv").symlink_to(write_csv(tmp_path / "songs.csv", songs(5)))
    with pytest.raises(CatalogueError, match="has no table in it"):
        Catalogue.read(folder)


# The verdict.


def test_verdict__warns_of_many_dropped_rows(tmp_path: Path) -> None:
    rows = [song(n, energy="" if n < 3 else 0.01 * n) for n in range(20)]
    assert read(tmp_path, csv_text(rows)).report.verdict == "warning: 15% of the rows were dropped"
    assert plain(tmp_path).report.verdict == "ok"


def test_hostile_names__are_shown_without_what_a_terminal_obeys(tmp_path: Path) -> None:
    table = frame().rename(columns={"track_id": "track\x1b[2Jid"})
    catalogue = read(tmp_path, table.to_csv(index=False))
    assert "\x1b" not in str(catalogue.report)
    with pytest.raises(CatalogueError) as caught:
        read(tmp_path, table[["track\x1b[2Jid"]].to_csv(index=False))
    assert "\x1b" not in str(caught.value)
