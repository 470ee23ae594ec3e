"""The plays of a log as a design matrix: preceding responses, and the cosine to the tracks heard before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from spotify_gym.catalogue import Catalogue, units_of
from spotify_gym.listeners.logged import DECAY
from spotify_gym.listeners.skip_log import SkipLog
from spotify_gym.listeners.skipping import MEMORY

Floats = NDArray[np.float64]

N_LAGGED = MEMORY * 3
"""Number of design columns for the grades of the last tracks."""
N_OTHER = N_LAGGED + 3 + 2
"""Number of columns after the positions, without interactions: left, started, again, cosine."""
N_CROSSED = 64 + 12
"""Number of interaction columns: grades of the last three tracks; last grade and how the play is started."""
_HISTORY = 5  # tracks whose mean is the vibe


@dataclass(frozen=True, eq=False)
class Plays:
    """The n plays of a log in order, session by session, as regression variables."""

    log: SkipLog
    skip_from: int
    catalogue: Catalogue | None = None
    """The catalogue that the tracks of the log are indices of; None if their features are unknown."""
    decayed: bool = False
    """Whether the vibe is the decayed mean of the tracks heard, instead of the mean of the last five."""

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """The position of each play in its session, (n,)."""
        return np.nonzero(self.log.played)[1]

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """The index of the first play of each session, (S,)."""
        return np.flatnonzero(self.place == 0)

    @cached_property
    def session(self) -> NDArray[np.int64]:
        """The index of the session of each play, (n,)."""
        return np.nonzero(self.log.played)[0]

    @cached_property
    def grade(self) -> NDArray[np.int64]:
        """The grade of each play, (n,)."""
        return self.log.grade[self.log.played]

    @property
    def skipped(self) -> NDArray[np.bool_]:
        """Whether each play was skipped, (n,)."""
        return self.grade >= self.skip_from

    @cached_property
    def last(self) -> NDArray[np.int64]:
        """The grades of the last three plays of the session, (n, 3), the newest first; -1 if there was none."""
        grade = np.pad(self.log.grade, ((0, 0), (MEMORY, 0)), constant_values=-1)
        columns = [grade[:, MEMORY - lag : -lag][self.log.played] for lag in range(1, MEMORY + 1)]
        return np.stack(columns, axis=1)

    @cached_property
    def started(self) -> NDArray[np.int64]:
        """How each play was started, (n,); 0 if the log does not contain it."""
        return np.zeros(len(self.place), np.int64) if self.log.started is None else self.log.started[self.log.played]

    @cached_property
    def again(self) -> NDArray[np.bool_]:
        """Whether the track played earlier in the session, (n,)."""
        tracks = self.log.tracks[self.log.played]
        _, once = np.unique(np.stack([self.session, tracks]), axis=1, return_index=True)
        again = np.ones(len(tracks), np.bool_)
        again[once] = False
        return again & (tracks >= 0)

    @cached_property
    def cosine(self) -> Floats:
        """Cosine of each track to the vibe of the tracks not skipped before, (n,); 0 where either is unknown."""
        if self.catalogue is None:
            return np.zeros(len(self.place))
        n_sessions, n_plays = self.log.grade.shape
        vibe = VibeOf(n_sessions, self.catalogue.features.shape[1], self.decayed)
        cosine = np.zeros((n_sessions, n_plays))
        for t in range(n_plays):
            features = features_of(self.catalogue, self.log.tracks[:, t])
            cosine[:, t] = vibe.cosine(features)
            vibe.move(features, (self.log.grade[:, t] >= 0) & (self.log.grade[:, t] < self.skip_from))
        return cosine[self.log.played]

    def design(self, n_positions: int) -> csr_array:
        """Return the design matrix, (n, n_positions + N_OTHER + N_CROSSED); column t < n_positions is 1 from t on."""
        all_three = np.where(self.last[:, -1] >= 0, self.last @ (16, 4, 1), -1)
        after = np.where((self.last[:, 0] >= 0) & (self.started > 0), 3 * self.last[:, 0] + self.started - 1, -1)
        graded = [grade == np.arange(1, 4) for grade in (*self.last.T[..., None], self.started[:, None])]
        return hstack(
            [
                *map(csr_array, (self.place[:, None] >= np.arange(n_positions), *graded)),
                csr_array(np.column_stack([self.again, self.cosine])),
                _one_hot(all_three, 64),
                _one_hot(after, N_CROSSED - 64),
            ],
            format="csr",
            dtype=np.float64,
        )

    def traces(self, decay: float) -> tuple[Floats, Floats]:
        """Return the decayed count of each grade above 0 before each play, (n, 3), and its derivative in the decay."""
        by_time = (self.log.grade.T[:, :, None] == (1, 2, 3)).astype(np.float64)
        trace, slope = np.zeros((2, *by_time.shape))
        for t in range(1, len(by_time)):
            trace[t] = decay * trace[t - 1] + by_time[t - 1]
            slope[t] = decay * slope[t - 1] + trace[t - 1]
        return trace[self.place, self.session], slope[self.place, self.session]


def _one_hot(kind: NDArray[np.int64], n_kinds: int) -> csr_array:
    """Return the one-hot encoding, (n, n_kinds); rows of kind -1 are zero."""
    rows = np.flatnonzero(kind >= 0)
    return csr_array((np.ones(len(rows)), (rows, kind[rows])), shape=(len(kind), n_kinds))


class VibeOf:
    """The directions of the vibes of S sessions, from the last five tracks heard or a decayed sum of all of them."""

    def __init__(self, n_sessions: int, n_features: int, decayed: bool = False) -> None:
        self._window = np.zeros((n_sessions, 1 if decayed else _HISTORY, n_features), np.float32)
        self._decayed = decayed

    @property
    def direction(self) -> NDArray[np.float32]:
        """The unit vectors of the vibes, (S, d); 0 if nothing was heard."""
        return units_of(self._window.sum(axis=1))

    def cosine(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the cosine of tracks, (S, d), to the vibes."""
        cosine: NDArray[np.float32] = np.einsum("sd,sd->s", units_of(features), self.direction)
        return cosine

    def move(self, features: NDArray[np.float32], heard: NDArray[np.bool_]) -> None:
        """Add the tracks that were heard, if their features are known."""
        rows = np.flatnonzero(heard & features.any(axis=1))
        if self._decayed:
            self._window[rows, 0] = DECAY * self._window[rows, 0] + units_of(features[rows])
            return
        self._window[rows, :-1] = self._window[rows, 1:]
        self._window[rows, -1] = features[rows]


def features_of(catalogue: Catalogue, tracks: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the features of tracks, (S, d), 0 where the index is -1."""
    return np.where(tracks[:, None] >= 0, catalogue.features[tracks], np.float32(0))
