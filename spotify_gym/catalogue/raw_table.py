"""What every kind of file is turned into before its values are looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.report import Finding

if TYPE_CHECKING:
    import pyarrow as pa

Choose: TypeAlias = Callable[[Sequence[str]], Mapping[str, int]]
"""Given the names of a table's columns, say which column (its number) serves which role."""


@dataclass(frozen=True)
class RawTable:
    """The columns that are needed, unparsed, and where in the file each row stands."""

    names: tuple[str, ...]  # of all columns of the file
    roles: Mapping[str, int]  # role: number of its column
    columns: Mapping[str, pa.ChunkedArray]  # role: values
    places: NDArray[np.int64]  # (n_rows,), the line or row of the file where each row begins
    unit: str  # what `places` counts: "line" or "row"
    damaged: tuple[Finding, ...] = ()  # rows that could not even be split into columns
