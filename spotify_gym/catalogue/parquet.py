"""Parquet files, whose columns have types already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.raw_table import Choose, RawTable

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"PAR1"


def read_parquet(content: bytes, choose: Choose) -> RawTable:
    """Read the columns that ``choose`` names; lists of texts are joined by ";".

    Raises:
        CatalogueError: if the file is damaged, or ``choose`` finds no use for its columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        names = tuple(file.schema_arrow.names)
        roles = choose(names)
        table = file.read([names[number] for number in roles.values()])
        table.validate(full=True)  # text that is not UTF-8 would only surface when somebody reads it
        columns = {role: _flatten(table.column(names[number])) for role, number in roles.items()}
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise CatalogueError(
            f"the Parquet file is damaged, or has columns that are no plain values: {error}."
        ) from error
    for role, number in roles.items():
        if not _is_plain(columns[role].type):
            held = columns[role].type
            raise CatalogueError(f"the column {names[number]!r} holds {held}, neither texts nor numbers.")
    return RawTable(names, roles, columns, places=np.arange(len(table)) + 1, unit="row")


def _flatten(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn categories into their texts, and lists of texts into one text each."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return pc.binary_join(column.cast(pa.list_(pa.string())), ";")
    return column


def _is_plain(kind: pa.DataType) -> bool:
    from pyarrow import types

    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind)
    is_number = types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    return bool(is_text or is_number)
