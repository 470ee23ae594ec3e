import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_gym.catalogue import CatalogueError
from spotify_gym.catalogue.delimited import read_delimited
from spotify_gym.catalogue.schema import RawTable, Roles, Schema


class Everything(Schema):
    """Takes every column for a feature, and no line for a better header than the first."""

    def likeness(self, names: Sequence[str]) -> int:
        return 0

    def roles(self, names: Sequence[str]) -> Roles:
        return Roles(dict(zip(names, names, strict=True)), {}, {})


def read(text: str | bytes) -> RawTable:
    content = text.encode() if isinstance(text, str) else text
    return read_delimited(content, Everything(Path("songs.csv"), {}, None))


def rows_of(table: RawTable) -> list[tuple[str, ...]]:
    return list(zip(*table.cells.to_pydict().values(), strict=True))


cells = st.text(st.sampled_from('ab ,"\n;é'), max_size=6)


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_read__equals_the_standard_library(rows: list[tuple[str, ...]], line_end: str) -> None:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator=line_end)
    writer.writerows([("a", "b", "c"), *rows])
    table = read(file.getvalue())
    assert rows_of(table) == rows
    assert not table.account.dropped


@given(st.text(st.sampled_from('ab,"\n\r'), max_size=60))
def test_read__says_where_every_line_went(body: str) -> None:
    table = read("a,b\n" + body)
    lines = ("a,b\n" + body).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lost = sum(finding.rows for finding in table.account.dropped)
    assert len(table.places) + lost <= sum(bool(line) for line in lines[1:])
    assert all(lines[place - 1] for place in table.places)
    for place, (first, *_) in zip(table.places, rows_of(table), strict=True):
        assert lines[place - 1].lstrip('"').startswith(first.split("\n")[0].split('"')[0])


def test_quoted_value__may_run_on_to_other_lines() -> None:
    table = read('a,b\n1,"two\nlines, 1,2"\n3,4\n')
    assert rows_of(table) == [("1", "two\nlines, 1,2"), ("3", "4")]
    assert table.places.tolist() == [2, 4]


def test_open_quote__costs_its_own_line_only() -> None:
    table = read('a,b\n1,"open\n' + "".join(f"{n},x\n" for n in range(30)) + '5,"quoted"\n')
    assert len(table.places) == 31
    assert table.account.dropped[0].lines == (2,)


def test_quote_inside_a_value__is_a_character() -> None:
    assert rows_of(read('a,b\n12" mix,x\n"say ""hi""",y\n')) == [('12" mix', "x"), ('say "hi"', "y")]


def test_wrong_number_of_columns__is_reported_by_line() -> None:
    table = read("a,b\n1,2\n1\n\n1,2,3\n3,4")
    assert rows_of(table) == [("1", "2"), ("3", "4")]
    assert [(finding.what, finding.lines) for finding in table.account.dropped] == [("not 2 columns", (3, 5))]


def test_blank_lines_before_the_header__are_skipped() -> None:
    table = read("\n\na,b\n1,2\n")
    assert table.names == ("a", "b")
    assert table.places.tolist() == [4]


def test_byte_order_mark__is_no_part_of_a_name() -> None:
    assert read(b"\xef\xbb\xbfa,b\r\n1,2\r\n").names == ("a", "b")


def test_old_macintosh_line_ends__are_line_ends() -> None:
    assert rows_of(read("a,b\r1,2\r3,4")) == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiter__is_found(delimiter: str) -> None:
    table = read(delimiter.join("abc") + "\n" + delimiter.join(["1", '"2,;|\t"', "3"]) + "\n")
    assert (table.names, rows_of(table)) == (("a", "b", "c"), [("1", "2,;|\t", "3")])


def test_lines_that_are_not_utf8__are_read_as_cp1252_and_said() -> None:
    table = read(b"a,b\n" + "naïve,1\n".encode() + "été,2\n".encode("cp1252"))
    assert rows_of(table) == [("naïve", "1"), ("été", "2")]
    assert table.account.notes == ["1 × not UTF-8: read as cp1252 (line 3)"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_unicode__is_read_with_a_mark_and_without(encoding: str) -> None:
    table = read("a,b\nNé,1\n".encode(encoding))
    assert (table.names, rows_of(table)) == (("a", "b"), [("Né", "1")])


def test_binary__is_no_text() -> None:
    with pytest.raises(CatalogueError, match="neither a text"):
        read(b"\x01\x00\x00\x07" + bytes(range(256)))


def test_quoted_value__may_run_on_over_any_number_of_lines() -> None:
    long = "\n".join(f"line {n}" for n in range(500))
    table = read(f'a,b\n1,"{long}"\n2,"{long}\n3,4\n')
    assert rows_of(table)[0] == ("1", long)
    assert table.places[0] == 2
    assert any(finding.lines == (502,) for finding in table.account.dropped)
    assert rows_of(table)[-1] == ("3", "4")


def test_quotes_behind_a_backslash__are_part_of_the_value() -> None:
    table = read('a,b\n"Sunny \\"12\\" Mix, long",1\n"plain, too",2\n')
    assert rows_of(table) == [('Sunny "12" Mix, long', "1"), ("plain, too", "2")]


def test_quotes_between_tabs__may_be_letters() -> None:
    table = read('a\tb\n"Weird Al" Yankovic\t1\n"Heroes"\t2\n"open\t3\n')
    assert rows_of(table) == [('"Weird Al" Yankovic', "1"), ("Heroes", "2"), ('"open', "3")]


def test_blanks_before_a_quote__are_no_part_of_the_value() -> None:
    assert rows_of(read('a, b\n1, "two, 2"\n3, 4\n')) == [("1", "two, 2"), ("3", " 4")]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b\n1,2,3\n2,3,4\n", ("", "a", "b")),  # write.table numbers the rows and does not name that column
        ("a,b\n1,2,\n3,4,\n", ("a", "b", "")),
        ("a,b,\n1,2\n3,4\n", ("a", "b")),
    ],
)
def test_header__may_be_one_column_short_or_long(text: str, names: tuple[str, ...]) -> None:
    table = read(text)
    assert table.names == names
    assert not table.account.dropped
    assert len(rows_of(table)) == 2


def test_open_quotes__cost_bounded_time() -> None:
    text = "a,b\n" + '1,"""x\n' * 3_000  # each may run on to the end
    assert len(read(text).places) + sum(finding.rows for finding in read(text).account.dropped) <= 3_000


def test_endless_line__is_left_out() -> None:
    table = read("a,b\n1,2\n" + "x" * 100_000 + ",3\n4,5")
    assert len(table.places) == 2
    assert table.account.dropped[0].what == "longer than 65,536 bytes"


@pytest.mark.parametrize("text", ["," * 2**24, '"a\n"' + "," * 2**24])
def test_endless_line__is_no_header(text: str) -> None:
    with pytest.raises(CatalogueError, match="its first lines are no header"):
        read(text)
