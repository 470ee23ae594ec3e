"""SB3 `VecEnv` adapter of the native vector environment, and its construction from the settings."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorActionWrapper
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from spotify_gym.catalogue import Catalogue, as_catalogue
from spotify_gym.session import SpotifyVectorEnv
from spotify_gym.training.config import ConfigError, TrainConfig
from spotify_gym.wrappers.vector import ProtoAction

Infos = list[dict[str, Any]]

_SAMPLE_SEED = 0  # the same sample in all runs, so that they are comparable
_by_points = partial(ProtoAction, coordinates="unit+raw", most_blocks=64)  # approximate; evaluation is exact


def catalogue_of(config: TrainConfig) -> Catalogue:
    """Return the catalogue that the settings name.

    Raises:
        CatalogueError: the catalogue cannot be read.
    """
    catalogue = as_catalogue(config.catalogue, scaling=config.scaling)
    if config.max_tracks is None or config.max_tracks >= len(catalogue):
        return catalogue
    sample = np.random.default_rng(_SAMPLE_SEED).choice(len(catalogue), config.max_tracks, replace=False)
    return catalogue.take(np.sort(sample))


def sessions_of(
    config: TrainConfig, catalogue: Catalogue, n_envs: int, *, whole: bool = True, **options: Any
) -> SessionVecEnv:
    """Return an SB3 `VecEnv` of `n_envs` sessions; `options` override those of the settings.

    With `whole=False`, catalogues too small for a full session are accepted.

    Raises:
        ConfigError: the environment does not know a setting, or the catalogue does not allow it.
    """
    try:
        options = {**config.env_options, **options}
        if not whole and len(catalogue) < config.history_length + config.session_length:
            options["max_episode_steps"] = -1
        env = gym.make_vec(config.env, num_envs=n_envs, autoreset_mode="SameStep", catalogue=catalogue, **options)
    except ValueError as error:
        raise ConfigError(f"{config.env}: {error}") from error
    assert isinstance(env, SpotifyVectorEnv)  # all ids of this package make one
    acting = _by_points(env) if config.learner.points else env
    return SessionVecEnv(acting, truncates="place" not in config.state.split("+"))


class SessionVecEnv(VecEnv):
    """SB3 `VecEnv` of B listening sessions, stepped together in NumPy.

    It behaves like `DummyVecEnv` over B monitored single environments: `terminal_observation` and `TimeLimit.truncated`
    at the end of a session, `episode` in the format of SB3's `Monitor`, and `reset_infos`.

    Args:
        env: vector environment with `AutoresetMode.SAME_STEP`, wrapped or not.
        truncates: whether to report the time limit as a truncation, after which SB3 bootstraps; False if the agent
            observes its place in the session.
    """

    def __init__(self, env: SpotifyVectorEnv | VectorActionWrapper[Any, Any, Any, Any], truncates: bool = True) -> None:
        mode = env.metadata["autoreset_mode"]
        if mode != AutoresetMode.SAME_STEP:
            raise ValueError(f"autoreset_mode={mode} must be SAME_STEP: SB3 has no step without a track")
        self.env: SpotifyVectorEnv = env.unwrapped  # type: ignore[assignment]
        self._wrapped: Any = env
        self._truncates = truncates
        self.returns = np.zeros(env.num_envs, np.float64)
        """Sum of the rewards of each session so far, (B,)."""
        self.lengths = np.zeros(env.num_envs, np.int64)
        """Number of tracks recommended in each session so far, (B,)."""
        self._actions: NDArray[np.int64] = np.zeros(env.num_envs, np.int64)
        self.created = time.time()
        """Creation time [s since the epoch], the origin of the `t` of episodes."""
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> NDArray[np.float32]:
        """Begin all sessions with the seeds and options set before; return their observations, (B, k)."""
        observations: NDArray[np.float32]
        observations, info = self._wrapped.reset(
            seed=None if self._seeds[0] is None else self._seeds, options=self._vector_options()
        )
        self._reset_seeds()
        self._reset_options()
        self.returns[:] = 0
        self.lengths[:] = 0
        self.reset_infos = self._apart(info)
        return observations

    def step_async(self, actions: NDArray[np.int64]) -> None:
        """Store the tracks to play, one per session, (B,)."""
        self._actions = actions

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], Infos]:
        """Play the stored tracks; return observations (B, k), rewards (B,), dones (B,) and an `info` per session."""
        observations, rewards, terminated, truncated, info = self._wrapped.step(self._actions)
        dones = terminated | truncated
        self.returns += rewards
        self.lengths += 1
        infos = self._apart(
            {"TimeLimit.truncated": truncated & ~terminated & self._truncates, **info.get("final_info", info)}
        )
        if dones.any():
            self._end(np.flatnonzero(dones), infos, info)
        return observations, rewards, dones, infos

    def close(self) -> None:
        """Close the vector environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of the vector environment, repeated for each session, since all share it."""
        return [getattr(self.env, attr_name)] * len(self._chosen(indices))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the vector environment for all sessions.

        Raises:
            ValueError: `indices` selects only some of the sessions.
        """
        if len(self._chosen(indices)) != self.num_envs:
            raise ValueError(f"{attr_name} is shared by all {self.num_envs} sessions; set it without `indices`")
        setattr(self.env, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the vector environment that returns a row per session, such as `action_masks`."""
        rows = getattr(self.env, method_name)(*method_args, **method_kwargs)
        return [rows[i] for i in self._chosen(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Return True for SB3's `Monitor`, which this class replaces, and False for any other wrapper."""
        return [issubclass(Monitor, wrapper_class)] * len(self._chosen(indices))

    def _chosen(self, indices: VecEnvIndices) -> list[int]:
        return list(self._get_indices(indices))

    def _vector_options(self) -> dict[str, Any] | None:
        """Combine the options of the sessions into those of the vector environment."""
        if not any(self._options):
            return None
        names = set().union(*self._options)
        if any(set(options) != names for options in self._options):
            raise ValueError(
                "either all sessions get an option or none; give one dict, or one with the same keys to each"
            )
        return {name: [options[name] for options in self._options] for name in names}

    def _apart(self, info: Mapping[str, Any]) -> Infos:
        """Convert arrays with a row per session into one dict per session."""
        told = {name: values for name, values in info.items() if not name.startswith("_")}  # drop Gymnasium's masks
        names, columns = list(told), [values.tolist() if values.ndim == 1 else values for values in told.values()]
        if not columns:
            return [{} for _ in range(self.num_envs)]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _end(self, ended: NDArray[np.intp], infos: Infos, info: Mapping[str, Any]) -> None:
        """Add SB3's end-of-episode entries to the `info` of ended sessions, and reset their counters."""
        final, now = info["final_obs"], round(time.time() - self.created, 6)
        begun = self._apart({name: values for name, values in info.items() if not name.startswith("final")})
        for i in ended.tolist():
            infos[i]["terminal_observation"] = final[i]
            infos[i]["episode"] = {"r": round(float(self.returns[i]), 6), "l": int(self.lengths[i]), "t": now}
            self.reset_infos[i] = begun[i]
        self.returns[ended] = 0
        self.lengths[ended] = 0
