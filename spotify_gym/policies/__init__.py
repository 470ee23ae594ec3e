"""Who recommends without learning: policies that give every number its scale."""

from spotify_gym.policies.baselines import NearestPolicy, PopularPolicy, RandomPolicy
from spotify_gym.policies.fixed import FixedPolicy
from spotify_gym.policies.planner import PlannerPolicy
from spotify_gym.policies.policy import Ranking, RankingPolicy, ReferencePolicy

POLICIES: dict[str, type[ReferencePolicy]] = {
    "random": RandomPolicy,
    "popular": PopularPolicy,
    "fixed": FixedPolicy,
    "nearest": NearestPolicy,
    "planner": PlannerPolicy,
}
"""The reference policies by name, in the order of the tables; each name here is known wherever policies are named."""

__all__ = [
    "POLICIES",
    "FixedPolicy",
    "NearestPolicy",
    "PlannerPolicy",
    "PopularPolicy",
    "RandomPolicy",
    "Ranking",
    "RankingPolicy",
    "ReferencePolicy",
]
