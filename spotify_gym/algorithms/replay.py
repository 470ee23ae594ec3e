"""The replay buffer: SB3's n-step transitions, and the few tracks that the next state forbids."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch as th
from numpy.typing import NDArray
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from spotify_gym.algorithms.played import NOTHING, Played, played_of


class Batch(NamedTuple):
    """Transitions as `DQN.train` reads them: SB3's `ReplayBufferSamples`, with `played` of the next state."""

    observations: th.Tensor  # (batch, ...)
    actions: th.Tensor  # (batch, 1) int64
    next_observations: th.Tensor  # (batch, ...), n steps later
    dones: th.Tensor  # (batch, 1) 1.0 where the episode terminated; 0.0 where it was only truncated
    rewards: th.Tensor  # (batch, 1) discounted sum of n rewards
    discounts: th.Tensor | None  # (batch, 1) gamma to the number of steps summed; None: gamma
    played: th.Tensor | None = None  # (batch, width) int64, what the next state forbids, padded with -1


class PlayedReplayBuffer(NStepReplayBuffer):
    """SB3's n-step replay buffer, which also keeps the tracks played before the next state.

    Only the ids are kept (the width of the longest session so far), and only once an `info` has `played` in it. Of one
    step it samples what SB3's `ReplayBuffer` does. The arguments are those of `NStepReplayBuffer`.
    """

    def __init__(self, *args: Any, n_steps: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, n_steps=n_steps, **kwargs)
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
            self.played = self._widened(played.shape[1])
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
        if self.played is None:
            return self._transitions(batch_inds, env)
        # SB3 draws the environments in there, and tells nobody which; seen here before, they are drawn there again.
        stream = np.random.get_state() if self.n_envs > 1 else None  # noqa: NPY002
        envs = np.random.randint(0, self.n_envs, size=len(batch_inds))  # noqa: NPY002
        if stream is not None:  # one environment takes no numbers
            np.random.set_state(stream)  # noqa: NPY002
        samples = self._transitions(batch_inds, env)
        played = self.played[self._last_rows(batch_inds, envs), envs]
        return samples._replace(played=self.to_torch(played.astype(np.int64)))

    def _transitions(self, batch_inds: NDArray[np.intp], env: VecNormalize | None) -> Batch:
        if self.n_steps > 1:
            return Batch(*super()._get_samples(batch_inds, env))
        samples = ReplayBuffer._get_samples(self, batch_inds, env)  # the same, sooner
        return Batch(*samples[:5], discounts=th.full_like(samples.rewards, self.gamma))

    def _last_rows(self, starts: NDArray[np.intp], envs: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the row of the last of the n steps of each transition: the end of the episode, or the newest."""
        rows = (starts[:, None] + np.arange(self.n_steps)) % self.buffer_size
        newest = (self.pos - 1) % self.buffer_size  # the row after it belongs to another time
        ends = (self.dones[rows, envs[:, None]] > 0) | (self.timeouts[rows, envs[:, None]] > 0) | (rows == newest)
        ends[:, -1] = True
        last: NDArray[np.intp] = rows[np.arange(len(rows)), ends.argmax(axis=1)]
        return last
