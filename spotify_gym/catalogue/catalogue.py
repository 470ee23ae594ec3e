"""The catalogue: every track that can be played."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spotify_gym.catalogue import storage
from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.frozen import read_only
from spotify_gym.catalogue.recordings import first_equal_rows
from spotify_gym.catalogue.report import Report
from spotify_gym.catalogue.scaling import Scaling
from spotify_gym.catalogue.splitting import choose_groups, related_groups
from spotify_gym.catalogue.synthetic import invent_tracks
from spotify_gym.catalogue.tables import read_tracks
from spotify_gym.catalogue.text import TextColumn
from spotify_gym.catalogue.tracks import Tracks

_held: WeakValueDictionary[str, Catalogue] = WeakValueDictionary()  # by fingerprint, what this process holds


@dataclass(frozen=True, eq=False)
class Catalogue(Tracks):
    features: NDArray[np.float32]
    scaling: Scaling = field(kw_only=True)
    source: str = field(kw_only=True)
    synthetic: bool = field(kw_only=True)
    report: Report = field(kw_only=True, repr=False)
    origin: tuple[str, tuple[Any, ...]] | None = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", read_only(self.features, np.float32))
        if self.genres is not None:
            object.__setattr__(self, "genres", read_only(self.genres, np.bool_))
        if self.popularity is not None:
            object.__setattr__(self, "popularity", read_only(self.popularity, np.float32))

    @classmethod
    def read(
        cls,
        path: str | Path,
        scaling: str | Scaling = "standard",
        columns: Mapping[str, str] | None = None,
        duplicates: Literal["keep", "merge"] = "keep",
        min_popularity: float | None = None,
        shuffle: bool = False,
        seed: int = 0,
    ) -> Catalogue:
        tracks, report = read_tracks(Path(path))
        return cls.of(tracks, scaling, source=str(path), synthetic=False, report=report)

    @classmethod
    def builtin(cls, n_tracks: int = 100_000, seed: int = 0, scaling: str | Scaling = "standard") -> Catalogue:
        report = Report(n_tracks, n_tracks, notes=("synthetic",))
        return cls.of(
            invent_tracks(n_tracks, seed),
            scaling,
            source=f"builtin(n_tracks={n_tracks}, seed={seed})",
            synthetic=True,
            report=report,
            origin=("builtin", (n_tracks, seed, scaling)),
        )

    @classmethod
    def of(cls, tracks: Tracks, scaling: str | Scaling, **about: Any) -> Catalogue:
        fitted = scaling if isinstance(scaling, Scaling) else Scaling.fit(tracks.features, scaling)
        columns = {**vars(tracks), "features": fitted.apply(tracks.features)}
        return cls(**columns, scaling=fitted, **about)

    def save(self, path: str | Path) -> None:
        header = {
            "feature_names": self.feature_names,
            "genre_names": self.genre_names,
            "scaling": self.scaling.kind,
            "source": self.source,
            "synthetic": self.synthetic,
            "report": self.report.to_json(),
        }
        arrays: dict[str, NDArray[Any]] = {
            "features": self.features,
            "centre": self.scaling.centre,
            "scale": self.scaling.scale,
        }
        for name in ("track_ids", "names", "artists"):
            column = getattr(self, name)
            if column is not None:
                arrays |= {f"{name}.data": column.data, f"{name}.offsets": column.offsets}
        for name in ("genres", "popularity"):
            if getattr(self, name) is not None:
                arrays[name] = getattr(self, name)
        storage.write(Path(path), header, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Catalogue:
        where = Path(path).absolute()
        header, arrays = storage.read(where)

        def text(name: str) -> TextColumn | None:
            if f"{name}.data" not in arrays:
                return None
            return TextColumn(arrays[f"{name}.data"], arrays[f"{name}.offsets"])

        return cls(
            features=arrays["features"],
            track_ids=text("track_ids"),
            feature_names=tuple(header["feature_names"]),
            names=text("names"),
            artists=text("artists"),
            genres=arrays.get("genres"),
            genre_names=tuple(header["genre_names"]),
            popularity=arrays.get("popularity"),
            scaling=Scaling(header["scaling"], arrays["centre"], arrays["scale"]),
            source=header["source"],
            synthetic=header["synthetic"],
            report=Report.from_json(header["report"]),
            origin=("load", (str(where),)),
        )

    @cached_property
    def unit_features(self) -> NDArray[np.float32]:
        lengths = np.linalg.norm(self.features, axis=1, keepdims=True)
        return read_only(self.features / np.where(lengths > 0, lengths, 1), np.float32)

    @cached_property
    def recordings(self) -> NDArray[np.int64]:
        return read_only(first_equal_rows(self.features), np.int64)

    @cached_property
    def coordinates(self) -> str:
        digest = hashlib.blake2b("\0".join((*self.feature_names, self.scaling.kind)).encode(), digest_size=16)
        digest.update(self.scaling.centre.tobytes())
        digest.update(self.scaling.scale.tobytes())
        return digest.hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.blake2b(self.coordinates.encode(), digest_size=16)
        for part in (self.features, self.track_ids.data, self.track_ids.offsets):
            digest.update(part.data)
        fingerprint = digest.hexdigest()
        _held.setdefault(fingerprint, self)
        return fingerprint

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {track_id: position for position, track_id in enumerate(self.track_ids)}

    def index_of(self, track_id: str) -> int:
        try:
            return self._positions[track_id]
        except KeyError:
            raise CatalogueError(f"no track has the id {track_id!r}.") from None

    def label(self, index: int) -> str:
        name = self.names[index] if self.names else ""
        if not name:
            return self.track_ids[index]
        artists = self.artists[index].replace(";", ", ") if self.artists else ""
        return f"{name} — {artists}" if artists else name

    def take(self, indices: ArrayLike) -> Catalogue:
        return replace(super().take(indices), origin=None)

    def split(self, test_fraction: float = 0.2, seed: int = 0) -> tuple[Catalogue, Catalogue]:
        is_test = choose_groups(related_groups(self.recordings, self.artists), test_fraction, seed)
        return self.take(np.flatnonzero(~is_test)), self.take(np.flatnonzero(is_test))

    def rescaled(self, scaling: str | Scaling | Catalogue) -> Catalogue:
        raw = self.scaling.undo(self.features)
        wanted = scaling.scaling if isinstance(scaling, Catalogue) else scaling
        fitted = wanted if isinstance(wanted, Scaling) else Scaling.fit(raw, wanted)
        return replace(self, features=fitted.apply(raw), scaling=fitted, origin=None)

    def __copy__(self) -> Catalogue:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Catalogue:
        return self

    def __reduce__(self) -> tuple[Callable[..., Catalogue], tuple[Any, ...]]:
        columns = {column.name: vars(self)[column.name] for column in fields(self)} if self.origin is None else None
        return _revive, (self.fingerprint, self.origin, columns)


def _revive(fingerprint: str, origin: tuple[str, tuple[Any, ...]] | None, columns: dict[str, Any] | None) -> Catalogue:
    held = _held.get(fingerprint)
    if held is not None:
        return held
    if origin is None:
        assert columns is not None
        revived = Catalogue(**columns)
    else:
        revived = getattr(Catalogue, origin[0])(*origin[1])
    if revived.fingerprint != fingerprint:
        raise CatalogueError(f"{revived.source} has changed since this catalogue was pickled.")
    return revived
