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
        table = file.read([names[column] for column in roles.values()])
    except (pa.ArrowException, OSError) as error:
        raise CatalogueError(f"the Parquet file is damaged: {error}.") from error
    columns = {role: _plain(table.column(names[number])) for role, number in roles.items()}
    return RawTable(names, roles, columns, places=np.arange(len(table)) + 1, unit="row")


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn categories into their texts, and lists of texts into one text each."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return pc.binary_join(column.cast(pa.list_(pa.string())), ";")
    return column
