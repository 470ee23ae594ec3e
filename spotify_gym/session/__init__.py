"""Listening sessions, single or in a batch, as Gymnasium environments."""

from spotify_gym.session.dynamics import SessionDynamics
from spotify_gym.session.env import SpotifyEnv
from spotify_gym.session.options import EnvOptions, Source, make_dynamics
from spotify_gym.session.spaces import TrackSpace
from spotify_gym.session.state import SessionState, StepResult
from spotify_gym.session.vector_env import SpotifyVectorEnv

__all__ = [
    "EnvOptions",
    "SessionDynamics",
    "SessionState",
    "Source",
    "SpotifyEnv",
    "SpotifyVectorEnv",
    "StepResult",
    "TrackSpace",
    "make_dynamics",
]

_NEW_NAMES = {
    "Outcome": "StepResult",
    "Problem": "EnvOptions",
    "SessionRules": "SessionDynamics",
    "Sessions": "SessionState",
    "rules_of": "make_dynamics",
}


def __getattr__(name: str) -> object:
    if name in _NEW_NAMES:  # `from ... import` would hide the message of an AttributeError
        raise ImportError(f"{__name__}.{name} is now called {_NEW_NAMES[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
