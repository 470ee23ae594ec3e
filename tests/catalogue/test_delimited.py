import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_gym.catalogue import CatalogueError
from spotify_gym.catalogue.delimited import read_delimited
from spotify_gym.catalogue.raw_table import RawTable


def read(text: str | bytes) -> RawTable:
    content = text.encode() if isinstance(text, str) else text
    return read_delimited(content, lambda names: {name: number for number, name in enumerate(names)})


def rows_of(table: RawTable) -> list[tuple[str, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns.values()), strict=True))


cells = st.text(st.sampled_from('ab ,"\n;é'), max_size=6)


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_read__equals_the_standard_library(rows: list[tuple[str, ...]], line_end: str) -> None:
    rows = [row for row in rows if sum(cell.count("\n") for cell in row) < 10]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator=line_end)
    writer.writerows([("a", "b", "c"), *rows])
    table = read(file.getvalue())
    assert rows_of(table) == rows
    assert not table.damaged


@given(st.text(st.sampled_from('ab,"\n\r'), max_size=60))
def test_read__says_where_every_line_went(body: str) -> None:
    table = read("a,b\n" + body)
    lines = ("a,b\n" + body).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lost = sum(finding.rows for finding in table.damaged)
    assert len(table.places) + lost <= sum(bool(line) for line in lines[1:])
    assert all(lines[place - 1] for place in table.places)
    for place, (first, _) in zip(table.places, rows_of(table), strict=True):
        assert lines[place - 1].lstrip('"').startswith(first.split("\n")[0].split('"')[0])


def test_quoted_value__may_run_on_to_other_lines() -> None:
    table = read('a,b\n1,"two\nlines, 1,2"\n3,4\n')
    assert rows_of(table) == [("1", "two\nlines, 1,2"), ("3", "4")]
    assert table.places.tolist() == [2, 4]


def test_open_quote__costs_its_own_line_only() -> None:
    table = read('a,b\n1,"open\n' + "".join(f"{n},x\n" for n in range(30)) + '5,"quoted"\n')
    assert len(table.places) == 31
    assert table.damaged[0].lines == (2,)


def test_quote_inside_a_value__is_a_character() -> None:
    assert rows_of(read('a,b\n12" mix,x\n"say ""hi""",y\n')) == [('12" mix', "x"), ('say "hi"', "y")]


def test_wrong_number_of_columns__is_reported_by_line() -> None:
    table = read("a,b\n1,2\n1\n\n1,2,3\n3,4")
    assert rows_of(table) == [("1", "2"), ("3", "4")]
    assert [(finding.what, finding.lines) for finding in table.damaged] == [("not 2 columns", (3, 5))]


def test_blank_lines_before_the_header__are_skipped() -> None:
    table = read("\n\na,b\n1,2\n")
    assert table.names == ("a", "b")
    assert table.places.tolist() == [4]


def test_byte_order_mark__is_no_part_of_a_name() -> None:
    assert read(b"\xef\xbb\xbfa,b\r\n1,2\r\n").names == ("a", "b")


def test_old_macintosh_line_ends__are_line_ends() -> None:
    assert rows_of(read("a,b\r1,2\r3,4")) == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize(("delimiter", "word"), [(";", "semicolon"), ("\t", "tab"), ("|", "bar")])
def test_other_delimiter__is_named(delimiter: str, word: str) -> None:
    with pytest.raises(CatalogueError, match=f"separated by a .*{word}"):
        read(delimiter.join("abc") + "\n" + delimiter.join("123"))


def test_few_lines_that_are_not_utf8__are_reported() -> None:
    table = read(b"a,b\n" + b"1,2\n" * 200 + b"\xe9t\xe9,3\n")
    assert len(table.places) == 200
    assert [(finding.what, finding.lines) for finding in table.damaged] == [("not UTF-8", (202,))]


def test_other_encoding__is_named() -> None:
    with pytest.raises(CatalogueError, match="not UTF-8: 1 of 2 lines are not, the first being line 2"):
        read("a,b\nété,1\n".encode("cp1252"))


def test_endless_line__is_left_out() -> None:
    table = read("a,b\n1,2\n" + "x" * 100_000 + ",3\n4,5")
    assert len(table.places) == 2
    assert table.damaged[0].what == "longer than 65,536 bytes"
