"""SB3's policies over the networks of this package: forbidden tracks in `predict`, a plain or a dueling head."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.dqn import policies as sb3
from stable_baselines3.dqn.policies import DQNPolicy

from spotify_gym.algorithms.compatibility import Spaces, check_same
from spotify_gym.algorithms.networks import Adam, DenseQNetwork, DuelingQNetwork
from spotify_gym.algorithms.replay import State, chosen_since_start, with_choice

Observation = NDArray[Any] | dict[str, NDArray[Any]]

FORGETFUL = (
    "predict was called again without `state`, over tracks of which none may play twice in a session: it keeps no "
    "memory of its own, and may choose what it has chosen before. Hand on what it returns, "
    "`action, state = model.predict(obs, state, episode_start)`; or pass `action_masks=env.action_masks()`; "
    "or wrap the environment in spotify_gym.wrappers.NearestUnplayed"
)


def n_states(observations: Any) -> int:
    """Return how many states there are in a batch, an array, a tensor or a dictionary of either."""
    return len(next(iter(observations.values())) if isinstance(observations, dict) else observations)


class MlpPolicy(DQNPolicy):
    """SB3's policy, with one output per action, over a network that knows how to leave tracks out.

    The arguments are those of SB3's `DQNPolicy`. With no track left out it computes what SB3's policy computes.
    """

    network_class: ClassVar[type[DenseQNetwork]] = DenseQNetwork
    network_options: ClassVar[dict[str, Any]] = {}
    """Arguments of the network beside those of SB3's, with what they are by default."""
    encoder: str | None = None
    """How states are read, where there is a choice."""
    adam_options: ClassVar[dict[str, Any]] = {}
    """Of the optimiser, where it is Adam, with what they are by default."""
    check_spaces = staticmethod(check_same)
    q_net: DenseQNetwork
    q_net_target: DenseQNetwork
    _forgetful_calls: int = 0  # in a row, without a word of what was played; only a warning depends on it
    _has_warned: bool = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **Adam.instead(kwargs, **self.adam_options))

    def make_q_net(self) -> DenseQNetwork:
        """Return a new network of `network_class`; called for the online and for the target network."""
        net_args = self._update_features_extractor(self.net_args, features_extractor=None)
        return self.network_class(**net_args).to(self.device)

    def bind(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        """Take these spaces for the ones the policy was made with from now on.

        Raises:
            BindingError: they do not fit.
        """
        self.check_spaces(Spaces.of(self), Spaces(observation_space, action_space))
        for module in (self, self.q_net, self.q_net_target):
            module.observation_space, module.action_space = observation_space, action_space

    def set_training_mode(self, mode: bool) -> None:
        """Do as SB3 does, where it is not done: it walks through all modules."""
        if (self.training, self.q_net.training) != (mode, mode):
            super().set_training_mode(mode)

    def predict(
        self,
        observation: Observation,
        state: State = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
        action_masks: NDArray[np.bool_] | None = None,
        played: NDArray[np.integer] | None = None,
    ) -> tuple[NDArray[np.int64], State]:
        """Return the best allowed actions.

        Where the action space forbids repeats and nothing else says what was played, no track is chosen again that was
        chosen since the start of its session, in any version: these tracks travel in `state`, (batch, width), padded
        with -1. Else `state` comes back as it came.

        Args:
            observation: of one environment, or with a leading axis for many.
            state: what the last call returned; None before the first.
            episode_start: (batch,) True where a session begins, and what was chosen before is forgotten.
            deterministic: unused; exploration is the algorithm's.
            action_masks: True where an action is allowed, (n,) or (batch, n), as sb3-contrib has it.
            played: tracks not to play again in any version, (width,) or (batch, width), padded with -1.

        Raises:
            ValueError: both kinds of exclusion at once, a shape that does not fit, or nothing allowed.
        """
        return self.predict_by(self.choose, observation, state, episode_start, action_masks, played)

    def predict_by(
        self,
        choose: Callable[..., NDArray[np.int64]],
        observation: Any,
        state: State,
        episode_start: NDArray[np.bool_] | None,
        masks: NDArray[np.bool_] | None,
        played: NDArray[np.integer] | None,
    ) -> tuple[NDArray[np.int64], State]:
        """Return what `predict` does, with another function in the place of its `choose`."""
        if isinstance(observation, tuple):
            super().predict(observation)  # type: ignore[arg-type]  # refuses it, and says why
        is_told = masks is not None or played is not None
        if is_told or not getattr(self.action_space, "forbids_repeats", False):
            self._forgetful_calls = 0
            return choose(observation, masks, played), state
        self._forgetful_calls = 0 if state or episode_start is not None else self._forgetful_calls + 1
        if self._forgetful_calls == 2 and not self._has_warned:
            self._has_warned = True
            warnings.warn(FORGETFUL, stacklevel=3)
        n = n_states(observation) if self.is_vectorized_observation(observation) else 1
        chosen = chosen_since_start(state, episode_start, n)
        actions = choose(observation, None, chosen)
        return actions, with_choice(chosen, actions)

    def choose(
        self, observation: Observation, masks: NDArray[np.bool_] | None, played: NDArray[np.integer] | None
    ) -> NDArray[np.int64]:
        """Return the best allowed actions, () or (batch,); the arguments and errors are those of `predict`."""
        if masks is None and played is None:
            return super().predict(observation)[0]
        if masks is not None and played is not None:
            raise ValueError("give `action_masks` or `played`, not both: each alone says all that is forbidden")
        self.set_training_mode(False)
        obs, batched = self.obs_to_tensor(observation)
        with th.no_grad():
            if masks is not None:
                choice = self.q_net.best_of(obs, self._rows(n_states(obs), masks, th.bool, "action_masks"))
            else:
                choice = self.q_net.best(obs, self._rows(n_states(obs), played, th.int64, "played"))
        if bool(choice.values.isneginf().any()):
            raise ValueError("there is a session in which every action is forbidden")
        actions = choice.actions[:, 0].cpu().numpy()
        return actions if batched else actions.squeeze(axis=0)

    def _rows(self, n: int, values: Any, dtype: th.dtype, name: str) -> th.Tensor:
        rows = np.atleast_2d(values)
        if rows.ndim != 2 or len(rows) not in (1, n) or rows.dtype.kind not in "biu":
            raise ValueError(f"{name} must be (n,) or ({n}, n), of {dtype}; got {rows.dtype} {rows.shape}")
        return th.as_tensor(rows, dtype=dtype, device=self.device).expand(n, -1)


class CnnPolicy(MlpPolicy, sb3.CnnPolicy):
    """SB3's policy for images."""


class MultiInputPolicy(MlpPolicy, sb3.MultiInputPolicy):
    """SB3's policy for observations that are dictionaries."""


class DuelingMlpPolicy(MlpPolicy):
    """`MlpPolicy` with the dueling head."""

    network_class = DuelingQNetwork


class DuelingCnnPolicy(DuelingMlpPolicy, sb3.CnnPolicy):
    """`CnnPolicy` with the dueling head, as in the paper."""


class DuelingMultiInputPolicy(DuelingMlpPolicy, sb3.MultiInputPolicy):
    """`MultiInputPolicy` with the dueling head."""
