import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_gym.catalogue import CatalogueError, TextColumn

texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=20)


@given(texts)
def test_column__reads_like_the_texts_it_was_made_of(words: list[str]) -> None:
    column = TextColumn.of(words)
    assert list(column) == words
    assert len(column) == len(words)
    assert [column[i] for i in range(-len(words), len(words))] == words * 2
    assert list(column[1::2]) == words[1::2]
    column.check()


@given(texts, st.randoms(use_true_random=False))
def test_take__gathers_in_the_order_asked(words: list[str], random) -> None:
    indices = [random.randrange(len(words)) for _ in range(7)] if words else []
    assert list(TextColumn.of(words).take(np.array(indices, dtype=np.int64))) == [words[i] for i in indices]


@given(texts)
def test_arrow__round_trip(words: list[str]) -> None:
    assert list(TextColumn.from_arrow(TextColumn.of(words).to_arrow())) == words


def test_from_arrow__reads_slices_chunks_and_missing_texts() -> None:
    chunks = pa.chunked_array([pa.array(["a", None, "bcd"])[1:], pa.array(["é"])])
    assert list(TextColumn.from_arrow(chunks)) == ["", "bcd", "é"]


def test_contains__ignores_case_in_any_script() -> None:
    column = TextColumn.of(["Águas de Março", "aguas", "ÁGUAS", ""])
    assert column.contains("águas").tolist() == [True, False, True, False]


def test_index__out_of_range_raises() -> None:
    with pytest.raises(IndexError):
        TextColumn.of(["a"])[1]


def test_column__cannot_be_written_to_and_pickles() -> None:
    column = TextColumn.of(["a", "bc"])
    with pytest.raises(ValueError, match="read-only"):
        column.data[0] = 0
    assert list(pickle.loads(pickle.dumps(column))) == ["a", "bc"]


def test_repr__shows_the_first_texts() -> None:
    assert repr(TextColumn.of("abcd")) == "TextColumn(['a', 'b', 'c', ...], length 4)"


@pytest.mark.parametrize(
    ("data", "offsets"),
    [
        (b"abc", [0, 2]),
        (b"abc", [1, 3]),
        (b"abc", [0, 2, 1, 3]),
        (b"abc", [0, 7 * 10**18, -7 * 10**18, 3]),
        (b"abc", []),
        ("é".encode(), [0, 1, 2]),
        (b"\xff", [0, 1]),
    ],
    ids=["too short", "late start", "backwards", "beyond int64", "empty", "inside a character", "not UTF-8"],
)
def test_check__finds_damage(data: bytes, offsets: list[int]) -> None:
    column = TextColumn(np.frombuffer(data, dtype=np.uint8), np.array(offsets, dtype=np.int64))
    with pytest.raises(CatalogueError, match="damaged"):
        column.check()
