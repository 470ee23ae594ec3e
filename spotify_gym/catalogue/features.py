"""The features of a table: numbers out of cells, in the units of the Web API; what is no such number is left out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.report import Finding
from spotify_gym.catalogue.scaling import MAX_MAGNITUDE
from spotify_gym.catalogue.schema import RawTable, Schema
from spotify_gym.catalogue.tracks import FEATURE_RANGES

if TYPE_CHECKING:
    import pyarrow as pa

MISSING = frozenset({"", "-", "na", "n/a", "nan", "none", "null", "#n/a"})
MAX_DAMAGED = 0.01  # of a column's numbers; more of them out of range are no slips but a broken column
MANY_ROWS = 0.1  # of a table: what is wrong with more of them is worth a warning

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity)$"
_DECIMAL_COMMA = r"^[+-]?\d*,\d+([eE][+-]?\d+)?$"
_THOUSANDS = r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$"
_UNIT = r"(?i)\s*(%|bpm|db|ms)$"
_ROUNDING = 1e-6  # beyond its limits, a number that was computed is still meant to be within
_SHARES = frozenset(name for name, limits in FEATURE_RANGES.items() if limits == (0, 1))
_NEVER_TINY = _SHARES - {"acousticness", "instrumentalness"}  # above 1 % in nearly every track

Numbers = NDArray[np.float64]  # (n_rows,), not finite where there is no number
Marks = NDArray[np.bool_]  # (n_rows,)


@dataclass
class Features:
    """The features of a table, name by name, and what there is to say of them."""

    numbers: dict[str, Numbers]
    kinds: Mapping[str, str]  # name: which of the nine it is, where it is one of them
    kept: Marks  # the rows that have them all
    dropped: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def matrix(self) -> NDArray[np.float64]:
        """Return the features of the usable rows, (n_kept, d)."""
        return np.stack([numbers[self.kept] for numbers in self.numbers.values()], axis=1)


def read_features(table: RawTable, schema: Schema) -> Features:
    """Parse the features of a table, and mark the rows in which one is no usable number.

    Raises:
        CatalogueError: if too many numbers of a column are in no unit that is known.
    """
    columns = dict(_feature_columns(table))
    features = Features(parse_numbers(columns), table.roles.kinds, np.ones(len(table.places), dtype=np.bool_))
    limits = _settle_units(features)
    outside = {
        name: (numbers < limits[name][0] - _ROUNDING) | (numbers > limits[name][1] + _ROUNDING)
        for name, numbers in features.numbers.items()
    }
    _check_damage(outside, limits, columns, table, schema)
    for name, column in columns.items():
        low, high = limits[name]
        faults = {**_no_numbers(column, features.numbers[name]), f"outside {low:g} to {high:g}": outside[name]}
        for fault, marks in faults.items():
            rows = np.flatnonzero(marks & features.kept)
            features.kept[rows] = False
            if len(rows):
                first = "" if fault == "missing" else repr(column[int(rows[0])].as_py())
                features.dropped.append(Finding.at(f"{name} is {fault}", table.places[rows], first))
    return features


def parse_numbers(columns: Mapping[str, pa.ChunkedArray]) -> dict[str, Numbers]:
    """Parse columns of texts or numbers, NaN standing for what is no number.

    A unit after a number ("58 %", "120 BPM") is left out. Commas are decimal ones in all columns if any cell says so,
    such as "0,5", and part thousands otherwise.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

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
        is_number = pc.match_substring_regex(plain, _NUMBER)
        parsed[name] = _to_numpy(pc.if_else(is_number, plain, pa.scalar(None, plain.type)))
    return {name: parsed[name] for name in columns}


def _to_numpy(column: pa.ChunkedArray) -> Numbers:
    import pyarrow as pa

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
    import pyarrow as pa
    import pyarrow.compute as pc

    for name, number in table.roles.features.items():
        column = table.column(number)
        if isinstance(column.type, (pa.ListType, pa.LargeListType, pa.FixedSizeListType)):
            lengths = pc.list_value_length(column)
            d = pc.mode(lengths)[0]["mode"].as_py() if column.null_count < len(column) else 0
            whole = pc.list_slice(pc.if_else(pc.equal(lengths, d), column, None), 0, d, return_fixed_size_list=True)
            yield from ((f"{name}_{place}", pc.list_element(whole, place)) for place in range(d))
        else:
            yield name, column


def _no_numbers(column: pa.ChunkedArray, numbers: Numbers) -> dict[str, Marks]:
    rows = np.flatnonzero(~np.isfinite(numbers))
    faults = np.array([describe_fault(value) for value in column.take(rows).to_pylist()], dtype=object)
    return {fault: np.isin(np.arange(len(numbers)), rows[faults == fault]) for fault in sorted(set(faults))}


def _settle_units(features: Features) -> dict[str, tuple[float, float]]:
    """Bring shares from per cent to fractions of 1, deciding for the table; return the limits of each feature.

    A table is in per cent if in most rows most of the shares that are never tiny are above 1. Columns and rows that
    clearly are in the other unit are brought to the same, and said. Where many shares are negative the features have
    been scaled already, and stay.
    """
    numbers, kinds = features.numbers, features.kinds
    anything = dict.fromkeys(numbers, (-MAX_MAGNITUDE, MAX_MAGNITUDE))
    shares = {name: column for name, column in numbers.items() if kinds.get(name) in _SHARES}
    if not shares or not len(features.kept):
        return {name: FEATURE_RANGES.get(kinds.get(name, ""), anything[name]) for name in numbers}
    if 2 * sum(np.mean(column < 0) > MANY_ROWS for column in shares.values()) > len(shares):
        features.warnings.append("many shares are below 0: taken as scaled already, and kept as they are")
        return anything
    large = {name: (column > 1) & (column <= 100) for name, column in shares.items()}
    tiny = {name: (column > 0) & (column < 1) for name, column in shares.items()}
    telling = [name for name in shares if kinds[name] in _NEVER_TINY] or list(shares)
    n_large, n_tiny = (np.sum([marks[name] for name in telling], axis=0) for marks in (large, tiny))
    in_percent = bool(np.mean(2 * n_large > len(telling)) > 0.5)
    if in_percent:
        features.notes.append("the table is in per cent: its shares were divided by 100")
        rows = (n_large == 0) & (2 * n_tiny > len(telling))
        odd = [name for name in telling if tiny[name].any() and not (shares[name] > 1).any()]
    else:
        rows = 2 * n_large > len(telling)
        odd = [name for name in shares if large[name].mean() > 0.5 and tiny[name].mean() < MAX_DAMAGED]
    other = "fractions of 1" if in_percent else "per cent"
    if odd:
        features.warnings.append(f"mixed units: {', '.join(odd)} taken to be in {other}, unlike the other shares")
    if np.any(rows):
        where = features.warnings if np.mean(rows) > MANY_ROWS else features.notes
        where.append(f"mixed units: {np.count_nonzero(rows):,} rows taken to be in {other}, unlike the others")
    for name, column in shares.items():
        numbers[name] = np.where((rows | (name in odd)) != in_percent, column / 100, column)
    return {name: FEATURE_RANGES.get(kinds.get(name, ""), anything[name]) for name in numbers}


def _check_damage(
    outside: Mapping[str, Marks],
    limits: Mapping[str, tuple[float, float]],
    columns: Mapping[str, pa.ChunkedArray],
    table: RawTable,
    schema: Schema,
) -> None:
    broken = {name: marks for name, marks in outside.items() if marks.sum() > max(1, MAX_DAMAGED * len(marks))}
    if broken:
        rows = {name: int(marks.argmax()) for name, marks in broken.items()}
        said = "; ".join(
            f"{name} is {columns[name][row].as_py()!r} on {table.unit} {table.places[row]}, which is not from "
            f"{limits[name][0]:g} to {limits[name][1]:g}, nor are {broken[name].sum():,} of {len(broken[name]):,} rows"
            for name, row in rows.items()
        )
        sound = [table.names[number] for name, number in table.roles.features.items() if name not in broken]
        way_out = f" Or do without: {schema.command('--features', *sound)}" if sound else ""
        raise CatalogueError(f"{said}; decimal points may be lost. Mend the table.{way_out}")
