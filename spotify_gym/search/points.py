"""Exact nearest-neighbour search by direction and size of vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotify_gym.search.pruned import InnerProductIndex

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

UNIT, RAW = np.float32(1.5), np.float32(1 / 3)
"""Weights of the unit vector and of the vector itself in a point."""


def points_of(vectors: Floats, units: Floats) -> Floats:
    """Return the points, (n, 2d), of vectors, (n, d): weighted unit vectors and vectors, side by side."""
    return np.concatenate([UNIT * units, RAW * vectors], axis=1)


class NearestIndex:
    """An index of points: the point z nearest to q maximises q·z − ‖z‖²/2, an inner product with (q, 1).

    Args:
        points: (n, width), finite.
        labels, groups: as in :class:`~spotify_gym.search.pruned.InnerProductIndex`.
    """

    def __init__(self, points: Floats, labels: Ints, groups: Ints | None = None) -> None:
        lifted = np.concatenate([points, -np.vecdot(points, points)[:, None] / 2], axis=1)
        self._index = InnerProductIndex(lifted, labels, groups)

    def largest(
        self, queries: Floats, k: int = 1, excluded: Ints | None = None, most_blocks: int | None = None
    ) -> tuple[Floats, Ints]:
        """Find the k points nearest to each query, (n, width); see :meth:`InnerProductIndex.largest`."""
        ones = np.ones((len(queries), 1), np.float32)
        return self._index.largest(np.concatenate([queries, ones], axis=1), k, excluded, most_blocks)
