"""Reading a table from a file into tracks, with a report that accounts for every row left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotify_gym.catalogue.columns import (
    MANY_ROWS,
    NO_TITLE,
    NUMBERS,
    first_equal,
    genres_in,
    ids_in,
    make_ids,
    popularity_in,
    read_features,
    split_values,
    words_in,
)
from spotify_gym.catalogue.delimited import read_delimited
from spotify_gym.catalogue.files import is_workbook, path_of, read_parts
from spotify_gym.catalogue.formats import PARQUET, read_json, read_parquet, read_xlsx
from spotify_gym.catalogue.groups import first_equal_rows
from spotify_gym.catalogue.report import SHOWN_LINES, Account, CatalogueError, Finding, Report
from spotify_gym.catalogue.schema import RawTable, Schema, concatenate
from spotify_gym.catalogue.tracks import FEATURE_NAMES, TextColumn, Tracks

OTHER_FEATURES = "same id as an earlier row, but other features: the earlier row was kept"
_FEW = 10  # tracks, so few that equal features are no reason to warn


def read_tracks(
    source: str | Path,
    columns: Mapping[str, str] | None,
    features: Sequence[str] | None,
    duplicates: str,
    min_popularity: float | None,
) -> tuple[Tracks, Report]:
    """Read the tracks of a table, with raw features; the arguments are those of `Catalogue.read`.

    Raises:
        CatalogueError: if the file is not a table of audio features, or has no usable row.
    """
    if min_popularity is not None and not 0 <= min_popularity <= 100:
        raise CatalogueError(f"min_popularity={min_popularity:g} must be from 0 to 100.")
    if duplicates not in ("keep", "merge"):
        raise CatalogueError(f'duplicates={duplicates!r} is not known: it must be "keep" or "merge".')
    if not isinstance(columns or {}, Mapping) or isinstance(features, str):
        raise CatalogueError("columns must be a dict {role: name in the table}, and features a list of names.")
    path = path_of(source)
    schema = Schema(path, columns or {}, features)
    parts = read_parts(path)
    try:
        table = concatenate([_parse(part, schema) for part in parts.values()])
        if len(kinds := sorted({re.sub(r"-\d{5}.*", "", file.name) for file in parts})) > 1:
            table.account.notes.append(f"read from the parts of {', '.join(kinds[:SHOWN_LINES])}")
        n_rows = len(table.places) + sum(finding.rows for finding in table.account.dropped)
        draft = _describe(table, schema)
        draft.fold_ids()
        draft.account.warnings += _judge(draft, n_rows, schema)
        if min_popularity is not None:
            draft.drop_unpopular(min_popularity)
        if duplicates == "merge":
            draft.merge_recordings()
        return draft.tracks, _report(draft, n_rows)
    except CatalogueError as error:
        raise CatalogueError(f"{path}: {error}") from error


@dataclass
class Draft:
    """The usable tracks of a table so far, and an account of the rows left out."""

    tracks: Tracks
    places: NDArray[np.int64]  # (n_tracks,), line or row in the file
    account: Account = field(default_factory=Account)

    def fold_ids(self) -> None:
        """Merge the tracks with the same id into the first of them, which gets the genres of all."""
        first = first_equal(self.tracks.track_ids.arrow)
        repeats = np.flatnonzero(first != np.arange(len(first)))
        differs = (self.tracks.features[repeats] != self.tracks.features[first[repeats]]).any(axis=1)
        self._fold(first, {"same id as an earlier row": repeats[~differs], OTHER_FEATURES: repeats[differs]})

    def merge_recordings(self) -> None:
        """Merge the tracks with exactly equal features into the most popular of them, or else the first."""
        first = first_equal_rows(self.tracks.features)
        keeper = pd.Series(self.tracks.known_popularity).groupby(first).transform("idxmax").to_numpy()
        self._fold(keeper, {"same recording as another track": np.flatnonzero(keeper != np.arange(len(keeper)))})

    def drop_unpopular(self, min_popularity: float) -> None:
        """Drop the tracks that are less popular, or of unknown popularity; there must be a column of popularity."""
        if self.tracks.popularity is None:
            raise CatalogueError(f"min_popularity={min_popularity:g}, but the table has no column of popularity.")
        self.drop("popularity is unknown", np.isnan(self.tracks.popularity))
        self.drop(f"popularity is below {min_popularity:g}", self.tracks.popularity < min_popularity)

    def drop(self, reason: str, marks: NDArray[np.bool_]) -> None:
        """Drop the tracks marked in ``marks`` (n_tracks,), and record the reason."""
        self.account.drop(reason, self.places[marks])
        self._keep(np.flatnonzero(~marks))

    def _fold(self, keeper: NDArray[np.int64], reasons: Mapping[str, NDArray[np.int64]]) -> None:
        """Merge track ``i`` into track ``keeper[i]`` (n_tracks,), which gets its genres; record ``{reason: rows}``."""
        self.account.folded += [Finding.at(reason, self.places[rows]) for reason, rows in reasons.items() if len(rows)]
        genres = self.tracks.genres
        if genres is not None:
            track, genre = np.nonzero(genres)
            genres = genres.copy()
            genres[keeper[track], genre] = True
            self.tracks = replace(self.tracks, genres=genres)
        self._keep(np.flatnonzero(keeper == np.arange(len(keeper))))

    def _keep(self, kept: NDArray[np.int64]) -> None:
        if len(kept) < len(self.places):
            self.tracks, self.places = self.tracks.take(kept), self.places[kept]


def _parse(content: bytes, schema: Schema) -> RawTable:
    """Parse a table in the format that its first bytes tell."""
    if content.startswith(PARQUET):
        return read_parquet(content, schema)
    if is_workbook(content):
        return read_xlsx(content, schema)
    begins_as_json = content[:100].removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"["))
    return (read_json if begins_as_json else read_delimited)(content, schema)


def _describe(table: RawTable, schema: Schema) -> Draft:
    """Parse every column, and drop the rows without a track id or with an unusable feature."""
    feature_names, features, kept = read_features(table, schema)
    if not kept.all():
        table = replace(table, cells=table.cells.filter(kept), places=table.places[kept])
    titles = table.find("name", partial(words_in, others=NO_TITLE))
    artists = table.find("artists", words_in)
    artists = None if artists is None else split_values(artists)
    parse = partial(ids_in, titles=titles, features=features, given=bool(schema.columns.get("track_id")))
    several = len(table.roles.candidates.get("track_id", ())) > 1
    ids = table.find("track_id", lambda texts: None if several and words_in(texts, NUMBERS) is None else parse(texts))
    ids = table.find("track_id", parse) if ids is None else ids  # else even plain numbers
    ids = make_ids(table, titles, artists, features) if ids is None else ids
    genres, genre_names = table.find("genre", partial(genres_in, account=table.account)) or (None, ())
    is_sure = bool(schema.columns.get("popularity")) or "pop" not in table.roles.candidates.get("popularity", ())
    as_popularity = partial(popularity_in, account=table.account, is_sure=is_sure)
    tracks = Tracks(
        features=features,
        track_ids=TextColumn.from_arrow(ids),
        feature_names=feature_names,
        names=None if titles is None else TextColumn.from_arrow(titles),
        artists=None if artists is None else TextColumn.from_arrow(artists),
        genres=genres,
        genre_names=genre_names,
        popularity=table.find("popularity", as_popularity),
    )
    account = table.account
    account.notes += _missing(table, schema, len(feature_names))
    empty = table.roles.kinds.keys() - set(feature_names)
    account.columns |= {name: column for name, column in table.roles.features.items() if name not in empty}
    draft = Draft(tracks, table.places, account)
    draft.drop("no track id", np.asarray(ids) == "")
    return draft


def _missing(table: RawTable, schema: Schema, n_features: int) -> Iterator[str]:
    """Yield notes on features, tracks and optional columns that are missing."""
    if schema.features is None and (features := [name for name in FEATURE_NAMES if name not in table.roles.features]):
        yield f"no column of {', '.join(features)}: {n_features} of the nine features"
        yield from filter(None, [schema.hint(features, table.names)])
    second = {re.sub(r"(?<=[._/])0(?=[._/])", "1", column) for column in table.roles.features.values()}
    if (second - {*table.roles.features.values()}).intersection(table.names):
        yield "a row holds several tracks: only the first was read"
    comforts = {"name": "titles", "artists": "artists", "genre": "genres", "popularity": "popularity"}
    if missing := [what for role, what in comforts.items() if role not in table.account.columns]:
        yield f"no column of {', '.join(missing)}"


def _judge(draft: Draft, n_rows: int, schema: Schema) -> Iterator[str]:
    """Yield warnings about many dropped or merged rows, and about missing titles."""
    dropped = sum(finding.rows for finding in draft.account.dropped)
    if dropped > MANY_ROWS * n_rows:
        yield f"{100 * dropped // n_rows}% of the rows were dropped"  # rounded down, since some are left
    folded = sum(finding.rows for finding in draft.account.folded if finding.what == OTHER_FEATURES)
    if folded > MANY_ROWS * n_rows:
        yield (
            f"{100 * folded // n_rows}% of the rows have an earlier row's id but other features; if "
            f"{draft.account.columns.get('track_id')!r} is not a track id: {schema.command({'track_id': ''})}"
        )
    if draft.tracks.names is None:
        yield "no titles"


def _report(draft: Draft, n_rows: int) -> Report:
    """Make the report of an account; a table without usable rows is a `CatalogueError`."""
    account, raw = draft.account, draft.tracks.features
    if not n_rows:
        raise CatalogueError("the table has a header, but no rows.")
    if not len(raw):
        reasons = "; ".join(finding.describe(account.unit) for finding in account.dropped)
        raise CatalogueError(f"all {n_rows:,} rows are unusable: {reasons}.")
    ranges = tuple(zip(draft.tracks.feature_names, raw.min(axis=0).tolist(), raw.max(axis=0).tolist(), strict=True))
    if constant := [f"{name} ({low:g})" for name, low, high in ranges if low == high]:
        told = account.warnings if 2 * len(constant) > len(ranges) and len(raw) > _FEW else account.notes
        told.append(f"constant in all tracks, so scaled to 0 and without effect: {', '.join(constant)}")
    lists = {name: tuple(getattr(account, name)) for name in ("folded", "dropped", "notes", "warnings")}
    return Report(n_rows, len(raw), columns=tuple(account.columns.items()), ranges=ranges, unit=account.unit, **lists)
