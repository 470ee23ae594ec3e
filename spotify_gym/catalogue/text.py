"""A read-only column of text that costs no Python object per row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.frozen import read_only

if TYPE_CHECKING:
    import pyarrow as pa


class TextColumn(Sequence[str]):
    """Texts laid out as Arrow lays them out: all bytes one after another, and where each text begins.

    A column of 200,000 track ids is two arrays, so that it can be memory-mapped, shared between processes and searched
    without a loop. It reads like a tuple of ``str``.

    >>> column = TextColumn.of(["Hurt", "Águas de Março", ""])
    >>> column[1], len(column), column.contains("DE MAR").tolist()
    ('Águas de Março', 3, [False, True, False])

    Args:
        data: (n_bytes,) uint8, the UTF-8 bytes of every text.
        offsets: (n_texts + 1,) int64; text ``i`` is ``data[offsets[i]:offsets[i + 1]]``.
    """

    __slots__ = ("_bytes", "_length", "_offsets", "data", "offsets")

    def __init__(self, data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
        self.data = read_only(data, np.uint8)
        self.offsets = read_only(offsets, np.int64)
        self._bytes, self._offsets = self.data.data, self.offsets.data  # memoryviews: one item costs less than NumPy's
        self._length = len(self.offsets) - 1

    @classmethod
    def of(cls, texts: Iterable[str]) -> TextColumn:
        """Lay out texts one after another."""
        encoded = [text.encode("utf-8", "replace") for text in texts]
        lengths = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), _ends(lengths))

    @classmethod
    def from_arrow(cls, array: pa.Array | pa.ChunkedArray) -> TextColumn:
        """Take over an Arrow column of strings; a missing text becomes an empty one."""
        import pyarrow as pa
        import pyarrow.compute as pc

        whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        filled = pc.fill_null(whole.cast(pa.large_string()), "")
        _, offsets_buffer, data_buffer = filled.buffers()
        offsets = np.frombuffer(offsets_buffer, dtype=np.int64, count=len(filled) + 1, offset=8 * filled.offset)
        data = np.frombuffer(data_buffer or b"", dtype=np.uint8)[offsets[0] : offsets[-1]]
        return cls(data, offsets - offsets[0])

    def to_arrow(self) -> pa.Array:
        """Show the same bytes to pyarrow as a ``large_string`` array, copying nothing."""
        import pyarrow as pa

        return pa.LargeStringArray.from_buffers(len(self), pa.py_buffer(self.offsets), pa.py_buffer(self.data))

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> TextColumn: ...
    def __getitem__(self, index: int | slice) -> str | TextColumn:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        position = index if index >= 0 else index + self._length
        if not 0 <= position < self._length:
            raise IndexError(f"index {index} is out of range for {self._length} texts")
        return str(self._bytes[self._offsets[position] : self._offsets[position + 1]], "utf-8")

    def __iter__(self) -> Iterator[str]:
        data, offsets = self.data.tobytes(), self.offsets.tolist()
        return (data[start:end].decode("utf-8") for start, end in pairwise(offsets))

    def __repr__(self) -> str:
        shown = ", ".join(repr(text) for text in self[:3])
        return f"TextColumn([{shown}{', ...' if len(self) > 3 else ''}], length {len(self)})"

    def __reduce__(self) -> tuple[type[TextColumn], tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        return TextColumn, (self.data, self.offsets)

    def take(self, indices: ArrayLike) -> TextColumn:
        """Gather the texts at ``indices`` (k,), in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        starts = self.offsets[:-1][chosen]
        lengths = self.offsets[1:][chosen] - starts
        ends = _ends(lengths)
        # Byte b of the result lies as far behind the start of its text as it does in the source.
        source = np.repeat(starts - ends[:-1], lengths) + np.arange(ends[-1])
        return TextColumn(self.data[source], ends)

    def contains(self, text: str) -> NDArray[np.bool_]:
        """Say for each row (n_texts,) whether it contains ``text``, upper or lower case alike."""
        import pyarrow.compute as pc

        found = pc.match_substring(self.to_arrow(), text, ignore_case=True)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)

    @property
    def is_unique(self) -> bool:
        """Whether no text stands twice."""
        data = self.data.tobytes()
        return len({data[start:end] for start, end in pairwise(self.offsets.tolist())}) == len(self)

    def check(self) -> None:
        """Raise `CatalogueError` unless bytes and offsets describe texts: for files that others may have written."""
        if self.data.ndim != 1 or self.offsets.ndim != 1 or not len(self.offsets):
            raise CatalogueError("a text column is damaged: it is no row of bytes.")
        starts, ends = self.offsets[:-1], self.offsets[1:]
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.data) or (ends < starts).any():
            raise CatalogueError("a text column is damaged: its offsets do not fit its bytes.")
        inner = starts[ends > starts]
        if (self.data[inner] & 0xC0 == 0x80).any():
            raise CatalogueError("a text column is damaged: a text begins inside a character.")
        try:
            self.data.tobytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise CatalogueError(f"a text column is damaged: {error}.") from error


def _ends(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
