"""Who recommends without learning: policies that give every number its scale."""

from spotify_gym.policies.fixed import FixedPolicy
from spotify_gym.policies.nearest import NearestPolicy
from spotify_gym.policies.planner import PlannerPolicy
from spotify_gym.policies.policy import ReferencePolicy
from spotify_gym.policies.popular import PopularPolicy
from spotify_gym.policies.random import RandomPolicy

POLICIES: dict[str, type[ReferencePolicy]] = {
    "random": RandomPolicy,
    "popular": PopularPolicy,
    "fixed": FixedPolicy,
    "nearest": NearestPolicy,
    "planner": PlannerPolicy,
}
"""The reference policies by name, for command lines."""

__all__ = [
    "POLICIES",
    "FixedPolicy",
    "NearestPolicy",
    "PlannerPolicy",
    "PopularPolicy",
    "RandomPolicy",
    "ReferencePolicy",
]
