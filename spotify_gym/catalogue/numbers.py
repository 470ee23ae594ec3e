"""Numbers out of a column that may hold anything."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity)$"
_MISSING = {"", "-", "na", "n/a", "nan", "none", "null", "#n/a"}


def parse_numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Parse a column (n_rows,) of texts or numbers, NaN standing for what is no number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return _to_numpy(column)
    except pa.ArrowInvalid:
        trimmed = pc.utf8_trim_whitespace(column)
        is_number = pc.match_substring_regex(trimmed, _NUMBER)
        return _to_numpy(pc.if_else(is_number, trimmed, pa.scalar(None, trimmed.type)))


def _to_numpy(column: pa.ChunkedArray) -> NDArray[np.float64]:
    import pyarrow as pa

    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def describe_fault(value: object) -> str:
    """Say in words why a value that `parse_numbers` made no finite number of is none."""
    text = str(value).strip().lower()
    if value is None or text in _MISSING:
        return "missing"
    try:
        return "infinite" if math.isinf(float(text)) else "not a number"
    except ValueError:
        return "not a number"
