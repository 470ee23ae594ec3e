"""From a table in a file to tracks, and a report of what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from spotify_gym.catalogue import parquet
from spotify_gym.catalogue.cleaning import clean
from spotify_gym.catalogue.delimited import read_delimited
from spotify_gym.catalogue.draft import Draft
from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.files import read_content
from spotify_gym.catalogue.raw_table import RawTable
from spotify_gym.catalogue.report import Finding, Report
from spotify_gym.catalogue.schema import recognise
from spotify_gym.catalogue.tracks import Tracks


def read_tracks(
    path: Path, columns: Mapping[str, str] | None, duplicates: str, min_popularity: float | None
) -> tuple[Tracks, Report]:
    """Read the tracks of a table, their features raw; the arguments are those of `Catalogue.read`.

    Raises:
        CatalogueError: if the file is no table of audio features, or no row of it can be used.
    """
    if duplicates not in ("keep", "merge"):
        raise CatalogueError(f'duplicates={duplicates!r} is not known: it must be "keep" or "merge".')
    content = read_content(path)
    try:
        return _read(content, columns, duplicates, min_popularity)
    except CatalogueError as error:
        raise CatalogueError(f"{path}: {error}") from error


def _read(
    content: bytes, columns: Mapping[str, str] | None, duplicates: str, min_popularity: float | None
) -> tuple[Tracks, Report]:
    read = parquet.read_parquet if content.startswith(parquet.MAGIC) else read_delimited
    table = read(content, partial(recognise, columns=columns))
    draft = clean(table).fold_ids()
    if min_popularity is not None:
        draft = draft.drop_unpopular(min_popularity)
    if duplicates == "merge":
        draft = draft.merge_recordings()
    report = _report(table, draft)
    if not report.tracks:
        raise CatalogueError(_complain(report))
    return draft.tracks, report


def _report(table: RawTable, draft: Draft) -> Report:
    raw = draft.tracks.features
    columns = tuple((role, table.names[number]) for role, number in table.roles.items())
    lows, highs = raw.min(axis=0, initial=np.inf), raw.max(axis=0, initial=-np.inf)
    ranges = tuple(zip(draft.tracks.feature_names, lows.tolist(), highs.tolist(), strict=True)) if len(raw) else ()
    return Report(
        rows=len(table.places) + _count(table.damaged),
        tracks=len(draft.tracks),
        columns=columns,
        folded=draft.folded,
        dropped=draft.dropped,
        notes=(*draft.notes, *_constant_notes(ranges)),
        ranges=ranges,
        unit=table.unit,
    )


def _count(findings: Sequence[Finding]) -> int:
    return sum(finding.rows for finding in findings)


def _constant_notes(ranges: Sequence[tuple[str, float, float]]) -> Iterator[str]:
    constant = ", ".join(f"{name} ({low:g})" for name, low, high in ranges if low == high)
    if constant:
        yield f"the same in every track, so scaled to 0 and telling none apart: {constant}"


def _complain(report: Report) -> str:
    if not report.rows:
        return "the table has a header, but no rows."
    reasons = "; ".join(finding.describe(report.unit) for finding in report.dropped)
    return f"none of its {report.rows:,} rows can be used: {reasons}."
