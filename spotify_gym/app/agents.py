"""Agents that a person can sit down with: each ranks the catalogue for the session as it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue import Scaling
from spotify_gym.session import SessionDynamics, SessionState
from spotify_gym.training import Run
from spotify_gym.training.recommendation import best_tracks

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Ranking(NamedTuple):
    """The tracks that an agent would rather play than any other, the best first."""

    tracks: Ints  # (k,) or fewer, where fewer are left to play
    scores: Floats  # (k,) what the agent expects of each, on a scale of its own


class Agent(Protocol):
    """Whoever recommends."""

    @property
    def name(self) -> str:
        """What the page calls it."""

    @property
    def about(self) -> str:
        """One sentence for somebody who has never met such an agent."""

    def rank(self, sessions: SessionState, k: int) -> Ranking:
        """Return the `k` best tracks, none of them played before, for a batch of one session."""


@dataclass(frozen=True)
class Reference:
    """An agent that does not learn: it scores every track by a rule."""

    name: str
    about: str
    dynamics: SessionDynamics
    score: Callable[[SessionState], Floats]
    """From a batch of one session to a score for each track, (N,)."""

    def rank(self, sessions: SessionState, k: int) -> Ranking:
        """Score the whole catalogue; of equal scores the earlier track comes first."""
        scores = np.where(self.dynamics.allowed(sessions)[0], self.score(sessions), -np.inf)
        best = np.argpartition(-scores, min(k, len(scores) - 1))[:k]
        return _in_order(best, scores[best])


@dataclass(frozen=True)
class Learned:
    """An agent that has learned what to play from experience alone."""

    name: str
    about: str
    dynamics: SessionDynamics
    """Of the environment that it learned in, for a person."""
    run: Run
    scaling: Scaling
    """Of the sessions that it is asked about; it may measure tracks otherwise itself."""

    def rank(self, sessions: SessionState, k: int) -> Ranking:
        """Ask the Q-network for the tracks with the highest value."""
        return _in_order(*best_tracks(self.run, self.dynamics.observe(self._measured(sessions)), sessions.played, k))

    def _measured(self, sessions: SessionState) -> SessionState:
        """Return the session in the agent's own scaling, which takes means of features to means of features."""
        own = self.dynamics.catalogue.scaling
        if own.equals(self.scaling):
            return sessions

        def anew(features: Floats) -> Floats:
            return own.apply(self.scaling.undo(features))

        return replace(
            sessions,
            window=anew(sessions.window),
            vibe=anew(sessions.vibe),
            seed_vibe=anew(sessions.seed_vibe),
            memory=None if sessions.memory is None else anew(sessions.memory),
        )


def references(dynamics: SessionDynamics) -> list[Reference]:
    """Return the agents that do not learn; the popular one only where popularity is known."""
    agents = [Reference("Nearest", _NEAREST, dynamics, lambda sessions: dynamics.expected_rewards(sessions)[0])]
    popularity = dynamics.catalogue.popularity
    if popularity is not None and not np.isnan(popularity).all():
        known = np.nan_to_num(popularity, nan=-1)
        agents.append(Reference("Popular", _POPULAR, dynamics, lambda _: known))
    return [
        *agents,
        Reference("Random", _RANDOM, dynamics, lambda sessions: _shuffle(sessions, len(dynamics.catalogue))),
    ]


_NEAREST = "Learns nothing and looks no further than the next track: it plays whatever earns the most right now."
_POPULAR = "Plays the most popular track you have not heard, whoever you are."
_RANDOM = "Draws any track out of the hat. Good to see what the others are worth."


def _shuffle(sessions: SessionState, n_tracks: int) -> Floats:
    """Score at random, yet alike whenever the same session is asked about again."""
    return np.random.default_rng(sessions.played[0]).random(n_tracks, dtype=np.float32)


def _in_order(tracks: Ints, scores: Floats) -> Ranking:
    """Sort by score and leave out what must not be played."""
    order = np.lexsort((tracks, -scores))
    order = order[np.isfinite(scores[order])]
    return Ranking(tracks[order], scores[order])
