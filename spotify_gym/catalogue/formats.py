"""Parquet, JSON and workbooks, whose cells have types already."""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.report import Finding
from spotify_gym.catalogue.schema import MAX_HEADER, MIN_FEATURES, RawTable, Schema
from spotify_gym.catalogue.tracks import FEATURE_NAMES

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

PARQUET = b"PAR1"
MAX_PARQUET_BYTES = 2**31  # of the columns that are read, unpacked
MAX_JSON_BYTES = 2**27
MAX_CONTAINERS = 2**23  # lists and objects in a JSON file, each of which costs some hundred bytes
MAX_NESTING = 4
MAX_WORKBOOK_BYTES = 2**28  # unpacked
MAX_SHEET_ROWS = 2**20
MAX_SHEET_COLUMNS = 2**10
_TEXT = re.compile("(large_)?(string|binary)(_view)?")


def read_parquet(content: bytes, schema: Schema) -> RawTable:
    """Read the columns that serve a role.

    Raises:
        CatalogueError: if the file is damaged or too large, or has too few features.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        kinds = pq.read_schema(pa.BufferReader(content))
        roles = schema.roles(kinds.names)
        wanted = {str(number): kinds.names[number] for number in roles.columns()}
        texts = [name for name, kind in zip(kinds.names, kinds.types, strict=True) if _TEXT.fullmatch(str(kind))]
        table = _read_within_limit(pq.ParquetFile(pa.BufferReader(content), read_dictionary=texts), wanted.values())
        table.validate(full=True)  # text that is not UTF-8 would only surface when somebody reads it
        cells = {number: _plain(table.column(table.column_names.index(name)), name) for number, name in wanted.items()}
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise CatalogueError(
            f"the Parquet file is damaged, or has columns that are no plain values: {error}."
        ) from error
    return RawTable(tuple(kinds.names), roles, pa.table(cells), np.arange(len(table)) + 1, "row")


def _read_within_limit(file: pq.ParquetFile, columns: Iterable[str]) -> pa.Table:
    """Read part by part, each text once: a few bytes can stand for any number of rows."""
    import pyarrow as pa

    names = list(dict.fromkeys(columns))
    batches, size = [], 0
    for batch in file.iter_batches(columns=names):
        batches.append(batch)
        size += sum(map(_written_size, batch.columns))
        if size > MAX_PARQUET_BYTES:
            raise CatalogueError(f"its columns hold more than {MAX_PARQUET_BYTES / 1e9:.1f} GB, too much to be read.")
    return pa.Table.from_batches(batches, file.read_row_groups([], columns=names).schema)


def _written_size(column: pa.Array) -> int:
    """Count the bytes of a column, every text written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.DictionaryArray) and len(column.dictionary):
        return pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0
    return int(column.nbytes)


def _plain(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Turn categories into what they stand for, bytes into text, and lists of texts into one text each."""
    import pyarrow as pa
    from pyarrow import types

    kind = column.type
    if types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type), name)
    if _TEXT.fullmatch(str(kind)) or types.is_null(kind):
        return column.cast(pa.string())
    if types.is_nested(kind):
        is_numbers = types.is_floating(getattr(kind, "value_type", kind))
        return column if is_numbers else as_column(column.to_pylist())
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return column
    raise CatalogueError(f"the column {name!r} holds {kind}, neither texts nor numbers.")


def read_json(content: bytes, schema: Schema) -> RawTable:
    """Read a list of records, a record a line, an answer of the Web API, or what pandas writes.

    Raises:
        CatalogueError: if the text is no JSON, too large, nested too deep, or no table of audio features.
    """
    if len(content) > MAX_JSON_BYTES or content.count(b"{") + content.count(b"[") > MAX_CONTAINERS:
        raise CatalogueError("this JSON file is too large to be read at once; write it as CSV or Parquet.")
    try:
        records = list(_find_records(_parse_json(content.decode("utf-8-sig", "replace")), schema, MAX_NESTING))
    except RecursionError:
        raise CatalogueError("this JSON file is nested too deep.") from None
    flat = [None if record is None else dict(_flatten(record)) for record in records]
    names = tuple(dict.fromkeys(name for record in flat if record for name in record))
    if not names:
        features = ", ".join(schema.features or FEATURE_NAMES)
        raise CatalogueError(f"this JSON holds no record of a track, with {MIN_FEATURES} at least of {features}.")
    roles = schema.roles(names)
    cells = {number: [record.get(names[number]) for record in flat if record] for number in roles.columns()}
    places = [place for place, record in enumerate(flat, 1) if record]
    lost = [place for place, record in enumerate(flat, 1) if not record]
    damaged = (Finding.at("no record of a track", lost),) if lost else ()
    return RawTable(names, roles, _columns(cells), np.array(places, dtype=np.int64), "row", damaged)


def _parse_json(text: str) -> Any:
    """Return what the text holds, or a list of what its lines hold, None where that is nothing."""
    try:
        return json.loads(text)
    except ValueError as error:
        whole = error
    values = [_parse_line(line) for line in text.splitlines() if line.strip()]
    if sum(value is None for value in values) * 2 > len(values):
        raise CatalogueError(f"this is no JSON: {whole}.")
    return values


def _parse_line(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _find_records(value: Any, schema: Schema, depth: int, key: str | None = None) -> Iterator[dict[str, Any] | None]:
    """Yield the records of tracks within a value, in whatever lists and pages they stand; None where one is missing."""
    needed = MIN_FEATURES if schema.features is None else 1
    if isinstance(value, list) and depth:
        found = [list(_find_records(one, schema, depth - 1)) for one in value]
        if any(found):
            for records in found:
                yield from records or [None]
    elif isinstance(value, dict) and depth:
        flat = dict(_flatten(value))
        single = [name for name, one in flat.items() if not isinstance(one, (dict, list))]
        if schema.likeness(list(flat) if single and schema.features else single) >= needed:
            yield {"id": key, **value} if key else value
        elif schema.likeness(list(value)) >= needed:
            yield from _transpose(value)
        elif isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):  # pandas, orient="split"
            rows = [dict(zip(map(str, value["columns"]), row, strict=False)) for row in value["data"] if row]
            yield from _find_records(rows, schema, depth)
        else:
            for name, one in value.items():
                yield from _find_records(one, schema, depth - 1, name)


def _transpose(columns: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Turn columns, each a list or an object of cells by row, into rows."""
    cells = {name: list(one.values()) if isinstance(one, dict) else one for name, one in columns.items()}
    lists = {name: one for name, one in cells.items() if isinstance(one, list)}
    n_rows = max(map(len, lists.values()), default=0)
    whole = {name: one for name, one in lists.items() if len(one) == n_rows}
    yield from (dict(zip(whole, row, strict=True)) for row in zip(*whole.values(), strict=True))


def _flatten(record: Mapping[str, Any], before: str = "", depth: int = MAX_NESTING) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, dict) and depth:
            yield from _flatten(value, f"{before}{name}.", depth - 1)
        else:
            yield before + name, value


def read_xlsx(content: bytes, schema: Schema) -> RawTable:
    """Read the sheet of a workbook that is most like a table of tracks.

    Raises:
        CatalogueError: if the workbook is damaged, too large, or has no such sheet, or openpyxl is not installed.
    """
    try:
        import openpyxl

        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_WORKBOOK_BYTES:
                raise CatalogueError("the workbook is too large to be read; save the sheet as CSV.")

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and the like
            return _read_workbook(openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True), schema)
    except ImportError:
        raise CatalogueError('reading a workbook needs openpyxl: pip install "spotify_gym[xlsx]".') from None
    except CatalogueError:
        raise
    except Exception as error:  # openpyxl raises whatever it stumbles over
        raise CatalogueError(f"the workbook is damaged: {error!r}.") from error


def _read_workbook(book: Any, schema: Schema) -> RawTable:
    headers = []
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # what the file says of them may be anything
        rows = sheet.iter_rows(max_row=MAX_HEADER, max_col=MAX_SHEET_COLUMNS, values_only=True)
        headers += [
            (tuple("" if cell is None else str(cell) for cell in row), n, sheet) for n, row in enumerate(rows, 1)
        ]
    if not headers:
        raise CatalogueError("the workbook is empty.")
    names, header, sheet = max(headers, key=lambda candidate: schema.likeness(candidate[0]))
    roles = schema.roles(names)
    wanted = roles.columns()
    places, rows = [], []
    body = sheet.iter_rows(min_row=header + 1, max_row=MAX_SHEET_ROWS, max_col=max(wanted) + 1, values_only=True)
    for place, row in enumerate(body, header + 1):
        if any(cell is not None for cell in row):
            places.append(place)
            rows.append([row[column] for column in wanted])
    cells = dict(zip(wanted, zip(*rows, strict=True) if rows else [()] * len(wanted), strict=True))
    return RawTable(names, roles, _columns(cells), np.array(places, dtype=np.int64), "row")


def _columns(cells: Mapping[int, Sequence[Any]]) -> pa.Table:
    import pyarrow as pa

    return pa.table({str(number): as_column(values) for number, values in cells.items()})


def as_column(values: Iterable[Any]) -> pa.ChunkedArray:
    """Make a column of Python values: numbers, or else texts; several texts in one cell are joined by ";"."""
    import pyarrow as pa

    cells = [_as_cell(value) for value in values]
    try:
        column = pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        column = pa.array([None if cell is None else str(cell) for cell in cells], pa.string())
    return pa.chunked_array([column])


def _as_cell(value: Any) -> Any:
    if value is None or value != value:  # NaN
        return None
    if isinstance(value, (list, tuple)) and not all(isinstance(one, (int, float)) for one in value):
        return ";".join(str(one.get("name", "") if isinstance(one, dict) else one) for one in value)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # half a character
    return value if isinstance(value, (bool, int, float, list)) else str(value)
