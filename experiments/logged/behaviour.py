"""Behaviour policy, which plays the logged sessions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym.policies import POLICIES, RandomPolicy, ReferencePolicy
from spotify_gym.registry import resolve
from spotify_gym.session import SessionState


class MixedPolicy(ReferencePolicy):
    """ε-greedy mixture of a reference policy and random play.

    Args:
        env: see :class:`~spotify_gym.policies.ReferencePolicy`.
        policy: name of the reference policy.
        epsilon: probability of a random allowed track, in [0, 1].
        seed: seed of the random generator.
    """

    def __init__(self, env: Any, policy: str, epsilon: float, seed: int = 0) -> None:
        super().__init__(env)
        self._policy, self._random = resolve("policy", policy, POLICIES)(env), RandomPolicy(env, seed)
        self._epsilon, self._rng = epsilon, np.random.default_rng([seed, 1])

    def choose(self, sessions: SessionState) -> NDArray[np.int64]:
        """Return a track for each session, (B,); set `propensity`, and `chosen`, the reference policy's tracks."""
        strays = self._rng.random(len(sessions)) < self._epsilon
        self.chosen = self._policy.choose(sessions)
        tracks = np.where(strays, self._random.choose(sessions), self.chosen)
        self.propensity = self.probability(sessions, tracks, self._epsilon)
        return tracks

    def probability(self, sessions: SessionState, tracks: NDArray[np.int64], epsilon: Any) -> NDArray[np.float64]:
        """Return the exact probability, (B,), that a mixture plays the tracks in the sessions of the last `choose`.

        For P mixtures with `epsilon` (P, 1), the result is (P, B).
        """
        n_allowed = np.full(len(sessions), len(self.dynamics.catalogue))
        if not self.dynamics.repeats:
            n_allowed -= np.bincount(self.dynamics.refused(sessions)[0], minlength=len(sessions))
        probability: NDArray[np.float64] = (1 - epsilon) * (tracks == self.chosen) + epsilon / np.maximum(n_allowed, 1)
        return probability
