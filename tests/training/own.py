"""An algorithm, a network, a state and a listener of one's own, named as `module:Class` in test_own."""

from __future__ import annotations

from spotify_gym.algorithms import DoubleDQN
from spotify_gym.algorithms.catalogue_policy import CataloguePolicy
from spotify_gym.listeners import SkippingListener
from spotify_gym.session.observation import Decayed


class Learner(DoubleDQN):
    """Double DQN by another name."""


class Network(CataloguePolicy):
    """The catalogue's policy by another name."""


class State(Decayed):
    """The decayed mean by another name."""


class Fan(SkippingListener):
    """A skipping listener by another name."""

    name = "tests.training.own:Fan"
