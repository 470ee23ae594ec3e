"""Readers of Parquet, JSON and workbooks (XLSX), whose cells have types."""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from spotify_gym.catalogue.columns import is_scaled
from spotify_gym.catalogue.delimited import DELIMITERS, read_delimited
from spotify_gym.catalogue.report import Account, CatalogueError
from spotify_gym.catalogue.schema import MAX_HEADER, MIN_FEATURES, RawTable, Schema, concatenate
from spotify_gym.catalogue.tracks import FEATURE_NAMES

PARQUET = b"PAR1"
MAX_PARQUET_BYTES = 2**31  # of the columns that are read, decompressed
MAX_JSON_BYTES = 2**27
MAX_CONTAINERS = 2**23  # lists and objects in a JSON file, each of which takes about a hundred bytes of memory
MAX_NESTING = 8
MAX_WORKBOOK_BYTES = 2**28  # decompressed
MAX_SHEET_ROWS = 2**20
MAX_SHEET_COLUMNS = 2**10
_COLLECTIONS = {"tracks", "songs", "items", "data", "results"}  # names of lists of tracks, even of one
_TEXT = re.compile("(large_)?(string|binary)(_view)?")


def read_parquet(content: bytes, schema: Schema) -> RawTable:
    """Read the columns that have a role, including fields of structs ("track.name")."""
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        names = _flat(file.schema_arrow.empty_table()).column_names
        roles = schema.roles(names)
        texts = [leaf.path for leaf in file.schema if leaf.physical_type == "BYTE_ARRAY"]
        table = _read_within_limit(pq.ParquetFile(pa.BufferReader(content), read_dictionary=texts), roles.columns)
        table.validate(full=True)  # invalid UTF-8 would otherwise only raise when it is decoded
        cells = {name: _plain(table.column(table.column_names.index(name)), name) for name in roles.columns}
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise CatalogueError(
            f"the Parquet file is damaged, or has columns that are not plain values: {error}."
        ) from error
    return RawTable(tuple(names), roles, pa.table(cells), np.arange(len(table)) + 1, Account())


def _read_within_limit(file: pq.ParquetFile, columns: Sequence[str]) -> pa.Table:
    """Read batch by batch, with texts as dictionaries, since a few bytes can stand for any number of rows."""
    parts, size = [file.read_row_groups([], columns=columns)], 0
    for batch in file.iter_batches(columns=columns):
        parts.append(pa.Table.from_batches([batch]))
        size += sum(map(_written_out, batch.columns))
        if size > MAX_PARQUET_BYTES:
            raise CatalogueError(f"its columns hold more than {MAX_PARQUET_BYTES / 1e9:.1f} GB, too much to be read.")
    return _flat(pa.concat_tables(parts))


def _written_out(array: pa.Array) -> int:
    """Return the bytes that an array would take without dictionaries."""
    if types.is_dictionary(array.type) and len(array.dictionary):
        return int(pc.sum(pc.binary_length(array.dictionary).take(array.indices)).as_py() or 0)
    if types.is_struct(array.type) or isinstance(array, (pa.ListArray, pa.LargeListArray, pa.FixedSizeListArray)):
        inner = array.flatten()
        return sum(map(_written_out, inner if isinstance(inner, list) else [inner]), int(array.nbytes))
    return int(array.nbytes)


def _flat(table: pa.Table) -> pa.Table:
    """Return the table with each field of a struct as a column, such as "track.name"."""
    for _ in range(MAX_NESTING):
        table = table.flatten()
    return table


def _plain(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Decode dictionaries to their values, bytes to text, and lists of texts to one text each."""
    kind = column.type
    if types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type), name)
    if _TEXT.fullmatch(str(kind)) or types.is_null(kind):
        return column.cast(pa.string())
    if types.is_nested(kind):
        is_numbers = types.is_floating(getattr(kind, "value_type", kind))
        return column if is_numbers else _as_column(column.to_pylist())
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return column
    raise CatalogueError(f"the column {name!r} holds {kind}, neither text nor numbers.")


def read_json(content: bytes, schema: Schema) -> RawTable:
    """Read JSON: a list of records, one record per line, a response of the Web API, or a format of pandas."""
    if len(content) > MAX_JSON_BYTES or content.count(b"{") + content.count(b"[") > MAX_CONTAINERS:
        raise CatalogueError("this JSON file is too large to be read at once; write it as CSV or Parquet.")
    try:
        found = _find_records(_parse_json(content.decode("utf-8-sig", "replace")), schema, MAX_NESTING)
        records = [dict(_flatten(record)) for record in found]
    except RecursionError:
        raise CatalogueError("this JSON file is nested too deep.") from None
    names = tuple(dict.fromkeys(name for record in records for name in record))
    if not names:
        wanted = schema.features or [f"at least {MIN_FEATURES} of {', '.join(FEATURE_NAMES)}"]
        raise CatalogueError(
            f"this JSON contains no track records with {', '.join(wanted)}. "
            f"Or name the columns of features: {schema.command(features=['NAME', 'NAME'])} ..."
        )
    roles = schema.roles(names)
    cells = {name: _as_column(record.get(name) for record in records if record) for name in roles.columns}
    is_record = np.array(list(map(bool, records)))
    account = Account()
    account.drop("no record of a track", np.flatnonzero(~is_record) + 1)
    if len(records) == 1:
        account.warnings.append("there is only one record, which may not be a track")
    return RawTable(names, roles, pa.table(cells), np.flatnonzero(is_record) + 1, account)


def _parse_json(text: str) -> Any:
    """Parse a JSON text, or each of its lines, into a list with None for lines that are not JSON, or its values."""
    with suppress(ValueError):
        return json.loads(text)
    values: list[Any] = []
    for line in filter(str.strip, text.splitlines()):
        values.append(None)
        with suppress(ValueError):
            values[-1] = json.loads(line)
    if sum(value is None for value in values) * 2 <= len(values):
        return values
    values, end = [], 0
    while begin := re.compile(r"\S").search(text, end):  # values over several lines each, as jq writes them
        try:
            value, end = json.JSONDecoder().raw_decode(text, begin.start())
        except ValueError as error:
            raise CatalogueError(f"this is not JSON: {error}.") from error
        values.append(value)
    return values


def _find_records(value: Any, schema: Schema, depth: int, key: str | None = None) -> Iterator[Mapping[str, Any]]:
    """Yield the records of tracks within a value, however nested; {} for an item of a list without any."""
    needed = MIN_FEATURES if schema.features is None else 1
    if isinstance(value, dict) and isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        value = [value["columns"], *value["data"]]  # pandas, orient="split"
    if isinstance(value, list) and depth:
        if value and isinstance(value[0], list) and schema.likeness(names := list(map(str, value[0]))) >= needed:
            value = [dict(zip(names, row, strict=False)) for row in value[1:] if isinstance(row, list)]  # with a header
        found = [list(_find_records(one, schema, depth - 1)) for one in value]
        if any(found):
            for records in found:
                yield from records or [{}]
    elif isinstance(value, dict) and depth:
        flat = dict(_flatten(value))
        # A key "0" is one of many records here, whereas in the name of a column "0" means the first in a list.
        single = [name for name, one in flat.items() if ".0." not in name and not isinstance(one, (dict, list))]
        if schema.likeness(list(flat) if single and schema.features else single) >= needed:
            yield {"id": key, **value} if key else value
        elif schema.likeness(list(value)) >= needed:  # columns, each a list of cells or an object {row: cell}
            columns = {name: one for name, one in value.items() if isinstance(one, (dict, list))}
            cells = pd.DataFrame({name: pd.Series(one, dtype=object) for name, one in columns.items()})
            yield from (dict(zip(columns, row, strict=True)) for row in cells.itertuples(index=False, name=None))
        else:
            is_numbered = all(map(str.isdigit, value))  # by pandas, so that the keys are not ids
            for name, one in value.items():
                yield from _find_records(one, schema, depth - 1, None if is_numbered else name)


def _flatten(record: Mapping[str, Any], before: str = "", depth: int = MAX_NESTING) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        is_one = isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) and "tempo" in value[0]
        if is_one and name.casefold() not in _COLLECTIONS:
            value = value[0]  # spotipy's audio_features(ID) is a list of one
        if isinstance(value, dict) and depth:
            yield from _flatten(value, f"{before}{name}.", depth - 1)
        else:
            yield before + name, value


def _as_column(values: Iterable[Any]) -> pa.ChunkedArray:
    """Convert Python values to a column of numbers, or else of texts; several texts in a cell are joined by ";"."""
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
        return value.encode("utf-8", "replace").decode()  # a lone surrogate
    return value if isinstance(value, (bool, int, float, list)) else str(value)


def read_xlsx(content: bytes, schema: Schema) -> RawTable:
    """Read the sheet that is most like a table of tracks, and all others with its header, as if exported to CSV.

    If some of these sheets are scaled and others are not, only those that are not are read.
    """
    try:
        import openpyxl

        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_WORKBOOK_BYTES:
                raise CatalogueError("the workbook is too large to be read; save the sheet as CSV.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and the like
            sheets = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True).worksheets
            headers = [max(_rows(sheet, MAX_HEADER), key=schema.likeness, default=[]) for sheet in sheets]
            header = max(headers, key=schema.likeness)
            width = max((number for number, name in enumerate(header, 1) if name), default=1)
            alike = [sheet for sheet, names in zip(sheets, headers, strict=True) if names[:width] == header[:width]]
            is_text = width == 1 and any(mark in name for name in header[:1] for mark in DELIMITERS)
            texts = {sheet.title: _export(sheet, width, is_text) for sheet in alike}
    except ImportError:
        raise CatalogueError('reading a workbook needs openpyxl: pip install "spotify_gym[xlsx]".') from None
    except CatalogueError:
        raise
    except Exception as error:  # openpyxl may raise any error
        raise CatalogueError(f"the workbook is damaged: {error!r}.") from error
    tables = {title: read_delimited(text, schema) for title, text in texts.items()}
    scaled = {title: is_scaled(table) for title, table in tables.items() if len(tables) > 1 and len(table.places)}
    other = [] if all(scaled.values()) else [title for title, is_other in scaled.items() if is_other]
    taken = {title: table for title, table in tables.items() if title not in other}
    table = concatenate(list(taken.values()))
    table.account.unit = "row"
    if len(sheets) > 1:
        table.account.notes.append(f"read from the sheets: {', '.join(taken)}")
    if other:
        table.account.warnings.append(f"sheets left out, since scaled differently: {', '.join(other)}")
    return table


def _export(sheet: Any, width: int, is_text: bool) -> bytes:
    text, rows = io.StringIO(), _rows(sheet, MAX_SHEET_ROWS, width)
    if is_text:  # each row is a line that was not split into columns
        text.writelines("".join(row) + "\n" for row in rows)
    else:
        csv.writer(text).writerows(row if any(row) else [] for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def _rows(sheet: Any, n_rows: int, width: int = MAX_SHEET_COLUMNS) -> Iterator[list[str]]:
    sheet.reset_dimensions()  # those that the file states may be wrong
    for row in sheet.iter_rows(max_row=n_rows, max_col=width, values_only=True):
        yield ["" if cell is None else " ".join(str(cell).splitlines()) for cell in row]
