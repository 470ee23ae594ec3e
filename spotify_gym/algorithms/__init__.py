"""Learners: deep Q-networks for actions that are tracks. Torch and Stable-Baselines3; no catalogue, no environment."""

from spotify_gym.algorithms.compatibility import BindingError
from spotify_gym.algorithms.dqn import DQN, DoubleDQN
from spotify_gym.algorithms.dueling import DuelingDoubleDQN, DuelingDQN

__all__ = ["DQN", "BindingError", "DoubleDQN", "DuelingDQN", "DuelingDoubleDQN"]
