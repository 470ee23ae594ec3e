"""Learners: deep Q-networks for actions that are tracks. Torch and Stable-Baselines3; no catalogue, no environment.

What is named here is imported when it is used, so that to know the names takes no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spotify_gym.algorithms.compatibility import BindingError
    from spotify_gym.algorithms.dqn import DQN, DoubleDQN
    from spotify_gym.algorithms.dueling import DuelingDoubleDQN, DuelingDQN

__all__ = ["ALGORITHMS", "DQN", "NETWORKS", "BindingError", "DoubleDQN", "DuelingDQN", "DuelingDoubleDQN"]

ALGORITHMS: dict[str, tuple[str, str]] = {
    "dqn": ("DQN", "spotify_gym.algorithms.dqn:DQN"),
    "double": ("Double DQN", "spotify_gym.algorithms.dqn:DoubleDQN"),
    "dueling": ("Dueling DQN", "spotify_gym.algorithms.dueling:DuelingDQN"),
    "dueling_double": ("Dueling Double DQN", "spotify_gym.algorithms.dueling:DuelingDoubleDQN"),
}
"""The learners by name: what tables call them, and the class."""

NETWORKS: dict[str, str] = {
    "mlp": "MlpPolicy",
    "catalogue": "CataloguePolicy",
    "sampled": "spotify_gym.algorithms.ablations:SampledPolicy",
    "shortlist": "spotify_gym.algorithms.ablations:ShortlistPolicy",
    "action_head": "spotify_gym.algorithms.ablations:ActionHeadPolicy",
}
"""The policies of a learner by name: an alias that each learner has a class of its own for, or the class."""

_HOMES = {"BindingError": "spotify_gym.algorithms.compatibility"} | {
    kind: module for module, kind in (path.split(":") for _, path in ALGORITHMS.values())
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
