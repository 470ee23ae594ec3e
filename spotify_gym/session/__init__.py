"""The game: a listening session, alone or in a batch, as Gymnasium environments."""

from spotify_gym.session.env import SpotifyEnv
from spotify_gym.session.problem import Problem, Source, rules_of
from spotify_gym.session.rules import SessionRules
from spotify_gym.session.spaces import TrackSpace
from spotify_gym.session.state import Outcome, Sessions
from spotify_gym.session.vector_env import SpotifyVectorEnv

__all__ = [
    "Outcome",
    "Problem",
    "SessionRules",
    "Sessions",
    "Source",
    "SpotifyEnv",
    "SpotifyVectorEnv",
    "TrackSpace",
    "rules_of",
]
