"""A balanced tree over vectors: blocks of 64 that point the same way, and a cap around each block and group of blocks.

Vectors x of any length are lifted to one sphere, y = (x, √(M² − ‖x‖²)) / M with M the largest length (Bachrach et al.
2014, "Speeding up the Xbox recommender system using a Euclidean transformation for inner-product spaces"). A query f
becomes (f, 0) / ‖f‖, whose cosine to y is f·x / (‖f‖ M). With vectors that are within an angle θ of a centre, a query
at an angle φ from that centre has a cosine of at most cos(φ − θ), or of 1 where φ < θ.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotify_gym.compiled import compiled

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

LANES = 64
"""Vectors in a block, and children of a node: what is looked at together."""

_SAMPLE = 256  # vectors that the direction of a split is found from
_STEPS = 4  # of the power iteration that finds it
_ROUNDING = 1e-6  # of a cosine


class CapTree(NamedTuple):
    """L blocks of vectors, and G nodes over them. Children are numbered blocks first, then nodes from the bottom up."""

    labels: NDArray[np.int32]
    """(L, 64) of the vectors; -1 behind the last one."""
    groups: NDArray[np.int32]
    """(L, 64) what they are excluded by."""
    vectors: Floats
    """(L, d, 64)."""
    centres: Floats
    """(G, d, 64) of the caps around the children, without the coordinate that was added."""
    cosines: Floats
    """(G, 64) of the angles of these caps."""
    sines: Floats
    """(G, 64) likewise; -inf where there is no child."""
    first_child: Ints
    """(G,) number of the first child; the others follow it. The last node is the root."""
    length: float
    """M."""


def build_tree(vectors: Floats, rows: Ints, labels: Ints | None, groups: Ints | None) -> CapTree:
    """Arrange some vectors.

    Args:
        vectors: (n_all, d), finite.
        rows: (n,) which of them, n at least 1.
        labels: (n_all,) what to call them, at least 0; None for their rows.
        groups: (n_all,) what to exclude them by, at least 0; None for the labels.
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
    """Return numbers (n,), 64 a block, with -1 behind the last one."""
    blocks = np.full((-(-len(numbers) // LANES), LANES), -1, np.int32)
    blocks.reshape(-1)[: len(numbers)] = numbers
    return blocks


@compiled
def _leaves(vectors: Floats, order: Ints, n_blocks: int) -> Floats:
    """Return vectors in an order as (n_blocks, d, 64), with zeros behind the last one."""
    d = vectors.shape[1]
    leaves = np.zeros((n_blocks, d, LANES), np.float32)
    for place, row in enumerate(order):
        for q in range(d):
            leaves[place // LANES, q, place % LANES] = vectors[row, q]
    return leaves


@compiled(fastmath={"contract"})
def _sort(vectors: Floats, heights: Floats, order: Ints) -> None:
    """Halve vectors again and again along the direction in which they vary most, so that nodes come out full."""
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
    """Set `axis` to about the first principal component of a sample (n, width), by power iteration; it is centred."""
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
    """Take the mean off each column, in place; return the column that varies most."""
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
    """Bring the smallest `middle` of the keys, and what is ordered by them, to the front (Hoare's quickselect)."""
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
    """Return centres, cosines and sines of the caps around every `span` vectors, 64 in a node."""
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
