"""The features of a table: numbers out of cells, in the units of the Web API; what is no such number is left out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from spotify_gym.catalogue.report import Account, CatalogueError, Finding
from spotify_gym.catalogue.scaling import MAX_MAGNITUDE
from spotify_gym.catalogue.schema import RawTable, Schema
from spotify_gym.catalogue.tracks import FEATURE_RANGES

MISSING = frozenset({"", "-", "?", "na", "n/a", "<na>", "nan", "none", "null", "\\n", "#n/a", "set()"})
MAX_DAMAGED = 0.01  # of a column's numbers; more of them out of range are no slips but a broken column
MANY_ROWS = 0.1  # of a table: what is wrong with more of them is worth a warning

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity)$"
_DECIMAL_COMMA = r"^[+-]?\d*,\d+([eE][+-]?\d+)?$"
_THOUSANDS = r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$"
_COMPONENT = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_VECTOR = (  # in brackets, or parted by more than commas, which may be decimal ones
    rf"^\s*[\[(]\s*{_COMPONENT}([\s,;]+{_COMPONENT})*[\s,;]*[\])]\s*$|^\s*{_COMPONENT}(([,;]?\s+|;){_COMPONENT})+\s*$"
)
_UNIT = r"(?i)\s*(%|bpm|db|ms)$"
_ROUNDING = 1e-6  # beyond its limits, a number that was computed is still meant to be within
_ANY_NUMBER = (-MAX_MAGNITUDE, MAX_MAGNITUDE)
_SHARES = frozenset(name for name, limits in FEATURE_RANGES.items() if limits == (0, 1))
_NEVER_TINY = _SHARES - {"acousticness", "instrumentalness"}  # above 1 % in nearly every track

Numbers = NDArray[np.float64]  # (n_rows,), not finite where there is no number
Marks = NDArray[np.bool_]  # (n_rows,)


def read_features(table: RawTable, schema: Schema) -> tuple[tuple[str, ...], Numbers, Marks]:
    """Parse the features of a table.

    Returns:
        their names; the features (n_kept, d) of the rows that have them all; which rows (n_rows,) these are.

    Raises:
        CatalogueError: if too many numbers of a column are in no unit that is known.
    """
    columns, account, places = dict(_feature_columns(table)), table.account, table.places
    numbers = parse_numbers(columns)
    ranges = FEATURE_RANGES if _settle_units(numbers, table.roles.kinds, account) else {}
    kept, broken = np.ones(len(places), dtype=np.bool_), {}
    for name, column in columns.items():
        low, high = ranges.get(table.roles.kinds.get(name, ""), _ANY_NUMBER)
        outside = np.flatnonzero((numbers[name] < low - _ROUNDING) | (numbers[name] > high + _ROUNDING))
        if len(outside) > max(1, MAX_DAMAGED * len(places)):
            broken[name] = (
                f"{name} is {column[int(outside[0])].as_py()!r} on {account.unit} {places[outside[0]]}, which is not "
                f"from {low:g} to {high:g}, nor are {len(outside):,} of {len(places):,} rows"
            )
        no_numbers = np.flatnonzero(~np.isfinite(numbers[name]))
        told = np.array([describe_fault(value) for value in column.take(no_numbers).to_pylist()], dtype=object)
        faults = {fault: no_numbers[told == fault] for fault in sorted(set(told))}
        for fault, marked in (faults | {f"outside {low:g} to {high:g}": outside}).items():
            rows = marked[kept[marked]]
            kept[rows] = False
            if len(rows):
                first = "" if fault == "missing" else repr(column[int(rows[0])].as_py())
                account.dropped.append(Finding.at(f"{name} is {fault}", places[rows], first))
    if broken:
        sound = [column for name, column in table.roles.features.items() if name not in broken]
        way_out = f" Or do without: {schema.command('--features', *sound)}" if sound else ""
        raise CatalogueError(f"{'; '.join(broken.values())}; decimal points may be lost. Mend the table.{way_out}")
    return tuple(numbers), np.stack([values[kept] for values in numbers.values()], axis=1), kept


def parse_numbers(columns: Mapping[str, pa.ChunkedArray]) -> dict[str, Numbers]:
    """Parse columns of texts or numbers, NaN standing for what is no number.

    A unit after a number ("58 %", "120 BPM") is left out. Commas are decimal ones in all columns if any cell says so,
    such as "0,5", and part thousands otherwise.
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
    """Say in words why a value that `parse_numbers` made no finite number of is none."""
    text = str(value).strip().lower()
    if value is None or text in MISSING:
        return "missing"
    try:
        return "infinite" if math.isinf(float(text)) else "not a number"
    except ValueError:
        return "not a number"


def _feature_columns(table: RawTable) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """Yield the column of each feature; one of lists is as many features as most of its lists are long."""
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
    """Read "[0.1, 0.2]", "[0.1 0.2]" and "0.1 0.2" as lists of numbers, where most of a column of texts is such."""
    is_vector = pc.match_substring_regex(column, _VECTOR)
    if 2 * (pc.sum(is_vector).as_py() or 0) <= len(column):
        return column
    bare = pc.utf8_trim(pc.if_else(is_vector, column, None), " \t\r\n,;[]()")
    return pc.split_pattern_regex(bare, r"[\s,;]+").cast(pa.list_(pa.float64()))


def _settle_units(numbers: dict[str, Numbers], kinds: Mapping[str, str], account: Account) -> bool:
    """Bring shares from per cent to fractions of 1, deciding for the table; say whether units mean anything in it.

    A table is in per cent if in most rows most of the shares that are never tiny are above 1. Columns and rows that
    clearly are in the other unit are brought to the same, and said. Where many shares are negative the features have
    been scaled already, and stay.
    """
    shares = {name: column for name, column in numbers.items() if kinds.get(name) in _SHARES and len(column)}
    if not shares:
        return True
    if 2 * sum(np.mean(column < 0) > MANY_ROWS for column in shares.values()) > len(shares):
        account.warnings.append("many shares are below 0: taken as scaled already, and kept as they are")
        return False
    large = {name: (column > 1) & (column <= 100) for name, column in shares.items()}
    tiny = {name: (column > 0) & (column < 1) for name, column in shares.items()}
    telling = [name for name in shares if kinds[name] in _NEVER_TINY] or list(shares)
    n_large, n_tiny = (np.sum([marks[name] for name in telling], axis=0) for marks in (large, tiny))
    in_percent = bool(np.mean(2 * n_large > len(telling)) > 0.5)
    if in_percent:
        account.notes.append("the table is in per cent: its shares were divided by 100")
        rows = (n_large == 0) & (2 * n_tiny > len(telling))
        odd = [name for name in telling if tiny[name].any() and not (shares[name] > 1).any()]
    else:
        rows = 2 * n_large > len(telling)
        odd = [name for name in shares if large[name].mean() > 0.5 and tiny[name].mean() < MAX_DAMAGED]
    other = "fractions of 1" if in_percent else "per cent"
    if odd:
        account.warnings.append(f"mixed units: {', '.join(odd)} taken to be in {other}, unlike the other shares")
    if np.any(rows):
        where = account.warnings if np.mean(rows) > MANY_ROWS else account.notes
        where.append(f"mixed units: {np.count_nonzero(rows):,} rows taken to be in {other}, unlike the others")
    loud = [name for name in numbers if kinds.get(name) == "loudness" and np.mean(numbers[name] > 1) > 0.5]
    if loud:
        account.warnings.append(f"most of {loud[0]} is above 0 dB, as no music is: its sign may be lost")
    for name, column in shares.items():
        numbers[name] = np.where((rows | (name in odd)) != in_percent, column / 100, column)
    return True
