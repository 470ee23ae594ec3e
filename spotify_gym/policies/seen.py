"""Policies that know only what is seen, and that go by one direction: the vibe, or the mean of what was heard out."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from spotify_gym.listeners import Listener, Person
from spotify_gym.policies.policy import Ranking, RankingPolicy
from spotify_gym.session import SessionDynamics, SessionState
from spotify_gym.session.kernels import told, unit
from spotify_gym.session.state import Floats, log_of


class SeenPolicy(RankingPolicy):
    """A reference policy that knows what anybody could note down, and not what the listener keeps to themselves.

    Of the sessions it reads the tracks, what came of them, and the vibes. It may know by what rules listeners answer,
    and how they differ; never who is listening.

    Args:
        env: see :class:`ReferencePolicy`.

    Raises:
        ValueError: nobody listens, or nothing about them is hidden.
    """

    knows: ClassVar[type[Listener[Any]] | None] = None
    """The listener whose rules it knows, where it knows any."""

    @classmethod
    def suits(cls, listener: Listener[Any] | None) -> bool:
        """Say whether the listener has something to hide, and answers by rules that the policy knows."""
        return listener is not None and listener.hides and isinstance(listener, cls.knows or object)

    @classmethod
    def lacks(cls, dynamics: SessionDynamics) -> str | None:
        """A listener that suits it."""
        if cls.suits(simulated(dynamics)):
            return None
        if cls.knows is not None:
            return f"knows how a {cls.knows.__name__} answers, and there is none here; choose another policy"
        return "needs a listener who hides what decides their answers; where nothing is hidden, ask the nearest policy"


class DirectedPolicy(SeenPolicy):
    """A policy that plays the track whose unit features go furthest in one direction; exact over the catalogue."""

    value_name = "likeness"

    @abstractmethod
    def directions(self, sessions: SessionState) -> Floats:
        """Return a direction for each session, (B, d), of any length."""

    def rank(self, sessions: SessionState, k: int) -> Ranking:
        """Search along the direction."""
        dynamics = self.dynamics
        played = None if dynamics.repeats else sessions.played
        values, tracks = dynamics.catalogue.index(dynamics.same).largest(self.directions(sessions), k, played)
        return Ranking(tracks, values)


class NearestSeenPolicy(DirectedPolicy):
    """Play the track nearest to the vibe by cosine: what there is to do without noticing any answer."""

    about = "Plays whatever sounds most like the last tracks you heard out, and knows nothing else of you."

    def directions(self, sessions: SessionState) -> Floats:
        """Return the directions of the vibes."""
        return unit(sessions.vibe)


class NearestCompletedPolicy(DirectedPolicy):
    """Play the track nearest to the mean of all that was heard out, the start included."""

    about = "Plays whatever sounds most like all that you have heard out so far."

    def directions(self, sessions: SessionState) -> Floats:
        """Return the directions of the means of unit features."""
        log, n_start = log_of(sessions), self.dynamics.history_length
        means, counts = told(self.dynamics.catalogue.features, log.tracks, log.answers, n_start)
        return unit(n_start * means[:, 0] + counts[:, :1] * means[:, 1])


def simulated(dynamics: SessionDynamics) -> Any:
    """Return the listener by whose rules answers come, or, where a person answers, are taken to come; None: nobody."""
    listener = dynamics.listener
    return listener.replaces if isinstance(listener, Person) else listener
