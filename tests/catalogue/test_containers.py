"""Formats of public tables, in small examples: each is read correctly without settings, or refused with a reason."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import pickle
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spotify_gym.catalogue import FEATURE_NAMES, Catalogue, CatalogueError
from spotify_gym.catalogue.delimited import read_delimited
from spotify_gym.catalogue.schema import RawTable, Roles, Schema
from tests.catalogues import csv_text, frame, plain, read, song, songs, write_csv


class Everything(Schema):
    """Takes every column for a feature, and the first line for the header."""

    def likeness(self, names: Sequence[str]) -> int:
        return 0

    def roles(self, names: Sequence[str]) -> Roles:
        return Roles(dict(zip(names, names, strict=True)), {}, {})


def split(text: str | bytes) -> RawTable:
    content = text.encode() if isinstance(text, str) else text
    return read_delimited(content, Everything(Path("songs.csv"), {}, None))


def rows_of(table: RawTable) -> list[tuple[str, ...]]:
    return list(zip(*table.cells.to_pydict().values(), strict=True))


cells = st.text(st.sampled_from('ab ,"\n;é'), max_size=6)


@example([("", "", "\n,,,\n")], "\n")
@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_read__equals_the_standard_library(rows: list[tuple[str, ...]], line_end: str) -> None:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator=line_end)
    writer.writerows([("a", "b", "c"), *rows])
    table = split(file.getvalue())
    assert rows_of(table) == rows
    assert not table.account.dropped


@given(st.text(st.sampled_from('ab,"\n\r'), max_size=60))
def test_read__says_where_every_line_went(body: str) -> None:
    table = split("a,b\n" + body)
    lines = ("a,b\n" + body).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lost = sum(finding.rows for finding in table.account.dropped)
    assert len(table.places) + lost <= sum(bool(line) for line in lines[1:])
    assert all(lines[place - 1] for place in table.places)
    for place, (first, *_) in zip(table.places, rows_of(table), strict=True):
        assert lines[place - 1].lstrip('"').startswith(first.split("\n")[0].split('"')[0])


def test_open_quote__costs_its_own_line_only() -> None:
    table = split('a,b\n1,"open\n' + "".join(f"{n},x\n" for n in range(30)) + '5,"quoted"\n')
    assert len(table.places) == 31
    assert table.account.dropped[0].lines == (2,)


def test_wrong_number_of_columns__is_reported_by_line() -> None:
    table = split("a,b\n1,2\n1\n\n1,2,3\n3,4")
    assert rows_of(table) == [("1", "2"), ("3", "4")]
    assert [(finding.what, finding.lines) for finding in table.account.dropped] == [("not 2 columns", (3, 5))]


def test_more_columns__than_an_expression_may_repeat() -> None:
    row = ",".join(map(str, range(1200)))
    table = split(f"{row}\n{row}\n1,2\n")
    assert rows_of(table) == [tuple(map(str, range(1200)))]
    assert table.account.dropped[0].lines == (3,)


def test_blank_lines_before_the_header__are_skipped() -> None:
    table = split("\n\na,b\n1,2\n")
    assert table.names == ("a", "b")
    assert table.places.tolist() == [4]


DIALECTS = {
    "a quote inside a value": ('a,b\n12" mix,x\n"say ""hi""",y\n', [('12" mix', "x"), ('say "hi"', "y")]),
    "quotes behind a backslash": (
        'a,b\n"Sunny \\"12\\" Mix, long",1\n"plain, too",2\n',
        [('Sunny "12" Mix, long', "1"), ("plain, too", "2")],
    ),
    "quotes that are letters": (
        'a\tb\n"Weird Al" Yankovic\t1\n"Heroes"\t2\n"open\t3\n',
        [('"Weird Al" Yankovic', "1"), ("Heroes", "2"), ('"open', "3")],
    ),
    "blanks before a quote": ('a, b\n1, "two, 2"\n3, 4\n', [("1", "two, 2"), ("3", " 4")]),
    "line ends of old Macintoshes": ("a,b\r1,2\r3,4", [("1", "2"), ("3", "4")]),
    **{mark: (f'a{mark}b\n1{mark}"2,;|\t"\n', [("1", "2,;|\t")]) for mark in ";\t|^~\x01"},
    **{
        encoding: ("a,b\nNé,1\n".encode(encoding), [("Né", "1")])
        for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig")
    },
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_text__of_any_dialect_and_encoding(dialect: str) -> None:
    text, expected = DIALECTS[dialect]
    table = split(text)
    assert rows_of(table) == expected
    assert {name.strip() for name in table.names} == {"a", "b"}


def test_lines_that_are_not_utf8__are_read_as_cp1252_and_said() -> None:
    table = split(b"a,b\n" + "naïve,1\n".encode() + "été,2\n".encode("cp1252"))
    assert rows_of(table) == [("naïve", "1"), ("été", "2")]
    assert table.account.notes == ["1 × not UTF-8: read as cp1252 (line 3)"]


def test_lines_of_words_in_another_encoding__are_warned_of() -> None:
    table = split(b"a,b\n" + "Песня,1\nété,2\nПесни,3\n".encode("cp1251", "replace"))
    assert not table.account.notes
    assert table.account.warnings[0].startswith("2 × not UTF-8: read as cp1252 (line 2, 4), and looks like another")


def test_binary__is_no_text() -> None:
    with pytest.raises(CatalogueError, match="neither text nor"):
        split(b"\x01\x00\x00\x07" + bytes(range(256)))


def test_quoted_value__may_run_on_over_any_number_of_lines() -> None:
    long = "\n".join(f"line {n}" for n in range(500))
    table = split(f'a,b\n1,"{long}"\n2,"{long}\n3,4\n')
    assert rows_of(table)[0] == ("1", long)
    assert table.places[0] == 2
    assert any(finding.lines == (502,) for finding in table.account.dropped)
    assert rows_of(table)[-1] == ("3", "4")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b\n1,2,3\n2,3,4\n", ("", "a", "b")),  # R's write.table numbers the rows in an unnamed column
        ("a,b\n1,2,\n3,4,\n", ("a", "b", "")),
        ("a,b,\n1,2\n3,4\n", ("a", "b")),
    ],
)
def test_header__may_be_one_column_short_or_long(text: str, names: tuple[str, ...]) -> None:
    table = split(text)
    assert table.names == names
    assert not table.account.dropped
    assert len(rows_of(table)) == 2


def test_open_quotes__cost_bounded_time() -> None:
    text = "a,b\n" + '1,"""x\n' * 3_000  # each quote may span all following lines
    assert len(split(text).places) + sum(finding.rows for finding in split(text).account.dropped) <= 3_000


def test_endless_line__is_left_out() -> None:
    table = split("a,b\n1,2\n" + "x" * 100_000 + ",3\n4,5")
    assert len(table.places) == 2
    assert table.account.dropped[0].what == "longer than 65,536 bytes"


@pytest.mark.parametrize("text", ["," * 2**24, '"a\n"' + "," * 2**24])
def test_endless_line__is_no_header(text: str) -> None:
    with pytest.raises(CatalogueError, match="its first lines are not a header"):
        split(text)


def zipped(content: bytes, name: str = "songs.csv") -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED if name == "songs.csv" else zipfile.ZIP_STORED) as file:
        file.writestr("__MACOSX/._songs.csv", b"junk")
        file.writestr(f"data/{name}", content)
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
    with pytest.raises(CatalogueError, match="is compressed more than 2 times"):
        read(tmp_path, twice)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.csv", b"x")
        file.writestr("b\x1b[2J.csv", b"x")
    with pytest.raises(CatalogueError, match=r"has 2 tables: 'a\.csv', 'b\\x1b\[2J\.csv'; unpack it"):
        read(tmp_path, archive.getvalue())


def test_notices_above_the_header__are_passed_over(tmp_path: Path) -> None:
    catalogue = read(tmp_path, 'sep=;\n"Exported, on Monday"\n\n' + frame().to_csv(index=False, sep=";"))
    assert catalogue.fingerprint == plain(tmp_path).fingerprint
    assert "line 4 was read as the header" in str(catalogue.report)


@pytest.mark.parametrize("write", [str, json.dumps, lambda record: f"[{record}]"])
def test_records_in_cells__are_columns(tmp_path: Path, write: Callable[[dict[str, object]], str]) -> None:
    table = frame().assign(audio=[write({name: one[name] for name in FEATURE_NAMES}) for one in songs(5)])
    table = table.drop(columns=list(FEATURE_NAMES))
    catalogue = read(tmp_path, table.to_csv(index=False))
    assert catalogue.fingerprint == plain(tmp_path).fingerprint
    assert dict(catalogue.report.columns)["energy"] == "audio.energy"
    table["audio"] = ["{'energy': 'loud', \"tempo\": 1e2}", *table["audio"][1:]]
    catalogue = read(tmp_path, table.to_csv(index=False))
    assert [(one.what, one.lines) for one in catalogue.report.dropped] == [("acousticness is missing", (2,))]
    table["audio"] = [write([one, {**one, "energy": None}]) for one in songs(5)]  # of several tracks
    with pytest.raises(CatalogueError, match="none is a known feature"):
        read(tmp_path, table.to_csv(index=False))


def test_several_lines_of_names__are_one_header(tmp_path: Path) -> None:
    table = frame().set_index("track_id")
    table.columns = pd.MultiIndex.from_tuples([("echonest", "audio", name) for name in table.columns])
    catalogue = read(tmp_path, table.to_csv())
    assert (catalogue.fingerprint, catalogue.report.rows) == (plain(tmp_path).fingerprint, 5)
    numbered = frame().to_csv().replace("0,Folk,Artist 0", "0,,", 1)
    assert read(tmp_path, numbered).report.rows == 5


def test_lines_in_quotes_as_a_whole__are_a_table_of_one_column_and_read(tmp_path: Path) -> None:
    lines = csv_text([song(0), song(1, track_name='Say "hi", twice'), *songs(5)[2:]]).splitlines()
    expected = read(tmp_path, "\n".join(lines)).fingerprint
    wrapped = ['"' + line.replace('"', '""') + '"' for line in lines]
    assert read(tmp_path, "\n".join(wrapped)).fingerprint == expected
    assert read(tmp_path, "\n".join([*lines[:2], wrapped[2], *lines[3:]])).fingerprint == expected


def test_quotes_within_quotes__need_not_be_doubled(tmp_path: Path) -> None:
    names = ['The "Blue" Theme', 'Night, 7" Mix', "Plain, too"]
    rows = [song(0), *(song(n, track_name=name).values() for n, name in enumerate(names))]
    text = "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows)
    assert list(read(tmp_path, text).names) == names


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
            try:
                held = values.dictionary_encode() if pa.types.is_dictionary(kind) else values.cast(kind)
            except pa.ArrowNotImplementedError:
                pytest.skip(f"this pyarrow makes no {kind}")
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
    "answers of spotipy": lambda: json.dumps([{"track": one, "audio_features": [one]} for one in records()]),
    "values over several lines": lambda: "\n".join(json.dumps(one, indent=2) for one in records()),
    "albums of one and of several": lambda: json.dumps(
        [{"name": "A", "tracks": records()[:1]}, {"name": "B", "tracks": records()[1:]}]
    ),
    "numbered": lambda: json.dumps({"tracks": {str(number): one for number, one in enumerate(records())}}),
    "lists": lambda: json.dumps(frame().to_dict(orient="list")),
    "rows": lambda: json.dumps([list(frame().columns), *frame().values.tolist()]),
    "sheet": lambda: json.dumps({"range": "A1:N6", "values": [list(frame().columns), *frame().values.tolist()]}),
    "playlists": lambda: json.dumps({"playlists": {"items": [{"name": "A", "tracks": {"items": records()}}]}}),
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
    unnamed = frame().drop(columns="track_id")
    numbered = read(tmp_path, unnamed.to_json(orient="index"), "songs.json")
    assert list(numbered.track_ids) == list(read(tmp_path, unnamed.to_csv(index=False)).track_ids)
    hashes = dict(zip(["12345678", "9abcdef0"], records(), strict=False))
    features = {key: {name: one[name] for name in FEATURE_NAMES} for key, one in hashes.items()}
    assert list(read(tmp_path, json.dumps(features), "songs.json").track_ids) == [*hashes]


def test_json__of_settings_is_warned_of(tmp_path: Path) -> None:
    text = json.dumps({"weights": dict.fromkeys(FEATURE_NAMES, 0.5)})
    assert "only one record" in read(tmp_path, text, "songs.json").report.verdict


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
    with zipfile.ZipFile(tmp_path / "songs.xlsx") as book, zipfile.ZipFile(tmp_path / "other.xlsx", "w") as other:
        for name in book.namelist():
            renamed = name.replace("workbook.xml", "workbook2.xml")
            other.writestr(renamed, book.read(name).replace(b"xl/workbook.xml", b"xl/workbook2.xml"))
    assert Catalogue.read(tmp_path / "other.xlsx").fingerprint == catalogue.fingerprint


def test_workbook__of_lines_of_text_is_read(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    rows = [song(0), song(1, genre="['a', 'b']"), song(2, genre="twice,\nover"), *songs(5)[3:]]
    pd.DataFrame(csv_text(rows).splitlines()).to_excel(tmp_path / "songs.xlsx", index=False, header=False)
    assert Catalogue.read(tmp_path / "songs.xlsx").fingerprint == read(tmp_path, csv_text(rows)).fingerprint
    pd.DataFrame({"sound": ["[0.1, 0.2]", "[0.3, 0.5]"]}).to_excel(tmp_path / "column.xlsx", index=False)
    assert Catalogue.read(tmp_path / "column.xlsx", features=["sound"]).features.shape == (2, 2)


def test_workbook__of_a_sheet_a_year_is_one_table(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    with pd.ExcelWriter(tmp_path / "songs.xlsx") as book:
        for sheet, rows in {"2020": slice(0, 2), "2021": slice(2, 5)}.items():
            frame()[rows].to_excel(book, sheet_name=sheet, index=False)
        frame().describe().to_excel(book, sheet_name="Means")
    catalogue = read(tmp_path, zipped((tmp_path / "songs.xlsx").read_bytes(), "songs.xlsx"))
    assert catalogue.fingerprint == plain(tmp_path).fingerprint
    assert "read from the sheets: 2020, 2021" in str(catalogue.report)


def test_workbook__of_sheets_of_two_scales_is_read_from_the_raw_ones(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    table = frame(30).drop(columns="track_id")
    features = table[list(FEATURE_NAMES)]
    scaled = {"standard": (features - features.mean()) / features.std(), "minmax": features - features.min()}
    scaled["minmax"] /= scaled["minmax"].max()
    for kind, values in scaled.items():
        with pd.ExcelWriter(tmp_path / "songs.xlsx") as book:
            table.assign(**values).to_excel(book, sheet_name=kind, index=False)
            table.to_excel(book, sheet_name="raw", index=False)
        catalogue = Catalogue.read(tmp_path / "songs.xlsx")
        assert catalogue.fingerprint == read(tmp_path, table.to_csv(index=False)).fingerprint
        assert catalogue.report.verdict == f"warning: sheets left out, since scaled differently: {kind}"


def test_workbook__of_sheets_of_one_scale_is_read_whole(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    drawn = pd.DataFrame(np.random.default_rng(0).standard_normal((60, 9)), columns=list(FEATURE_NAMES))
    table = frame(60).assign(**drawn)
    with pd.ExcelWriter(tmp_path / "songs.xlsx") as book:
        for number, rows in enumerate((slice(0, 40), slice(40, 48), slice(48, 60))):
            table[rows].to_excel(book, sheet_name=f"{number}", index=False)
    whole = Catalogue.read(tmp_path / "songs.xlsx")
    assert list(whole.track_ids) == table["track_id"].tolist()
    assert "left out" not in str(whole.report)
    assert len(read(tmp_path, table[:8].to_csv(index=False))) == 8


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


@pytest.mark.parametrize("name", ["part-{:05}.snappy.parquet", "train-{:05}-of-00002.parquet"])
def test_folder__of_parquet_parts_or_one_table(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for part in range(2):
        frame().iloc[3 * part : 3 * part + 3].to_parquet(folder / name.format(part))
    catalogue = Catalogue.read(folder)
    assert catalogue.fingerprint == plain(tmp_path).fingerprint
    assert "read from the parts of" not in str(catalogue.report)
    frame().to_parquet(folder / name.replace("train", "test").format(0))
    assert ("read from the parts of test, train" in str(Catalogue.read(folder).report)) == name.startswith("train")
    alone = tmp_path / "alone"
    (alone / "data").mkdir(parents=True)
    (alone / "dataset-metadata.json").write_text("{}")
    write_csv(alone / "data" / "songs.csv", songs(5))
    assert len(Catalogue.read(alone)) == 5
    write_csv(alone / "data" / "other.csv", songs(5))
    with pytest.raises(CatalogueError, match=r"has 2 tables: '.*data/other\.csv', '.*data/songs\.csv'; name the one"):
        Catalogue.read(alone)
    (alone / "chunks").mkdir()
    write_csv(alone / "chunks" / "part-000.csv", songs(3))
    write_csv(alone / "songs.csv", songs(2))
    assert len(Catalogue.read(alone)) == 2


def test_folder__does_not_follow_links(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "part-00000.csv").symlink_to(write_csv(tmp_path / "songs.csv", songs(5)))
    with pytest.raises(CatalogueError, match="contains no table"):
        Catalogue.read(folder)
    write_csv(folder / "part-00001.csv", songs(2))
    assert len(Catalogue.read(folder)) == 2


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
    with pytest.raises(CatalogueError, match=r"'tempo' holds timestamp.*neither text nor numbers"):
        Catalogue.read(tmp_path / "dates.parquet")


BAD_FILES = {
    "is empty": b"",
    "a header, but no rows": csv_text([]).encode(),
    "compressed data is damaged or encrypted: File is not a zip file": b"PK\x03\x04" + bytes(60),
    "its compressed data is damaged": gzip.compress(csv_text(songs(3)).encode())[:-30],
    "Parquet file is damaged": b"PAR1" + bytes(100),
    "not a table of audio features": b"name,price\nbread,3\n",
    "is a picture": b"\x89PNG\x0d\x0a" + bytes(range(256)),
    "neither text nor a known file format": b"\x07\x00\x00" + bytes(range(256)),
    r"is a web page \(HTML": b"\n<!DOCTYPE html><html><body>404</body></html>",
    "is a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    "is a pickle": pickle.dumps(songs(3)),
    "is an R file": gzip.compress(b"X\n\x00\x00\x00\x03"),
    "web page .*download the table itself": b'\xef\xbb\xbf<table border="1">',
    "is a Stata or SPSS file": b"<stata_dta><header><release>118</release>",
    "is an OpenDocument file": b"PK\x03\x04" + bytes(26) + b"mimetypeapplication/vnd.oasis.opendocument",
    "is an old spreadsheet": b"\xd0\xcf\x11\xe0" + bytes(100),
    "its columns are named fea1, <id>": b"fea1;<id>\n",
    "its columns are named <id>, fea1": b"<id>;fea1\n",
    "is a prepared catalogue, which": b"FEA1\x00\x00\x00\x00",
    "is a NumPy array": b"\x93NUMPY" + bytes(100),
    "is a database": b"SQLite format 3\x00",
    "is a tar archive": b"songs.csv".ljust(257, b"\x00") + b"ustar\x00",
    "this is not JSON": b"[{]\n{}}",
    "contains no track records": b'{"a": [1, 2, {"b": null}]}',
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
    with pytest.raises(CatalogueError, match="file not found"):
        Catalogue.read(tmp_path / "songs.csv")
    with pytest.raises(CatalogueError, match="contains no table"):
        Catalogue.read(tmp_path)
