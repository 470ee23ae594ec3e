"""Reference policies, which do not learn and put the scores of learners on a scale."""

from spotify_gym.policies.bandits import KalmanUCBPolicy, LinUCBPolicy, ThompsonPolicy
from spotify_gym.policies.baselines import (
    NearestCompletedPolicy,
    NearestPolicy,
    NearestSeenPolicy,
    PopularPolicy,
    RandomPolicy,
)
from spotify_gym.policies.belief import BeliefPolicy
from spotify_gym.policies.planner import FixedPolicy, PlannerPolicy
from spotify_gym.policies.policy import Ranking, RankingPolicy, ReferencePolicy, SeenPolicy

POLICIES: dict[str, type[ReferencePolicy]] = {
    "random": RandomPolicy,
    "popular": PopularPolicy,
    "fixed": FixedPolicy,
    "nearest-seen": NearestSeenPolicy,
    "nearest-completed": NearestCompletedPolicy,
    "thompson": ThompsonPolicy,
    "linucb": LinUCBPolicy,
    "belief": BeliefPolicy,
    "ekf-ucb": KalmanUCBPolicy,
    "nearest": NearestPolicy,
    "planner": PlannerPolicy,
}
"""The reference policies by name, in the order of result tables; commands and experiments accept these names."""

BEST_SEEN = {"SpotifySkip-v0": "belief", "SpotifyLogged-v0": "nearest-completed", "SpotifyTaste-v0": "belief"}
"""For each id with a hidden listener state, the policy that defines skill 1 among those that do not know it."""

__all__ = [
    "BEST_SEEN",
    "POLICIES",
    "BeliefPolicy",
    "FixedPolicy",
    "KalmanUCBPolicy",
    "LinUCBPolicy",
    "NearestCompletedPolicy",
    "NearestPolicy",
    "NearestSeenPolicy",
    "PlannerPolicy",
    "PopularPolicy",
    "RandomPolicy",
    "Ranking",
    "RankingPolicy",
    "ReferencePolicy",
    "SeenPolicy",
    "ThompsonPolicy",
]
