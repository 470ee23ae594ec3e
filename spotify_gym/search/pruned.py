"""Exact maximum inner product search by branch and bound, in sublinear time where the bounds prune well.

Nodes of a :mod:`~spotify_gym.search.cap_tree` are opened in the order of their upper bounds, until the highest bound is
below the k-th best score found. Nothing is estimated: the result is that of a full scan.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotify_gym.compiled import compiled
from spotify_gym.search.cap_tree import LANES, CapTree, build_tree

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_BUCKETS = 256  # buckets of the priority queue; bounds in one bucket count as equal
_UNROLLED = 32  # coordinates up to which loops are unrolled
_STRIP = 8  # coordinates multiplied at a time beyond that
_WORTHWHILE = 0.5  # share of the blocks above which matrix products are faster
_TRIED = 32  # test queries to estimate that share
_FEW = 64  # blocks up to which a search is always faster than matrix products
_AT_ONCE, _NEAR = 8, 2**18  # from so many queries, over more numbers than fit in the cache, one joint sweep is faster
_FIRST = 8  # blocks that each query of a sweep opens before it
_AVERAGED = 5  # vectors averaged in a test query
_ROUNDING = 2.5e-7  # rounding error of a cosine, per coordinate


class InnerProductIndex:
    """An index for maximum inner product search.

    Args:
        vectors: (n_all, d) finite float32.
        labels: (n_all,) distinct integers in [0, 2³¹) to return; None for the row numbers.
        groups: (n_all,) integers in [0, 2³¹) to exclude vectors by, equal for vectors that are excluded together; None
            for the labels.
        rows: (n,) the rows to search, in order, n at least 1; None for all.
    """

    def __init__(
        self, vectors: Floats, labels: Ints | None = None, groups: Ints | None = None, rows: Ints | None = None
    ) -> None:
        rows = np.arange(len(vectors)) if rows is None else rows
        self._tree: CapTree = build_tree(vectors, rows, labels, groups)
        self._unrolled = (0,) * vectors.shape[1]

    def largest(
        self, queries: Floats, k: int = 1, excluded: Ints | None = None, most_blocks: int | None = None
    ) -> tuple[Floats, Ints]:
        """Find the `k` vectors with the largest dot product with each query; ties go to the lower label.

        Args:
            queries: (batch, d).
            k: number of vectors to return.
            excluded: (batch, any) groups to exclude, padded with -1.
            most_blocks: maximum number of blocks of 64 vectors to open per query, the most promising first; the result
                is then approximate. More are opened until k vectors are found. None for an exact result.

        Returns:
            Dot products, largest first, and labels, both (batch, k). If fewer than k vectors are allowed, the last dot
            products are -inf, with arbitrary labels.
        """
        if excluded is None:
            excluded = np.empty((len(queries), 0), np.int64)
        queries = np.ascontiguousarray(queries, np.float32)
        if not _any_nothing(queries):
            return self._search(queries, k, excluded, most_blocks)[:2]
        ask = queries.any(axis=1)  # all vectors tie for a zero query, as of an untrained network
        values = np.full((len(queries), k), -np.inf, np.float32)
        labels = np.full((len(queries), k), self._in_order[0][0])
        for row in np.flatnonzero(~ask):
            first = self._first(k, excluded[row])
            values[row, : len(first)], labels[row, : len(first)] = 0, first
        if ask.any():
            values[ask], labels[ask], _ = self._search(queries[ask], k, excluded[ask], most_blocks)
        return values, labels

    def _first(self, k: int, excluded: Ints) -> Ints:
        """Return the k lowest labels that are not excluded, or all of them."""
        labels, groups = self._in_order
        n = k + len(excluded)
        while (allowed := ~np.isin(groups[:n], excluded)).sum() < k and n < len(labels):
            n *= 2
        return labels[:n][allowed][:k]

    @cached_property
    def _in_order(self) -> tuple[Ints, Ints]:
        """Labels and groups, sorted by label."""
        labels, groups = (part.ravel().astype(np.int64) for part in (self._tree.labels, self._tree.groups))
        order = np.argsort(labels)[np.count_nonzero(labels < 0) :]
        return labels[order], groups[order]

    @cached_property
    def is_worthwhile(self) -> bool:
        """Whether a search is faster than matrix products: there are few blocks, or it opens less than half of them.

        The share is measured once, with means of a few vectors as queries: in many dimensions all vectors are far from
        each other, and bounds prune little.
        """
        tree = self._tree
        n_blocks, d, _ = tree.vectors.shape
        if n_blocks <= _FEW:
            return True
        places = np.arange(_TRIED * _AVERAGED) * 7919 % n_blocks
        queries = tree.vectors[places, :, 0].reshape(_TRIED, _AVERAGED, d).mean(axis=1)
        n_opened = self._search(queries, 1, np.empty((_TRIED, 0), np.int64), n_blocks)[2]
        return bool(n_opened < _WORTHWHILE * _TRIED * n_blocks)

    def _search(
        self, queries: Floats, k: int, excluded: Ints, most_blocks: int | None = None
    ) -> tuple[Floats, Ints, int]:
        given = queries, self._tree, self._unrolled, excluded
        n_blocks, d, _ = self._tree.vectors.shape
        at_once = most_blocks is None and len(queries) >= _AT_ONCE and n_blocks * LANES * d > _NEAR
        most = _FIRST if at_once else n_blocks if most_blocks is None else most_blocks
        values, labels, n_opened = _search(*given, most, k)
        if at_once:
            n_opened += _sweep(*given, values, labels)
        return values, labels, n_opened


class _Queue(NamedTuple):
    """A bucket queue of blocks and nodes to open: one linked list per range of bounds."""

    heads: Ints
    """(_BUCKETS,) the first entry of each list, or -1."""
    following: Ints
    """The next entry of the same list after each entry, or -1."""
    nodes: Ints
    """The block or node of each entry."""
    bounds: Floats
    """The upper bound of each entry."""


@compiled
def _any_nothing(queries: Floats) -> bool:
    """Return whether any query is a zero vector."""
    found = False
    for query in queries:
        found |= not query.any()
    return found


@compiled
def _search(
    queries: Floats, tree: CapTree, unrolled: tuple[int, ...], excluded: Ints, most: int, k: int
) -> tuple[Floats, Ints, int]:
    """Return values and labels, (batch, k), and the number of blocks opened."""
    values = np.full((len(queries), k), -np.inf, np.float32)
    labels = np.full((len(queries), k), np.int64(tree.labels[0, 0]))
    n_nodes = len(tree.vectors) + len(tree.centres)  # each is queued at most once
    queue = _Queue(
        np.full(_BUCKETS, -1),
        np.empty(n_nodes, np.int64),
        np.empty(n_nodes, np.int64),
        np.empty(n_nodes, np.float32),
    )
    scores = np.empty(LANES, np.float32)
    n_opened = 0
    for b in range(len(queries)):
        n_opened += _search_one(queries[b], tree, unrolled, excluded[b], most, values[b], labels[b], queue, scores)
    return values, labels, n_opened


@compiled(fastmath={"contract"})
def _sweep(
    queries: Floats,
    tree: CapTree,
    unrolled: tuple[int, ...],
    excluded: Ints,
    values: Floats,
    labels: Ints,
) -> int:
    """Traverse the tree once for all queries, so that shared blocks stay in the cache; return the number opened.

    `values` must hold the scores of a preliminary search, which say which nodes each query can skip. Both `values` and
    `labels` are overwritten.
    """
    n_batch = len(queries)
    rounding = np.float32(_ROUNDING * (len(unrolled) + 8))
    directions, scales, least = _directions(queries, tree.length, values[:, -1], rounding)
    floors = (least * scales).astype(np.float32)
    over = _over(directions, tree, unrolled, rounding)
    values[:] = -np.inf
    n_opened, bounds, scores = 0, np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    for node in range(len(over)):
        for b in range(n_batch):
            if over[node, b] < least[b]:
                continue
            _bounds(directions[b], tree, node, unrolled, rounding, bounds)
            for lane in range(LANES):
                if bounds[lane] < least[b] or bounds[lane] == -np.inf:
                    continue
                block, floor = tree.first_child[node] + lane, max(floors[b], values[b, -1])
                n_opened += 1
                if _multiply(queries[b], tree.vectors[block], unrolled, floor, scores):
                    _enter(scores, tree.labels[block], tree.groups[block], excluded[b], values[b], labels[b])
                    if floors[b] > -np.inf:
                        least[b] = max(least[b], np.float32(values[b, -1] / scales[b]))
    return n_opened


@compiled
def _directions(
    queries: Floats, length: float, found: Floats, rounding: np.float32
) -> tuple[Floats, NDArray[np.float64], Floats]:
    """Return unit queries, (B, d), the factors from cosines to scores, (B,), and the lowest useful cosines, (B,)."""
    directions, scales = np.zeros_like(queries), np.ones(len(queries))
    least = np.full(len(queries), -np.inf, np.float32)
    for b in range(len(queries)):
        directions[b], scale = _direction(queries[b], length)
        if scale > 0:
            scales[b], least[b] = scale, np.float32(found[b] / scale) - rounding
    return directions, scales, least


@compiled
def _direction(query: Floats, length: float) -> tuple[Floats, float]:
    """Return the unit query and the factor from cosines to scores; zeros if the factor is out of range."""
    own = _length(query)
    if 1e-30 < own * length < 1e30:
        return query / np.float32(own), own * length
    return np.zeros_like(query), 0.0


@compiled(fastmath={"contract"})
def _over(directions: Floats, tree: CapTree, unrolled: tuple[int, ...], rounding: np.float32) -> Floats:
    """Return an upper bound of the cosine of each query to any vector under each node above blocks, (nodes, B)."""
    n_blocks, bounds = len(tree.vectors), np.empty(LANES, np.float32)
    n_lowest = (n_blocks + LANES - 1) // LANES
    over = np.full((n_lowest, len(directions)), np.inf, np.float32)
    for node in range(n_lowest, len(tree.centres)):
        first = tree.first_child[node] - n_blocks
        for b in range(len(directions) if first < n_lowest else 0):
            _bounds(directions[b], tree, node, unrolled, rounding, bounds)
            for lane in range(min(LANES, n_lowest - first)):
                over[first + lane, b] = bounds[lane]
    return over


@compiled
def _bounds(
    direction: Floats, tree: CapTree, node: int, unrolled: tuple[int, ...], rounding: np.float32, bounds: Floats
) -> None:
    """Write an upper bound of the cosine of a direction to any vector in each child of a node."""
    _multiply(direction, tree.centres[node], unrolled, np.float32(0), bounds)
    _bound(bounds, tree.cosines[node], tree.sines[node], rounding)


@compiled(fastmath={"contract"})
def _search_one(
    query: Floats,
    tree: CapTree,
    unrolled: tuple[int, ...],
    excluded: Ints,
    most: int,
    values: Floats,
    labels: Ints,
    queue: _Queue,
    scores: Floats,
) -> int:
    n_blocks = len(tree.vectors)
    direction, scale = _direction(query, tree.length)
    least = np.float32(-np.inf)  # bounds below it are pruned
    rounding = np.float32(_ROUNDING * (len(unrolled) + 8))
    queue.heads[:] = -1  # the last search may have left entries
    bucket, n_entries, n_opened = _push(queue, 0, n_blocks + len(tree.centres) - 1, np.float32(np.inf)), 1, 0
    while bucket >= 0 and (n_opened < most or values[-1] == -np.inf):
        entry = queue.heads[bucket]
        if entry < 0:
            bucket -= 1
            continue
        queue.heads[bucket] = queue.following[entry]
        node = queue.nodes[entry]
        if queue.bounds[entry] < least:
            continue
        is_block, inner = node < n_blocks, node - n_blocks
        asked, looked_at = (query, tree.vectors[node]) if is_block else (direction, tree.centres[inner])
        is_better = _multiply(asked, looked_at, unrolled, values[-1], scores)
        if not is_block:
            _bound(scores, tree.cosines[inner], tree.sines[inner], rounding)
            for lane in range(LANES):
                if scores[lane] >= least and scores[lane] > -np.inf:
                    bucket = max(bucket, _push(queue, n_entries, tree.first_child[inner] + lane, scores[lane]))
                    n_entries += 1
            continue
        n_opened += 1
        if is_better:
            _enter(scores, tree.labels[node], tree.groups[node], excluded, values, labels)
            least = np.float32(values[-1] / scale) if scale > 0 else least
    return n_opened


@compiled
def _push(queue: _Queue, entry: int, node: int, bound: np.float32) -> int:
    """Queue a node with a bound of -1 or more; return the bucket."""
    bucket = int(min((float(bound) + 1) * (_BUCKETS / 2), _BUCKETS - 1.0))
    queue.nodes[entry], queue.bounds[entry] = node, bound
    queue.following[entry], queue.heads[bucket] = queue.heads[bucket], entry
    return bucket


@compiled
def _length(vector: Floats) -> float:
    square = 0.0
    for x in vector:
        square += np.float64(x) * x
    return float(np.sqrt(square))


@compiled(inline="always", fastmath={"contract"})
def _multiply(query: Floats, block: Floats, unrolled: tuple[int, ...], least: np.float32, scores: Floats) -> bool:
    """Write the dot products of a query, (d,), with a block, (d, 64), to `scores`; return whether any reaches `least`.

    The length of the tuple `unrolled` is d, as a constant at compile time.
    """
    reached = False
    if len(unrolled) <= _UNROLLED:
        for lane in range(LANES):
            score = query[0] * block[0, lane]
            for q in range(1, len(unrolled)):
                score += query[q] * block[q, lane]
            scores[lane] = score
            reached |= score >= least
        return reached
    scores[:] = 0
    whole = len(unrolled) // _STRIP * _STRIP
    for begin in range(0, whole, _STRIP):
        for lane in range(LANES):
            score = scores[lane]
            for q in range(_STRIP):
                score += query[begin + q] * block[begin + q, lane]
            scores[lane] = score
    for q in range(whole, len(unrolled)):
        for lane in range(LANES):
            scores[lane] += query[q] * block[q, lane]
    for lane in range(LANES):
        reached |= scores[lane] >= least
    return reached


@compiled(inline="always", fastmath={"contract"})
def _bound(cosines: Floats, cap_cosines: Floats, cap_sines: Floats, rounding: np.float32) -> None:
    """Replace the cosines of a query to the centres of caps by upper bounds of its cosine to any vector in them."""
    zero, one = np.float32(0), np.float32(1)
    for lane in range(LANES):
        x, cap = cosines[lane], cap_cosines[lane]
        most = x * cap + np.sqrt(max(zero, one - x * x)) * cap_sines[lane]
        cosines[lane] = (one if x >= cap else most) + rounding


@compiled
def _enter(
    scores: Floats, names: NDArray[np.int32], groups: NDArray[np.int32], excluded: Ints, values: Floats, labels: Ints
) -> None:
    """Merge the allowed scores of a block into the k best, `values` and `labels`, in place."""
    last = len(values) - 1
    for lane in range(LANES):
        score, label = scores[lane], names[lane]
        if score < values[last] or label < 0 or not _precedes(score, label, values[last], labels[last]):
            continue
        if _holds(excluded, groups[lane]):
            continue
        place = last
        while place > 0 and _precedes(score, label, values[place - 1], labels[place - 1]):
            values[place], labels[place] = values[place - 1], labels[place - 1]
            place -= 1
        values[place], labels[place] = score, label


@compiled
def _precedes(score: np.float32, label: int, other: np.float32, other_label: int) -> bool:
    return bool(score > other or (score == other and label < other_label))


@compiled
def _holds(groups: Ints, group: int) -> bool:
    found = False
    for one in groups:
        found |= one == group
    return found
