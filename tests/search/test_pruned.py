"""The pruned search against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotify_gym.search import cap_tree
from spotify_gym.search.pruned import InnerProductIndex

WIDTHS = (1, 2, 9, 41, 130)  # few: the search is compiled for each


def everything(vectors, queries, k, excluded=None, labels=None):
    """Return the k largest scores and their labels by brute force, sorted by score, then label."""
    labels = np.arange(len(vectors)) if labels is None else labels
    scores = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    if excluded is not None:
        for row, given_up in zip(scores, excluded, strict=True):
            row[np.isin(labels, given_up)] = -np.inf
    order = np.array([np.lexsort((labels, -row))[:k] for row in scores])
    return np.take_along_axis(scores, order, axis=1), labels[order]


def check(vectors, queries, k, excluded=None, labels=None):
    """Compare the search with brute force; both are exact for whole numbers."""
    index = InnerProductIndex(vectors, labels)
    values, found = index.largest(queries, k, excluded)
    expected, best = everything(vectors, queries, k, excluded, labels)
    n_known = min(k, len(vectors))
    assert np.array_equal(values[:, :n_known], expected)
    allowed = np.isfinite(expected)
    assert np.array_equal(found[:, :n_known][allowed], best[allowed])
    assert (values[:, n_known:] == -np.inf).all()
    assert np.isin(found, np.arange(len(vectors)) if labels is None else labels).all()
    return index


@st.composite
def problems(draw):
    """Draw vectors and queries of small whole numbers: many vectors and scores are equal, and all sums are exact."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n, d = (
        draw(st.sampled_from([1, 2, 63, 64, 65, 129, 500, 4097])),
        draw(st.sampled_from([1, 2, 3, 9, 32, 33, 41, 130])),
    )
    reach = draw(st.sampled_from([0, 1, 3, 50]))
    vectors = rng.integers(-reach, reach + 1, size=(n, d)).astype(np.float32)
    vectors[rng.random(n) < draw(st.sampled_from([0, 0.3]))] = 0
    queries = rng.integers(-3, 4, size=(draw(st.integers(1, 4)), d)).astype(np.float32)
    excluded = rng.integers(-1, n, size=(len(queries), draw(st.sampled_from([0, 1, 7, 200]))))
    labels = rng.permutation(3 * n)[:n] if draw(st.booleans()) else None
    if labels is not None:
        excluded = np.where(excluded < 0, -1, labels[excluded])
    return vectors, queries, draw(st.sampled_from([1, 2, 10, 70])), excluded, labels


@given(problems())
@settings(max_examples=150)
def test_largest__is_exact_to_the_last_tie(problem):
    check(*problem)


@pytest.mark.parametrize("lengths", ["one", "any"])
@pytest.mark.parametrize("d", WIDTHS)
def test_largest__of_any_numbers__misses_nothing(d, lengths):
    rng = np.random.default_rng(d)
    vectors = rng.normal(size=(6000, d)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) * (
        1 if lengths == "one" else rng.uniform(0.01, 1, (6000, 1))
    )
    vectors[4000:4100] = vectors[:100]
    queries = np.concatenate([rng.normal(size=(10, d)), vectors[:5], -vectors[:5], np.zeros((1, d))]).astype(np.float32)
    values, labels = InnerProductIndex(vectors).largest(queries, 10)
    expected, _ = everything(vectors, queries, 10)
    assert values == pytest.approx(expected, rel=2e-6, abs=1e-5)
    assert np.einsum("bkd,bd->bk", vectors[labels], queries) == pytest.approx(values, rel=2e-6, abs=1e-5)
    assert all(len(set(row)) == 10 for row in labels)


@pytest.mark.parametrize("size", [1e-38, 1e-25, 1e15])
def test_largest__of_tiny_and_of_huge_numbers__is_exact(size):
    rng = np.random.default_rng(0)
    vectors = rng.integers(-5, 6, size=(300, 2)).astype(np.float32)
    queries = rng.integers(-5, 6, size=(5, 2)).astype(np.float32)
    _, labels = InnerProductIndex(vectors).largest(queries, 5)
    size = np.float32(2.0 ** np.round(np.log2(size)))
    assert np.array_equal(InnerProductIndex(vectors).largest(queries * size, 5)[1], labels)
    if size < 1:
        assert np.array_equal(InnerProductIndex(vectors * size).largest(queries, 5)[1], labels)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_largest__for_what_is_no_direction__returns_vectors_that_there_are(wrong):
    _, labels = InnerProductIndex(np.eye(2, dtype=np.float32)).largest(np.full((2, 2), wrong, np.float32), 2)
    assert np.isin(labels, range(2)).all()


def test_largest__of_a_batch__is_that_of_each_alone():
    rng = np.random.default_rng(1)
    index, queries = InnerProductIndex(rng.normal(size=(3000, 9)).astype(np.float32)), rng.normal(size=(7, 9))
    values, labels = index.largest(queries, 4)
    for i in range(7):
        alone = index.largest(queries[i : i + 1], 4)
        assert np.array_equal(alone[0][0], values[i])
        assert np.array_equal(alone[1][0], labels[i])


def test_largest__leaves_out_all_of_a_group():
    vectors = np.arange(10, dtype=np.float32)[:, None]
    index = InnerProductIndex(vectors, groups=np.arange(10) // 3)
    _, labels = index.largest(np.ones((2, 1), np.float32), 4, np.array([[2, -1], [3, 1]]))
    assert labels.tolist() == [[9, 5, 4, 3], [8, 7, 6, 2]]


def test_largest__of_some_rows__is_that_of_these_vectors_under_their_numbers():
    rng = np.random.default_rng(2)
    vectors, queries = rng.integers(-3, 4, size=(900, 3)).astype(np.float32), np.eye(3, dtype=np.float32)
    rows, groups, excluded = np.arange(1, 900, 3), np.arange(900) // 6, np.array([[7, 30], [8, -1], [-1, -1]])
    some = InnerProductIndex(vectors, groups=groups, rows=rows).largest(queries, 5, excluded)
    alone = InnerProductIndex(vectors[rows], rows, groups[rows]).largest(queries, 5, excluded)
    assert np.array_equal(some[0], alone[0])
    assert np.array_equal(some[1], alone[1])
    nothing = InnerProductIndex(vectors, rows=rows).largest(np.zeros((1, 3), np.float32), 3, np.array([[4]]))
    assert nothing[1].tolist() == [[1, 7, 10]]


def test_index__is_worthwhile_in_few_dimensions_only():
    rng = np.random.default_rng(3)
    assert InnerProductIndex(rng.normal(size=(20_000, 2)).astype(np.float32)).is_worthwhile
    assert not InnerProductIndex(rng.normal(size=(20_000, 41)).astype(np.float32)).is_worthwhile


def test_search__looks_at_a_part_that_gets_smaller_as_there_are_more():
    rng = np.random.default_rng(4)
    queries = rng.normal(size=(20, 9)).astype(np.float32)
    shares = []
    for n in (4096, 131072):
        index = InnerProductIndex(rng.normal(size=(n, 9)).astype(np.float32))
        shares.append(index._search(queries, 1, np.empty((len(queries), 0), np.int64))[2] / (20 * n / cap_tree.LANES))
    assert shares[1] < shares[0] / 2


@pytest.mark.parametrize("n", [1, 64, 65, 4096, 4097, 10_000])
def test_tree__holds_every_vector_once_in_full_blocks_within_its_caps(n):
    rng = np.random.default_rng(n)
    vectors = (rng.normal(size=(n, 4)) * rng.uniform(0.1, 3, size=(n, 1))).astype(np.float32)
    tree = cap_tree.build_tree(vectors, np.arange(n), None, np.arange(n) // 2)
    order, rest = np.split(tree.labels.ravel(), [n])
    assert sorted(order) == list(range(n))
    assert rest.tolist() == [-1] * (-n % 64)
    assert (tree.groups.ravel()[:n] == order // 2).all()
    lifted = np.concatenate(
        [vectors, np.sqrt(np.maximum(tree.length**2 - (vectors**2).sum(axis=1), 0))[:, None]], axis=1
    )
    lifted /= np.linalg.norm(lifted, axis=1, keepdims=True)
    queries = rng.normal(size=(5, 4))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    n_blocks = len(tree.vectors)

    def members(child):
        if child < n_blocks:
            return order[child * 64 : (child + 1) * 64]
        node = child - n_blocks
        there = np.isfinite(tree.sines[node])
        return np.concatenate([members(tree.first_child[node] + lane) for lane in np.flatnonzero(there)])

    assert len(members(n_blocks + len(tree.centres) - 1)) == n
    for node in range(len(tree.centres)):
        for lane in np.flatnonzero(np.isfinite(tree.sines[node])):
            cosine = queries @ tree.centres[node, :, lane]
            angle = np.arccos(np.clip(cosine, -1, 1)) - np.arccos(tree.cosines[node, lane])
            most = np.cos(np.maximum(angle, 0))
            reached = (queries @ lifted[members(tree.first_child[node] + lane), :4].T).max(axis=1)
            assert (reached <= most + 1e-5).all()


def test_largest__of_few_blocks__is_nearly_the_best_and_leaves_nothing_behind() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20_000, 6)).astype(np.float32)
    index, queries = InnerProductIndex(vectors), rng.normal(size=(50, 6)).astype(np.float32)
    exact, best = index.largest(queries, 1)

    few, found = index.largest(queries, 1, best, most_blocks=2)

    assert (few <= exact).all()
    assert (found != best).all()  # those were excluded
    assert few == pytest.approx(np.vecdot(vectors[found[:, 0]], queries)[:, None], rel=1e-5)
    assert (few / exact).mean() > 0.7
    assert index.largest(queries, 1)[1].tolist() == best.tolist()


@pytest.mark.parametrize("k", [1, 10])
def test_index__finds_the_same_for_many_queries_in_a_large_tree(k):
    rng = np.random.default_rng(k)
    vectors = rng.integers(-9, 10, size=(40_000, 9)).astype(np.float32)
    queries = rng.integers(-9, 10, size=(20, 9)).astype(np.float32)
    queries[3] = 0
    excluded = rng.integers(-1, len(vectors), size=(20, 30))
    excluded[:, 0] = everything(vectors, queries, 1)[1][:, 0]
    check(vectors, queries, k, excluded)
