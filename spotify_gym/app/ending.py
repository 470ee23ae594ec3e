"""Ending of a session: its score beside what references earn from the same start, and a picture to save."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache

import matplotlib.image
import numpy as np

from spotify_gym.app.listening import ListeningSession
from spotify_gym.policies import NearestPolicy, RandomPolicy, ReferencePolicy
from spotify_gym.policies.planner import Search
from spotify_gym.session import SessionDynamics
from spotify_gym.session.rendering import Play, Trace, picture

_RANDOM_SESSIONS = 32


def scores(session: ListeningSession) -> dict[str, float]:
    """Return the score of a session, under "you", and of each reference from the same start, the highest first."""
    references = _reference_scores(session.dynamics, session.start, len(session.plays))
    by_name = {"you": sum(play.reward for play in session.plays), **references}
    return dict(sorted(by_name.items(), key=lambda pair: -pair[1]))


def to_png(session: ListeningSession) -> bytes:
    """Draw the session: its vibe, the tracks played, the reward so far."""
    plays = [Play(play.track, play.reward, play.similarity, play.heard) for play in session.plays]
    trace = Trace(session.dynamics.catalogue, np.array(session.start), session.vibe, plays)
    file = io.BytesIO()
    matplotlib.image.imsave(file, picture(trace), format="png")
    return file.getvalue()


@lru_cache(maxsize=256)
def _reference_scores(dynamics: SessionDynamics, start: tuple[int, ...], n_tracks: int) -> Mapping[str, float]:
    """Return what references earn where every track is heard out; random play is the mean of many sessions."""
    sessions = dynamics.start(np.zeros(1, np.uint64), np.array([start]))
    return {
        "planner": Search(dynamics).best(sessions, n_tracks).value,
        "nearest": _earned(NearestPolicy(dynamics), start, 1, n_tracks),
        "random": _earned(RandomPolicy(dynamics), start, _RANDOM_SESSIONS, n_tracks),
    }


def _earned(policy: ReferencePolicy, start: tuple[int, ...], n_sessions: int, n_tracks: int) -> float:
    keys = np.arange(n_sessions, dtype=np.uint64)
    sessions = policy.dynamics.start(keys, np.tile(np.array(start), (n_sessions, 1)))
    return float(sum(policy.dynamics.step(sessions, policy.choose(sessions)).reward.mean() for _ in range(n_tracks)))
