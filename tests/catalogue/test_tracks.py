import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_gym.catalogue import TextColumn

texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=20)


@given(texts)
def test_column__reads_like_the_texts_it_was_made_of(words: list[str]) -> None:
    column = TextColumn.of(words)
    assert list(column) == words
    assert len(column) == len(words)
    assert [column[i] for i in range(-len(words), len(words))] == words * 2
    assert list(column[1::2]) == words[1::2]
    assert list(column[2:5]) == [column[2:5][i] for i in range(len(words[2:5]))] == words[2:5]


@given(texts, st.randoms(use_true_random=False))
def test_take__gathers_in_the_order_asked(words: list[str], random) -> None:
    indices = [random.randrange(len(words)) for _ in range(7)] if words else []
    assert list(TextColumn.of(words).take(np.array(indices, dtype=np.int64))) == [words[i] for i in indices]


@given(texts)
def test_arrow__round_trip(words: list[str]) -> None:
    assert list(TextColumn.from_arrow(TextColumn.of(words).arrow)) == words


def test_from_arrow__reads_slices_chunks_and_missing_texts() -> None:
    chunks = pa.chunked_array([pa.array(["a", None, "bcd"])[1:], pa.array(["é"])])
    assert list(TextColumn.from_arrow(chunks)) == ["", "bcd", "é"]


def test_index__out_of_range_raises() -> None:
    with pytest.raises(IndexError):
        TextColumn.of(["a"])[1]


def test_buffers__are_the_same_for_a_part_as_for_its_texts_alone() -> None:
    part, alone = TextColumn.of(["zu", "a", "bé", ""])[1:], TextColumn.of(["a", "bé", ""])
    for one, other in zip(part.buffers(), alone.buffers(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_column__cannot_be_written_to_and_pickles() -> None:
    column = TextColumn.of(["a", "bc"])
    with pytest.raises(ValueError, match="read-only"):
        column.buffers()[0][0] = 0
    assert list(pickle.loads(pickle.dumps(column))) == ["a", "bc"]
