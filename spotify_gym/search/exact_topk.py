"""Exact top-k search by dot product over a whole catalogue, without storing all scores.

The first pass over all tracks keeps only the largest score in each block of tracks: a matrix product and a maximum per
chunk that fits in the cache. The k best tracks lie in the k best blocks, and only these are scored again.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch as th

BLOCK = 128  # tracks per maximum: small blocks make the second pass cheap, large ones the first
CHUNK = 2**20  # scores held at once: 4 MiB, which fit in the cache
GPU_CHUNK = 2**27  # half a GiB, which keeps a GPU busy
ROWS = 64  # queries scanned together
LANES = 32  # if the batch is a multiple of this, the product is fastest with the tracks as rows


def in_blocks(vectors: th.Tensor) -> th.Tensor:
    """Return vectors, (n, width), as the table for `largest`: (width, n rounded up to whole blocks), zero-padded."""
    n, width = vectors.shape
    table = vectors.new_zeros(width, -(-n // BLOCK) * BLOCK)
    table[:, :n] = vectors.T
    return table


@th.no_grad()
def largest(
    table: th.Tensor, n: int, queries: th.Tensor, k: int = 1, excluded: th.Tensor | None = None
) -> tuple[th.Tensor, th.Tensor]:
    """Find the `k` vectors with the largest dot product with each query; gradients do not flow through the search.

    Args:
        table: (width, columns) returned by `in_blocks`.
        n: number of vectors in the table; the remaining columns are padding.
        queries: (batch, width).
        k: number of vectors to return, at most n.
        excluded: (batch, any) int64 indices of vectors not to return, padded with -1.

    Returns:
        Dot products, largest first, and the indices of the vectors, both (batch, k). If fewer than k vectors are
        allowed, the last dot products are -inf, with arbitrary indices.
    """
    if excluded is None:
        excluded = th.empty(len(queries), 0, dtype=th.int64, device=queries.device)
    parts = [
        _largest(table, n, queries[start : start + ROWS], k, excluded[start : start + ROWS])
        for start in range(0, len(queries), ROWS)
    ]
    values, indices = zip(*parts, strict=True)
    return th.cat(values), th.cat(indices)


def _largest(table: th.Tensor, n: int, queries: th.Tensor, k: int, excluded: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
    maxima = _block_maxima(table, n, queries, excluded)
    blocks = maxima.topk(min(k, maxima.shape[1]), dim=1).indices
    vectors = table.view(len(table), -1, BLOCK)[:, blocks]  # (width, batch, k, BLOCK)
    scores = th.einsum("bw,wbks->bks", queries, vectors)
    rows, places, which = (blocks[:, :, None] == (excluded // BLOCK)[:, None, :]).nonzero(as_tuple=True)
    scores[rows, places, excluded[rows, which] % BLOCK] = -th.inf
    indices = blocks[:, :, None] * BLOCK + th.arange(BLOCK, device=blocks.device)
    values, best = scores.masked_fill_(indices >= n, -th.inf).flatten(1).topk(k, dim=1)
    return values, indices.flatten(1).gather(1, best).clamp_max_(n - 1)


def _block_maxima(table: th.Tensor, n: int, queries: th.Tensor, excluded: th.Tensor) -> th.Tensor:
    """Return the largest allowed dot product of each query in each block, (batch, blocks)."""
    batch, n_columns = len(queries), table.shape[1]
    maxima = queries.new_empty(n_columns // BLOCK, batch)
    at_once = CHUNK if queries.device.type == "cpu" else GPU_CHUNK
    width = min(max(at_once // batch // BLOCK, 1) * BLOCK, n_columns)
    memory = queries.new_empty(batch * width)
    for start, (rows, columns) in zip(range(0, n_columns, width), _by_chunk(excluded, n_columns, width), strict=True):
        chunk = table[:, start : start + width]
        part = memory[: batch * chunk.shape[1]]
        if batch % LANES:
            scores = th.mm(queries, chunk, out=part.view(batch, -1)).T
        else:
            scores = th.mm(chunk.T, queries.T, out=part.view(-1, batch))
        scores[columns, rows] = -th.inf
        scores[max(n - start, 0) :] = -th.inf
        blocks = slice(start // BLOCK, (start + width) // BLOCK)
        th.amax(scores.view(-1, BLOCK, batch), dim=1, out=maxima[blocks])
    return maxima.T.contiguous()


def _by_chunk(excluded: th.Tensor, n_columns: int, width: int) -> Iterator[tuple[th.Tensor, th.Tensor]]:
    """Yield, for each chunk of `width` columns, the excluded entries: rows, and columns relative to the chunk."""
    columns, order = excluded.flatten().sort()
    rows = order // max(excluded.shape[1], 1)
    starts = th.arange(0, n_columns + width, width, device=columns.device)
    edges = th.searchsorted(columns, starts).tolist()
    for chunk, (first, last) in enumerate(pairwise(edges)):
        yield rows[first:last], columns[first:last] - chunk * width
