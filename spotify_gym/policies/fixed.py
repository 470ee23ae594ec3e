"""One list for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from spotify_gym.policies.policy import Ints, ReferencePolicy, session_length
from spotify_gym.policies.search import Search
from spotify_gym.session import Sessions

_STARTS_SEED = 0xF1_8ED  # the keys of the sessions that the list is made for; no seed of an environment gives them
_WIDTH = 4


class FixedPolicy(ReferencePolicy):
    """Play one list of tracks to every session: the best that can be had without a look at the state. It sets skill 0.

    The list is searched for when it is first needed: the planner's search, one list for many random starts at once,
    which are none of those that any seed of an environment gives. On 200,000 tracks that takes a minute or so. Being
    blind, the policy plays a track even where a session happened to start with it.

    Args:
        env: see :class:`ReferencePolicy`.
        tracks: the list, for one found before.
        n_starts: random starts that the list is made for.
    """

    def __init__(self, env: Any, tracks: Sequence[int] | None = None, n_starts: int = 256) -> None:
        super().__init__(env)
        self._n_tracks = session_length(env)
        self._n_starts = n_starts
        if tracks is not None:
            self.tracks = np.array(tracks, np.int64)

    @cached_property
    def tracks(self) -> Ints:
        """The list, as long as a session."""
        keys = np.random.default_rng(_STARTS_SEED).integers(2**64, size=self._n_starts, dtype=np.uint64)
        search = Search(self.rules, widths=(1,), sample_width=_WIDTH)
        return search.best(self.rules.start(keys), self._n_tracks).plan

    def choose(self, sessions: Sessions) -> Ints:
        """Go down the list."""
        return self.tracks[np.minimum(sessions.time, len(self.tracks) - 1)]
