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
State = tuple[NDArray[Any], ...] | None  # SB3's, that `predict` takes and returns


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


def chosen_since_start(state: State, episode_start: NDArray[np.bool_] | None, n_sessions: int) -> NDArray[np.int64]:
    """Return the tracks that were chosen in each session since its start, (n_sessions, width), padded with NOTHING.

    Args:
        state: as `with_choice` returned it; None where sessions begin.
        episode_start: (n_sessions,) which of them begin.
        n_sessions: how many there are now.

    Raises:
        ValueError: a state or starts of another number of sessions.
    """
    chosen = np.empty((n_sessions, 0), np.int64) if state is None else np.asarray(state[0])
    starts = np.zeros(n_sessions, np.bool_) if episode_start is None else np.atleast_1d(episode_start).astype(np.bool_)
    if chosen.ndim != 2 or {len(chosen), len(starts)} != {n_sessions}:
        raise ValueError(
            f"state {chosen.shape} and episode_start {starts.shape} do not go with observations of {n_sessions} "
            "sessions; hand on the state that the last call returned, and one episode_start a session"
        )
    return np.where(starts[:, None], NOTHING, chosen)


def with_choice(chosen: NDArray[np.int64], actions: NDArray[np.int64]) -> State:
    """Return SB3's `state`, with these tracks chosen too; as wide as the oldest session is long."""
    grown = np.column_stack([chosen, actions])
    return (grown[:, (grown != NOTHING).any(axis=0)],)


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
