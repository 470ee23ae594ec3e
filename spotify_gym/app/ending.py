"""Ending of a session: what others make of its start, and a picture to save."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache

import matplotlib.image
import numpy as np

from spotify_gym.app.listening import Agent, ListeningSession, as_simulated
from spotify_gym.policies import NearestPolicy, RandomPolicy, ReferencePolicy
from spotify_gym.policies.planner import Search
from spotify_gym.session import SessionDynamics
from spotify_gym.session.rendering import Play, Trace, picture

_MANY, _FEW = 32, 8  # sessions of random play, or of chance, that a score is the mean of
_TRACKS = 20  # of a session without an end


def scores(session: ListeningSession) -> dict[str, float]:
    """Return what a session earned, and what each reference would from the same start, the highest first.

    Where chance decides what listeners do, references play to listeners who like what the start sounds like, or to the
    simulated listener of the session.
    """
    n_tracks = session.length or len(session.plays)
    references = _reference_scores(as_simulated(session.dynamics), session.start, n_tracks, session.key)
    who = f"{session.agent.name} and {'you' if session.key is None else 'they'}"
    by_name = {who: sum(play.reward for play in session.plays), **references}
    return dict(sorted(by_name.items(), key=lambda pair: -pair[1]))


def play_out(session: ListeningSession, agent: Agent) -> ListeningSession:
    """Let an agent play a whole session from the start of this one to the listener of the environment."""
    length = session.length or _TRACKS
    racer = ListeningSession(session.dynamics, agent, session.start, length, session.key)
    while not racer.is_over and not racer.has_left and racer.offers():
        racer.answered()
    return racer


def to_png(session: ListeningSession) -> bytes:
    """Draw the session: its vibe, the tracks played, the reward so far."""
    plays = [Play(play.track, play.reward, play.similarity, play.heard) for play in session.plays]
    trace = Trace(session.dynamics.catalogue, np.array(session.start), session.vibe, plays)
    file = io.BytesIO()
    matplotlib.image.imsave(file, picture(trace), format="png")
    return file.getvalue()


@lru_cache(maxsize=256)
def _reference_scores(
    dynamics: SessionDynamics, start: tuple[int, ...], n_tracks: int, key: int | None
) -> Mapping[str, float]:
    def earned(policy: ReferencePolicy, n_sessions: int) -> float:
        sessions = dynamics.start(np.arange(n_sessions, dtype=np.uint64), np.tile(np.array(start), (n_sessions, 1)))
        if key is not None:
            sessions.listener = dynamics.start(np.array([key], np.uint64)).listener.take(np.zeros(n_sessions, np.intp))
        total, stays = 0.0, np.ones(n_sessions, np.bool_)
        for _ in range(n_tracks):
            outcome = dynamics.step(sessions, policy.choose(sessions))
            total += float((outcome.reward * stays).mean())
            stays &= ~outcome.left
        return total

    random = {"random tracks": earned(RandomPolicy(dynamics), _MANY)}
    if dynamics.is_stochastic:
        return {"one who knows their taste": earned(NearestPolicy(dynamics), _FEW), **random}
    sessions = dynamics.start(np.zeros(1, np.uint64), np.array([start]))
    planned = {"a planner who knows all the rules": Search(dynamics).best(sessions, n_tracks).value}
    return {"always what earns the most now": earned(NearestPolicy(dynamics), 1), **planned, **random}
