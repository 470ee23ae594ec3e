"""Logs of listening sessions in the public skip-prediction schema: read, checked, written.

The schema is that of the Music Streaming Sessions Dataset (Brost, Mehrotra and Jehan 2019): one row per play.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotify_gym.catalogue import Finding, read_content

Bools = NDArray[np.bool_]
Skip = Literal["skip_1", "skip_2", "skip_3"]

_FLAGS = ("skip_1", "skip_2", "skip_3", "not_skipped")
_COLUMNS = ("session_id", "session_position", "session_length", "track_id_clean", *_FLAGS)
_LONGEST = 1000  # plays; a session number read as a position would otherwise ask for all memory there is
_TRUTH = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


class LogError(ValueError):
    """What is wrong with a log, and where."""


@dataclass(frozen=True, eq=False)
class SkipLog:
    """The responses of S sessions of up to T plays."""

    skipped: Bools
    """(S, T) whether the play was skipped; False where nothing played."""
    played: Bools
    """(S, T) whether the session lasted that long: True from its first play to its last."""
    left_out: tuple[str, ...] = ()
    """What could not be used, in words: bad rows, and with them their sessions."""

    def __len__(self) -> int:
        return len(self.skipped)

    @property
    def n_plays(self) -> int:
        """Plays of all sessions together."""
        return int(self.played.sum())

    def take(self, rows: NDArray[Any]) -> SkipLog:
        """Return the log of the given sessions."""
        return SkipLog(self.skipped[rows], self.played[rows])

    def split(self, held_out: float, seed: int) -> tuple[SkipLog, SkipLog]:
        """Split the sessions at random in two, the second with the share `held_out` of them."""
        order = np.random.default_rng(seed).permutation(len(self))
        n_held_out = round(held_out * len(self))
        return self.take(np.sort(order[n_held_out:])), self.take(np.sort(order[:n_held_out]))


def read_log(path: str | Path, skip: Skip = "skip_2") -> SkipLog:
    """Read a log, one row per play, in any order; a session with a bad row is left out, and said.

    Args:
        path: CSV or Parquet, also packed, whatever its name.
        skip: which of the schema's flags counts as a skip: `skip_1` within the first seconds, `skip_2` briefly played,
            `skip_3` played for the most part.

    Raises:
        LogError: the file cannot be read, is no log in this schema, or has no session without a bad row.
    """
    table, left_out = _read_table(Path(path))
    if missing := [c for c in _COLUMNS if c not in table.columns]:
        raise LogError(f"{path} has no column {', '.join(missing)}; a skip log has {', '.join(_COLUMNS)}")
    if table.empty:
        raise LogError(f"{path} has no rows")
    for name, complaint, is_wrong in _CHECKS:
        wrong = is_wrong(table, name)
        if wrong.any():
            (first, *_) = table[name][wrong].tolist()
            left_out.append(Finding.at(f"{name} {complaint}", table.index[wrong] + 1, repr(first)).describe("row"))
            table = table[~(wrong | table["session_id"].isin(table["session_id"][wrong].dropna()))]
    if table.empty:
        raise LogError(f"{path} has no session without a bad row: {'; '.join(left_out)}")
    session, _ = pd.factorize(table["session_id"])
    place = _numbers(table, "session_position").to_numpy(np.int64) - 1
    log = _fold(session, place, _truth(table, skip).to_numpy(np.bool_))
    return replace(log, left_out=tuple(left_out))


def write_log(log: SkipLog, track_ids: NDArray[Any], path: str | Path) -> None:
    """Write a log as CSV; every skip is one of all three kinds.

    Args:
        log: S sessions of up to T plays.
        track_ids: (S, T) what played.
        path: of the file to write.
    """
    session, place = np.nonzero(log.played)
    skipped = log.skipped[session, place]
    pd.DataFrame(
        {
            "session_id": [f"session-{i}" for i in session],
            "session_position": place + 1,
            "session_length": log.played.sum(axis=1)[session],
            "track_id_clean": track_ids[session, place],
            **dict.fromkeys(_FLAGS[:3], skipped),
            "not_skipped": ~skipped,
        }
    ).to_csv(path, index=False)


def _read_table(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read the file, and say which lines are no rows."""
    try:
        content = read_content(path)
        if content.startswith(b"PAR1"):
            return pd.read_parquet(io.BytesIO(content)).reset_index(drop=True), []
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            table = pd.read_csv(
                io.BytesIO(content),
                dtype={"session_id": "str", "track_id_clean": "str"},
                encoding_errors="replace",
                on_bad_lines="warn",
            )
    except (OSError, ValueError) as error:  # ours, and of pandas and pyarrow: ParserError, EmptyDataError, ArrowInvalid
        raise LogError(f"{path} cannot be read: {error}") from error
    lines = [int(line) for warning in told for line in re.findall(r"Skipping line (\d+)", str(warning.message))]
    return table, [Finding.at("too many columns", lines).describe("line")] if lines else []


def _truth(table: pd.DataFrame, name: str) -> pd.Series[Any]:
    column = table[name]
    return column if column.dtype == np.bool_ else column.astype(str).str.strip().str.lower().map(_TRUTH)


def _numbers(table: pd.DataFrame, name: str) -> pd.Series[Any]:
    return pd.to_numeric(table[name], errors="coerce")


def _is_no_count(table: pd.DataFrame, name: str) -> pd.Series[bool]:
    numbers = _numbers(table, name)
    right: pd.Series[bool] = numbers.between(1, _LONGEST) & (numbers == np.floor(numbers))
    return ~right


def _contradicts(table: pd.DataFrame, _: str) -> pd.Series[bool]:
    """Hold the flags against what they mean: who left within seconds also left early, and whoever left skipped."""
    first, second, third, not_skipped = (_truth(table, name).astype(np.bool_) for name in _FLAGS)
    wrong: pd.Series[bool] = (first & ~second) | (second & ~third) | (third & not_skipped)
    return wrong


def _is_out_of_order(table: pd.DataFrame, name: str) -> pd.Series[bool]:
    """The plays of a session stand at 1, 2, ... without gap or repetition; its end may be missing."""
    position = _numbers(table, name)
    return position.groupby(table["session_id"]).rank(method="first") != position


_CHECKS: tuple[tuple[str, str, Callable[[pd.DataFrame, str], pd.Series[bool]]], ...] = (
    ("session_id", "is empty", lambda table, name: table[name].isna()),
    *((name, "is neither true nor false", lambda table, name: _truth(table, name).isna()) for name in _FLAGS),
    (
        "skip_2",
        "contradicts the other flags (skip_1 implies skip_2, skip_2 implies skip_3, skip_3 excludes not_skipped)",
        _contradicts,
    ),
    ("session_position", f"is no whole number from 1 to {_LONGEST}", _is_no_count),
    ("session_length", f"is no whole number from 1 to {_LONGEST}", _is_no_count),
    (
        "session_position",
        "lies past its session_length",
        lambda table, name: _numbers(table, name) > _numbers(table, "session_length"),
    ),
    ("session_position", "stands twice in its session, or one before it is missing", _is_out_of_order),
)
"""What makes a row bad: the column, what is wrong with it, and where that is so."""


def _fold(session: NDArray[np.intp], place: NDArray[np.int64], skip: Bools) -> SkipLog:
    shape = (int(session.max()) + 1, int(place.max()) + 1)
    skipped, played = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    skipped[session, place] = skip
    played[session, place] = True
    return SkipLog(skipped, played)
