"""What is known of tracks beside their features: ids, titles, artists, genres, popularity."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from spotify_gym.catalogue.features import MANY_ROWS, MISSING, describe_fault, parse_numbers
from spotify_gym.catalogue.groups import first_equal_rows
from spotify_gym.catalogue.schema import RawTable
from spotify_gym.catalogue.tracks import ID_IN_LINK

MAX_GENRES = 500
MIN_SHARE = 0.05  # of a column's different cells that hold several values; "Tyler, The Creator" alone does not say so

_LIST = re.compile(r"\s*(\[|\{|\(['\"]|c\(|list\()")
_NAME = re.compile(r"""['"]name['"]\s*:\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")""")
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'(?=\s*(?:[,\])}'"]|$))|"((?:[^"\\]|\\.)*)"(?=\s*(?:[,\])}'"]|$))""")


def read_words(table: RawTable, role: str) -> pa.Array | None:
    """Return the texts (n_rows,) of the first column that holds more than numbers; `None` if there is none."""
    for name in table.roles.candidates.get(role, ()):
        texts = plain_text(table.cells[name])
        if not pc.all(pc.match_substring_regex(texts, r"^[\d.]*$")).as_py():
            table.account.columns[role] = name
            return texts
    return None


def read_ids(
    table: RawTable, titles: pa.Array | None, artists: pa.Array | None, features: NDArray[np.float64], given: bool
) -> pa.Array:
    """Return the ids (n_rows,) of the first column that may hold some, or make them; "" where one is missing.

    Args:
        table: the rows that can be used.
        titles: (n_rows,).
        artists: (n_rows,).
        features: (n_rows, d).
        given: the user says which column it is.
    """
    refused = []
    for name in table.roles.candidates.get("track_id", ()):
        ids = _bare_ids(plain_text(table.cells[name]))
        if given or _are_of_tracks(ids, titles, features):
            table.account.columns["track_id"] = name
            return ids
        refused.append(repr(name))
    made = "made of " + ("the titles" if artists is None else "title and artist")
    if titles is None:
        made = "the numbers of the rows"
    if refused:
        fault = "does not tell tracks apart (missing, or the same for other songs)"
        table.account.warnings.append(f"{', '.join(refused)} {fault}: the ids are {made}")
    else:
        table.account.notes.append(f"there is no column of ids: they are {made}")
    if titles is None:
        return pa.array(np.arange(1, len(features) + 1)).cast(pa.string())
    return _make_ids(titles, artists, features)


def read_genres(table: RawTable) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
    """Mark the genres of each row (n_rows, n_genres), and name them."""
    for name in table.roles.candidates.get("genre", ()):
        table.account.columns["genre"] = name
        texts = pc.replace_substring(
            split_values(plain_text(table.cells[name])), "’", "'"
        )  # "Children’s Music" has both forms
        lists = pc.split_pattern(texts, ";")
        rows, genres = pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists)
        counts = [(entry["counts"], entry["values"]) for entry in genres.value_counts().to_pylist()]
        counts = [(count, genre) for count, genre in counts if genre.lower() not in MISSING]
        names = tuple(sorted(genre for _, genre in sorted(counts, reverse=True)[:MAX_GENRES]))
        numbers = np.asarray(pc.fill_null(pc.index_in(genres, pa.array(names, pa.string())), -1))
        marks = np.zeros((len(texts), len(names)), dtype=np.bool_)
        marks[rows[numbers >= 0], numbers[numbers >= 0]] = True
        if len(counts) > len(names):
            told = f"{len(counts):,} genres: only the {MAX_GENRES} most frequent are told apart"
            table.account.notes.append(told)
        return marks, names
    return None, ()


def read_popularity(table: RawTable) -> NDArray[np.float32] | None:
    """Parse popularities (n_rows,): NaN where unknown, unreadable or outside [0, 100]."""
    for name in table.roles.candidates.get("popularity", ()):
        table.account.columns["popularity"] = name
        values = parse_numbers({name: table.cells[name]})[name]
        outside = (values < 0) | (values > 100)
        unreadable = table.cells[name].filter(np.isnan(values)).to_pylist()
        n_bad = np.count_nonzero(outside) + sum(describe_fault(value) != "missing" for value in unreadable)
        if n_bad:
            told = f"popularity is not a number from 0 to 100 in {n_bad:,} rows: taken as unknown there"
            table.account.notes.append(told)
        return np.where(outside, np.nan, values).astype(np.float32)
    return None


def plain_text(column: pa.ChunkedArray) -> pa.Array:
    """Return texts without outer blanks and control characters, which a terminal might obey; "" where missing."""
    texts = pc.fill_null(column.combine_chunks().cast(pa.string()), "")
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, r"\p{Cc}+", " "))


def split_values(texts: pa.Array) -> pa.Array:
    """Write several values in one cell as "A;B".

    Whether cells are lists as Python, R and JSON write them ("['A', 'B']"), and what separates values in the others, is
    decided once for the column: of ";", "|" and ",", what most different cells have, if one of twenty has it.
    """
    encoded = texts.dictionary_encode()
    different = encoded.dictionary.to_pylist()
    few = MIN_SHARE * len(different)
    lists = {text for text in different if _LIST.match(text)}
    lists = lists if len(lists) > few else set()
    others = [text for text in different if text not in lists]
    counts = {mark: sum(mark in text for text in others) for mark in ";|,"}
    mark = max(counts, key=counts.__getitem__)
    if counts[mark] <= few or mark == ";":
        if not lists:
            return texts
        mark = ";"
    elif 2 * sum(f"{mark} " in text for text in others) > counts[mark]:
        mark += " "
    separator = re.compile(rf"(?<!\\){re.escape(mark)}")
    written = [_values_of_list(text) if text in lists else separator.split(text) for text in different]
    plain = [";".join(filter(None, (value.replace("\\,", ",").strip() for value in values))) for values in written]
    return pa.array(plain, pa.string()).take(encoded.indices)


def _values_of_list(text: str) -> list[str]:
    found = _NAME.findall(text) or _QUOTED.findall(text)
    values = [single or double for single, double in found] or text.strip("[](){} ").split(",")
    return [re.sub(r"\\(.)", r"\1", value).replace(";", ",") for value in values]


def _bare_ids(texts: pa.Array) -> pa.Array:
    """Take ids out of links, "" standing for what is missing."""
    if pc.any(pc.less_equal(pc.binary_length(texts), max(map(len, MISSING)))).as_py():
        texts = pc.if_else(pc.is_in(pc.utf8_lower(texts), pa.array(sorted(MISSING))), "", texts)
    if not pc.any(pc.match_substring(texts, "spotify")).as_py():
        return texts
    return pc.replace_substring_regex(texts, f"^{ID_IN_LINK}.*$", r"\1")


def _are_of_tracks(ids: pa.Array, titles: pa.Array | None, features: NDArray[np.float64]) -> bool:
    """Say whether texts (n,) may be ids of tracks: mostly there, no other links, not of songs of other title and sound.

    Args:
        ids: as `_bare_ids` returns them.
        titles: (n,).
        features: (n, d).
    """
    other = pc.or_(pc.starts_with(ids, "spotify:"), pc.match_substring(ids, "://"))
    if 2 * np.count_nonzero(pc.or_(pc.equal(ids, ""), other)) > len(ids):
        return False
    if titles is None:
        return True
    first = first_equal(ids)
    again = np.flatnonzero((first != np.arange(len(first))) & pc.not_equal(ids, "").to_numpy(zero_copy_only=False))
    names = np.asarray(titles.dictionary_encode().indices)
    differs = (names[again] != names[first[again]]) & (features[again] != features[first[again]]).any(axis=1)
    return bool(np.count_nonzero(differs) <= MANY_ROWS * len(first))


def first_equal(texts: pa.Array) -> NDArray[np.int64]:
    """For each text (n,) find the first equal one: (n,)."""
    encoded = texts.dictionary_encode()
    codes = np.asarray(encoded.indices, dtype=np.int64)
    first = np.empty(len(encoded.dictionary), dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of several that are assigned to one place, the last one stays
    return np.asarray(first[codes])


def _make_ids(titles: pa.Array, artists: pa.Array | None, features: NDArray[np.float64]) -> pa.Array:
    """Make ids, "Title — Artist", with a number after it for rows (n_rows,) of other features; "" without a title."""
    labels = titles
    if artists is not None:
        both = pc.binary_join_element_wise(titles, pc.replace_substring(artists, ";", ", "), " — ")
        labels = pc.if_else(pc.or_(pc.equal(artists, ""), pc.equal(titles, "")), titles, both)
    first = first_equal_rows(np.column_stack([first_equal(labels), features])).tolist()
    made = labels.to_pylist()
    taken, latest = set(made), dict.fromkeys(made, 0)
    for row, label in enumerate(made):
        if first[row] < row or not label:
            made[row] = made[first[row]]
            continue
        latest[label] += 1
        if latest[label] > 1:
            while f"{label} ({latest[label]})" in taken:
                latest[label] += 1
            made[row] = f"{label} ({latest[label]})"
            taken.add(made[row])
    return pa.array(made, pa.string())
