"""Parsing of a table's columns: features in the units of the Web API, ids, titles, artists, genres and popularity.

Values that are unusable are left out, and recorded in the table's account.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import count

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from spotify_gym.catalogue.groups import first_equal_rows
from spotify_gym.catalogue.report import Account, CatalogueError
from spotify_gym.catalogue.scaling import MAX_MAGNITUDE
from spotify_gym.catalogue.schema import MIN_FEATURES, RawTable, Schema
from spotify_gym.catalogue.tracks import FEATURE_RANGES, ID_IN_LINK

MISSING = frozenset(
    {"", "-", "?", "na", "n/a", "<na>", "nan", "none", "null", "\\n", "#n/a", "[]", "set()", "character(0)"}
)
MAX_DAMAGED = 0.01  # of a column's numbers may be out of range; with more, the whole column is taken as broken
MAX_SENTINELS = 10  # distinct numbers below 0 that may stand for "missing"
MANY_ROWS = 0.1  # of a table; a problem in more of them is worth a warning

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity)$"
_DECIMAL_COMMA = r"^[+-]?\d*,\d+([eE][+-]?\d+)?$"
_THOUSANDS = r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$"
_COMPONENT = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_VECTOR = (  # in brackets, or separated by more than commas, which may be decimal commas
    rf"^\s*[\[(]\s*{_COMPONENT}([\s,;]+{_COMPONENT})*[\s,;]*[\])]\s*$|^\s*{_COMPONENT}(([,;]?\s+|;){_COMPONENT})+\s*$"
)
_UNIT = r"(?i)[\s\pZ]*(%|bpm|db|ms)$"
_ROUNDING = 1e-6  # tolerance at the limits of a range, for rounding errors
_ANY_NUMBER = (-MAX_MAGNITUDE, MAX_MAGNITUDE)
_SHARES = frozenset(name for name, limits in FEATURE_RANGES.items() if limits == (0, 1))
_POSITIVE = _SHARES | {"tempo"}
_NEVER_TINY = _SHARES - {"acousticness", "instrumentalness"}  # above 1 % in nearly every track
MAX_GENRES = 500
MIN_SHARE = 0.05  # of distinct cells must have a separator for it to count: "Tyler, The Creator" has a comma
_TIME = r"^\d+:\d\d(:\d\d)?$"  # a duration, which "tid" also means
NUMBERS = r"[\d./]*"  # such as 5 or 3/12
NO_NAME = rf"{NUMBERS}|spotify:.*|https?://.*"
NO_TITLE = rf"{NO_NAME}|\{{.*:.*\}}"  # nor a record, whereas those of artists are read

_LIST = re.compile(r"""\s*(\[|\{|\(['"]|c\(|list\(|(('[^']*'|"[^"]*")\s*(,\s*|$))+$)""")
_NAME = re.compile(r"""['"]name['"]\s*:\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")""")
_NAMES_IN_R = re.compile(r"""\bname = (c\(.*?\)|".*?"), \w+ = """)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))")
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'(?=\s*(?:[,\])}'"]|$))|"((?:[^"\\]|\\.)*)"(?=\s*(?:[,\])}'"]|$))""")

Numbers = NDArray[np.float64]  # (n_rows,), not finite where there is no number
Marks = NDArray[np.bool_]  # (n_rows,)


def read_features(table: RawTable, schema: Schema) -> tuple[tuple[str, ...], Numbers, Marks]:
    """Parse the features of a table.

    Returns:
        their names; the features (n_kept, d) of the rows in which all are usable; a mask (n_rows,) of these rows.

    Raises:
        CatalogueError: if too many numbers of a column are out of range.
    """
    columns, account, places = dict(_feature_columns(table)), table.account, table.places
    numbers = parse_numbers(columns)
    for name in [
        name
        for name, values in numbers.items()
        if schema.features is None and name not in schema.columns and np.isnan(values).all()
    ]:
        if len(numbers) > MIN_FEATURES and {*map(describe_fault, columns[name].unique().to_pylist())} == {"missing"}:
            account.notes.append(f"the column of {name} is empty: ignored")
            del numbers[name]
    scaled = _settle_units(numbers, table.roles.kinds, account)
    kept, broken = np.ones(len(places), dtype=np.bool_), {}
    for name, column in ((name, columns[name]) for name in numbers):
        low, high = FEATURE_RANGES.get("" if name in scaled else table.roles.kinds.get(name, ""), _ANY_NUMBER)
        outside = np.flatnonzero((numbers[name] < low - _ROUNDING) | (numbers[name] > high + _ROUNDING))
        if len(outside) > max(1, MAX_DAMAGED * len(places)):
            broken[name] = (
                f"{name} is {column[int(outside[0])].as_py()!r} on {account.unit} {places[outside[0]]}, outside "
                f"{low:g} to {high:g}, as are {len(outside):,} of {len(places):,} rows"
            )
        no_numbers = np.flatnonzero(~np.isfinite(numbers[name]))
        told = np.array([describe_fault(value) for value in column.take(no_numbers).to_pylist()], dtype=object)
        faults = {fault: no_numbers[told == fault] for fault in sorted(set(told))}
        for fault, marked in (faults | {f"outside {low:g} to {high:g}": outside}).items():
            rows = marked[kept[marked]]
            kept[rows] = False
            first = "" if fault == "missing" or not len(rows) else repr(column[int(rows[0])].as_py())
            account.drop(f"{name} is {fault}", places[rows], first)
    if broken:
        sound = [column for name, column in table.roles.features.items() if name not in broken]
        way_out = f" Or omit them: {schema.command(features=sound)}" if sound else ""
        lost = "decimal points may be lost, or missing values written as numbers"
        raise CatalogueError(f"{'; '.join(broken.values())}; {lost}. Fix the table.{way_out}")
    return tuple(numbers), np.stack([values[kept] for values in numbers.values()], axis=1), kept


def parse_numbers(columns: Mapping[str, pa.ChunkedArray]) -> dict[str, Numbers]:
    """Parse columns of texts or numbers; a cell that is not a number becomes NaN.

    A unit after a number ("58 %", "120 BPM") is ignored. Commas are decimal commas in all columns if any cell, such as
    "0,5", can be read no other way, and otherwise separate thousands.
    """
    parsed, texts = {}, {}
    for name, column in columns.items():
        try:
            parsed[name] = _to_numpy(column)
        except pa.ArrowInvalid:
            trimmed = pc.replace_substring(pc.utf8_trim_whitespace(column), "\N{MINUS SIGN}", "-")
            texts[name] = pc.replace_substring_regex(trimmed, _UNIT, "")
    decimal = any(
        pc.any(pc.and_not(*(pc.match_substring_regex(text, form) for form in (_DECIMAL_COMMA, _THOUSANDS)))).as_py()
        for text in texts.values()
    )
    for name, text in texts.items():
        has_comma = pc.match_substring_regex(text, _DECIMAL_COMMA if decimal else _THOUSANDS)
        plain = pc.if_else(has_comma, pc.replace_substring(text, ",", "." if decimal else ""), text)
        parsed[name] = _to_numpy(
            pc.if_else(pc.match_substring_regex(plain, _NUMBER), plain, pa.scalar(None, plain.type))
        )
    return {name: parsed[name] for name in columns}


def _to_numpy(column: pa.ChunkedArray) -> Numbers:
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def describe_fault(value: object) -> str:
    """Return why `parse_numbers` made no finite number of a value: "missing", "infinite" or "not a number"."""
    text = str(value).strip().lower()
    if value is None or text in MISSING:
        return "missing"
    try:
        return "infinite" if math.isinf(float(text)) else "not a number"
    except ValueError:
        return "not a number"


def _feature_columns(table: RawTable) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """Yield name and column of each feature; a column of lists, mostly of length d, is d features."""
    for name, column_name in table.roles.features.items():
        column = table.cells[column_name]
        if name not in table.roles.kinds and types.is_string(column.type):
            column = _as_lists(column)
        if isinstance(column.type, (pa.ListType, pa.LargeListType, pa.FixedSizeListType)):
            lengths = pc.list_value_length(column)
            d = pc.mode(lengths)[0]["mode"].as_py() if column.null_count < len(column) else 0
            whole = pc.list_slice(pc.if_else(pc.equal(lengths, d), column, None), 0, d, return_fixed_size_list=True)
            yield from ((f"{name}_{place}", pc.list_element(whole, place)) for place in range(d))
        else:
            yield name, column


def _as_lists(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Parse a column of texts as lists of numbers if most are such: "[0.1, 0.2]", "[0.1 0.2]" or "0.1 0.2"."""
    is_vector = pc.match_substring_regex(column, _VECTOR)
    if 2 * (pc.sum(is_vector).as_py() or 0) <= len(column):
        return column
    bare = pc.utf8_trim(pc.if_else(is_vector, column, None), " \t\r\n,;[]()")
    return pc.split_pattern_regex(bare, r"[\s,;]+").cast(pa.list_(pa.float64()))


def _settle_units(numbers: dict[str, Numbers], kinds: Mapping[str, str], account: Account) -> set[str]:
    """Convert shares (features in [0, 1]) from per cent in place; return the features that are scaled already.

    The unit is decided for the whole table: per cent if in most rows most of the shares that are never tiny are above
    1. Columns and rows that clearly are in the other unit are converted too, and recorded. Columns with many distinct
    numbers below 0 where none can be are taken as scaled already, and kept; so are all columns, if most of them are.
    """
    scaled = _below_zero(numbers, kinds)
    if scaled:
        account.warnings.append(f"{', '.join(sorted(scaled))} below 0 in many rows: assumed to be scaled, and kept")
    if 2 * len(scaled) > sum(kinds.get(name) in _POSITIVE for name in numbers):
        return set(kinds)
    shares = {name: numbers[name] for name in numbers if kinds.get(name) in _SHARES and name not in scaled}
    known = np.isfinite([*shares.values()]).any(axis=0)
    if not known.any():
        return scaled
    large = {name: (column > 1) & (column <= 100) for name, column in shares.items()}
    tiny = {name: (column > 0) & (column < 1) for name, column in shares.items()}
    telling = [name for name in shares if kinds[name] in _NEVER_TINY] or list(shares)
    n_large, n_tiny = (np.sum([marks[name] for name in telling], axis=0) for marks in (large, tiny))
    in_percent = bool(np.mean(2 * n_large[known] > len(telling)) > 0.5)
    if in_percent:
        account.notes.append("the table is in per cent: its shares were divided by 100")
        rows = (n_large == 0) & (2 * n_tiny > len(telling))
        odd = [name for name in telling if tiny[name].any() and not (shares[name] > 1).any()]
    else:
        rows = 2 * n_large > len(telling)
        odd = [name for name in shares if large[name][known].mean() > 0.5 and tiny[name][known].mean() < MAX_DAMAGED]
    other = "fractions of 1" if in_percent else "per cent"
    if odd:
        account.warnings.append(f"mixed units: {', '.join(odd)} read as {other}, unlike the other shares")
    if np.any(rows):
        where = account.warnings if np.mean(rows) > MANY_ROWS else account.notes
        where.append(f"mixed units: {np.count_nonzero(rows):,} rows read as {other}, unlike the others")
    account.warnings += _unlikely(numbers, kinds, scaled)
    for name, column in shares.items():
        numbers[name] = np.where((rows | (name in odd)) != in_percent, column / 100, column)
    return scaled


def _below_zero(numbers: Mapping[str, Numbers], kinds: Mapping[str, str]) -> set[str]:
    """Return the features with many distinct numbers below 0, where none can be."""
    below = {name: column[column < -_ROUNDING] for name, column in numbers.items() if kinds.get(name) in _POSITIVE}
    many = (name for name, odd in below.items() if len(odd) > MANY_ROWS * len(numbers[name]))
    return {name for name in many if len(np.unique(below[name])) > min(MAX_SENTINELS, len(below[name]) / 2)}


def is_scaled(table: RawTable) -> bool:
    """Return whether features are scaled already: no tempo is above 1, or most have impossible numbers below 0."""
    numbers, kinds = parse_numbers(dict(_feature_columns(table))), table.roles.kinds
    tempos = [numbers[name] for name, kind in kinds.items() if kind == "tempo"]
    is_slow = any((tempo <= 1).any() and not (tempo > 1).any() for tempo in tempos)
    return is_slow or 2 * len(_below_zero(numbers, kinds)) > sum(kind in _POSITIVE for kind in kinds.values())


def _unlikely(numbers: Mapping[str, Numbers], kinds: Mapping[str, str], scaled: set[str]) -> Iterator[str]:
    """Yield warnings of values that no music has, in columns that are not scaled."""
    for name, column in numbers.items():
        if kinds.get(name) == "loudness" and np.mean(column > 1) > 0.5:
            yield f"most of {name} is above 0 dB, unlike music: its sign may be lost"
        slow = column[column > 0] <= 1
        if kinds.get(name) == "tempo" and name not in scaled and slow.any() and MANY_ROWS < slow.mean() < 1:
            yield f"much of {name} is at most 1 BPM, unlike the rest: some rows may have been scaled"


def words_in(texts: pa.Array, others: str = NO_NAME) -> pa.Array | None:
    """Return the texts (n_rows,), or `None` if all match ``others``."""
    return None if pc.all(pc.match_substring_regex(texts, f"^({others})$")).as_py() else texts


def genres_in(texts: pa.Array, account: Account) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Return a mask of each row's genres (n_rows, n_genres), and their names (n_genres,)."""
    texts = pc.replace_substring(split_values(texts, by_blanks=True), "’", "'")  # "Children’s Music" has both forms
    lists = pc.split_pattern(texts, ";")
    rows, genres = pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists)
    counts = [(entry["counts"], entry["values"]) for entry in genres.value_counts().to_pylist()]
    counts = [(count, genre) for count, genre in counts if genre.lower() not in MISSING]
    names = tuple(sorted(genre for _, genre in sorted(counts, reverse=True)[:MAX_GENRES]))
    numbers = np.asarray(pc.fill_null(pc.index_in(genres, pa.array(names, pa.string())), -1))
    marks = np.zeros((len(texts), len(names)), dtype=np.bool_)
    marks[rows[numbers >= 0], numbers[numbers >= 0]] = True
    if len(counts) > len(names):
        account.notes.append(f"{len(counts):,} genres: only the {MAX_GENRES} most frequent are kept")
    return marks, names


def popularity_in(texts: pa.Array, account: Account, is_sure: bool) -> NDArray[np.float32] | None:
    """Parse popularities (n_rows,): NaN where unknown, unreadable or outside [0, 100].

    A column of shares, from 0 to 1, or -1 where unknown, is multiplied by 100.

    Returns:
        `None` for a column of only 0 and 1, unless ``is_sure`` tells that it is popularity, and for one of counts.
    """
    values = parse_numbers({"": pa.chunked_array([texts])})[""]
    if not is_sure and ((values == 0) | (values == 1)).all() and 0 < values.sum() < len(values):
        account.notes.append("a popularity of only 0 and 1 may mean the genre pop: ignored")
        return None
    outside = (values < 0) | (values > 100)
    if np.count_nonzero(outside) > MANY_ROWS * len(values) and len(np.unique(values[outside])) > MAX_SENTINELS:
        account.warnings.append(f"popularity is not from 0 to 100 in {np.count_nonzero(outside):,} rows: ignored")
        return None
    is_beyond = (values > 1) | (values < 0) & (values != -1)  # -1 stands for none
    if ((values > 0) & (values < 1)).any() and not is_beyond.any():
        values = 100 * values
        account.notes.append("popularity is from 0 to 1: it was multiplied by 100")
    unreadable = texts.filter(pa.array(np.isnan(values))).to_pylist()
    if n_bad := np.count_nonzero(outside) + sum(describe_fault(value) != "missing" for value in unreadable):
        account.notes.append(f"popularity is not a number from 0 to 100 in {n_bad:,} rows: treated as unknown")
    return np.where(outside, np.nan, values).astype(np.float32)


def split_values(texts: pa.Array, *, by_blanks: bool = False) -> pa.Array:
    """Return texts in which several values in one cell are written as "A;B".

    The format is decided once for the column. Cells that look like lists of Python, R or JSON ("['A', 'B']") are parsed
    as such. The others are split at the most frequent of ";", "|", "," and, if `by_blanks`, blanks among words with
    underscores. Either format needs more than one of twenty distinct cells.
    """
    encoded = texts.dictionary_encode()
    different = encoded.dictionary.to_pylist()
    few = MIN_SHARE * len(different)
    lists = {text for text in different if _LIST.match(text)}
    lists = lists if len(lists) > few else set()
    others = [text for text in different if text not in lists]
    counts = {mark: sum(mark in text for text in others) for mark in ";|, "}
    blank = [text.split(" ") for text in others if " " in text and "_" in text]  # "album_rock hip_hop"
    underscored = sum(all(re.search(r"\w", word) for word in words) for words in blank)
    counts[" "] = underscored if by_blanks and 2 * underscored > counts[" "] else 0
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
    in_r = _NAMES_IN_R.search(text)
    found = _NAME.findall(text) or _QUOTED.findall(in_r[1] if in_r else text)
    values = [single or double for single, double in found] or text.strip("[](){} ").split(",")
    return [_unescaped(value).replace(";", ",") for value in values]


def _unescaped(text: str) -> str:
    plain = _ESCAPE.sub(lambda one: chr(int(one[1] or one[2], 16)) if one[1] or one[2] else one[3], text)
    plain = plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # which joins halves of characters
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", plain)  # what a terminal might obey


def ids_in(texts: pa.Array, titles: pa.Array | None, features: NDArray[np.float64], given: bool) -> pa.Array | None:
    """Return the track ids (n_rows,) in texts or links, "" where missing; `None` if the column holds no track ids.

    It does if most are present, neither times nor links to other things, and few recur with another title and other
    features.

    Args:
        texts: (n_rows,).
        titles: (n_rows,).
        features: (n_rows, d).
        given: whether the user named the column, which is then not checked.
    """
    ids = pc.if_else(pc.is_in(pc.utf8_lower(texts), pa.array(sorted(MISSING))), "", texts)
    if pc.any(pc.match_substring(ids, "spotify")).as_py():
        ids = pc.replace_substring_regex(ids, f"^{ID_IN_LINK}.*$", r"\1")
    is_there = np.asarray(pc.not_equal(ids, ""))
    other = np.asarray(pc.match_substring_regex(ids, rf"^spotify:|://|{_TIME}"))
    if not given and 2 * np.count_nonzero(other | ~is_there) > len(ids):
        return None
    if given or titles is None:
        return ids
    first = first_equal(ids)
    again = np.flatnonzero((first != np.arange(len(first))) & is_there)
    names = np.asarray(titles.dictionary_encode().indices)
    differs = (names[again] != names[first[again]]) & (features[again] != features[first[again]]).any(axis=1)
    return ids if np.count_nonzero(differs) <= MANY_ROWS * len(first) else None


def first_equal(texts: pa.Array) -> NDArray[np.int64]:
    """Return for each text (n,) the index of the first equal one, (n,)."""
    encoded = texts.dictionary_encode()
    codes = np.asarray(encoded.indices, dtype=np.int64)
    first = np.empty(len(encoded.dictionary), dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # backwards, since the last assignment to a place stays
    return np.asarray(first[codes])


def make_ids(
    table: RawTable, titles: pa.Array | None, artists: pa.Array | None, features: NDArray[np.float64]
) -> pa.Array:
    """Generate ids (n_rows,) where no column holds any, and record it: "Title — Artist", or else row numbers.

    Rows with an equal label but other features get a number appended. Rows with an empty label get "".
    """
    made = "made from " + ("titles" if artists is None else "title and artist")
    if titles is None:
        made = "row numbers"
    if refused := ", ".join(map(repr, table.roles.candidates.get("track_id", ()))):
        fault = "does not identify tracks (missing, or the same for other songs)"
        table.account.warnings.append(f"{refused} {fault}: ids are {made}")
    else:
        table.account.notes.append(f"no column of ids: they are {made}")
    if titles is None:
        return pa.array(np.arange(1, len(features) + 1)).cast(pa.string())
    labels = titles
    if artists is not None:
        both = pc.binary_join_element_wise(titles, pc.replace_substring(artists, ";", ", "), " — ")
        labels = pc.if_else(pc.or_(pc.equal(artists, ""), pc.equal(titles, "")), titles, both)
    first = first_equal_rows(np.column_stack([first_equal(labels), features])).tolist()
    ids = labels.to_pylist()
    taken = set(ids)
    numbers: Mapping[str, Iterator[int]] = defaultdict(lambda: count(1))
    for row, label in enumerate(ids):
        if first[row] < row or not label:
            ids[row] = ids[first[row]]
        elif (number := next(numbers[label])) > 1:
            while f"{label} ({number})" in taken:
                number = next(numbers[label])
            ids[row] = f"{label} ({number})"
            taken.add(ids[row])
    return pa.array(ids, pa.string())
