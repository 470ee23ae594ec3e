"""The replay buffer: SB3's transitions, n-step returns, and the few tracks that the next state forbids."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from spotify_gym.algorithms.played import NOTHING, Played, played_of


class Batch(NamedTuple):
    """Transitions as `DQN.train` reads them: SB3's `ReplayBufferSamples`, with `played` of the next state."""

    observations: th.Tensor  # (batch, ...)
    actions: th.Tensor  # (batch, 1) int64
    next_observations: th.Tensor  # (batch, ...), n steps later
    dones: th.Tensor  # (batch, 1) 1.0 where the episode terminated; 0.0 where it was only truncated
    rewards: th.Tensor  # (batch, 1) discounted sum of n rewards
    discounts: th.Tensor  # (batch, 1) gamma to the number of steps summed
    played: th.Tensor | None  # (batch, width) int64, what the next state forbids, padded with -1


class PlayedReplayBuffer(ReplayBuffer):
    """SB3's `ReplayBuffer` and `NStepReplayBuffer` in one, which also keeps the tracks played before the next state.

    Only the ids are kept (the width of the longest session so far), and only once an `info` has `played` in it. Same
    indices, same numbers as SB3's two classes, which offer no way to learn which rows a sample came from.

    Args:
        buffer_size: transitions to keep, over all environments.
        observation_space: of one environment; not a `Dict`.
        action_space: of one environment.
        device: where samples go.
        n_envs: environments stepped together.
        optimize_memory_usage: not supported; the next observation is not always the one of the next row.
        handle_timeout_termination: treat truncation as no end.
        n_steps: rewards summed in one transition (Sutton 1988); fewer where the episode ends before.
        gamma: discount of that sum, in [0, 1].
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: th.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
        n_steps: int = 1,
        gamma: float = 0.99,
    ) -> None:
        if optimize_memory_usage:
            raise NotImplementedError("PlayedReplayBuffer keeps both observations; leave optimize_memory_usage out")
        super().__init__(
            buffer_size,
            observation_space,
            action_space,
            device,
            n_envs,
            handle_timeout_termination=handle_timeout_termination,
        )
        self.n_steps = n_steps
        self.gamma = gamma
        self.played: NDArray[np.int32] | None = None  # (rows, n_envs, width)

    def add(
        self,
        obs: NDArray[Any],
        next_obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        done: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Keep one transition of each environment; `infos` may name what has been `played`."""
        row = self.pos
        super().add(obs, next_obs, action, reward, done, infos)
        self._keep(row, played_of(infos))

    def _keep(self, row: int, played: Played | None) -> None:
        if played is not None and (self.played is None or self.played.shape[2] < played.shape[1]):
            self.played = self._widened(2 * played.shape[1])
        if self.played is not None:
            self.played[row] = NOTHING
        if self.played is not None and played is not None:
            self.played[row, :, : played.shape[1]] = played

    def _widened(self, width: int) -> NDArray[np.int32]:
        wider = np.empty((self.buffer_size, self.n_envs, width), np.int32)  # untouched rows cost no memory
        rows = self.size()
        wider[:rows] = NOTHING
        if self.played is not None:
            wider[:rows, :, : self.played.shape[2]] = self.played[:rows]
        return wider

    def _get_samples(self, batch_inds: NDArray[np.intp], env: VecNormalize | None = None) -> Batch:  # type: ignore[override]
        # From NumPy's global stream, which SB3 seeds: the same rows as SB3's own buffers would give.
        envs = np.random.randint(0, self.n_envs, size=len(batch_inds))  # noqa: NPY002
        window, lengths = self._windows(batch_inds, envs)
        last = window[np.arange(len(window)), lengths - 1]
        steps = np.arange(self.n_steps, dtype=np.float32)
        weights = self.gamma**steps * (steps < lengths[:, None])
        rewards = self._normalize_reward(self.rewards[window, envs[:, None]], env) * weights
        ended = self.dones[last, envs] * (1 - self.timeouts[last, envs])
        return Batch(
            observations=self._observed(self.observations[batch_inds, envs], env),
            actions=self.to_torch(self.actions[batch_inds, envs]),
            next_observations=self._observed(self.next_observations[last, envs], env),
            dones=self.to_torch(ended[:, None]),
            rewards=self.to_torch(rewards.sum(axis=1, keepdims=True)),
            discounts=self.to_torch(self.gamma ** lengths.astype(np.float32)[:, None]),
            played=None if self.played is None else self.to_torch(self.played[last, envs].astype(np.int64)),
        )

    def _observed(self, observations: NDArray[Any], env: VecNormalize | None) -> th.Tensor:
        return self.to_torch(self._normalize_obs(observations, env))  # type: ignore[arg-type]

    def _windows(self, starts: NDArray[np.intp], envs: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the rows of each n-step transition, (batch, n), and how many count: up to the end of the episode."""
        rows = (starts[:, None] + np.arange(self.n_steps)) % self.buffer_size
        newest = (self.pos - 1) % self.buffer_size  # the row after it belongs to another time
        ends = (self.dones[rows, envs[:, None]] > 0) | (self.timeouts[rows, envs[:, None]] > 0) | (rows == newest)
        ends[:, -1] = True
        return rows, ends.argmax(axis=1) + 1
