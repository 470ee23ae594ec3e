"""The catalogue: the tracks that can be played."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spotify_gym.catalogue.builtin import builtin_scaling, invent_tracks
from spotify_gym.catalogue.groups import ROWS_AT_ONCE, first_equal_rows, first_of_songs, related_groups, split_groups
from spotify_gym.catalogue.report import CatalogueError, Report
from spotify_gym.catalogue.scaling import MAX_MAGNITUDE, Scaling
from spotify_gym.catalogue.tracks import FEATURE_NAMES, ID_IN_LINK, TEXTS, TextColumn, Tracks, read_only

if TYPE_CHECKING:
    from spotify_gym.search.pruned import InnerProductIndex

_ARRAYS = {"features": np.float32, "genres": np.bool_, "popularity": np.float32}
_live: WeakValueDictionary[int, Catalogue] = WeakValueDictionary()  # all that are alive in this process, by `id`

TINY = np.float32(1e-12)
"""Lower bound of the lengths that vectors are divided by, so that the cosine of a zero vector to any other is 0."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Catalogue(Tracks):
    """All tracks that can be played: scaled features, ids and other columns.

    A catalogue is immutable. Its arrays are read-only; ``copy`` and ``deepcopy`` return the catalogue itself. Pickling
    one that is built-in or loaded from a file stores its origin, not its content; unpickling returns the object that
    the process already has, if it has one with the same fingerprint.

    >>> catalogue = Catalogue.builtin(1000)
    >>> catalogue
    Catalogue(1,000 tracks, 9 features, source='builtin(n_tracks=1000, seed=0)')
    >>> catalogue.label(7)
    'Golden Satellite (Demo) — Odin Ashlow'
    >>> train, test = catalogue.split(test_fraction=0.2)
    >>> len(train) + len(test), set(train.artists) & set(test.artists)
    (1000, set())

    Attributes:
        features: (n_tracks, d) float32, scaled, C-contiguous.
        track_ids: (n_tracks,) unique texts.
        feature_names: (d,).
        names, artists: (n_tracks,) texts, or ``None``; several artists of a track are joined by ``";"``.
        genres: (n_tracks, n_genres) bool, or ``None``; ``genre_names`` names the columns.
        popularity: (n_tracks,) float32 in [0, 100], NaN where unknown, or ``None``.
        scaling: the scaling of raw features to ``features``; ``scaling.apply`` scales a new track the same way.
        source: where the tracks come from, in words; for a table, the name of its file.
        synthetic: whether the tracks are invented.
        report: what was found in the table, to print.
        origin: a function that makes this catalogue again, or ``None``.
    """

    features: NDArray[np.float32]
    scaling: Scaling
    source: str
    synthetic: bool = False
    report: Report
    origin: Callable[[], Catalogue] | None = field(default=None)

    def __post_init__(self) -> None:
        for name, dtype in _ARRAYS.items():
            if getattr(self, name) is not None:
                object.__setattr__(self, name, read_only(getattr(self, name), dtype))
        self._check()
        _live[id(self)] = self

    @classmethod
    def read(
        cls,
        path: str | Path,
        scaling: str | Scaling = "standard",
        columns: Mapping[str, str] | None = None,
        features: Sequence[str] | None = None,
        duplicates: Literal["keep", "merge"] = "keep",
        min_popularity: float | None = None,
        shuffle: bool = False,
        seed: int = 0,
    ) -> Catalogue:
        """Read a table of tracks: CSV, Parquet, JSON, XLSX, also compressed, or a folder with one, whole or in parts.

        Columns are recognised by their names, ignoring case and punctuation. Five of the nine audio features are
        enough. Ids, titles, artists, genres and popularity are used where present, and ids are generated if there are
        none. Rows that cannot be used are left out. `report` lists what was found, chosen and left out, and why.

        Args:
            path: path of the table.
            scaling: ``"standard"``, ``"minmax"``, or the scaling of another catalogue.
            columns: ``{role: name in this table}`` for columns with other names, ``""`` if there is none; the roles
                are ``track_id``, ``name``, ``artists``, ``genre``, ``popularity`` and the names of the features.
            features: numeric columns to use instead of the nine; a column of lists, such as embeddings, gives one
                feature per element of its lists.
            duplicates: rows with the same track id are always one track. ``"merge"`` also merges tracks with exactly
                the same features, which are one recording on several albums.
            min_popularity: leave out tracks that are less popular than this, or of unknown popularity.
            shuffle: put the tracks in random order, by ``seed``.
            seed: of the shuffle.

        Raises:
            CatalogueError: if the file is not a table of audio features, or has no usable row.
        """
        from spotify_gym.catalogue.tables import read_tracks  # here, since it imports Arrow's readers

        tracks, report = read_tracks(path, columns, features, duplicates, min_popularity)
        if shuffle:
            tracks = tracks.take(np.random.default_rng(seed).permutation(len(tracks)))
        where = Path(path).absolute()
        again = partial(cls.read, where, scaling, columns, features, duplicates, min_popularity, shuffle, seed)
        return cls.of(tracks, scaling, source=where.name, report=report, origin=again)

    @classmethod
    def builtin(cls, n_tracks: int = 100_000, seed: int = 0, scaling: str | Scaling = "standard") -> Catalogue:
        """Generate a synthetic catalogue with the distribution of real ones, deterministic in its arguments.

        Its scaling is fixed, not fitted: built-in catalogues of every size and seed have the same `coordinates`.
        """
        tracks = invent_tracks(n_tracks, seed)
        invented = "these tracks, titles and artists are invented; only their distribution is measured on real ones"
        return cls.of(
            tracks,
            scaling if isinstance(scaling, Scaling) else builtin_scaling(scaling),
            source=f"builtin(n_tracks={n_tracks}, seed={seed})",
            synthetic=True,
            report=Report(rows=n_tracks, tracks=n_tracks, notes=(f"synthetic: {invented}",)),
            origin=partial(cls.builtin, n_tracks, seed, scaling),
        )

    @classmethod
    def of(
        cls,
        tracks: Tracks,
        scaling: str | Scaling,
        source: str,
        report: Report,
        synthetic: bool = False,
        origin: Callable[[], Catalogue] | None = None,
    ) -> Catalogue:
        """Make a catalogue from raw tracks; the other arguments are attributes of the catalogue."""
        fitted = scaling if isinstance(scaling, Scaling) else Scaling.fit(tracks.features, scaling)
        columns = {**vars(tracks), "features": fitted.apply(tracks.features)}
        return cls(**columns, scaling=fitted, source=source, synthetic=synthetic, report=report, origin=origin)

    @classmethod
    def from_features(
        cls,
        features: ArrayLike,
        scaling: str | Scaling = "standard",
        track_ids: Iterable[str] | None = None,
        feature_names: Iterable[str] | None = None,
    ) -> Catalogue:
        """Make a catalogue from raw features (n_tracks, d) in memory.

        The default ids are the indices of the tracks; the default names are the usual nine, or generic.

        Raises:
            CatalogueError: if features are not finite numbers, ids or names do not match them, or an id repeats.
        """
        raw = np.asarray(features, dtype=np.float64)
        if raw.ndim != 2:
            raise CatalogueError(f"features must be (n_tracks, d), not {raw.shape}.")
        n_tracks, d = raw.shape
        generic = FEATURE_NAMES if d == len(FEATURE_NAMES) else (f"feature_{column}" for column in range(d))
        tracks = Tracks(
            features=raw,
            track_ids=TextColumn.of(map(str, range(n_tracks)) if track_ids is None else track_ids),
            feature_names=tuple(generic if feature_names is None else feature_names),
        )
        if len(set(tracks.track_ids)) < len(tracks.track_ids):
            raise CatalogueError("track_ids must be unique.")
        return cls.of(tracks, scaling, source="arrays in memory", report=Report(rows=n_tracks, tracks=n_tracks))

    @classmethod
    def load(cls, path: str | Path) -> Catalogue:
        """Memory-map a file written by `save`; processes that load the same file share its memory.

        Raises:
            CatalogueError: if the file is missing, damaged, of another kind or of another version.
        """
        from spotify_gym.catalogue.prepared import load_fields  # here, since it imports Arrow

        where = Path(path).absolute()
        try:
            return cls(**load_fields(where), origin=partial(cls.load, where))
        except CatalogueError as error:
            raise CatalogueError(f"cannot load {path}: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write the catalogue to an ``.arrow`` file, atomically.

        Raises:
            CatalogueError: if the file cannot be written, or its name does not end in ``.arrow``.
        """
        from spotify_gym.catalogue.prepared import save_fields

        save_fields(Path(path), self._fields())

    def __repr__(self) -> str:
        return f"Catalogue({len(self):,} tracks, {len(self.feature_names)} features, source={self.source!r})"

    @cached_property
    def unit_features(self) -> NDArray[np.float32]:
        """The features (n_tracks, d) scaled to unit length, see `units_of`."""
        return read_only(units_of(self.features), np.float32)

    @cached_property
    def unit_moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean (d,) and covariance (d, d) of the unit features."""
        d = self.features.shape[1]
        total, squares = np.zeros(d), np.zeros((d, d))
        for start in range(0, len(self), ROWS_AT_ONCE):
            units = units_of(self.features[start : start + ROWS_AT_ONCE]).astype(np.float64)
            total += units.sum(axis=0)
            squares += units.T @ units
        mean = total / len(self)
        return mean, squares / len(self) - np.outer(mean, mean)

    @cached_property
    def recordings(self) -> NDArray[np.int64]:
        """Index (n_tracks,) of the first track with exactly the same features: the same recording."""
        return read_only(first_equal_rows(self.features), np.int64)

    @cached_property
    def songs(self) -> NDArray[np.int64]:
        """Index (n_tracks,) of the first track that is the same song: the same recording, or title and first artist."""
        if self.names is None or self.artists is None:
            return self.recordings
        return read_only(first_of_songs(self.recordings, self.names, self.artists), np.int64)

    def one_of_each_song(self, tracks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return ``tracks`` (k,) with only the first version of each song, in the same order."""
        return tracks[np.sort(np.unique(self.songs[tracks], return_index=True)[1])]

    def index(self, same: Literal["recording", "song"] = "recording") -> InnerProductIndex:
        """Return a search index of the unit features of all recordings, each by its first track; it is cached.

        Args:
            same: which tracks a search excludes together, by the first of them: those of a recording, or of a song.
        """
        if same not in self._indices:
            from spotify_gym.search.pruned import InnerProductIndex  # here, so that only a search loads Numba

            tracks = np.flatnonzero(self.recordings == np.arange(len(self)))
            first = self.songs if same == "song" else self.recordings
            self._indices[same] = InnerProductIndex(self.unit_features, groups=first, rows=tracks)
        return self._indices[same]

    @cached_property
    def coordinates(self) -> str:
        """Hash of feature names and scaling; where it is equal, features of two catalogues are comparable."""
        return _digest(self.feature_names, {"centre": self.scaling.centre, "scale": self.scaling.scale})

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the content; catalogues with the same fingerprint hold the same data of the same tracks."""
        arrays: dict[str, NDArray[Any] | None] = {name: getattr(self, name) for name in _ARRAYS}
        for name in TEXTS:
            column: TextColumn | None = getattr(self, name)
            arrays[name], arrays[f"{name} begin"] = (None, None) if column is None else column.buffers()
        return _digest((self.coordinates, *self.genre_names), arrays)

    def index_of(self, track_id: str) -> int:
        """Return the index of a track by its id, ``spotify:track:ID`` or a link to it.

        Raises:
            CatalogueError: if no track has this id.
        """
        linked = re.match(ID_IN_LINK, track_id)
        index = self._index_of_id.get(track_id, self._index_of_id.get(linked[1]) if linked else None)
        if index is None:
            raise CatalogueError(f"no track has the id {track_id!r}.")
        return index

    def label(self, index: int) -> str:
        """Return ``"Name — Artist"``, or the name if the artist is unknown, or the id if the name is."""
        name = self.names[index] if self.names is not None else ""
        artists = self.artists[index].replace(";", ", ") if self.artists is not None else ""
        if not name:
            return self.track_ids[index]
        return f"{name} — {artists}" if artists else name

    def take(self, indices: ArrayLike) -> Catalogue:
        """Return the tracks at ``indices`` (k,), in that order, or of a mask (n_tracks,), with unchanged scaling."""
        chosen = np.asarray(indices)
        if chosen.size and chosen.dtype.kind not in "biu":
            raise CatalogueError(f"indices of tracks must be integers or a mask; got {chosen.dtype}.")
        chosen = np.arange(len(self))[chosen if chosen.dtype == np.bool_ else chosen.astype(np.int64)]
        if len(np.unique(chosen)) != len(chosen):
            raise CatalogueError("a catalogue cannot hold a track twice: some indices are equal.")
        notes = *self.report.notes, f"a selection of {len(chosen):,} of {len(self):,} tracks"
        return replace(super().take(chosen), report=replace(self.report, notes=notes), origin=None)

    def split(self, test_fraction: float = 0.2, seed: int = 0) -> tuple[Catalogue, Catalogue]:
        """Split the tracks at random into (train, test), so that no artist and no recording is on both sides.

        Tracks that share a recording or an artist, also through others, form a group. The test side is filled with
        whole groups up to ``test_fraction`` of the tracks, so it may be a little smaller. Both sides keep the scaling.

        Raises:
            CatalogueError: if the fraction is not between 0 and 1, or the groups leave one side empty.
        """
        if not 0 < test_fraction < 1:
            raise CatalogueError(f"test_fraction={test_fraction} is not between 0 and 1.")
        is_test = split_groups(related_groups(self.recordings, self.artists), test_fraction, seed)
        if is_test.all() or not is_test.any():
            raise CatalogueError(f"{len(self):,} tracks cannot be split: too few, or all share artists or recordings.")
        return self.take(~is_test), self.take(is_test)

    def rescaled(self, scaling: str | Scaling | Catalogue) -> Catalogue:
        """Return the same tracks with another scaling: a kind to fit to them, a `Scaling`, or that of a catalogue."""
        given = scaling.scaling if isinstance(scaling, Catalogue) else scaling
        raw = self.scaling.undo(self.features)
        fitted = given if isinstance(given, Scaling) else Scaling.fit(raw, given)
        return replace(self, features=fitted.apply(raw), scaling=fitted, origin=None)

    def __deepcopy__(self, memo: Any = None) -> Catalogue:
        return self

    __copy__ = __deepcopy__

    def __reduce__(self) -> tuple[Callable[..., Catalogue], tuple[str, Callable[[], Catalogue]]]:
        return _revive, (self.fingerprint, self.origin or partial(Catalogue, **self._fields()))

    def _fields(self) -> dict[str, Any]:
        return {column.name: getattr(self, column.name) for column in fields(self) if column.name != "origin"}

    @cached_property
    def _indices(self) -> dict[str, InnerProductIndex]:
        return {}

    @cached_property
    def _index_of_id(self) -> dict[str, int]:
        return {track_id: index for index, track_id in enumerate(self.track_ids)}

    def _check(self) -> None:
        """Raise `CatalogueError` unless the columns have matching shapes and valid values."""
        n_tracks, d = len(self.features), len(self.feature_names)
        expected = {
            "features": (n_tracks, d),
            "genres": (n_tracks, len(self.genre_names)),
            **dict.fromkeys((*TEXTS, "popularity"), (n_tracks,)),
        }
        for name, shape in expected.items():
            column = getattr(self, name)
            found = (len(column),) if isinstance(column, TextColumn) else np.shape(column)
            if column is not None and found != shape:
                raise CatalogueError(f"{name} must have shape {shape}, not {found}.")
        if self.scaling.scale.shape != (d,):
            raise CatalogueError(f"the scaling has {len(self.scaling.scale)} features, but the tracks have {d}.")
        if len(set(self.feature_names)) < d:
            raise CatalogueError(f"feature names must be unique, not {', '.join(self.feature_names)}.")
        if not n_tracks:
            raise CatalogueError("a catalogue needs at least one track.")
        if not -MAX_MAGNITUDE <= self.features.min() <= self.features.max() <= MAX_MAGNITUDE:  # or NaN
            raise CatalogueError(f"a feature is not a finite number, or larger than {MAX_MAGNITUDE:g} after scaling.")
        if self.popularity is not None and ((self.popularity < 0) | (self.popularity > 100)).any():
            raise CatalogueError("popularity must be from 0 to 100.")


def units_of(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return features (..., d) divided by their lengths, or by `TINY` where that is larger: zero vectors stay zero."""
    units: NDArray[np.float32] = features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), TINY)
    return units


def held(fingerprint: str) -> Catalogue | None:
    """Return the oldest catalogue in this process that has this fingerprint; ``None`` if there is none."""
    return next((one for one in list(_live.values()) if one.fingerprint == fingerprint), None)


def _revive(fingerprint: str, make: Callable[[], Catalogue]) -> Catalogue:
    """Return the catalogue in this process that has this fingerprint, or else the one that ``make`` returns.

    Raises:
        CatalogueError: if that one has another fingerprint, because the file it comes from has changed.
    """
    catalogue = held(fingerprint) or make()
    if catalogue.fingerprint != fingerprint:
        raise CatalogueError(f"the catalogue from {catalogue.source} has changed since it was pickled.")
    return catalogue


def _digest(words: Iterable[str], arrays: Mapping[str, NDArray[Any] | None]) -> str:
    digest = hashlib.blake2b("\0".join(words).encode(), digest_size=16)
    for name, array in arrays.items():
        if array is not None:
            digest.update(f"\0{name} {array.shape}\0".encode())
            digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
