"""Reader of delimited text (CSV, TSV) of any encoding; tolerates notices above the header, cut-off rows, open quotes.

Lines are checked before they are parsed. A line without quotes is a row if it has the right number of separators. A
line with quotes is one if the strict parser of the standard library accepts it, together with the following lines that
its quoted values span. The remaining rows are clean, and Arrow parses them at full speed.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress, islice, takewhile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from spotify_gym.catalogue.report import Account, CatalogueError, Finding
from spotify_gym.catalogue.schema import MAX_HEADER, RawTable, Schema

DELIMITERS = ",;\t|^~\x01"
MAX_LINE_BYTES = 2**16
MAX_ROW_BYTES = 2**24
MAX_NAMES = 10_000  # of keys in records within the cells of the first rows
MAX_REPEATS = 1000  # limit of repetitions in Arrow's regular expressions
MAX_WASTE = 10  # times the lines of a file may be read in vain, searching for the end of a quote
_SAMPLE = 100  # first rows, which tell the number of columns and the records within cells
_DIALECTS: Mapping[bytes, dict[str, Any]] = {
    # what a line must contain: settings of the parser to try on it
    b"": {},
    b'\\"': {"escapechar": "\\", "doublequote": False},  # as Spark writes
    b' "': {"skipinitialspace": True},
}
_UNQUOTED: dict[str, Any] = {"quoting": csv.QUOTE_NONE}  # in TSV, quotes are often plain text: "Weird Al" Yankovic
_FOREIGN_WORD = re.compile(rb"[\x80-\xff]{3}")  # such as a word in Greek; in cp1252, words have single accents
_KEY = r"""['"]%s['"]\s*:"""  # within a record, "{'energy': 0.5}"
_NUMBER_OF = _KEY + r"\s*(?P<number>[+-]?\.?\d[\d.eE+-]*)"


def read_delimited(content: bytes, schema: Schema) -> RawTable:
    """Read the columns that have a role, as text."""
    account = Account("line")
    lines = _decode(content, account)
    header, delimiter, number, start = _find_header(lines, schema)
    if any(lines[:number]):
        account.notes.append(f"line {number + 1} was read as the header")
    header, start = _fit_header(header, lines, start, delimiter)
    rows, places = _find_rows(lines, start, delimiter, len(header), account)
    inner = _numbers_within(_parse(rows[:_SAMPLE], header, delimiter, header))
    names = (*header, *inner)
    roles = schema.roles(names)
    outer = _parse(rows, header, delimiter, [inner.get(name, (name,))[0] for name in roles.columns])
    cells = {name: _number_of(outer, *inner[name]) if name in inner else outer[name] for name in roles.columns}
    return RawTable(names, roles, pa.table(cells), places, account)


def _decode(content: bytes, account: Account) -> list[bytes]:
    """Return the lines of a text, converted to UTF-8."""
    start = content[:1000]
    zeros = len(start) / 4  # UTF-16 without a byte-order mark has a zero in nearly every other place
    marked = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    wide = {"utf-16": marked, "utf-16-le": start[1::2].count(0) > zeros, "utf-16-be": start[::2].count(0) > zeros}
    for encoding in [encoding for encoding, is_it in wide.items() if is_it][:1]:
        content = content.decode(encoding, "replace").encode()
    text = content.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in text[:1000]:
        raise CatalogueError("it is neither text nor a known file format.")
    lines = text.splitlines()
    foreign = [] if _is_utf8(text) else [number for number, line in enumerate(lines) if not _is_utf8(line)]
    odd = [number for number in foreign if _FOREIGN_WORD.search(lines[number])]
    for number in foreign:
        lines[number] = lines[number].decode("cp1252", "replace").encode()
    if foreign:
        told = Finding.at("not UTF-8: read as cp1252", np.array(foreign) + 1).describe("line")
        if 2 * len(odd) > len(foreign):
            account.warnings.append(f"{told}, and looks like another encoding: save the table as UTF-8")
        else:
            account.notes.append(told)
    return lines


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _find_header(lines: Sequence[bytes], schema: Schema) -> tuple[tuple[str, ...], str, int, int]:
    """Find the line that names most roles; return its names, its delimiter, its index and that of the next row."""
    headers = [
        (tuple(names), delimiter, number, number + taken)
        for number in range(min(MAX_HEADER, len(lines)))
        for delimiter in DELIMITERS
        for names, taken in [_split_row(lines, number, delimiter, None, MAX_HEADER)]
        if any(names)
    ]
    if not headers:
        raise CatalogueError("its first lines are not a header of column names.")
    return max(headers, key=lambda header: (schema.likeness(header[0]), -header[2], len(header[0])))


def _fit_header(
    names: tuple[str, ...], lines: Sequence[bytes], start: int, delimiter: str
) -> tuple[tuple[str, ...], int]:
    """Return the names of the columns, completed by what is below the header, and the index of the first row.

    pandas writes the names of its index in a line of their own below the other names. Other programs write row numbers
    in front without a name, or end every row with a separator: a column "" is then added or removed.
    """
    below, taken = _split_row(lines, start, delimiter, len(names), 1) if start < len(lines) else ([], 0)
    is_alone = not any(name and cell for name, cell in zip(names, below, strict=False))
    if is_alone and "".join(below)[:1].isalpha():
        return tuple(map("".join, zip(names, below, strict=True))), start + taken
    rows, place = [], start
    while place < min(start + _SAMPLE, len(lines)):
        cells, taken = _split_row(lines, place, delimiter, len(names), _SAMPLE)
        if not cells:
            cells, taken = _split_row(lines, place, delimiter, None, _SAMPLE)
        rows += [cells] if cells else []
        place += taken if cells else 1
    width = Counter(map(len, rows)).most_common(1)[0][0] if rows else len(names)
    if width == len(names) - 1 and not names[-1]:
        names = names[:-1]
    elif width == len(names) + 1:
        names = ("", *names) if any(row[-1] for row in rows) else (*names, "")
    return names, start


def _find_rows(
    lines: list[bytes], start: int, delimiter: str, width: int, account: Account
) -> tuple[list[bytes], NDArray[np.int64]]:
    """Return the rows, and the numbers of the lines where they begin; lines that are in no row are dropped."""
    text = pa.array(lines, pa.large_binary())
    size = pc.binary_length(text).to_numpy()
    is_row = _is_row(text, delimiter, width) & (size <= MAX_LINE_BYTES) & (size > 0)
    is_row[:start] = False
    end, waste, lost = start, MAX_WASTE * len(lines), defaultdict(list)
    for place in np.flatnonzero(~is_row & (size > 0)).tolist():
        if place < end:
            continue
        fault = f"not {width} columns"
        if size[place] > MAX_LINE_BYTES:
            fault = f"longer than {MAX_LINE_BYTES:,} bytes"
        elif b'"' in lines[place] or width > MAX_REPEATS:
            cells, taken = _split_row(lines, place, delimiter, width, max(waste, 1))
            if cells:
                lines[place], end = _write_row(cells, delimiter), place + taken
                is_row[place:end] = np.arange(taken) == 0
                continue
            waste -= taken
            fault += ", or an unclosed quote"
        lost[fault].append(place + 1)
    for reason, numbers in lost.items():
        account.drop(reason, numbers)
    return list(compress(lines, is_row)), np.flatnonzero(is_row) + 1


def _is_row(text: pa.LargeBinaryArray, delimiter: str, width: int) -> NDArray[np.bool_]:
    """Return a mask of the lines that are rows of ``width`` columns, with quotes around whole values only."""
    if width > MAX_REPEATS:
        return np.zeros(len(text), dtype=np.bool_)
    value = rf'(?:"(?:[^"]|"")*"|[^"{delimiter}]*)'
    form = rf"^{value}(?:{re.escape(delimiter)}{value}){{{width - 1}}}$"
    return np.array(pc.match_substring_regex(text, form))


def _split_row(
    lines: Sequence[bytes], number: int, delimiter: str, width: int | None, ahead: int
) -> tuple[list[str], int]:
    """Split the row of ``width`` columns (`None`: any) that begins at line ``number`` and spans up to ``ahead`` lines.

    A row that is quoted as a whole, as spreadsheets write rows that were not split into columns, is split again. Quotes
    within quoted values that should be doubled, but are not, are accepted if they are not next to a delimiter.

    Returns:
        its cells, empty if there is no row; the number of lines that were read.
    """
    n_lines = 1
    dialects = [dialect for mark, dialect in _DIALECTS.items() if mark in lines[number]]
    for dialect in [*dialects, _UNQUOTED] if delimiter == "\t" and width else dialects:
        following = (lines[place] for place in range(number, min(number + ahead, len(lines))))
        short = takewhile(lambda line: len(line) <= MAX_LINE_BYTES, following)
        reader = csv.reader((line.decode() + "\n" for line in short), delimiter=delimiter, strict=True, **dialect)
        try:
            cells = next(reader)
            if len(cells) == 1 != width:
                cells = next(csv.reader(cells, delimiter=delimiter, strict=True), cells)
        except (csv.Error, StopIteration):
            continue
        finally:
            n_lines = max(n_lines, reader.line_num)
        if len(cells) == (width or len(cells)) and sum(map(len, cells)) <= MAX_ROW_BYTES:
            return cells, reader.line_num
    if width:
        doubled = re.sub(rb'(?<=[^"%b])"(?=[^"%b])' % (delimiter.encode(), delimiter.encode()), b'""', lines[number])
        if doubled != lines[number] and (cells := _split_row([doubled], 0, delimiter, width, 1)[0]):
            return cells, 1
    return [], n_lines


def _write_row(cells: Sequence[str], delimiter: str) -> bytes:
    """Write all cells in quotes, so that Arrow can parse any content."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="", quoting=csv.QUOTE_ALL).writerow(cells)
    return text.getvalue().encode()


def _parse(rows: Sequence[bytes], names: Sequence[str], delimiter: str, wanted: Iterable[str]) -> pa.Table:
    """Parse the ``wanted`` columns as text; numbers are parsed value by value later."""
    numbers = {str(names.index(name)): name for name in wanted}
    if not rows:
        return pa.table({name: pa.array([], pa.string()) for name in numbers.values()})
    table = arrow_csv.read_csv(
        pa.BufferReader(b"\n".join(rows)),
        arrow_csv.ReadOptions(
            column_names=[str(number) for number in range(len(names))], block_size=max(2**20, 2 * max(map(len, rows)))
        ),
        arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        arrow_csv.ConvertOptions(
            include_columns=list(numbers), column_types=dict.fromkeys(numbers, pa.string()), strings_can_be_null=False
        ),
    )
    if len(table) != len(rows):
        raise CatalogueError("the rows cannot be separated: there are unexpected quotes.")
    return table.rename_columns(list(numbers.values()))


def _numbers_within(sample: pa.Table) -> dict[str, tuple[str, str]]:
    """Find numbers in records within cells: "{'energy': 0.5}" in `audio` is {"audio.energy": ("audio", "energy")}.

    A key that occurs more than once in a cell is of several tracks, and ignored.
    """
    cells = ((name, cell) for name in sample.column_names for cell in sample[name].to_pylist())
    records = ((name, cell) for name, cell in cells if re.match(r"\s*\[?\{", cell))
    often: dict[tuple[str, str], int] = {}
    for name, cell in records:
        times = Counter(re.findall(_KEY % r"(\w+)", cell))
        for key, _ in islice(re.findall(_NUMBER_OF % r"(\w+)", cell), MAX_NAMES - len(often)):
            often[name, key] = max(times[key], often.get((name, key), 0))
    return {f"{name}.{key}": (name, key) for (name, key), times in often.items() if times == 1}


def _number_of(table: pa.Table, name: str, key: str) -> pa.ChunkedArray:
    once = pc.equal(pc.count_substring_regex(table[name], _KEY % key), 1)
    return pc.struct_field(pc.extract_regex(pc.if_else(once, table[name], None), _NUMBER_OF % key), "number")
