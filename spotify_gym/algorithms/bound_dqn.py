"""Which catalogue a saved model plays from: checks at every door through which another one could come in."""

from __future__ import annotations

import io
import pathlib
from typing import Any, Self

import stable_baselines3
import torch as th
from gymnasium import spaces
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.type_aliases import GymEnv

from spotify_gym.algorithms.compatibility import BindingError, Spaces
from spotify_gym.algorithms.policies import MlpPolicy


class BoundDQN(stable_baselines3.DQN):
    """SB3's DQN, which plays only from catalogues that its policy understands.

    A file keeps weights and the identity of the catalogue, not the catalogue: the features come from `env` (`load` or
    `set_env`) or from an action space (`bind`). A per-track policy takes no catalogue but its own; a policy over
    features takes any that is measured alike, whatever its size.
    """

    policy: MlpPolicy

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
            BindingError: `env` plays from a catalogue that this model does not fit.
        """
        if env is not None:
            env = cls._wrap_env(env, verbose=0)
            stored, _, _ = load_from_zip_file(path, custom_objects=custom_objects)
            assert stored is not None  # SB3 writes it into every file
            offered = Spaces(env.observation_space, env.action_space)
            stored["policy_class"].check_spaces(Spaces(stored["observation_space"], stored["action_space"]), offered)
            custom_objects = {
                **(custom_objects or {}),
                "observation_space": offered.observation,
                "action_space": offered.action,
            }
        return super().load(path, env, device, custom_objects, print_system_info, force_reset, **kwargs)

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """Play and train in this environment from now on.

        Raises:
            BindingError: it plays from a catalogue that this model does not fit.
        """
        env = self._wrap_env(env, self.verbose)
        self._bind(Spaces(env.observation_space, env.action_space))
        super().set_env(env, force_reset)

    def bind(self, action_space: spaces.Discrete) -> Self:
        """Play from the catalogue of this action space from now on, without an environment; return the model.

        Raises:
            BindingError: a catalogue that this model does not fit.
        """
        self._bind(Spaces(self.observation_space, action_space))
        return self

    def load_replay_buffer(self, path: str | pathlib.Path | io.BufferedIOBase, truncate_last_traj: bool = True) -> None:
        """Load a replay buffer from a file.

        Raises:
            BindingError: its actions are tracks of another catalogue.
        """
        kept = self.replay_buffer
        super().load_replay_buffer(path, truncate_last_traj)
        assert self.replay_buffer is not None
        loaded = self.replay_buffer.action_space
        if _fingerprint(loaded) != _fingerprint(self.action_space):
            self.replay_buffer = kept
            raise BindingError(
                f"the actions in this replay buffer are tracks of a catalogue with fingerprint {_fingerprint(loaded)}, "
                f"and the model plays from {_fingerprint(self.action_space)}; bind it to that catalogue first"
            )

    def _bind(self, offered: Spaces) -> None:
        self.policy.check_spaces(Spaces(self.observation_space, self.action_space), offered)
        if self.replay_buffer is not None and _fingerprint(offered.action) != _fingerprint(self.action_space):
            self.replay_buffer.reset()  # its actions are tracks of the other catalogue
        self.observation_space, self.action_space = offered
        self.policy.bind(*offered)


def _fingerprint(space: spaces.Space[Any]) -> str | None:
    fingerprint: str | None = getattr(space, "fingerprint", None)
    return fingerprint
