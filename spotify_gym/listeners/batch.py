"""State of many sessions at once, as a dataclass of arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass
class BatchState:
    """Arrays (or further batch states) whose first axis is the session.

    A subclass only lists its fields. Planners copy sessions with :meth:`take`; autoreset writes fresh ones over
    ended ones with :meth:`put`.
    """

    def take(self, rows: NDArray[Any]) -> Self:
        """Copy the given sessions, in the given order; an index may stand more than once."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return type(self)(**{name: _take(part, rows) for name, part in parts.items()})

    def put(self, rows: NDArray[Any], other: Self) -> None:
        """Overwrite the given sessions with those of `other`, one for one."""
        for f in fields(self):
            mine, theirs = getattr(self, f.name), getattr(other, f.name)
            if isinstance(mine, BatchState):
                mine.put(rows, theirs)
            elif mine is not None:
                mine[rows] = theirs


def _take(part: Any, rows: NDArray[Any]) -> Any:
    if part is None:
        return None
    return part.take(rows) if isinstance(part, BatchState) else np.take(part, rows, axis=0)
