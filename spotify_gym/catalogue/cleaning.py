"""From unparsed columns to rows of usable values: what cannot be used is left out, and said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.draft import Draft
from spotify_gym.catalogue.numbers import describe_fault, parse_numbers
from spotify_gym.catalogue.raw_table import RawTable
from spotify_gym.catalogue.report import Finding
from spotify_gym.catalogue.tracks import FEATURE_RANGES, TextColumn, Tracks

if TYPE_CHECKING:
    import pyarrow as pa

MAX_GENRES = 500
MAX_FEATURE = 1e6  # in any unit; larger numbers are damage, and float32 would feel them
OTHER_UNIT_SHARE = 0.25  # of values outside a feature's range; more of them are no damage but another unit


def clean(table: RawTable) -> Draft:
    """Parse every column and leave out the rows without a track id or with a feature that is no usable number.

    A value outside its feature's range is damage where it is rare, and the row is left out; where it is common the
    table has another unit (danceability in per cent, say), which any scaling takes care of, and the value stays.
    """
    features = {name: parse_numbers(table.columns[name]) for name in FEATURE_RANGES}
    track_ids = _plain_text(table.columns["track_id"])
    kept = np.ones(len(table.places), dtype=np.bool_)
    dropped = list(table.damaged)
    for reason, marks in _find_faults(table, track_ids, features):
        if (marks & kept).any():
            dropped.append(Finding.at(reason, table.places[marks & kept]))
            kept &= ~marks
    popularity, popularity_notes = _parse_popularity(table.columns.get("popularity"))
    genres, genre_names, genre_notes = _mark_genres(table.columns.get("genre"))
    tracks = Tracks(
        features=np.stack(list(features.values()), axis=1),
        track_ids=TextColumn.from_arrow(track_ids),
        names=_optional_text(table.columns.get("name")),
        artists=_optional_text(table.columns.get("artists")),
        genres=genres,
        genre_names=genre_names,
        popularity=popularity,
    )
    return Draft(
        tracks=tracks if kept.all() else tracks.take(np.flatnonzero(kept)),
        places=table.places[kept],
        dropped=tuple(dropped),
        notes=(*_unit_notes(features), *popularity_notes, *genre_notes),
    )


def _find_faults(
    table: RawTable, track_ids: pa.Array, features: dict[str, NDArray[np.float64]]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield the reasons for which rows are unusable, each with its rows marked (n_rows,)."""
    import pyarrow.compute as pc

    yield "no track id", pc.equal(track_ids, "").to_numpy(zero_copy_only=False)
    for name, values in features.items():
        for fault, marks in _number_faults(table.columns[name], values).items():
            yield f"{name} is {fault}", marks
        low, high = (-MAX_FEATURE, MAX_FEATURE) if _has_other_unit(name, values) else FEATURE_RANGES[name]
        yield f"{name} is outside {low:g} to {high:g}", (values < low) | (values > high)


def _number_faults(column: pa.ChunkedArray, values: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
    rows = np.flatnonzero(~np.isfinite(values))
    faults = np.array([describe_fault(value) for value in column.take(rows).to_pylist()], dtype=object)
    marks = {}
    for fault in sorted(set(faults)):
        marks[fault] = np.zeros(len(values), dtype=np.bool_)
        marks[fault][rows[faults == fault]] = True
    return marks


def _has_other_unit(name: str, values: NDArray[np.float64]) -> bool:
    low, high = FEATURE_RANGES[name]
    finite = values[np.isfinite(values)]
    return bool(len(finite) and np.mean((finite < low) | (finite > high)) > OTHER_UNIT_SHARE)


def _unit_notes(features: dict[str, NDArray[np.float64]]) -> Iterator[str]:
    for name, values in features.items():
        if _has_other_unit(name, values):
            low, high = FEATURE_RANGES[name]
            yield f"{name} is often outside {low:g} to {high:g}: taken to be in another unit, and kept as it is"


def _parse_popularity(column: pa.ChunkedArray | None) -> tuple[NDArray[np.float32] | None, list[str]]:
    """Parse popularities (n_rows,): NaN where unknown, unreadable or outside [0, 100]."""
    if column is None:
        return None, []
    values = parse_numbers(column)
    unreadable = column.filter(np.isnan(values)).value_counts().to_pylist()
    n_bad = sum(entry["counts"] for entry in unreadable if describe_fault(entry["values"]) != "missing")
    outside = (values < 0) | (values > 100)
    n_bad += np.count_nonzero(outside)
    notes = [f"popularity is not a number from 0 to 100 in {n_bad:,} rows: taken as unknown there"] if n_bad else []
    return np.where(outside, np.nan, values).astype(np.float32), notes


def _mark_genres(column: pa.ChunkedArray | None) -> tuple[NDArray[np.bool_] | None, tuple[str, ...], list[str]]:
    """Mark the genre of each row (n_rows, n_genres)."""
    import pyarrow.compute as pc

    if column is None:
        return None, (), []
    texts = pc.replace_substring(_plain_text(column), "’", "'")  # "Children’s Music" comes in both forms
    counts = [(entry["counts"], entry["values"]) for entry in pc.value_counts(texts).to_pylist() if entry["values"]]
    names = tuple(sorted(genre for _, genre in sorted(counts, reverse=True)[:MAX_GENRES]))
    number = np.asarray(pc.fill_null(pc.index_in(texts, _array(names)), -1))
    marks = np.zeros((len(texts), len(names)), dtype=np.bool_)
    known = np.flatnonzero(number >= 0)
    marks[known, number[known]] = True
    notes = (
        [f"{len(counts):,} genres: only the {MAX_GENRES} most frequent are told apart"]
        if len(counts) > len(names)
        else []
    )
    return marks, names, notes


def _array(texts: tuple[str, ...]) -> pa.Array:
    import pyarrow as pa

    return pa.array(texts, pa.string())


def _optional_text(column: pa.ChunkedArray | None) -> TextColumn | None:
    return None if column is None else TextColumn.from_arrow(_plain_text(column))


def _plain_text(column: pa.ChunkedArray) -> pa.Array:
    """Return texts without outer blanks and control characters, which a terminal might obey; "" where missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.fill_null(column.combine_chunks().cast(pa.string()), "")
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, r"\p{Cc}+", " "))
