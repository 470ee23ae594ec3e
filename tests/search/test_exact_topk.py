"""The chunked scan against the dense computation."""

from __future__ import annotations

import pytest
import torch as th

from spotify_gym.search import exact_topk


def dense(vectors, queries, k, excluded=None):
    scores = queries @ vectors.T
    for row, columns in enumerate([] if excluded is None else excluded):
        scores[row, columns[columns >= 0]] = -th.inf
    return scores.topk(k)


@pytest.mark.parametrize("n", [1, 127, 128, 129, 1000])
@pytest.mark.parametrize("chunk", [2**8, 2**20])
def test_largest__is_exact(monkeypatch, n, chunk):
    monkeypatch.setattr(exact_topk, "CHUNK", chunk)
    generator = th.Generator().manual_seed(n)
    vectors, queries = th.randn(n, 5, generator=generator), th.randn(70, 5, generator=generator)
    k = min(n, 10)
    values, places = exact_topk.largest(exact_topk.in_blocks(vectors), n, queries, k)
    expected = dense(vectors, queries, k)
    assert th.allclose(values, expected.values, atol=1e-6)
    assert th.allclose((queries @ vectors.T).gather(1, places), values, atol=1e-6)


def test_largest__never_returns_what_is_excluded(monkeypatch):
    monkeypatch.setattr(exact_topk, "CHUNK", 2**9)
    generator = th.Generator().manual_seed(0)
    vectors, queries = th.randn(500, 4, generator=generator), th.randn(9, 4, generator=generator)
    excluded = (queries @ vectors.T).topk(20).indices  # the very best ones
    excluded[3, 5:] = -1
    values, places = exact_topk.largest(exact_topk.in_blocks(vectors), 500, queries, 3, excluded)
    expected = dense(vectors, queries, 3, excluded)
    assert th.equal(places, expected.indices)
    assert th.allclose(values, expected.values, atol=1e-6)


def test_largest__says_where_nothing_is_left():
    vectors = th.eye(3)
    values, _ = exact_topk.largest(exact_topk.in_blocks(vectors), 3, th.ones(1, 3), 2, th.tensor([[0, 1, -1]]))
    assert values[0, 0] == 1
    assert values[0, 1] == -th.inf


def test_largest__of_more_than_are_left_names_vectors_that_there_are():
    table, queries = exact_topk.in_blocks(th.randn(7, 3)), th.randn(2, 3)
    values, indices = exact_topk.largest(table, 7, queries, k=7, excluded=th.tensor([[0, 1, 2], [3, -1, -1]]))
    assert (values.isfinite().sum(dim=1) == th.tensor([4, 6])).all()
    assert (indices < 7).all()


def test_largest__pays_no_heed_to_padding_where_all_scores_are_negative():
    values, places = exact_topk.largest(exact_topk.in_blocks(th.ones(3, 2)), 3, -th.ones(1, 2), 1)
    assert values.item() == -2
    assert places.item() < 3
