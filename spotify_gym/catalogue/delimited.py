"""Delimited text, as real files are: in any encoding, with notices above the header, cut off, a quote left open.

Lines are judged before anything is parsed: a line without quotes is a row if it has the right number of separators; a
line with quotes is one if the strict parser of the standard library says so, together with the lines that its quoted
values run on to. What is left is clean, and Arrow parses it at full speed.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.report import Finding
from spotify_gym.catalogue.schema import MAX_HEADER, RawTable, Schema

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = ",;\t|"
MAX_LINE_BYTES = 2**16
MAX_ROW_BYTES = 2**24
MAX_WASTE = 10  # times the lines of a file that are read in vain, in search of the end of a quote
_SAMPLE = 100  # lines that say how many columns there are
_DIALECTS: tuple[dict[str, Any], ...] = ({}, {"escapechar": "\\", "doublequote": False})  # the second is Spark's


def read_delimited(content: bytes, schema: Schema) -> RawTable:
    """Split text into rows and keep the columns that serve a role, as text.

    Raises:
        CatalogueError: if it is no text, or no table of audio features.
    """
    lines, notes = _decode(content)
    names, delimiter, header, start = _find_header(lines, schema)
    if header > next(number for number, line in enumerate(lines) if line):
        notes.append(f"line {header + 1} was taken as the header")
    names = _fit_header(
        names, [line for line in lines[start : start + _SAMPLE] if line and b'"' not in line], delimiter
    )
    roles = schema.roles(names)
    rows, places, damaged = _find_rows(lines, start, delimiter, len(names))
    cells = _parse(rows, len(names), delimiter, [str(number) for number in roles.columns()])
    if len(cells) != len(rows):
        raise CatalogueError("the rows cannot be told apart: there are quotes where none should be.")
    return RawTable(names, roles, cells, np.array(places, dtype=np.int64), "line", damaged, tuple(notes))


def _decode(content: bytes) -> tuple[list[bytes], list[str]]:
    """Split text into lines, in UTF-8 whatever it was, and say what it was."""
    notes = []
    if encoding := _utf16(content[:1000]):
        content = content.decode(encoding, "replace").encode()
    text = content.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in text[:1000]:
        raise CatalogueError("it is neither a text nor of a kind that is known.")
    lines = text.splitlines()
    try:
        text.decode()
    except UnicodeDecodeError:
        plain = [_to_utf8(line) for line in lines]
        foreign = [number for number, (old, new) in enumerate(zip(lines, plain, strict=True), 1) if old is not new]
        notes.append(Finding.at("not UTF-8: read as cp1252", foreign).describe("line"))
        lines = plain
    return lines, notes


def _utf16(start: bytes) -> str | None:
    """Tell UTF-16 by its mark, or by every other byte being 0."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if start[first::2].count(0) > len(start) / 4:
            return encoding
    return None


def _to_utf8(line: bytes) -> bytes:
    try:
        line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace").encode()
    return line


def _find_header(lines: list[bytes], schema: Schema) -> tuple[tuple[str, ...], str, int, int]:
    """Find the line that names most roles: return its names, its delimiter, its number and that of the next row."""
    headers = [
        (tuple(names), delimiter, number, number + taken)
        for number in range(min(MAX_HEADER, len(lines)))
        for delimiter in DELIMITERS
        for names, taken, _ in [_split_row(lines, number, delimiter, None, MAX_HEADER)]
        if any(names)
    ]
    if not headers:
        raise CatalogueError("its first lines are no header of column names.")
    return max(headers, key=lambda header: (schema.likeness(header[0]), -header[2], len(header[0])))


def _fit_header(names: tuple[str, ...], rows: list[bytes], delimiter: str) -> tuple[str, ...]:
    """Give the columns that have no name the name "": numbers of rows in front, or nothing at the end."""
    width = Counter(row.count(delimiter.encode()) + 1 for row in rows).most_common(1)[0][0] if rows else len(names)
    if width == len(names) - 1 and not names[-1]:
        return names[:-1]
    if width != len(names) + 1:
        return names
    return (*names, "") if all(row.endswith(delimiter.encode()) for row in rows) else ("", *names)


def _find_rows(
    lines: list[bytes], start: int, delimiter: str, width: int
) -> tuple[list[bytes], list[int], tuple[Finding, ...]]:
    """Return the rows, the lines on which they begin, and the lines that belong to none."""
    rows, places, lost = [], [], defaultdict(list)
    separator, waste = delimiter.encode(), MAX_WASTE * len(lines)
    end = start
    for place, line in enumerate(islice(lines, start, None), start + 1):
        if place < end or not line:
            continue
        if len(line) > MAX_LINE_BYTES:
            lost[f"longer than {MAX_LINE_BYTES:,} bytes"].append(place)
        elif b'"' in line:
            cells, taken, row = _split_row(lines, place - 1, delimiter, width, max(waste, 1))
            if cells:
                end = place + taken
                rows.append(row)
                places.append(place)
            else:
                waste -= taken
                lost[f"not {width} columns, or a quote that does not close"].append(place)
        elif line.count(separator) == width - 1:
            rows.append(line)
            places.append(place)
        else:
            lost[f"not {width} columns"].append(place)
    return rows, places, tuple(Finding.at(reason, numbers) for reason, numbers in lost.items())


def _split_row(
    lines: list[bytes], number: int, delimiter: str, width: int | None, ahead: int
) -> tuple[list[str], int, bytes]:
    """Split the row of so many columns that begins on a line, and may run on to others.

    Returns:
        its cells, none if there is no row; the number of lines that were read; the row as Arrow reads it.
    """
    n_lines = 1
    for dialect in _DIALECTS[: 1 + (b'\\"' in lines[number])]:
        following = (lines[place] for place in range(number, min(number + ahead, len(lines))))
        short = takewhile(lambda line: len(line) <= MAX_LINE_BYTES, following)
        reader = csv.reader((line.decode() + "\n" for line in short), delimiter=delimiter, strict=True, **dialect)
        try:
            cells = next(reader)
        except (csv.Error, StopIteration):
            continue
        finally:
            n_lines = max(n_lines, reader.line_num)
        if len(cells) == (width or len(cells)):
            row = _written(cells, delimiter) if dialect else b"\n".join(lines[number : number + reader.line_num])
            return (cells, reader.line_num, row) if len(row) <= MAX_ROW_BYTES else ([], n_lines, b"")
    return [], n_lines, b""


def _written(cells: list[str], delimiter: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="").writerow(cells)
    return text.getvalue().encode()


def _parse(rows: list[bytes], width: int, delimiter: str, wanted: list[str]) -> pa.Table:
    """Parse the columns that serve a role, all as text: what is a number is judged value by value later."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    if not rows:
        return pa.table({name: pa.array([], pa.string()) for name in wanted})
    return arrow_csv.read_csv(
        pa.BufferReader(b"\n".join(rows)),
        arrow_csv.ReadOptions(
            column_names=[str(column) for column in range(width)], block_size=max(2**20, 2 * max(map(len, rows)))
        ),
        arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        arrow_csv.ConvertOptions(
            include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string()), strings_can_be_null=False
        ),
    )
