"""Who plays while the sessions are logged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym.policies import POLICIES, RandomPolicy, ReferencePolicy
from spotify_gym.registry import resolve
from spotify_gym.session import SessionState


class MixedPolicy(ReferencePolicy):
    """Play as another policy does, or with a certain probability any track that may be played.

    Args:
        env: see :class:`~spotify_gym.policies.ReferencePolicy`.
        policy: name of the other one.
        epsilon: that probability, in [0, 1].
        seed: of its random numbers.
    """

    def __init__(self, env: Any, policy: str, epsilon: float, seed: int = 0) -> None:
        super().__init__(env)
        self._policy, self._random = resolve("policy", policy, POLICIES)(env), RandomPolicy(env, seed)
        self._epsilon, self._rng = epsilon, np.random.default_rng([seed, 1])

    def choose(self, sessions: SessionState) -> NDArray[np.int64]:
        """Toss for each session."""
        strays = self._rng.random(len(sessions)) < self._epsilon
        return np.where(strays, self._random.choose(sessions), self._policy.choose(sessions))
