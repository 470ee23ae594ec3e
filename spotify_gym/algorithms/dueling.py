"""Deep Q-learning over the dueling network: the head is the network's, the target rule the algorithm's."""

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
"""The policies with the dueling head, by the names of those without."""


class DuelingDQN(DQN):
    """`DQN` over a dueling network (Wang et al. 2016, https://arxiv.org/abs/1511.06581).

    Deviations from the paper, which trains its network by Double DQN (that is `DuelingDoubleDQN`): the target rule is
    DQN's; those of `DQN`; those of the network, named there.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = DUELING


class DuelingDoubleDQN(DoubleDQN):
    """`DoubleDQN` over a dueling network, which is the agent of Wang et al. (2016), without prioritised replay.

    Deviations from the paper: those of `DoubleDQN`; those of the network, named there.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = DUELING
