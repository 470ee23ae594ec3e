"""The state of a batch of listening sessions, and the result of one step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from spotify_gym.listeners import BatchState

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Ints32 = NDArray[np.int32]


@dataclass
class Log(BatchState):
    """The tracks recommended in B sessions and the responses to them, in order; all of it is observable."""

    tracks: NDArray[Any]
    """(B, L) int32: the starting tracks, then those recommended, padded with -1."""
    answers: NDArray[np.int8]
    """(B, L) response to each: 1 heard out, -1 skipped, 0 not asked (starting tracks and refused repeats)."""


@dataclass
class SessionState(BatchState):
    """B sessions; H is the history length, d the number of features, L the capacity for played tracks."""

    key: NDArray[np.uint64]
    """(B,) seed of all random numbers of the session."""
    time: Ints
    """(B,) number of tracks recommended so far."""
    played: NDArray[Any]
    """(B, L) int32: first versions of all tracks so far, the starting ones first, padded with -1."""
    history: Ints
    """(B, H) the last H tracks heard, the oldest first."""
    window: Floats
    """(B, H, d) the features of `history`."""
    vibe: Floats
    """(B, d) the mean of `window`."""
    seed_vibe: Floats
    """(B, d) the vibe that the session started with."""
    memory: Floats | None
    """(B, m) memory of the observation blocks, side by side; None if no block has any."""
    listener: Any
    """State of the listeners, a :class:`BatchState`; None without a listener."""
    log: Log | None
    """None if the compiled loop does the whole step without a listener, and no block reads the log or has memory."""

    @classmethod
    def blank(cls, n_sessions: int, history_length: int, n_features: int, room: int, is_logged: bool) -> Self:
        """Return B uninitialised sessions with room for `room` played tracks."""
        n, shape = n_sessions, (n_sessions, room)
        vibe, seed_vibe = np.empty((2, n, n_features), np.float32)
        return cls(
            key=np.empty(n, np.uint64),
            time=np.empty(n, np.int64),
            played=np.empty(shape, np.int32),
            history=np.empty((n, history_length), np.int64),
            window=np.empty((n, history_length, n_features), np.float32),
            vibe=vibe,
            seed_vibe=seed_vibe,
            memory=None,
            listener=None,
            log=Log(np.empty(shape, np.int32), np.empty(shape, np.int8)) if is_logged else None,
        )

    def __len__(self) -> int:
        return len(self.key)

    @property
    def moved(self) -> tuple[Any, Any, Any, Any, Any, Any, Any]:
        """The arrays that a step updates, in argument order of the loops: `time` to `vibe`, then the log."""
        log = (None, None) if self.log is None else (self.log.tracks, self.log.answers)
        return self.time, self.played, self.history, self.window, self.vibe, *log

    def grow(self, room: int | None = None) -> None:
        """Enlarge the arrays of played tracks to (B, room); None doubles them."""
        more = self.played.shape[1] if room is None else room - self.played.shape[1]
        if more > 0:
            wider = ((0, 0), (0, more))
            self.played = np.pad(self.played, wider, constant_values=-1)
            if self.log is not None:
                self.log = Log(np.pad(self.log.tracks, wider, constant_values=-1), np.pad(self.log.answers, wider))


def log_of(sessions: SessionState) -> Log:
    """Return the log, which is kept if there is a listener or an observation block reads it."""
    assert sessions.log is not None
    return sessions.log


class StepResult(NamedTuple):
    """The result of one recommendation in each of B sessions; the arrays below `seen` are views of the first two."""

    numbers: Floats
    """(5 + n, B): the reward, the cosines to vibe and seed vibe, the weighted terms "flow", "fit" and n others."""
    flags: Bools
    """(3, B): `repeat`, `completed` and `left`."""
    seen: Floats | None
    """(B, k) the observations after the step; None if the compiled loop does not write them."""
    reward: Floats
    """(B,) the sum of the weighted terms."""
    terms: Mapping[str, Floats]
    """Weighted reward terms by name, each (B,)."""
    cosine: Floats
    """(B,) cosine of the track to the vibe before it, in [-1, 1]."""
    repeat: Bools
    """(B,) whether the track, or another version of it, was played in the session before."""
    completed: Bools
    """(B,) whether the track was heard out, and so entered the history."""
    left: Bools
    """(B,) whether the listener ended the session."""
