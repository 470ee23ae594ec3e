"""Learning algorithms over tracks, built on PyTorch and Stable-Baselines3, without catalogue or environment code.

Public names are imported on first use, so importing this package does not load torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from spotify_gym.registry import resolve_class

if TYPE_CHECKING:
    from spotify_gym.algorithms.compatibility import BindingError
    from spotify_gym.algorithms.dqn import DQN, DoubleDQN
    from spotify_gym.algorithms.dueling import DuelingDoubleDQN, DuelingDQN
    from spotify_gym.algorithms.model_based import ModelBased

__all__ = [
    "ALGORITHMS",
    "DQN",
    "NETWORKS",
    "Q_LEARNERS",
    "BindingError",
    "DoubleDQN",
    "DuelingDQN",
    "DuelingDoubleDQN",
    "Learner",
    "ModelBased",
    "learner_named",
]


class Learner(NamedTuple):
    """Registry entry of an algorithm."""

    title: str
    """Display name in tables."""
    path: str
    """Import path of the class, `module:Class`."""
    policies: Mapping[str, str] = {}
    """Supported keys of `NETWORKS`, each with its SB3 alias or class path. Empty for Q-learners, which support all."""
    points: bool = False
    """Whether actions are proto-actions: points in feature space that are mapped to the best track."""
    arguments: Mapping[str, Mapping[str, Any]] = {}
    """Constructor arguments per policy that differ from the class's defaults; a learning-rate pair is (first, last)."""

    def classes(self, policy: str) -> tuple[type[Any], type[Any]]:
        """Import and return the algorithm class and its policy class.

        Raises:
            ValueError: a user-defined class cannot be imported or has the wrong base class.
        """
        from stable_baselines3.common.base_class import BaseAlgorithm
        from stable_baselines3.common.policies import BasePolicy

        from spotify_gym.algorithms.dqn import DQN
        from spotify_gym.algorithms.policies import MlpPolicy

        bases: tuple[Any, Any] = (BaseAlgorithm, BasePolicy) if self.policies else (DQN, MlpPolicy)
        algorithm: Any = resolve_class("algorithm", self.path, {}, bases[0])
        path = (self.policies or NETWORKS).get(policy, policy)
        return algorithm, resolve_class("policy", path, algorithm.policy_aliases, bases[1])


ALGORITHMS: dict[str, Learner] = {
    "dqn": Learner("DQN", "spotify_gym.algorithms.dqn:DQN"),
    "double": Learner("Double DQN", "spotify_gym.algorithms.dqn:DoubleDQN"),
    "dueling": Learner("Dueling DQN", "spotify_gym.algorithms.dueling:DuelingDQN"),
    "dueling_double": Learner("Dueling Double DQN", "spotify_gym.algorithms.dueling:DuelingDoubleDQN"),
    "model": Learner(
        "Search in a learned model",
        "spotify_gym.algorithms.model_based:ModelBased",
        {"catalogue": "PlanningPolicy"},
    ),
    "ppo": Learner(
        "PPO",
        "stable_baselines3:PPO",
        {"catalogue": "spotify_gym.algorithms.mixture_policy:MixturePolicy", "mlp": "MlpPolicy"},
        points=True,
        arguments={
            "catalogue": {
                "learning_rate": (3e-3, 1e-4),
                "n_steps": 20,
                "batch_size": 1280,
                "n_epochs": 3,
                "gamma": 1.0,
                "gae_lambda": 0.97,
                "normalize_advantage": True,
            }
        },
    ),
    "recurrent_ppo": Learner("Recurrent PPO", "sb3_contrib:RecurrentPPO", {"mlp": "MlpLstmPolicy"}, points=True),
    "a2c": Learner("A2C", "stable_baselines3:A2C", {"mlp": "MlpPolicy"}, points=True),
    "sac": Learner("SAC", "stable_baselines3:SAC", {"mlp": "MlpPolicy"}, True, {"mlp": {"buffer_size": 100_000}}),
    "td3": Learner("TD3", "stable_baselines3:TD3", {"mlp": "MlpPolicy"}, True, {"mlp": {"buffer_size": 100_000}}),
    "maskable_ppo": Learner("MaskablePPO", "sb3_contrib:MaskablePPO", {"mlp": "MlpPolicy"}),
    "qrdqn": Learner("QR-DQN", "sb3_contrib:QRDQN", {"mlp": "MlpPolicy"}, arguments={"mlp": {"buffer_size": 50_000}}),
}
"""All algorithms by name."""

Q_LEARNERS = tuple(name for name, learner in ALGORITHMS.items() if not learner.policies)
"""Names of the algorithms that learn Q-values."""

NETWORKS: dict[str, str] = {
    "mlp": "MlpPolicy",
    "catalogue": "CataloguePolicy",
    "sampled": "spotify_gym.algorithms.ablations:SampledPolicy",
    "shortlist": "spotify_gym.algorithms.ablations:ShortlistPolicy",
    "action_head": "spotify_gym.algorithms.ablations:ActionHeadPolicy",
}
"""Policies of the Q-learners by name: an alias that each algorithm resolves to its own class, or a class path."""

_HOMES = {"BindingError": "spotify_gym.algorithms.compatibility"} | {
    kind: module
    for module, kind in (
        learner.path.split(":") for learner in ALGORITHMS.values() if learner.path.startswith("spotify_gym")
    )
}


def learner_named(name: str) -> Learner:
    """Return the registry entry of a name; a user-defined `module:Class` is assumed to be a Q-learner."""
    return ALGORITHMS.get(name, Learner(name, name))


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
