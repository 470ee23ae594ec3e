"""What all policies that do not learn have in common: they look at the sessions themselves, not at the observation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym.session import SessionDynamics, SessionState, SpotifyVectorEnv

Ints = NDArray[np.int64]


class ReferencePolicy(ABC):
    """A policy that does not learn, with the `predict` of Stable-Baselines3.

    It reads the true state of the sessions from the environment and needs no observation, so that it serves any
    `state` option, any wrapper, and listeners with something to hide. It must be asked about the environment that it
    was made for, as that stands.

    Args:
        env: a listening session, or many of them (`gymnasium.make_vec`); wrapped or not.

    Raises:
        TypeError: the environment is no listening session.
    """

    def __init__(self, env: Any) -> None:
        self.env = env.unwrapped
        if not isinstance(getattr(self.env, "dynamics", None), SessionDynamics):
            raise TypeError(
                f"{type(self).__name__} needs a listening session, alone or many by make_vec; got {env}. "
                "A vector env made of single ones hides their state: leave out vectorization_mode"
            )
        self.dynamics: SessionDynamics = self.env.dynamics

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[Ints, Any]:
        """Choose the next track of each session.

        Args:
            observation: (k,) or (B, k); only its number of axes matters.
            state: returned as it came.
            episode_start: of no matter.
            deterministic: of no matter: a policy is random or it is not.

        Returns:
            The tracks, of shape () or (B,), and `state`.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        tracks = self.choose(self.env.sessions)
        return (tracks if np.ndim(observation) > 1 else tracks[0]), state

    @abstractmethod
    def choose(self, sessions: SessionState) -> Ints:
        """Return one track for each of B sessions, (B,)."""


def session_length(env: Any) -> int:
    """Return after how many tracks a session of this environment is truncated.

    Raises:
        ValueError: it never is.
    """
    inner = env.unwrapped
    length = (
        inner.max_episode_steps if isinstance(inner, SpotifyVectorEnv) else getattr(env.spec, "max_episode_steps", None)
    )
    if length is None:
        raise ValueError(f"{env} has no max_episode_steps, so no plan can be long enough; make it by gymnasium.make")
    return int(length)
