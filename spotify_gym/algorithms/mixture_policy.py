"""Actor-critic policy of PPO and A2C for proto-actions, whose actor mixes the vectors in the observation."""

from __future__ import annotations

import warnings
from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, create_mlp
from stable_baselines3.common.type_aliases import Schedule
from torch import nn

from spotify_gym.algorithms.compatibility import BindingError, blocks_of
from spotify_gym.algorithms.embeddings import unit
from spotify_gym.algorithms.networks import Adam
from spotify_gym.algorithms.state_encoder import columns_of, start_at_zero

UNIT, RAW = 1.5, 0.5
"""Scale of the mixture in the unit half and in the raw half of a proto-action."""
_LENGTH = 3.0  # typical length of a feature vector


class MixtureInput(BaseFeaturesExtractor):
    """Features for actor and critic: unit blocks, blocks, their lengths and cosines, and the remaining numbers.

    Args:
        observation_space: a space with `blocks`, the slices that are vectors of features.
    """

    blocks: th.Tensor  # (n, d) int64, columns of an observation
    others: th.Tensor  # (n_others,)
    pairs: th.Tensor  # (2, n (n - 1) / 2), the pairs of distinct blocks

    def __init__(self, observation_space: spaces.Space[Any]) -> None:
        places = blocks_of(observation_space)
        if not places or observation_space.shape is None:
            raise BindingError("MixturePolicy mixes vectors of features, but this observation space has none")
        blocks, others = columns_of(places, observation_space.shape[0])
        n, self.d = blocks.shape
        super().__init__(observation_space, 2 * n * self.d + n + n * (n - 1) // 2 + len(others))
        for name, held in (("blocks", blocks), ("others", others), ("pairs", th.triu_indices(n, n, 1))):
            self.register_buffer(name, held, persistent=False)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Return the features, (batch, features_dim), of observations (batch, k)."""
        blocks = observations[:, self.blocks]
        units = unit(blocks)
        cosines = (units @ units.mT)[:, self.pairs[0], self.pairs[1]]
        lengths = blocks.norm(dim=2) / _LENGTH
        parts = [units.flatten(1), blocks.flatten(1) / _LENGTH, lengths, cosines, observations[:, self.others]]
        return th.cat(parts, dim=1)


class MixtureActor(nn.Module):
    """q = anchor + Σᵢ wᵢ Uᵢ + wₙ₊ᵢ Bᵢ, with separate weights for the unit half and the raw half of a proto-action.

    The anchor and one part of the weights are linear in the numbers outside the blocks; if those encode the place in
    the session, each place has its own anchor. The other part of the weights is a perceptron of all features. The
    output starts at 0.

    Args:
        read: the feature extractor whose output the actor reads.
        hidden: widths of the perceptron's hidden layers.
    """

    def __init__(self, read: MixtureInput, hidden: list[int]) -> None:
        super().__init__()
        (self.n, self.d), n_others = read.blocks.shape, len(read.others)
        self.n_others, n_weights = n_others, 4 * self.n
        with warnings.catch_warnings(action="ignore"):  # PyTorch warns of layers with 0 inputs
            self.anchor = nn.Linear(n_others, 2 * self.d)
            self.direct = nn.Linear(n_others, n_weights, bias=False)
        self.deep = nn.Sequential(*create_mlp(read.features_dim, n_weights, hidden))
        start_at_zero(self.anchor, self.direct, self.deep[-1])

    def forward(self, read: th.Tensor) -> th.Tensor:
        """Return the proto-actions, (batch, 2d)."""
        units, blocks = (part.view(-1, self.n, self.d) for part in read[:, : 2 * self.n * self.d].chunk(2, dim=1))
        others = read[:, read.shape[1] - self.n_others :]
        weights = (self.deep(read) + self.direct(others)).view(-1, 2, 2 * self.n)
        mixed: th.Tensor = weights @ th.cat([UNIT * units, RAW * _LENGTH * blocks], dim=1)
        anchor: th.Tensor = self.anchor(others)
        return anchor + mixed.flatten(1)


class MixturePolicy(ActorCriticPolicy):
    """SB3's actor-critic policy for proto-actions of 2d numbers, with a `MixtureActor`.

    The standard deviation of the actions is not learned: `log_std_init` gives it, and :class:`StdSchedule` changes it
    during training.

    Args:
        observation_space, action_space, lr_schedule: as in SB3.
        log_std_init: logarithm of the standard deviation.
        **kwargs: as in SB3.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        log_std_init: float = -0.35,
        **kwargs: Any,
    ) -> None:
        usual = {"eps": 1e-5} if kwargs.get("optimizer_kwargs") is None else {}  # SB3's default for actor-critics
        own = {"net_arch": {"pi": [], "vf": [128, 128]}, "activation_fn": nn.ReLU, "log_std_init": log_std_init}
        own["features_extractor_class"] = MixtureInput
        super().__init__(observation_space, action_space, lr_schedule, **Adam.instead(own | kwargs, **usual))

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        read: Any = self.features_extractor
        actor = MixtureActor(read, [128, 64])
        if self.action_space.shape != (2 * actor.d,):
            raise BindingError(
                f"MixturePolicy needs actions of {2 * actor.d} numbers; got {self.action_space}; wrap "
                "the environment in ProtoAction(env, coordinates='unit+raw')"
            )
        self.action_net = actor
        self.log_std.requires_grad_(False)
        self.optimizer = self.optimizer_class(
            self.parameters(),
            lr=lr_schedule(1),  # type: ignore[call-arg]
            **self.optimizer_kwargs,
        )


class StdSchedule(BaseCallback):
    """Lower the standard deviation of a :class:`MixturePolicy` geometrically over the training.

    Args:
        first, last: standard deviation at the start and at the end.
    """

    def __init__(self, first: float = 0.7, last: float = 0.05) -> None:
        super().__init__()
        self._first, self._last = first, last

    def _on_rollout_start(self) -> None:
        gone = 1 - self.model._current_progress_remaining
        log_std: Any = self.model.policy.log_std
        log_std.data.fill_(float(th.tensor(self._first * (self._last / self._first) ** gone).log()))

    def _on_step(self) -> bool:
        return True
