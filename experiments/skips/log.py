"""Logs of listening sessions in the public skip-prediction schema: read, checked, written.

The schema is that of the Music Streaming Sessions Dataset (Brost, Mehrotra and Jehan 2019): one row per play.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
    """Read a log, one row per play, in any order.

    Args:
        path: CSV (compressed or not) or Parquet.
        skip: which of the schema's flags counts as a skip: `skip_1` within the first seconds, `skip_2` briefly played,
            `skip_3` played for the most part.

    Raises:
        LogError: the file cannot be read, or is not a log in this schema; the message names the first row at fault.
    """
    table = _read_table(Path(path))
    if missing := [c for c in _COLUMNS if c not in table.columns]:
        raise LogError(f"{path} has no column {', '.join(missing)}; a skip log has {', '.join(_COLUMNS)}")
    if table.empty:
        raise LogError(f"{path} has no rows")
    flags = {name: _flags(table, name, path) for name in _FLAGS}
    _check_flags(flags, path)
    position = _counts(table, "session_position", path)
    length = _counts(table, "session_length", path)
    _require(position <= length, table, "session_position", path, "lies past its session_length")
    session, _ = pd.factorize(table["session_id"])
    _require(session >= 0, table, "session_id", path, "is empty")
    _check_positions(session, position, table, path)
    return _fold(session, position - 1, flags[skip])


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


def _read_table(path: Path) -> pd.DataFrame:
    if path.suffix not in {".parquet", ".csv", ".gz", ".bz2", ".zip", ".xz", ".zst"}:
        raise LogError(f"{path} is neither CSV nor Parquet by its name; name it .csv, .csv.gz or .parquet")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype={"session_id": "str", "track_id_clean": "str"}, encoding_errors="replace")
    except (OSError, ValueError) as error:  # pandas and pyarrow: ParserError, EmptyDataError, ArrowInvalid
        raise LogError(f"{path} cannot be read: {error}") from error


def _flags(table: pd.DataFrame, name: str, path: str | Path) -> Bools:
    column = table[name]
    if column.dtype == np.bool_:
        return column.to_numpy(dtype=np.bool_)
    truth = column.astype(str).str.strip().str.lower().map(_TRUTH)
    _require(truth.notna().to_numpy(), table, name, path, "is neither true nor false")
    return truth.to_numpy(dtype=np.bool_)


def _check_flags(flags: dict[str, Bools], path: str | Path) -> None:
    """Hold the flags against what they mean: who left within seconds also left early, and whoever left skipped."""
    first, second, third, not_skipped = (flags[name] for name in _FLAGS)
    wrong = (first & ~second) | (second & ~third) | (third & not_skipped)
    if wrong.any():
        raise LogError(
            f"{path}, row {_row(wrong)}: the flags contradict each other; "
            "skip_1 implies skip_2, skip_2 implies skip_3, and skip_3 excludes not_skipped"
        )


def _counts(table: pd.DataFrame, name: str, path: str | Path) -> NDArray[np.int64]:
    numbers = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
    whole = (numbers >= 1) & (numbers <= _LONGEST) & (numbers == np.floor(numbers))
    _require(whole, table, name, path, f"is no whole number from 1 to {_LONGEST}")
    return numbers.astype(np.int64)


def _check_positions(
    session: NDArray[np.intp], position: NDArray[np.int64], table: pd.DataFrame, path: str | Path
) -> None:
    """The plays of a session stand at 1, 2, ... without gap or repetition; its end may be missing."""
    order = np.lexsort((position, session))
    starts = np.r_[True, np.diff(session[order]) != 0]
    first = np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
    right = np.empty(len(order), np.bool_)
    right[order] = position[order] == np.arange(len(order)) - first + 1
    _require(right, table, "session_position", path, "stands twice in its session, or one before it is missing")


def _require(right: Bools, table: pd.DataFrame, name: str, path: str | Path, complaint: str) -> None:
    if not right.all():
        (value,) = table[name].iloc[[int(np.argmin(right))]].tolist()
        raise LogError(f"{path}, row {_row(~right)}: {name} {value!r} {complaint}")


def _row(wrong: Bools) -> int:
    """Number of the first wrong row, counted from 1 without the header."""
    return int(np.argmax(wrong)) + 1


def _fold(session: NDArray[np.intp], place: NDArray[np.int64], skip: Bools) -> SkipLog:
    shape = (int(session.max()) + 1, int(place.max()) + 1)
    skipped, played = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    skipped[session, place] = skip
    played[session, place] = True
    return SkipLog(skipped, played)
