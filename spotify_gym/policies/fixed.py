"""One list for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from spotify_gym.policies.policy import Ints, ReferencePolicy, session_length
from spotify_gym.policies.search import Search
from spotify_gym.session import SessionState

_KEYS_SEED = 0x5EED  # of the keys of the starts; keys are 64-bit, and no seed of an environment gives these
_STARTS, _LISTENERS = 2048, 256
_WIDTH, _CENTRES = 4, 1024


class FixedPolicy(ReferencePolicy):
    """Play one list of tracks to every session: the best found without a look at the state. It sets skill 0.

    The list is searched for when it is first needed: the planner's search, for one list and many random starts at once,
    none of which any seed of an environment gives. On 200,000 tracks that takes seconds, or a minute where there is a
    listener to ask. Being blind, the policy plays a track even where a session happened to start with it.

    Args:
        env: see :class:`ReferencePolicy`.
        tracks: the list, where it was found before.
        n_starts: random starts that the list is made for; None for 2,048, or 256 where there is a listener.
    """

    def __init__(self, env: Any, tracks: Sequence[int] | None = None, n_starts: int | None = None) -> None:
        super().__init__(env)
        self._n_tracks = session_length(env)
        self._n_starts = n_starts or (_STARTS if self.dynamics.listener is None else _LISTENERS)
        if tracks is not None:
            self.tracks = np.array(tracks, np.int64)

    @cached_property
    def tracks(self) -> Ints:
        """The list, as long as a session."""
        keys = np.random.default_rng(_KEYS_SEED).integers(2**64, size=self._n_starts, dtype=np.uint64)
        search = Search(self.dynamics, widths=(1,), sample_width=_WIDTH, n_centres=_CENTRES)
        return search.best(self.dynamics.start(keys), self._n_tracks).plan

    def choose(self, sessions: SessionState) -> Ints:
        """Go down the list."""
        return self.tracks[np.minimum(sessions.time, len(self.tracks) - 1)]
