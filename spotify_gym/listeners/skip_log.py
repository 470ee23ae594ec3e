"""Logs of listening sessions, one row per play: reading, validation, splitting and writing.

Two schemas are supported. That of the Music Streaming Sessions Dataset (Brost, Mehrotra and Jehan 2019) has session_id,
session_position, session_length, track_id_clean, skip_1, skip_2, skip_3, not_skipped, and optionally
hist_user_behavior_reason_start. The plain one has session, position, track, response, and optionally person and
propensity; a response is "skipped" or "completed", or the share of the track that was played.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue, CatalogueError, Finding
from spotify_gym.catalogue.files import read_parts

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

FLAGS = ("skip_1", "skip_2", "skip_3", "not_skipped")
PUBLIC = ("session_id", "session_position", "session_length", "track_id_clean", *FLAGS)
PLAIN = ("session", "position", "track", "response")
SHARES = (0.1, 0.5, 0.9)
"""Shares of a track below which it was left at once, left early, left late; from the last on it was heard out."""
_LONGEST = 1000  # plays; a session number mistaken for a position would otherwise exhaust the memory
_MOST = 200  # plays of a session that are used
_WIDEST = 1000  # commas in a line
_TRUTH = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
_STARTS = {"trackdone": 0, "fwdbtn": 1, "backbtn": 2}  # any other reason counts as chosen by the person
_START = "hist_user_behavior_reason_start"


class LogError(ValueError):
    """A log cannot be read or used."""


@dataclass(frozen=True, eq=False)
class SkipLog:
    """The responses of S sessions of up to T plays."""

    grade: Ints
    """(S, T) how each play was left, an index of :data:`~spotify_gym.listeners.logged.GRADES`; padded with -1."""
    tracks: Ints
    """(S, T) the tracks played, indices of `track_ids`; padded with -1."""
    session: NDArray[Any]
    """(S,) the names of the sessions."""
    person: NDArray[Any]
    """(S,) the names of the people; that of the session if the log names no person."""
    ended: Bools
    """(S,) whether the log contains the end of the session."""
    started: Ints | None = None
    """(S, T) how each play was started, an index of :data:`~spotify_gym.listeners.logged.STARTS`; None: not logged."""
    propensity: NDArray[np.float64] | None = None
    """(S, T) probability with which the track played was chosen; None: not logged."""
    track_ids: NDArray[Any] | None = None
    """(K,) the ids of the tracks."""
    left_out: tuple[str, ...] = ()
    """Messages about the data that was not used: bad rows, whose whole sessions are dropped."""

    def __len__(self) -> int:
        return len(self.grade)

    @property
    def played(self) -> Bools:
        """Whether there is a play, (S, T): True from the first play of a session to its last."""
        return self.grade >= 0

    @property
    def n_plays(self) -> int:
        """Number of plays in all sessions."""
        return int(self.played.sum())

    def take(self, rows: NDArray[Any]) -> SkipLog:
        """Return the log of the given sessions."""
        per_session = ("grade", "tracks", "session", "person", "ended", "started", "propensity")
        parts = {name: getattr(self, name) for name in per_session}
        taken: dict[str, Any] = {name: part if part is None else part[rows] for name, part in parts.items()}
        return replace(self, **taken)

    def split(self) -> tuple[SkipLog, SkipLog]:
        """Return the training sessions and a held-out fifth, which is chosen by a hash of the session names."""
        ends = np.array([blake2b(str(name).encode(), digest_size=2).digest()[0] for name in self.session], np.int64)
        held_out = ends < 256 / 5
        return self.take(~held_out), self.take(held_out)

    def joined(self, catalogue: Catalogue) -> SkipLog:
        """Return the log with `tracks` as indices of the catalogue, -1 for tracks not in it."""
        names = () if self.track_ids is None else self.track_ids
        index = np.array([*(index_in(catalogue, str(name)) for name in names), -1], np.int64)
        return replace(self, tracks=index[self.tracks], track_ids=np.array(catalogue.track_ids))


def index_in(catalogue: Catalogue, track_id: str) -> int:
    """Return the index of a track by its id, URI or link; -1 if it is not in the catalogue."""
    try:
        return catalogue.index_of(track_id)
    except CatalogueError:
        return -1


def read_log(path: str | Path, max_sessions: int = 20_000) -> SkipLog:
    """Read a log, one row per play, in any order; sessions with a bad row are dropped and reported in `left_out`.

    Args:
        path: CSV or Parquet, also compressed, with any file name; or a folder of such files.
        max_sessions: number of sessions to sample from a larger log.

    Raises:
        LogError: the file cannot be read, has neither schema, or every session has a bad row.
    """
    if max_sessions < 1:
        raise LogError(f"max_sessions={max_sessions} must be at least 1")
    table, left_out = _read_table(Path(path))
    is_public = "session_id" in table.columns
    columns, checks = (PUBLIC, _PUBLIC_CHECKS) if is_public else (PLAIN, _PLAIN_CHECKS)
    if missing := [c for c in columns if c not in table.columns]:
        raise LogError(
            f"{path} has no column {', '.join(missing)}; a skip log has {', '.join(PUBLIC)}, or {', '.join(PLAIN)}; "
            f"this one has {', '.join(repr(str(name)[:40]) for name in table.columns[:20])}"
        )
    if table.empty:
        raise LogError(f"{path} has no rows")
    session = columns[0]
    for name, complaint, is_wrong in checks:
        wrong = is_wrong(table, name) if name in table else np.zeros(len(table), np.bool_)
        if wrong.any():
            (first, *_) = table[name][wrong].tolist()
            left_out.append(Finding.at(f"{name} {complaint}", table.index[wrong] + 1, repr(first)).describe("row"))
            table = table[~(wrong | table[session].isin(table[session][wrong].dropna()))]
    if table.empty:
        raise LogError(f"every session of {path} has a bad row: {'; '.join(left_out)}")
    plays = (_public_plays if is_public else _plain_plays)(table)
    names = plays["session"].unique()
    if len(names) > max_sessions:
        chosen = np.random.default_rng(0).choice(names, max_sessions, replace=False)
        plays = plays[plays["session"].isin(chosen)]
        left_out.append(f"{len(names) - max_sessions:,} sessions beyond {max_sessions:,}, drawn at random")
    return replace(_fold(plays), left_out=tuple(left_out))


def write_log(log: SkipLog, path: str | Path) -> None:
    """Write a log as CSV, in the public schema."""
    session, place = np.nonzero(log.played)
    grade, tracks = log.grade[session, place], log.tracks[session, place]
    columns = {
        "session_id": log.session[session],
        "session_position": place + 1,
        "session_length": log.played.sum(axis=1)[session] + ~log.ended[session],
        "track_id_clean": tracks if log.track_ids is None else log.track_ids[tracks],
        **{flag: grade >= at_least for flag, at_least in zip(FLAGS, (3, 2, 1), strict=False)},
        "not_skipped": grade == 0,
    }
    if log.started is not None:
        columns[_START] = np.array([*_STARTS, "clickrow"])[log.started[session, place]]
    pd.DataFrame(columns).to_csv(path, index=False)


def _read_table(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of the file, or of all files in a folder, and messages about lines that could not be parsed."""
    try:
        parts = [_read_part(content) for content in read_parts(path).values()]
    except (OSError, ValueError) as error:  # ours, and of pandas and pyarrow: ParserError, EmptyDataError, ArrowInvalid
        raise LogError(f"{path} cannot be read: {str(error)[:300]}") from error
    table = pd.concat([part for part, _ in parts], ignore_index=True) if len(parts) > 1 else parts[0][0]
    lines = [line for _, lines in parts for line in lines]
    return table, [Finding.at("too many columns", lines).describe("line")] if lines else []


def _read_part(content: bytes) -> tuple[pd.DataFrame, list[int]]:
    if content.startswith(b"PAR1"):
        return pd.read_parquet(io.BytesIO(content)).reset_index(drop=True), []
    if max(line.count(b",") for line in content.split(b"\n")) > _WIDEST:  # pandas would take minutes
        raise ValueError(f"a line has more than {_WIDEST:,} commas; a log is CSV or Parquet")
    names = ("session_id", "track_id_clean", "session", "track", "person", "response")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        table = pd.read_csv(
            io.BytesIO(content), dtype=dict.fromkeys(names, "str"), encoding_errors="replace", on_bad_lines="warn"
        )
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError("its first rows have more columns than the header")
    return table, [int(line) for warning in told for line in re.findall(r"Skipping line (\d+)", str(warning.message))]


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
    """Return rows with contradictory flags: skip_1 implies skip_2, skip_2 skip_3, and skip_3 excludes not_skipped."""
    first, second, third, not_skipped = (_truth(table, name).astype(np.bool_) for name in FLAGS)
    wrong: pd.Series[bool] = (first & ~second) | (second & ~third) | (third & not_skipped)
    return wrong


def _is_out_of_order(table: pd.DataFrame, name: str) -> pd.Series[bool]:
    """Return rows that break the order 1, 2, ... of a session by a gap or repetition; its end may be missing."""
    position = _numbers(table, name)
    return position.groupby(table["session_id"]).rank(method="first") != position


def _response(table: pd.DataFrame) -> pd.Series[Any]:
    """Return the share of each track that was played, NaN if the response is not valid."""
    words = table["response"].astype(str).str.strip().str.lower().replace({"skipped": "0.3", "completed": "1"})
    share = pd.to_numeric(words, errors="coerce")
    return share.where(share.between(0, 1))


Check = tuple[str, str, Callable[[pd.DataFrame, str], Any]]


def _is_empty(table: pd.DataFrame, name: str) -> Any:
    return table[name].isna()


_PUBLIC_CHECKS: tuple[Check, ...] = (
    ("session_id", "is empty", _is_empty),
    ("track_id_clean", "is empty", _is_empty),
    *((name, "is neither true nor false", lambda table, name: _truth(table, name).isna()) for name in FLAGS),
    (
        "skip_2",
        "contradicts the other flags (skip_1 implies skip_2, skip_2 implies skip_3, skip_3 excludes not_skipped)",
        _contradicts,
    ),
    ("session_position", f"is not a whole number from 1 to {_LONGEST}", _is_no_count),
    ("session_length", f"is not a whole number from 1 to {_LONGEST}", _is_no_count),
    (
        "session_position",
        "exceeds its session_length",
        lambda table, name: _numbers(table, name) > _numbers(table, "session_length"),
    ),
    ("session_position", "is repeated in its session, or follows a gap", _is_out_of_order),
)
"""Checks for bad rows: the column, the complaint, and a function that returns the bad rows."""

_PLAIN_CHECKS: tuple[Check, ...] = (
    ("session", "is empty", _is_empty),
    ("track", "is empty", _is_empty),
    ("position", "is not a number", lambda table, name: ~np.isfinite(_numbers(table, name))),
    ("position", "is repeated in its session", lambda table, name: table.duplicated(["session", name], keep=False)),
    (
        "response",
        "is not skipped, completed or a share from 0 to 1",
        lambda table, name: _response(table).isna(),
    ),
    (
        "propensity",
        "is not a probability above 0 and up to 1",
        lambda table, name: ~(_numbers(table, name).between(0, 1) & (_numbers(table, name) > 0)),
    ),
)


def _public_plays(table: pd.DataFrame) -> pd.DataFrame:
    grade = sum(_truth(table, name).to_numpy(np.int64) for name in FLAGS[:3])
    place = _numbers(table, "session_position").to_numpy(np.int64) - 1
    # The end of a session as long as the longest is not known either, because logs are cut at that length.
    length = _numbers(table, "session_length").groupby(table["session_id"]).transform("max")
    plays = pd.DataFrame({"session": table["session_id"], "place": place, "track": table["track_id_clean"]})
    plays = plays.assign(grade=grade, person=table["session_id"], length=length)
    if _START in table:
        plays["started"] = table[_START].map(_STARTS).fillna(3).astype(np.int64)
    return plays


def _plain_plays(table: pd.DataFrame) -> pd.DataFrame:
    place = _numbers(table, "position").groupby(table["session"]).rank(method="first").astype(np.int64) - 1
    grade = 3 - np.searchsorted(SHARES, _response(table), side="right")
    plays = pd.DataFrame({"session": table["session"], "place": place, "track": table["track"], "grade": grade})
    whose = table["session"] if "person" not in table else table["person"].fillna(table["session"])
    plays = plays.assign(person=whose, length=place.groupby(table["session"]).transform("max") + 1)
    if "propensity" in table:
        plays["propensity"] = _numbers(table, "propensity")
    return plays


def _fold(plays: pd.DataFrame) -> SkipLog:
    """Return the plays as arrays by session and position."""
    longest = plays["length"].max()
    plays = plays[plays["place"] < _MOST]
    session, names = pd.factorize(plays["session"])
    track, track_ids = pd.factorize(plays["track"].astype(str))
    place = plays["place"].to_numpy(np.int64)
    shape = (len(names), int(place.max()) + 1)

    def laid_out(values: Any, kind: type) -> Any:
        array: NDArray[Any] = np.full(shape, -1, kind)
        array[session, place] = values
        return array

    first = plays.groupby(session)[["person", "length"]].first()
    grade = laid_out(plays["grade"], np.int64)
    n_plays = (grade >= 0).sum(axis=1)
    return SkipLog(
        grade,
        laid_out(track, np.int64),
        np.array(names, object),
        first["person"].to_numpy(object),
        ended=(n_plays == first["length"].to_numpy()) & (n_plays < min(longest, _MOST)),
        started=laid_out(plays["started"], np.int64) if "started" in plays else None,
        propensity=laid_out(plays["propensity"], np.float64) if "propensity" in plays else None,
        track_ids=np.array(track_ids, object),
    )
