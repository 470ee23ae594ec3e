"""Any track at all."""

from __future__ import annotations

from typing import Any

import numpy as np

from spotify_gym.policies.policy import Ints, ReferencePolicy
from spotify_gym.session import SessionState


class RandomPolicy(ReferencePolicy):
    """Play a track at random, all that may be played being equally likely.

    Args:
        env: see :class:`ReferencePolicy`.
        seed: of its own random numbers.
    """

    def __init__(self, env: Any, seed: int | None = 0) -> None:
        super().__init__(env)
        self._rng = np.random.default_rng(seed)

    def choose(self, sessions: SessionState) -> Ints:
        """Draw from the whole catalogue, and again, from what is left, where that track was played before."""
        tracks = self._rng.integers(len(self.dynamics.catalogue), size=len(sessions))
        if self.dynamics.repeats:
            return tracks
        recordings = self.dynamics.catalogue.recordings[tracks]
        refused = np.flatnonzero((sessions.played == recordings[:, None]).any(axis=1))
        for row, mask in zip(refused, self.dynamics.allowed(sessions.take(refused)), strict=True):
            if mask.any():
                tracks[row] = self._rng.choice(np.flatnonzero(mask))
        return tracks
