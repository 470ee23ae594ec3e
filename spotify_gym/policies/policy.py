"""Base classes of the reference policies, which read sessions instead of observations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from spotify_gym.listeners import Listener, Person
from spotify_gym.search.planning import largest
from spotify_gym.session import SessionDynamics, SessionState
from spotify_gym.session.state import Floats, Ints

_VALUES_AT_ONCE = 2**22  # 16 MB


class ReferencePolicy(ABC):
    """A policy that does not learn, with the `predict` of Stable-Baselines3.

    It reads the true state of the sessions from the environment and ignores the observation, so it works with any
    `state` option, any wrapper, and listeners with a hidden state. It always plays in the environment that it was
    created for, from that environment's current state.

    Args:
        env: an environment of this package, single or vector (`gymnasium.make_vec`), wrapped or not; or only the
            dynamics, if sessions are passed to `choose`.

    Raises:
        TypeError: the environment is not one of this package.
        ValueError: the policy cannot play there.
    """

    is_quick: ClassVar[bool] = True
    """Whether it plays a thousand sessions in a minute."""

    def __init__(self, env: Any) -> None:
        self.env: Any = getattr(env, "unwrapped", None)
        dynamics = env if self.env is None else getattr(self.env, "dynamics", None)
        if not isinstance(dynamics, SessionDynamics):
            raise TypeError(
                f"{type(self).__name__} needs a listening session, alone or many by make_vec; got {env}. "
                "A vector env made of single ones hides their state: leave out vectorization_mode"
            )
        if (lacking := self.lacks(dynamics)) is not None:
            raise ValueError(f"{type(self).__name__} {lacking}")
        self.dynamics: SessionDynamics = dynamics

    @classmethod
    def suits(cls, listener: Listener[Any] | None) -> bool:
        """Return whether the policy can play to this listener, or without one (None)."""
        return True

    @classmethod
    def lacks(cls, dynamics: SessionDynamics) -> str | None:
        """Return what the policy needs and these dynamics lack, in words; None: it can play."""
        return None

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[Ints, Any]:
        """Choose the next track of each session.

        Args:
            observation: (k,) or (B, k); only its number of axes matters.
            state: returned unchanged.
            episode_start: ignored.
            deterministic: ignored: each policy is either random or not.

        Returns:
            The tracks, of shape () or (B,), and `state`.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        tracks = self.choose(self.env.sessions)
        return (tracks if np.ndim(observation) > 1 else tracks[0]), state

    @abstractmethod
    def choose(self, sessions: SessionState) -> Ints:
        """Return one track for each of B sessions, (B,)."""


class Ranking(NamedTuple):
    """The best tracks for each of B sessions, the best first."""

    tracks: Ints  # (B, k)
    values: Floats  # (B, k), -inf where fewer than k tracks may be played


class RankingPolicy(ReferencePolicy):
    """A reference policy that values tracks one by one, so that it also knows what it would have played instead."""

    about: ClassVar[str] = ""
    """One sentence for somebody who has never met such a policy."""
    value_name: ClassVar[str] = "value"
    """What its values are."""
    why: ClassVar[str] = ""
    """Why it plays a track of this `value`, where that does not follow from what the track sounds like."""

    @abstractmethod
    def rank(self, sessions: SessionState, k: int) -> Ranking:
        """Return the k best recordings, or all of them, for each of B sessions; values are on a scale of its own."""

    def choose(self, sessions: SessionState) -> Ints:
        """Return the best track for each session."""
        return self.rank(sessions, 1).tracks[:, 0]

    def directions(self, sessions: SessionState) -> Floats | None:
        """Return in which directions (B, d) of the unit features it looks for tracks, of any length; None: in none."""
        return None


class ValuingPolicy(RankingPolicy):
    """A policy that gives every track of the catalogue a value."""

    @abstractmethod
    def values(self, sessions: SessionState) -> Floats:
        """Return the value of each track, (B, N), whether it may be played or not."""

    def rank(self, sessions: SessionState, k: int) -> Ranking:
        """Value the whole catalogue, for so many sessions at once that memory is bounded."""
        rows = np.arange(len(sessions))
        at_once = max(1, _VALUES_AT_ONCE // len(self.dynamics.catalogue))
        best = [self._rank(sessions.take(part), k) for part in np.split(rows, rows[at_once::at_once])]
        return Ranking(*map(np.concatenate, zip(*best, strict=True)))

    def _rank(self, sessions: SessionState, k: int) -> Ranking:
        values = self.values(sessions)
        if not self.dynamics.repeats:
            values[self.dynamics.refused(sessions)] = -np.inf
        return best_of(values, k)


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

    value_name = "similarity to what it looks for"

    @abstractmethod
    def directions(self, sessions: SessionState) -> Floats:
        """Return the direction for each session, (B, d), of any length."""

    def rank(self, sessions: SessionState, k: int) -> Ranking:
        """Search along the direction."""
        return best_along(self.directions(sessions), self.dynamics, sessions, k)


def best_along(directions: Floats, dynamics: SessionDynamics, sessions: SessionState, k: int) -> Ranking:
    """Return the k recordings, of those that may play, whose unit features go furthest in each direction, (B, d)."""
    played = None if dynamics.repeats else sessions.played
    values, tracks = dynamics.catalogue.index(dynamics.same).largest(directions, k, played)
    return Ranking(tracks, values)


def best_of(values: Floats, k: int) -> Ranking:
    """Return the tracks of the k largest of the values (B, N)."""
    tracks = np.array([largest(row, k) for row in values])
    return Ranking(tracks, np.take_along_axis(values, tracks, axis=1))


def simulated(dynamics: SessionDynamics) -> Any:
    """Return the listener by whose rules answers come, or, where a person answers, are taken to come; None: nobody."""
    listener = dynamics.listener
    return listener.replaces if isinstance(listener, Person) else listener
