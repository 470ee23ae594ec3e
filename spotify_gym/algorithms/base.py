"""SB3's DQN over tracks: masks repeated tracks and checks that the model fits the catalogue."""

from __future__ import annotations

import io
import pathlib
from typing import Any, Self

import numpy as np
import stable_baselines3
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback
from stable_baselines3.common.vec_env import VecNormalize, unwrap_vec_normalize

from spotify_gym.algorithms.compatibility import BindingError, Spaces, fingerprint_of, recordings_of
from spotify_gym.algorithms.policies import MlpPolicy, Observation, n_states
from spotify_gym.algorithms.replay import (
    Batch,
    Played,
    PlayedReplayBuffer,
    State,
    draw_unplayed,
    played_next,
    played_of,
)


class TrackDQN(stable_baselines3.DQN):
    """SB3's DQN, including its `train`, for action spaces whose actions are tracks.

    Differences from SB3:

    - Exploration is drawn per environment from the algorithm's own generator `rng`, seeded by `seed` (SB3 draws one
      epsilon for all environments). If actions have no `fingerprint`, SB3's random streams are used instead, so that
      with one environment the weights equal SB3's bit for bit.
    - If the environment reports `played` in `info`, no version of a played track is chosen: not when acting, not in
      random exploration, and not in the replayed targets of the algorithms derived from this class.
    - A saved file holds the weights and the identity of the catalogue, not the catalogue itself. The features come from
      `env` (`load` or `set_env`) or from an action space (`bind`); a policy that does not fit them raises an error.

    Environments without `played`, `features` or `fingerprint` are handled as in SB3. The arguments are SB3's; as in
    SB3, `target_update_interval` counts environment steps.
    """

    policy: MlpPolicy
    rng: np.random.Generator
    _played: Played | None = None  # tracks played in the sessions that `_last_obs` shows

    @classmethod
    def load(
        cls,
        path: str | pathlib.Path | io.BufferedIOBase,
        env: GymEnv | None = None,
        device: th.device | str = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Load a model from a file; the arguments are SB3's.

        Raises:
            BindingError: the model does not fit the catalogue of `env`.
        """
        stored, _, _ = load_from_zip_file(path, custom_objects=custom_objects)
        assert stored is not None  # SB3 stores the attributes in every file
        policy_kwargs = stored["policy_kwargs"]
        if "encoder" in getattr(stored["policy_class"], "network_options", {}):
            policy_kwargs = {"encoder": "dense", **policy_kwargs}  # older files do not name the encoder
            if "policy_kwargs" in kwargs:
                kwargs["policy_kwargs"] = {"encoder": policy_kwargs["encoder"], **kwargs["policy_kwargs"]}
        custom_objects = {**(custom_objects or {}), "policy_kwargs": policy_kwargs}
        if env is not None:
            env = cls._wrap_env(env, verbose=0)
            trained, offered = Spaces(stored["observation_space"], stored["action_space"]), Spaces.of(env)
            stored["policy_class"].check_spaces(trained, offered)
            custom_objects |= {"observation_space": offered.observation, "action_space": offered.action}
        return super().load(path, env, device, custom_objects, print_system_info, force_reset, **kwargs)

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """Replace the environment that the model plays and trains in.

        Raises:
            BindingError: the model does not fit the catalogue of `env`.
        """
        env = self._wrap_env(env, self.verbose)
        self._check_raw(unwrap_vec_normalize(env))
        self._bind(Spaces.of(env))
        super().set_env(env, force_reset)

    def bind(self, action_space: spaces.Discrete) -> Self:
        """Switch to the catalogue of this action space without an environment, and return the model.

        Raises:
            BindingError: the model does not fit that catalogue.
        """
        self._bind(Spaces(self.observation_space, action_space))
        return self

    def load_replay_buffer(self, path: str | pathlib.Path | io.BufferedIOBase, truncate_last_traj: bool = True) -> None:
        """Load a replay buffer from a file.

        Raises:
            BindingError: the stored actions are tracks of another catalogue.
        """
        kept = self.replay_buffer
        super().load_replay_buffer(path, truncate_last_traj)
        assert self.replay_buffer is not None
        loaded, own = fingerprint_of(self.replay_buffer.action_space), fingerprint_of(self.action_space)
        if loaded != own:
            self.replay_buffer = kept
            raise BindingError(
                f"the actions in this replay buffer are tracks of a catalogue with fingerprint {loaded}, "
                f"but the model plays from {own}; bind it to that catalogue first"
            )

    def predict(
        self,
        observation: Observation,
        state: State = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
        action_masks: NDArray[np.bool_] | None = None,
        played: NDArray[np.integer] | None = None,
    ) -> tuple[NDArray[np.int64], State]:
        """Return the best allowed action of each state, or a random allowed one with probability `exploration_rate`.

        `deterministic` turns exploration off; the other arguments are those of `MlpPolicy.predict`.
        """
        choose = self.policy.choose if deterministic or self.exploration_rate == 0.0 else self._explore
        return self.policy.predict_by(choose, observation, state, episode_start, action_masks, played)

    def sample(self, batch_size: int) -> Batch:
        """Sample transitions from the replay buffer; `played` is None unless the buffer stores it."""
        assert self.replay_buffer is not None
        samples = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
        return samples if isinstance(samples, Batch) else Batch(*samples[:6])

    def set_random_seed(self, seed: int | None = None) -> None:
        """Seed all that SB3 seeds, and the exploration generator `rng`."""
        super().set_random_seed(seed)
        self.rng = np.random.default_rng(seed)

    def _setup_model(self) -> None:
        if not issubclass(self.policy_class, MlpPolicy):
            raise TypeError(
                f"policy {self.policy_class.__name__} cannot leave tracks out; pass one of "
                f"{sorted(self.policy_aliases)}, or a class derived from spotify_gym.algorithms.policies.MlpPolicy"
            )
        plain = not isinstance(self.observation_space, spaces.Dict) and not self.optimize_memory_usage
        own_buffer = self.replay_buffer_class is None and plain
        if own_buffer:
            options = {**self.replay_buffer_kwargs, "n_steps": self.n_steps, "gamma": self.gamma}
            self.replay_buffer = PlayedReplayBuffer(
                self.buffer_size, self.observation_space, self.action_space, self.device, self.n_envs, **options
            )
        super()._setup_model()
        if own_buffer:
            self.replay_buffer_class = None  # SB3 has set it; a loaded model must choose its buffer again
        if self.policy.encoder is not None:
            self.policy_kwargs = {**self.policy_kwargs, "encoder": self.policy.encoder}  # so that files store it
        self._check_raw(self._vec_normalize_env)

    def _check_raw(self, normalized: VecNormalize | None) -> None:
        encoder = self.policy.encoder
        if encoder not in (None, "dense") and normalized is not None and normalized.norm_obs:
            raise ValueError(
                f"{encoder=} compares observations with the features of tracks, and VecNormalize changes "
                "observations; wrap with norm_obs=False, or choose policy_kwargs={'encoder': 'dense'}"
            )

    def _bind(self, offered: Spaces) -> None:
        self.policy.bind(*offered)
        if self.replay_buffer is not None and fingerprint_of(offered.action) != fingerprint_of(self.action_space):
            self.replay_buffer.reset()  # its actions are tracks of the previous catalogue
        self.observation_space, self.action_space = offered

    def _explore(
        self, observation: Observation, masks: NDArray[np.bool_] | None, played: NDArray[np.integer] | None
    ) -> NDArray[np.int64]:
        batched = self.policy.is_vectorized_observation(observation)
        n = n_states(observation) if batched else 1
        coins = np.full(n, np.random.rand()) if self._ordinary else self.rng.random(n)  # noqa: NPY002
        explores = coins < self.exploration_rate
        if self._ordinary and not explores.any():
            return self.policy.choose(observation, masks, played)
        actions = self._draw(n, masks, played)
        if not explores.all():
            actions = np.where(explores, actions, self.policy.choose(observation, masks, played).reshape(n))
        return actions if batched else actions.squeeze(axis=0)

    @property
    def _ordinary(self) -> bool:
        """Whether actions are not tracks; random numbers are then drawn exactly as SB3 draws them."""
        return fingerprint_of(self.action_space) is None

    def _draw(self, n: int, masks: NDArray[np.bool_] | None, played: NDArray[np.integer] | None) -> NDArray[np.int64]:
        """Return a random allowed action for each of `n` environments, (n,)."""
        n_actions = int(self.action_space.n)  # type: ignore[attr-defined]
        if masks is not None:
            rows = np.broadcast_to(masks, (n, n_actions))
            return np.array([self.rng.choice(np.flatnonzero(row)) for row in rows])
        if played is not None:
            heard = np.broadcast_to(played, (n, np.shape(played)[-1]))
            return draw_unplayed(self.rng, recordings_of(self.action_space), heard)
        if self._ordinary:
            return np.array([self.action_space.sample() for _ in range(n)])
        return self.rng.integers(n_actions, size=n)

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self.num_timesteps < learning_starts:
            actions = self._draw(n_envs, None, self._played)
        else:
            assert self._last_obs is not None
            starts = np.ones(n_envs, np.bool_)  # no state to carry over: `played` already lists what was played
            actions, _ = self.predict(self._last_obs, episode_start=starts, played=self._played)
        return actions, actions

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "run",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        begins = reset_num_timesteps or self._last_obs is None  # the cases in which SB3 resets the environment
        name = type(self).__name__ if tb_log_name == "DQN" else tb_log_name
        assert self.replay_buffer is not None
        if self.replay_buffer.n_envs != self.n_envs:
            raise ValueError(
                f"the replay buffer holds steps of {self.replay_buffer.n_envs} parallel environments, but the model "
                f"has {self.n_envs}; load it into a model with as many"
            )
        prepared = super()._setup_learn(total_timesteps, callback, reset_num_timesteps, name, progress_bar)
        if begins:
            self._played = played_of(self._reset_infos())
        if self._played is not None and not isinstance(self.replay_buffer, PlayedReplayBuffer):
            way_out = "`replay_buffer_class` and `optimize_memory_usage`"
            if isinstance(self.observation_space, spaces.Dict):
                way_out = "the wrapper that makes observations dictionaries (masks are not needed)"
            raise ValueError(
                f"this environment forbids repeats, but {type(self.replay_buffer).__name__} does not store "
                f"plays; leave out {way_out}"
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
        return list(self.env.unwrapped.reset_infos)  # a VecEnv wrapper's own list stays empty
