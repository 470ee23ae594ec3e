"""What a batch of listening sessions is at one moment, and what one step makes of it."""

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
    """What was recommended in B sessions and what came of it, in order; all of it is visible."""

    tracks: NDArray[Any]
    """(B, L) int32, the starting tracks, then those recommended, padded with -1."""
    answers: NDArray[np.int8]
    """(B, L) to each of them: 1 heard out, -1 skipped, 0 nobody was asked: the start, and repeats that are refused."""


@dataclass
class SessionState(BatchState):
    """B sessions; H is the history length, d the number of features, L the room for played tracks."""

    key: NDArray[np.uint64]
    """(B,) what all randomness of the session is drawn from."""
    time: Ints
    """(B,) tracks recommended so far."""
    played: NDArray[Any]
    """(B, L) int32, first versions of all tracks so far, the starting ones first, padded with -1."""
    history: Ints
    """(B, H) the last H tracks heard, the oldest first."""
    window: Floats
    """(B, H, d) the features of `history`."""
    vibe: Floats
    """(B, d) the mean of `window`."""
    seed_vibe: Floats
    """(B, d) the vibe that the session started with."""
    memory: Floats | None
    """(B, m) what the blocks of the observation remember, side by side; None where none remembers anything."""
    listener: Any
    """The listeners' state, a :class:`BatchState`; None where nobody in particular listens."""
    log: Log | None
    """None where the compiled loop is all there is to a step: nobody would read it."""

    @classmethod
    def blank(cls, n_sessions: int, history_length: int, n_features: int, room: int, is_logged: bool) -> Self:
        """Return B sessions that are still to begin, with room for so many tracks."""
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
        """What a step moves, in the order in which the loops take it: from `time` to `vibe`, and the log."""
        log = (None, None) if self.log is None else (self.log.tracks, self.log.answers)
        return self.time, self.played, self.history, self.window, self.vibe, *log

    def grow(self, room: int | None = None) -> None:
        """Make room for played tracks, (B, room); None: twice as much as there is."""
        more = self.played.shape[1] if room is None else room - self.played.shape[1]
        if more > 0:
            wider = ((0, 0), (0, more))
            self.played = np.pad(self.played, wider, constant_values=-1)
            if self.log is not None:
                self.log = Log(np.pad(self.log.tracks, wider, constant_values=-1), np.pad(self.log.answers, wider))


def log_of(sessions: SessionState) -> Log:
    """Return the log, which is kept where somebody listens or a block of the observation reads it."""
    assert sessions.log is not None
    return sessions.log


class StepResult(NamedTuple):
    """What one recommendation in each of B sessions led to."""

    numbers: Floats
    """(5 + n, B) the reward; the cosines to vibe and seed vibe; the weighted terms "flow" and "fit", and n others."""
    flags: Bools
    """(3, B) `repeat`, `completed` and `left`."""
    seen: Floats | None
    """(B, k) what the agents see after it; None where the compiled loop does not say it."""
    reward: Floats
    """(B,) the sum of the weighted terms."""
    terms: Mapping[str, Floats]
    """Weighted reward terms by name, each (B,)."""
    cosine: Floats
    """(B,) cosine of the track to the vibe before it, in [-1, 1]."""
    repeat: Bools
    """(B,) whether the recording had been played in the session before."""
    completed: Bools
    """(B,) whether the track was heard out, and so entered the history."""
    left: Bools
    """(B,) whether the listener ended the session."""
