"""A balanced tree over vectors: blocks of 64 with similar directions, bounded by spherical caps at every level.

Vectors x of any length are lifted to one sphere, y = (x, √(M² − ‖x‖²)) / M with M the largest length (Bachrach et al.
2014, "Speeding up the Xbox recommender system using a Euclidean transformation for inner-product spaces"). A query f
becomes (f, 0) / ‖f‖, whose cosine to y is f·x / (‖f‖ M). If all vectors of a cap are within an angle θ of its centre,
the cosine of a query at an angle φ from the centre to any of them is at most cos(φ − θ), or 1 if φ < θ.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotify_gym.compiled import compiled

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

LANES = 64
"""Number of vectors in a block, and of children of a node; they are processed together."""

_SAMPLE = 256  # vectors from which the direction of a split is estimated
_STEPS = 4  # of the power iteration that estimates it
_ROUNDING = 1e-6  # rounding error of a cosine


class CapTree(NamedTuple):
    """L blocks of vectors, and G nodes over them. Children are numbered blocks first, then nodes from the bottom up."""

    labels: NDArray[np.int32]
    """(L, 64) labels of the vectors, padded with -1."""
    groups: NDArray[np.int32]
    """(L, 64) numbers by which the vectors can be excluded, padded with -1."""
    vectors: Floats
    """(L, d, 64) the vectors, padded with zeros."""
    centres: Floats
    """(G, d, 64) centres of the caps around the children, without the lifted coordinate."""
    cosines: Floats
    """(G, 64) cosines of the angular radii of these caps."""
    sines: Floats
    """(G, 64) sines of the same angles; -inf where there is no child."""
    first_child: Ints
    """(G,) number of the first child; the others follow it. The last node is the root."""
    length: float
    """M, the length of the longest vector."""


def build_tree(vectors: Floats, rows: Ints, labels: Ints | None, groups: Ints | None) -> CapTree:
    """Build a tree over some rows of an array.

    Args:
        vectors: (n_all, d), finite.
        rows: (n,) the rows to include, n at least 1.
        labels: (n_all,) labels to return, at least 0; None for the row numbers.
        groups: (n_all,) numbers to exclude vectors by, at least 0; None for the labels.
    """
    squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
    length = float(np.sqrt(squares.max())) or 1.0
    heights = np.sqrt(np.maximum(length**2 - squares, 0, out=squares), out=squares).astype(np.float32)
    del squares
    order = rows.copy()
    _sort(vectors, heights, order)
    levels = [_caps(vectors, heights, length, order, LANES)]
    while len(levels[-1][0]) > 1:
        levels.append(_caps(vectors, heights, length, order, LANES ** (len(levels) + 1)))
    n_blocks = -(-len(rows) // LANES)
    starts = np.cumsum([0, n_blocks, *(len(centres) for centres, _, _ in levels[:-1])])
    children = [start + LANES * np.arange(len(level[0])) for start, level in zip(starts, levels, strict=False)]
    centres, cosines, sines = (np.concatenate(parts) for parts in zip(*levels, strict=True))
    names = _in_blocks(order if labels is None else labels[order])
    kinds = names if groups is None else _in_blocks(groups[order])
    leaves = _leaves(vectors, order, n_blocks)
    return CapTree(names, kinds, leaves, centres, cosines, sines, np.concatenate(children), length)


def _in_blocks(numbers: Ints) -> NDArray[np.int32]:
    """Return numbers, (n,), in blocks, (n_blocks, 64), padded with -1."""
    blocks = np.full((-(-len(numbers) // LANES), LANES), -1, np.int32)
    blocks.reshape(-1)[: len(numbers)] = numbers
    return blocks


@compiled
def _leaves(vectors: Floats, order: Ints, n_blocks: int) -> Floats:
    """Return the vectors in the given order in blocks, (n_blocks, d, 64), padded with zeros."""
    d = vectors.shape[1]
    leaves = np.zeros((n_blocks, d, LANES), np.float32)
    for place, row in enumerate(order):
        for q in range(d):
            leaves[place // LANES, q, place % LANES] = vectors[row, q]
    return leaves


@compiled(fastmath={"contract"})
def _sort(vectors: Floats, heights: Floats, order: Ints) -> None:
    """Sort `order` in place by recursive splits along the direction of most variance, at sizes that fill the nodes."""
    n, d = len(order), vectors.shape[1]
    keys = np.empty(n, np.float32)
    sample, axis = np.empty((2 * _SAMPLE, d + 1), np.float32), np.empty(d + 1, np.float32)
    parts = [(0, n)]
    while len(parts) > 0:
        start, stop = parts.pop()
        size = stop - start
        if size <= LANES:
            continue
        span = LANES  # vectors under a child
        while span * LANES < size:
            span *= LANES
        middle = start + (size + span - 1) // span // 2 * span
        step = max(1, size // _SAMPLE)
        n_drawn = (size + step - 1) // step
        for i in range(n_drawn):
            row = order[start + i * step]
            for q in range(d):
                sample[i, q] = vectors[row, q]
            sample[i, d] = heights[row]
        _main_axis(sample[:n_drawn], axis)
        for i in range(start, stop):
            key = heights[order[i]] * axis[d]
            for q in range(d):
                key += vectors[order[i], q] * axis[q]
            keys[i] = key
        _halve(keys[start:stop], order[start:stop], middle - start)
        parts.append((start, middle))
        parts.append((middle, stop))


@compiled(fastmath={"contract"})
def _main_axis(sample: Floats, axis: Floats) -> None:
    """Write about the first principal component of a sample, (n, width), to `axis`; centres the sample in place."""
    n, width = sample.shape
    axis[:] = 0
    axis[_centre(sample)] = 1
    turned = np.empty_like(axis)
    for _ in range(_STEPS):
        turned[:] = 0
        for i in range(n):
            along = np.float32(0)
            for q in range(width):
                along += sample[i, q] * axis[q]
            for q in range(width):
                turned[q] += along * sample[i, q]
        square = np.float32(0)
        for q in range(width):
            square += turned[q] * turned[q]
        if not 1e-30 < square < 1e30:
            return
        for q in range(width):
            axis[q] = turned[q] / np.sqrt(square)


@compiled(fastmath={"contract"})
def _centre(sample: Floats) -> int:
    """Subtract the mean of each column, in place; return the column with the largest variance."""
    n, width = sample.shape
    most, widest = np.float32(-1), 0
    for q in range(width):
        mean, square = np.float32(0), np.float32(0)
        for i in range(n):
            mean += sample[i, q] / np.float32(n)
        for i in range(n):
            sample[i, q] -= mean
            square += sample[i, q] * sample[i, q]
        if square > most:
            most, widest = square, q
    return widest


@compiled
def _halve(keys: Floats, order: Ints, middle: int) -> None:
    """Move the smallest `middle` keys, and their entries of `order`, to the front (Hoare's quickselect)."""
    low, high = 0, len(keys) - 1
    while low < high:
        first, centre, last = keys[low], keys[(low + high) // 2], keys[high]
        pivot = max(min(first, centre), min(max(first, centre), last))
        i, j = low, high
        while i <= j:
            while keys[i] < pivot:
                i += 1
            while keys[j] > pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                order[i], order[j] = order[j], order[i]
                i, j = i + 1, j - 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@compiled(fastmath={"contract"})
def _caps(vectors: Floats, heights: Floats, length: float, order: Ints, span: int) -> tuple[Floats, Floats, Floats]:
    """Return centres, cosines and sines of the caps around every `span` consecutive vectors, 64 caps to a node."""
    n, d = len(order), vectors.shape[1]
    n_caps = (n + span - 1) // span
    n_nodes = (n_caps + LANES - 1) // LANES
    centres = np.zeros((n_nodes, d, LANES), np.float32)
    cosines = np.ones((n_nodes, LANES), np.float32)
    sines = np.full((n_nodes, LANES), -np.inf, np.float32)
    centre = np.empty(d + 1)
    for cap in range(n_caps):
        members = order[cap * span : (cap + 1) * span]
        centre[:] = 0
        for row in members:
            for q in range(d):
                centre[q] += vectors[row, q]
            centre[d] += heights[row]
        size = 0.0
        for q in range(d + 1):
            size += centre[q] * centre[q]
        size = max(np.sqrt(size), 1e-300)
        least = 1.0
        for row in members:
            cosine = heights[row] * centre[d]
            for q in range(d):
                cosine += vectors[row, q] * centre[q]
            least = min(least, cosine / size / length)
        least = max(least - _ROUNDING, -1.0)
        node, lane = cap // LANES, cap % LANES
        for q in range(d):
            centres[node, q, lane] = centre[q] / size
        cosines[node, lane], sines[node, lane] = least, np.sqrt(1 - least * least)
    return centres, cosines, sines
