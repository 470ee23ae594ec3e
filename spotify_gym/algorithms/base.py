"""SB3's DQN, acting on tracks: explores in each environment on its own, plays nothing twice where that is forbidden."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import MaybeCallback

from spotify_gym.algorithms.bound_dqn import BoundDQN
from spotify_gym.algorithms.compatibility import recordings_of
from spotify_gym.algorithms.played import Played, draw_unplayed, played_next, played_of
from spotify_gym.algorithms.policies import MlpPolicy, Observation, State
from spotify_gym.algorithms.replay import PlayedReplayBuffer


class TrackDQN(BoundDQN):
    """SB3's DQN (its `train` included) for actions that are tracks.

    What differs from SB3:

    - exploration is drawn for each environment on its own, from the algorithm's own generator `rng`, made from `seed`
      (SB3 draws one epsilon for all environments, from NumPy's global stream);
    - where an environment puts `played` into `info`, neither acting, nor random exploration, nor the replayed targets
      of the learners built on this class choose a track that was played, in any of its versions;
    - a model refuses action spaces that it does not fit, with the reason: see `BoundDQN`.

    Environments that say nothing of `played`, `features` or `fingerprint` are served as SB3 serves them. The arguments
    are SB3's; `target_update_interval` counts environment steps there and here.
    """

    rng: np.random.Generator
    _played: Played | None = None  # of the sessions in `_last_obs`

    def _setup_model(self) -> None:
        if not issubclass(self.policy_class, MlpPolicy):
            raise TypeError(
                f"policy {self.policy_class.__name__} does not know how to leave tracks out; pass one of "
                f"{sorted(self.policy_aliases)}, or a class derived from spotify_gym.algorithms.policies.MlpPolicy"
            )
        own_buffer = self._wants_own_buffer()
        if own_buffer:
            self.replay_buffer = self._make_buffer()
        super()._setup_model()
        if own_buffer:
            self.replay_buffer_class = None  # SB3 has filled it in; a saved model is to choose again

    def _wants_own_buffer(self) -> bool:
        plain = not isinstance(self.observation_space, spaces.Dict) and not self.optimize_memory_usage
        return self.replay_buffer_class is None and plain

    def _make_buffer(self) -> PlayedReplayBuffer:
        options = {**self.replay_buffer_kwargs, "n_steps": self.n_steps, "gamma": self.gamma}
        return PlayedReplayBuffer(
            self.buffer_size, self.observation_space, self.action_space, self.device, self.n_envs, **options
        )

    def set_random_seed(self, seed: int | None = None) -> None:
        """Seed everything that SB3 seeds, and the generator of the exploration."""
        super().set_random_seed(seed)
        self.rng = np.random.default_rng(seed)

    def predict(
        self,
        observation: Observation,
        state: State = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
        action_masks: NDArray[np.bool_] | None = None,
        played: NDArray[np.integer] | None = None,
    ) -> tuple[NDArray[np.int64], State]:
        """Return the best allowed actions, or with probability `exploration_rate` each a random allowed one.

        Args:
            observation: of one environment, or with a leading axis for many.
            state: unused, as in SB3.
            episode_start: unused, as in SB3.
            deterministic: never explore.
            action_masks: True where an action is allowed, (n,) or (batch, n), as sb3-contrib has it.
            played: tracks not to play again in any version, (width,) or (batch, width), padded with -1.

        Returns:
            Actions, () or (batch,), and `state` as it came.
        """
        if deterministic or self.exploration_rate == 0.0:
            return self.policy.predict(observation, state, episode_start, deterministic, action_masks, played)
        batched = self.policy.is_vectorized_observation(observation)
        arrays = observation.values() if isinstance(observation, dict) else [observation]
        n = len(next(iter(arrays))) if batched else 1
        explores = self.rng.random(n) < self.exploration_rate
        actions = self._draw(n, action_masks, played)
        if not explores.all():
            best, _ = self.policy.predict(observation, state, episode_start, deterministic, action_masks, played)
            actions = np.where(explores, actions, best.reshape(n))
        return (actions if batched else actions.squeeze(axis=0)), state

    def _draw(self, n: int, masks: NDArray[np.bool_] | None, played: NDArray[np.integer] | None) -> NDArray[np.int64]:
        """Return one random allowed action for each of `n` environments."""
        n_actions = int(self.action_space.n)  # type: ignore[attr-defined]
        if masks is not None:
            rows = np.broadcast_to(masks, (n, n_actions))
            return np.array([self.rng.choice(np.flatnonzero(row)) for row in rows])
        if played is not None:
            return draw_unplayed(
                self.rng, recordings_of(self.action_space), np.broadcast_to(played, (n, np.shape(played)[-1]))
            )
        return self.rng.integers(n_actions, size=n)

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self.num_timesteps < learning_starts:
            actions = self._draw(n_envs, None, self._played)
        else:
            assert self._last_obs is not None
            actions, _ = self.predict(self._last_obs, played=self._played)
        return actions, actions

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "run",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        begins = reset_num_timesteps or self._last_obs is None  # when SB3 resets the environment
        name = type(self).__name__ if tb_log_name == "DQN" else tb_log_name
        prepared = super()._setup_learn(total_timesteps, callback, reset_num_timesteps, name, progress_bar)
        if begins:
            self._played = played_of(self._reset_infos())
        if self._played is not None and not isinstance(self.replay_buffer, PlayedReplayBuffer):
            raise ValueError(
                f"this environment forbids repeats, and {type(self.replay_buffer).__name__} does not keep what was "
                "played; leave `replay_buffer_class` and `optimize_memory_usage` out"
            )
        return prepared

    def _store_transition(
        self,
        replay_buffer: ReplayBuffer,
        buffer_action: NDArray[Any],
        new_obs: Observation,
        reward: NDArray[Any],
        dones: NDArray[np.bool_],
        infos: list[dict[str, Any]],
    ) -> None:
        super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)
        self._played = played_next(infos, dones, self._reset_infos())

    def _reset_infos(self) -> list[dict[str, Any]]:
        assert self.env is not None
        return list(self.env.unwrapped.reset_infos)  # a wrapper's own list stays empty
