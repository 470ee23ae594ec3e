"""SB3's DQN policies with the networks of this package: action masking in `predict`, plain and dueling heads."""

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
    """Return the batch size of observations: an array, a tensor or a dictionary of either."""
    return len(next(iter(observations.values())) if isinstance(observations, dict) else observations)


class MlpPolicy(DQNPolicy):
    """SB3's DQN policy with one output per action and a network that can exclude tracks.

    The arguments are those of SB3's `DQNPolicy`. With no track excluded, it computes what SB3's policy computes.
    """

    network_class: ClassVar[type[DenseQNetwork]] = DenseQNetwork
    network_options: ClassVar[dict[str, Any]] = {}
    """Network arguments in addition to SB3's, with their defaults."""
    encoder: str | None = None
    """Name of the state encoder, for policies with a choice of encoders."""
    adam_options: ClassVar[dict[str, Any]] = {}
    """Default options of the optimiser, used if it is Adam."""
    check_spaces = staticmethod(check_same)
    q_net: DenseQNetwork
    q_net_target: DenseQNetwork
    _forgetful_calls: int = 0  # consecutive calls not told what was played; only a warning depends on it
    _has_warned: bool = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **Adam.instead(kwargs, **self.adam_options))

    def make_q_net(self) -> DenseQNetwork:
        """Return a new network of `network_class`; called once for the online and once for the target network."""
        net_args = self._update_features_extractor(self.net_args, features_extractor=None)
        return self.network_class(**net_args).to(self.device)

    def bind(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        """Replace the spaces of the policy and its networks.

        Raises:
            BindingError: the policy does not fit them.
        """
        self.check_spaces(Spaces.of(self), Spaces(observation_space, action_space))
        for module in (self, self.q_net, self.q_net_target):
            module.observation_space, module.action_space = observation_space, action_space

    def set_training_mode(self, mode: bool) -> None:
        """Set the mode as SB3 does, but skip its walk through all modules if the mode is already set."""
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

        If the action space forbids repeats and neither `action_masks` nor `played` is given, the policy remembers its
        own choices: it chooses no version of a track that it has chosen since the start of the session. It keeps these
        tracks in `state`, (batch, width), padded with -1. Otherwise `state` is returned unchanged.

        Args:
            observation: observation of one environment, or of many with a leading batch axis.
            state: state returned by the last call; None at first.
            episode_start: (batch,) True where a session begins and the remembered choices are dropped.
            deterministic: unused; the algorithm handles exploration.
            action_masks: (n,) or (batch, n), True where an action is allowed, as in sb3-contrib.
            played: (width,) or (batch, width), tracks excluded in all versions, padded with -1.

        Raises:
            ValueError: both `action_masks` and `played` are given, a shape does not fit, or no action is allowed.
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
        """Return what `predict` returns, with actions chosen by `choose` instead of the method of that name."""
        if isinstance(observation, tuple):
            super().predict(observation)  # type: ignore[arg-type]  # raises SB3's error for such observations
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
        """Return the best allowed actions, () or (batch,); arguments and errors as for `predict`."""
        if masks is None and played is None:
            return super().predict(observation)[0]
        if masks is not None and played is not None:
            raise ValueError("give `action_masks` or `played`, not both: each defines what is forbidden")
        self.set_training_mode(False)
        obs, batched = self.obs_to_tensor(observation)
        with th.no_grad():
            if masks is not None:
                choice = self.q_net.best_of(obs, self._rows(n_states(obs), masks, th.bool, "action_masks"))
            else:
                choice = self.q_net.best(obs, self._rows(n_states(obs), played, th.int64, "played"))
        if bool(choice.values.isneginf().any()):
            raise ValueError("every action of a session is forbidden")
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
    """SB3's policy for dictionary observations."""


class DuelingMlpPolicy(MlpPolicy):
    """`MlpPolicy` with the dueling head."""

    network_class = DuelingQNetwork


class DuelingCnnPolicy(DuelingMlpPolicy, sb3.CnnPolicy):
    """`CnnPolicy` with the dueling head, as in the paper."""


class DuelingMultiInputPolicy(DuelingMlpPolicy, sb3.MultiInputPolicy):
    """`MultiInputPolicy` with the dueling head."""
