"""Comma-separated text, as real files are: with a byte-order mark, cut off, or with a quote that never closes.

Lines are judged before anything is parsed: a line without quotes is a row if it has the right number of commas, found
for all lines at once; a line with quotes is a row if the strict parser of the standard library says so, alone or
together with the lines that its quoted values run on to. What is left is clean, and Arrow parses it at full speed.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.raw_table import Choose, RawTable
from spotify_gym.catalogue.report import Finding

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
MAX_LINE_BYTES = 2**16
MAX_LINES_OF_ROW = 10
MAX_SHARE_NOT_UTF8 = 0.01  # of lines; more of them are no damage but another encoding


def read_delimited(content: bytes, choose: Choose) -> RawTable:
    """Split text into rows and keep the columns that ``choose`` names, as text.

    Raises:
        CatalogueError: if the text is not UTF-8, not separated by commas, or ``choose`` finds no use for its columns.
    """
    lines = Lines.of(content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    header = int((lines.ends > lines.starts).argmax())  # the first line that is not blank
    names = _split_header(lines[header])
    roles = choose(names)
    rows = _find_rows(lines, header, len(names))
    return RawTable(
        names=names,
        roles=roles,
        columns=_parse(rows, len(names), roles),
        places=np.flatnonzero(rows.first) + 1,
        unit="line",
        damaged=rows.damaged,
    )


@dataclass(frozen=True)
class Lines:
    """The lines of a text, as positions in it."""

    text: bytes
    starts: NDArray[np.int64]  # (n_lines,)
    ends: NDArray[np.int64]  # (n_lines,), without the line break

    @classmethod
    def of(cls, text: bytes) -> Lines:
        """Find the lines; a line break at the very end begins no further one."""
        breaks = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n"))
        starts = np.concatenate([[0], breaks + 1])
        ends = np.concatenate([breaks, [len(text)]])
        n_lines = len(starts) - text.endswith(b"\n")
        return cls(text, starts[:n_lines], ends[:n_lines])

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, number: int) -> bytes:
        return self.text[self.starts[number] : self.ends[number]]

    def count(self, character: str) -> NDArray[np.int64]:
        """Count a character in every line: (n_lines,)."""
        positions = np.flatnonzero(np.frombuffer(self.text, dtype=np.uint8) == ord(character))
        return np.searchsorted(positions, self.ends) - np.searchsorted(positions, self.starts)

    def not_utf8(self) -> NDArray[np.bool_]:
        """Mark the lines (n_lines,) that are not UTF-8."""
        try:
            self.text.decode("utf-8")
        except UnicodeDecodeError:
            return np.fromiter((not _is_utf8(self[number]) for number in range(len(self))), np.bool_, len(self))
        return np.zeros(len(self), dtype=np.bool_)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@dataclass(frozen=True)
class Rows:
    """The lines that make up rows."""

    lines: Lines
    first: NDArray[np.bool_]  # (n_lines,), a row begins here
    continued: NDArray[np.bool_]  # (n_lines,), a quoted value runs on through here
    damaged: tuple[Finding, ...]  # lines that belong to no row, by reason

    def text(self) -> memoryview | bytes:
        """Return the rows alone."""
        kept = np.flatnonzero(self.first | self.continued)
        if not self.damaged and len(kept):
            return memoryview(self.lines.text)[self.lines.starts[kept[0]] :]
        return b"\n".join(self.lines[number] for number in kept.tolist())


def _split_header(line: bytes) -> tuple[str, ...]:
    """Split the first line into the names of the columns."""
    try:
        header = line.decode("utf-8")
        splits = {delimiter: next(csv.reader([header], delimiter=delimiter)) for delimiter in DELIMITERS}
    except (UnicodeDecodeError, csv.Error) as error:
        raise CatalogueError(f"the first line is not a header of column names in UTF-8: {error}.") from error
    delimiter = max(splits, key=lambda candidate: len(splits[candidate]))
    if delimiter != ",":
        raise CatalogueError(
            f"the columns are separated by {DELIMITERS[delimiter]} ({delimiter!r}), but must be separated by a comma. "
            f"Convert the table first, for example with pandas: "
            f"read_csv(path, sep={delimiter!r}).to_csv(new_path, index=False)."
        )
    return tuple(splits[","])


def _find_rows(lines: Lines, header: int, n_columns: int) -> Rows:
    is_body = np.arange(len(lines)) > header
    has_quotes = lines.count('"') > 0
    is_long = lines.ends - lines.starts > MAX_LINE_BYTES
    is_foreign = lines.not_utf8()
    _check_encoding(is_foreign, lines)
    candidate = is_body & ~is_long & ~is_foreign
    first = candidate & ~has_quotes & (lines.count(",") == n_columns - 1)
    continued = np.zeros(len(lines), dtype=np.bool_)
    for number, end in _rows_with_quotes(lines, np.flatnonzero(candidate & has_quotes), n_columns):
        first[number:end] = False
        first[number] = True
        continued[number + 1 : end] = True
    is_lost = is_body & ~first & ~continued & (lines.ends > lines.starts)
    reasons = {
        "not UTF-8": is_lost & is_foreign,
        f"longer than {MAX_LINE_BYTES:,} bytes": is_lost & is_long & ~is_foreign,
        f"not {n_columns} columns": is_lost & candidate & ~has_quotes,
        f"not {n_columns} columns, or a quote that does not close": is_lost & candidate & has_quotes,
    }
    damaged = (Finding.at(reason, np.flatnonzero(marks) + 1) for reason, marks in reasons.items() if marks.any())
    return Rows(lines, first, continued, tuple(damaged))


def _check_encoding(is_foreign: NDArray[np.bool_], lines: Lines) -> None:
    if is_foreign.sum() <= MAX_SHARE_NOT_UTF8 * len(lines):
        return
    number = int(is_foreign.argmax())
    raise CatalogueError(
        f"the text is not UTF-8: {is_foreign.sum():,} of {len(lines):,} lines are not, the first being "
        f"line {number + 1} ({lines[number][:60]!r}). "
        "Save the table as UTF-8; tables from Windows are often cp1252."
    )


def _rows_with_quotes(lines: Lines, numbers: NDArray[np.int64], n_columns: int) -> Iterator[tuple[int, int]]:
    """Yield first line and end of each row that has quotes, given all lines that have some."""
    end = 0
    for number in numbers.tolist():
        if number >= end:
            n_lines = _measure_row(lines, number, n_columns)
            end = number + n_lines
            if n_lines:
                yield number, end


def _measure_row(lines: Lines, number: int, n_columns: int) -> int:
    """Count the lines of the row that begins on line ``number``; 0 if none does."""
    following = range(number, min(number + MAX_LINES_OF_ROW, len(lines)))
    reader = csv.reader((lines[line].decode("utf-8") + "\n" for line in following), strict=True)
    try:
        row = next(reader)
    except (csv.Error, UnicodeDecodeError):
        return 0
    return reader.line_num if len(row) == n_columns else 0


def _parse(rows: Rows, n_columns: int, roles: Mapping[str, int]) -> dict[str, pa.ChunkedArray]:
    """Parse the columns that serve a role, all as text: what is a number is judged value by value later."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    text = rows.text()
    if not text:
        return {role: pa.chunked_array([pa.array([], pa.string())]) for role in roles}
    wanted = sorted({str(column) for column in roles.values()})
    table = arrow_csv.read_csv(
        pa.BufferReader(text),
        arrow_csv.ReadOptions(column_names=[str(column) for column in range(n_columns)]),
        arrow_csv.ParseOptions(newlines_in_values=bool(rows.continued.any())),
        arrow_csv.ConvertOptions(
            include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string()), strings_can_be_null=False
        ),
    )
    if len(table) != np.count_nonzero(rows.first):
        raise CatalogueError("the rows cannot be told apart: there are quotes where none should be.")
    return {role: table.column(str(column)) for role, column in roles.items()}
