"""The columns of a catalogue before scaling, whether read from a table or generated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spotify_gym.catalogue.report import CatalogueError

if TYPE_CHECKING:
    import pyarrow as pa

FEATURE_RANGES: Mapping[str, tuple[float, float]] = {
    "acousticness": (0, 1),
    "danceability": (0, 1),
    "energy": (0, 1),
    "instrumentalness": (0, 1),
    "liveness": (0, 1),
    "loudness": (-100, 20),  # [dB], most between −60 and 0
    "speechiness": (0, 1),
    "tempo": (0, 400),  # [BPM], 0 where none was found
    "valence": (0, 1),
}
"""The nine continuous audio features of the Spotify Web API, and the ranges of their values."""

FEATURE_NAMES = tuple(FEATURE_RANGES)

TEXTS = ("track_ids", "names", "artists")
"""The text columns."""
ID_IN_LINK = r"\s*(?:spotify:track:|(?:https?://)?\w+\.spotify\.com/(?:[\w-]+/)*(?:tracks?|audio-\w+)/)(\w+)"
"""Regular expression of the beginning of a track's Spotify URI or URL; the group is its id."""

Self = TypeVar("Self", bound="Tracks")
Scalar = TypeVar("Scalar", bound=np.generic)


def read_only(array: ArrayLike, dtype: type[Scalar]) -> NDArray[Scalar]:
    """Return a C-contiguous, read-only view of ``array``, copied only where layout or type require it."""
    view: NDArray[Any] = np.ascontiguousarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view


class TextColumn(Sequence[str]):
    """A read-only text column: an Arrow array that behaves like a tuple of `str`, without a Python object per row.

    >>> column = TextColumn.of(["Hurt", "Águas de Março", ""])
    >>> column[1], len(column)
    ('Águas de Março', 3)

    Args:
        arrow: (n_texts,), without nulls.
    """

    __slots__ = ("_begins", "_data", "_places", "arrow")

    def __init__(self, arrow: pa.LargeStringArray) -> None:
        self.arrow = arrow
        _, begins, data = arrow.buffers()
        self._begins, self._data = memoryview(begins).toreadonly().cast("q"), memoryview(data or b"").toreadonly()
        self._places = range(arrow.offset, arrow.offset + len(arrow))

    @classmethod
    def of(cls, texts: Iterable[str]) -> TextColumn:
        """Make a column of texts; a lone surrogate becomes a question mark.

        Raises:
            CatalogueError: if one is not a text.
        """
        import pyarrow as pa

        try:
            encoded = [text.encode("utf-8", "replace") for text in texts]
        except AttributeError as error:
            raise CatalogueError(
                f"ids, titles and artists must be texts, as map(str, numbers) makes: {error}"
            ) from error
        begins = np.cumsum([0, *map(len, encoded)])
        buffers = pa.py_buffer(begins), pa.py_buffer(b"".join(encoded))  # pyarrow.array would import pandas
        return cls(pa.LargeStringArray.from_buffers(len(encoded), *buffers))

    @classmethod
    def from_arrow(cls, array: pa.Array | pa.ChunkedArray) -> TextColumn:
        """Make a column of an Arrow array of strings; nulls become empty texts."""
        import pyarrow as pa

        whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        return cls(whole.cast(pa.large_string()).fill_null(""))

    def __len__(self) -> int:
        return len(self.arrow)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> TextColumn: ...
    def __getitem__(self, index: int | slice) -> str | TextColumn:
        if isinstance(index, slice):
            return TextColumn(self.arrow[index])
        place = self._places[index]
        return str(self._data[self._begins[place] : self._begins[place + 1]], "utf-8")  # Arrow's scalars cost more

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrow.to_pylist())

    def __reduce__(self) -> tuple[type[TextColumn], tuple[pa.LargeStringArray]]:
        return TextColumn, (self.arrow,)

    def take(self, indices: ArrayLike, axis: int = 0) -> TextColumn:
        """Return the texts at ``indices`` (k,), in that order; ``axis`` is as of an array, and ignored."""
        import pyarrow as pa

        chosen = np.ascontiguousarray(indices, dtype=np.int64)
        return TextColumn(self.arrow.take(pa.Array.from_buffers(pa.int64(), len(chosen), [None, pa.py_buffer(chosen)])))

    def buffers(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the UTF-8 bytes of all texts, and the offsets of their bounds, (n_texts + 1,)."""
        offsets = np.frombuffer(self._begins, np.int64)[self._places.start : self._places.stop + 1]
        return np.frombuffer(self._data, np.uint8)[offsets[0] : offsets[-1]], offsets - offsets[0]


def folded(texts: pa.Array) -> pa.Array:
    """Return texts without case, accents, punctuation and extra spaces: "Beyoncé  Don't" is "beyonce dont"."""
    import pyarrow.compute as pc

    plain = pc.utf8_lower(pc.utf8_normalize(texts, "NFKD"))
    for letter, letters in (("ß", "ss"), ("ø", "o"), ("ł", "l"), ("đ", "d"), ("æ", "ae"), ("œ", "oe")):
        plain = pc.replace_substring(plain, letter, letters)
    plain = pc.replace_substring_regex(plain, r"\p{M}+|[^\p{L}\p{N}\s]+", "")
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(plain, r"\s+", " "))


@dataclass(frozen=True, eq=False)
class Tracks:
    """Tracks as columns, one row per track; `None` for a column that is not known."""

    features: NDArray[Any]  # (n_tracks, d)
    track_ids: TextColumn  # (n_tracks,), unique
    feature_names: tuple[str, ...] = FEATURE_NAMES  # (d,)
    names: TextColumn | None = None
    artists: TextColumn | None = None  # several artists of one track are joined by ";"
    genres: NDArray[np.bool_] | None = None  # (n_tracks, n_genres)
    genre_names: tuple[str, ...] = ()  # (n_genres,)
    popularity: NDArray[np.float32] | None = None  # (n_tracks,) in [0, 100], NaN where unknown

    def __len__(self) -> int:
        return len(self.features)

    @property
    def known_popularity(self) -> NDArray[np.float32]:
        """The popularity (n_tracks,) without NaN: -1 where unknown; all 0 if there is no such column."""
        unknown = np.zeros(len(self), np.float32)
        return unknown if self.popularity is None else np.nan_to_num(self.popularity, nan=-1)

    def take(self: Self, indices: ArrayLike) -> Self:
        """Return the tracks at ``indices`` (k,), in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        columns = {name: getattr(self, name) for name in ("features", "genres", "popularity", *TEXTS)}
        taken = {name: column.take(chosen, 0) for name, column in columns.items() if column is not None}
        return replace(self, **taken)
