"""DQN and Double DQN with a dueling network: the network defines the head, the algorithm the target rule."""

from __future__ import annotations

from typing import ClassVar

from stable_baselines3.common.policies import BasePolicy

from spotify_gym.algorithms.catalogue_policy import DuelingCataloguePolicy
from spotify_gym.algorithms.dqn import DQN, DoubleDQN
from spotify_gym.algorithms.policies import DuelingCnnPolicy, DuelingMlpPolicy, DuelingMultiInputPolicy

DUELING: dict[str, type[BasePolicy]] = {
    "MlpPolicy": DuelingMlpPolicy,
    "CnnPolicy": DuelingCnnPolicy,
    "MultiInputPolicy": DuelingMultiInputPolicy,
    "CataloguePolicy": DuelingCataloguePolicy,
}
"""The dueling policies, under the aliases of the plain ones."""


class DuelingDQN(DQN):
    """`DQN` with a dueling network (Wang et al. 2016, https://arxiv.org/abs/1511.06581).

    Deviations from the paper: the target rule is DQN's, where the paper uses Double DQN (see `DuelingDoubleDQN`); the
    deviations of `DQN`; those that the network's docstring lists.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = DUELING


class DuelingDoubleDQN(DoubleDQN):
    """`DoubleDQN` with a dueling network: the agent of Wang et al. (2016) without prioritised replay.

    Deviations from the paper: those of `DoubleDQN`; those that the network's docstring lists.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = DUELING
