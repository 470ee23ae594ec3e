"""Tracks that may not be played again: a few ids per session, never a mask as wide as the catalogue.

An environment that forbids repeats puts `played`, the ids of the tracks heard in the session so far, into the `info` of
every step and reset. Here and in the replay buffer these ids lie in rows, padded with NOTHING.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Played = NDArray[np.int32]  # (n_sessions, width), padded with NOTHING
NOTHING = -1


def played_of(infos: Sequence[dict[str, Any]]) -> Played | None:
    """Return the tracks played in each session, or None where no `info` speaks of any: repeats are legal there."""
    if not any("played" in info for info in infos):
        return None
    rows = [info.get("played", ()) for info in infos]
    played = np.full((len(rows), max(map(len, rows))), NOTHING, np.int32)
    for line, row in zip(played, rows, strict=True):
        line[: len(row)] = row
    return played


def played_next(
    infos: Sequence[dict[str, Any]], dones: NDArray[np.bool_], resets: Sequence[dict[str, Any]]
) -> Played | None:
    """Return what is played in the sessions that go on after a step: a new session where the last one is done."""
    return played_of([reset if done else info for info, done, reset in zip(infos, dones, resets, strict=True)])


def draw_unplayed(rng: np.random.Generator, recordings: NDArray[np.int64], played: Played) -> NDArray[np.int64]:
    """Draw a track for each session, uniformly from those of which no version has been played.

    Args:
        rng: where the draws come from.
        recordings: (n_tracks,) the smallest track that is the same recording.
        played: (n_sessions, width) of this catalogue's tracks.

    Raises:
        ValueError: a session has played everything.
    """
    heard = np.where(played == NOTHING, NOTHING, recordings[played])
    tracks = rng.integers(len(recordings), size=len(heard))
    while (again := (recordings[tracks][:, None] == heard).any(axis=1)).any():
        _check_something_left(recordings, heard[again])
        tracks[again] = rng.integers(len(recordings), size=np.count_nonzero(again))
    return tracks


def _check_something_left(recordings: NDArray[np.int64], heard: NDArray[np.int64]) -> None:
    n_recordings = np.count_nonzero(recordings == np.arange(len(recordings)))
    if heard.shape[1] < n_recordings:
        return
    if any(len(np.unique(row[row != NOTHING])) == n_recordings for row in heard):
        raise ValueError(f"a session has played all {n_recordings} recordings of this catalogue; nothing is left")
