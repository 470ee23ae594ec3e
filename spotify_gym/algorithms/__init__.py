"""Learners: deep Q-networks for actions that are tracks. Torch and Stable-Baselines3; no catalogue, no environment.

What is named here is imported when it is used, so that to know the names takes no torch.
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
    """An algorithm, as a registry knows it."""

    title: str
    """What tables call it."""
    path: str
    """The class."""
    policies: Mapping[str, str] = {}
    """What it can do with each of `NETWORKS`, as an alias or a class; empty: it is a Q-learner, which takes all."""
    points: bool = False
    """Whether its actions are points in the space of the features, each of which stands for the best track."""
    arguments: Mapping[str, Mapping[str, Any]] = {}
    """For each policy, arguments that are not as the class has them; two learning rates are the first and the last."""

    def classes(self, policy: str) -> tuple[type[Any], type[Any]]:
        """Import the algorithm, and its policy of this name.

        Raises:
            ValueError: one's own cannot be imported, or is none.
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
"""The learners by name."""

Q_LEARNERS = tuple(name for name, learner in ALGORITHMS.items() if not learner.policies)
"""Those that learn what each track is worth."""

NETWORKS: dict[str, str] = {
    "mlp": "MlpPolicy",
    "catalogue": "CataloguePolicy",
    "sampled": "spotify_gym.algorithms.ablations:SampledPolicy",
    "shortlist": "spotify_gym.algorithms.ablations:ShortlistPolicy",
    "action_head": "spotify_gym.algorithms.ablations:ActionHeadPolicy",
}
"""The policies of a learner by name: an alias that each learner has a class of its own for, or the class."""

_HOMES = {"BindingError": "spotify_gym.algorithms.compatibility"} | {
    kind: module
    for module, kind in (
        learner.path.split(":") for learner in ALGORITHMS.values() if learner.path.startswith("spotify_gym")
    )
}


def learner_named(name: str) -> Learner:
    """Return the learner of a name; one's own, `module:Class`, is taken for a Q-learner."""
    return ALGORITHMS.get(name, Learner(name, name))


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
