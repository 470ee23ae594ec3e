"""Wrappers of vector environments made by `gymnasium.make_vec`; each mirrors the single wrapper of the same name."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import VectorActionWrapper, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from spotify_gym.wrappers.single import Coordinates, ProtoActions, inner_env, masked, masked_space, nearest_unplayed


class NearestUnplayed(VectorActionWrapper):  # without type parameters: generic only since Gymnasium 1.4
    """Replace tracks that may not be played, as :class:`spotify_gym.wrappers.NearestUnplayed`.

    Args:
        env: a vector environment of this package, wrapped or not, whose actions are tracks.

    Raises:
        TypeError: another kind of environment.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        self._inner = inner_env(env, type(self))

    def actions(self, actions: Any) -> Any:
        """Return the tracks to play, (B,); invalid actions are refused as by the environment."""
        return nearest_unplayed(self._inner, self._inner.tracks_of(actions))


class ProtoAction(VectorActionWrapper):
    """Take actions that are points in feature space, as :class:`spotify_gym.wrappers.ProtoAction`.

    Args:
        env: a vector environment of this package, wrapped or not, whose actions are tracks.
        coordinates: "unit" or "unit+raw".
        most_blocks: largest number of blocks of 64 tracks to search, most promising first; the result is then
            approximate and training faster. None searches exactly.

    Raises:
        TypeError: another kind of environment.
        ValueError: other coordinates.
    """

    def __init__(
        self, env: VectorEnv[Any, Any, Any], coordinates: Coordinates = "unit", most_blocks: int | None = None
    ) -> None:
        super().__init__(env)
        self._inner = inner_env(env, type(self))
        self._proto = ProtoActions(self._inner.dynamics, coordinates, most_blocks)
        self.single_action_space = self._proto.space
        self.action_space = batch_space(self._proto.space, env.num_envs)

    def actions(self, actions: Any) -> Any:
        """Return the tracks to play, (B,)."""
        return self._proto.tracks(self._inner.sessions, actions)


class MaskObservation(VectorWrapper):
    """Add action masks to the observations, as :class:`spotify_gym.wrappers.MaskObservation`.

    With same-step autoreset, `info["final_obs"]` holds a dict for each ended session.

    Args:
        env: a vector environment of this package, wrapped or not, whose actions are tracks.

    Raises:
        TypeError: another kind of environment.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        self._inner = inner_env(env, type(self))
        self.single_observation_space = masked_space(env.single_observation_space, self._inner)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin sessions."""
        observations, info = self.env.reset(seed=seed, options=options)
        return masked(observations, self._inner), info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Play one track in each session."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        if "final_obs" in info:
            info["final_obs"] = self._final(info)
        return masked(observations, self._inner), rewards, terminated, truncated, info

    def _final(self, info: dict[str, Any]) -> NDArray[Any]:
        """Return the final observations of ended sessions with their masks, (B,) objects; None for the others."""
        dynamics, final = self._inner.dynamics, np.full(self.num_envs, None, object)
        for i in np.flatnonzero(info["_final_obs"]):
            mask = np.ones(len(dynamics.catalogue), np.int8)
            if not dynamics.repeats:
                mask[np.isin(dynamics.first_versions, info["final_info"]["played"][i])] = 0
            final[i] = {"observation": info["final_obs"][i], "action_mask": mask}
        return final
