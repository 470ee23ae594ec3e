"""From a table in a file to tracks, and a report of what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from spotify_gym.catalogue.delimited import read_delimited
from spotify_gym.catalogue.description import Description, split_values
from spotify_gym.catalogue.draft import OTHER_FEATURES, Draft
from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.features import MANY_ROWS, read_features
from spotify_gym.catalogue.files import is_workbook, read_parts
from spotify_gym.catalogue.formats import PARQUET, read_json, read_parquet, read_xlsx
from spotify_gym.catalogue.report import Report
from spotify_gym.catalogue.schema import RawTable, Schema, concatenate
from spotify_gym.catalogue.tracks import FEATURE_NAMES, TextColumn, Tracks


def read_tracks(
    path: Path,
    columns: Mapping[str, str] | None,
    features: Sequence[str] | None,
    duplicates: str,
    min_popularity: float | None,
) -> tuple[Tracks, Report]:
    """Read the tracks of a table, their features raw; the arguments are those of `Catalogue.read`.

    Raises:
        CatalogueError: if the file is no table of audio features, or no row of it can be used.
    """
    if duplicates not in ("keep", "merge"):
        raise CatalogueError(f'duplicates={duplicates!r} is not known: it must be "keep" or "merge".')
    schema = Schema(path, columns or {}, features)
    parts = read_parts(path)
    try:
        table = concatenate([_parse(part, schema) for part in parts])
        draft = _clean(table, schema).fold_ids()
        draft = replace(draft, warnings=(*draft.warnings, *_judge(table, draft, schema)))
        if min_popularity is not None:
            draft = draft.drop_unpopular(min_popularity)
        if duplicates == "merge":
            draft = draft.merge_recordings()
        report = _report(table, draft)
        if not report.tracks:
            raise CatalogueError(_complain(report))
    except CatalogueError as error:
        raise CatalogueError(f"{path}: {error}") from error
    return draft.tracks, report


def _parse(content: bytes, schema: Schema) -> RawTable:
    """Tell kinds of table apart by how they begin."""
    if content.startswith(PARQUET):
        return read_parquet(content, schema)
    if is_workbook(content):
        return read_xlsx(content, schema)
    begins_as_json = content[:100].removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"["))
    return (read_json if begins_as_json else read_delimited)(content, schema)


def _clean(table: RawTable, schema: Schema) -> Draft:
    """Parse every column, and leave out the rows without a track id or with a feature that is no usable number."""
    features = read_features(table, schema)
    matrix = features.matrix()
    known = Description(table, features.kept)
    titles, artists = known.words("name"), known.words("artists")
    artists = None if artists is None else split_values(artists)
    ids = known.ids(titles, artists, matrix, given=bool(schema.columns.get("track_id")))
    genres, genre_names = known.genres()
    tracks = Tracks(
        features=matrix,
        track_ids=TextColumn.from_arrow(ids),
        feature_names=tuple(features.numbers),
        names=None if titles is None else TextColumn.from_arrow(titles),
        artists=None if artists is None else TextColumn.from_arrow(artists),
        genres=genres,
        genre_names=genre_names,
        popularity=known.popularity(),
    )
    return Draft(
        tracks=tracks,
        places=table.places[features.kept],
        dropped=(*table.damaged, *features.dropped),
        columns={**known.columns, **{name: table.names[number] for name, number in table.roles.features.items()}},
        notes=(*table.notes, *features.notes, *known.notes, *_missing(table, known, schema)),
        warnings=(*features.warnings, *known.warnings),
    ).drop({"no track id": np.asarray(ids) == ""})


def _missing(table: RawTable, known: Description, schema: Schema) -> Iterator[str]:
    """Say which features are missing, and what else a catalogue could hold."""
    if schema.features is None and (features := [name for name in FEATURE_NAMES if name not in table.roles.features]):
        yield f"no column of {', '.join(features)}: {len(table.roles.features)} of the nine features"
        yield from schema.hints(features, table.names)
    comforts = {"name": "titles", "artists": "artists", "genre": "genres", "popularity": "popularity"}
    if missing := [what for role, what in comforts.items() if role not in known.columns]:
        yield f"no column of {', '.join(missing)}"


def _judge(table: RawTable, draft: Draft, schema: Schema) -> Iterator[str]:
    """Yield what is wrong with many rows, and what a listener would miss."""
    dropped = sum(finding.rows for finding in draft.dropped)
    if dropped > MANY_ROWS * table.rows:
        yield f"{dropped / table.rows:.0%} of the rows were dropped"
    folded = sum(finding.rows for finding in draft.folded if finding.what == OTHER_FEATURES)
    if folded > MANY_ROWS * table.rows:
        yield (
            f"{folded / table.rows:.0%} of the rows have an id of an earlier row and other features; if "
            f"{draft.columns.get('track_id')!r} is no id of a track: {schema.command('--columns', 'track_id=')}"
        )
    if draft.tracks.names is None:
        yield "no titles"


def _report(table: RawTable, draft: Draft) -> Report:
    raw = draft.tracks.features
    lows, highs = raw.min(axis=0, initial=np.inf), raw.max(axis=0, initial=-np.inf)
    ranges = tuple(zip(draft.tracks.feature_names, lows.tolist(), highs.tolist(), strict=True)) if len(raw) else ()
    return Report(
        rows=table.rows,
        tracks=len(draft.tracks),
        columns=tuple(draft.columns.items()),
        folded=draft.folded,
        dropped=draft.dropped,
        notes=(*draft.notes, *_constant_notes(ranges)),
        warnings=draft.warnings,
        ranges=ranges,
        unit=table.unit,
    )


def _constant_notes(ranges: Sequence[tuple[str, float, float]]) -> Iterator[str]:
    constant = ", ".join(f"{name} ({low:g})" for name, low, high in ranges if low == high)
    if constant:
        yield f"the same in every track, so scaled to 0 and telling none apart: {constant}"


def _complain(report: Report) -> str:
    if not report.rows:
        return "the table has a header, but no rows."
    reasons = "; ".join(finding.describe(report.unit) for finding in report.dropped)
    return f"none of its {report.rows:,} rows can be used: {reasons}."
