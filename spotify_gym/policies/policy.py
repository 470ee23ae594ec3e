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
                f"{type(self).__name__} needs a listening environment, of make or make_vec; got {env}. "
                "With vectorization_mode, a vector env hides its sessions: leave it out"
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
        """Return an error message about what the policy needs and these dynamics lack; None if it can play."""
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
    """A reference policy that values tracks one by one, so that it can also name the runners-up."""

    about: ClassVar[str] = ""
    """One sentence about the policy for non-experts."""
    value_name: ClassVar[str] = "value"
    """Name of the values."""
    why: ClassVar[str] = ""
    """Format string, with `value`, that explains a choice that does not depend on the sound of the track."""

    @abstractmethod
    def rank(self, sessions: SessionState, k: int) -> Ranking:
        """Return the k best recordings, or all of them, for each of B sessions; values have a scale of their own."""

    def choose(self, sessions: SessionState) -> Ints:
        """Return the best track for each session."""
        return self.rank(sessions, 1).tracks[:, 0]

    def directions(self, sessions: SessionState) -> Floats | None:
        """Return the directions, (B, d), of any length, in which it looks for tracks; None if it has none."""
        return None


class ValuingPolicy(RankingPolicy):
    """A policy that computes the value of every track of the catalogue."""

    @abstractmethod
    def values(self, sessions: SessionState) -> Floats:
        """Return the value of each track, (B, N), whether it may be played or not."""

    def rank(self, sessions: SessionState, k: int) -> Ranking:
        """Value the whole catalogue, in batches of sessions that bound the memory used."""
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
    """A reference policy that uses only what is observable, not the hidden state of the listener.

    It reads the tracks, the responses and the vibes of the sessions. It may know the model of the listeners and the
    distribution of their parameters, but not those of the current listener.

    Args:
        env: see :class:`ReferencePolicy`.

    Raises:
        ValueError: there is no listener, or it hides nothing.
    """

    knows: ClassVar[type[Listener[Any]] | None] = None
    """The class of listener whose model the policy knows, if any."""

    @classmethod
    def suits(cls, listener: Listener[Any] | None) -> bool:
        """Return whether the listener hides its state and, if the policy assumes a model, is of that class."""
        return listener is not None and listener.hides and isinstance(listener, cls.knows or object)

    @classmethod
    def lacks(cls, dynamics: SessionDynamics) -> str | None:
        """Return the error message if the listener does not suit the policy, else None."""
        if cls.suits(simulated(dynamics)):
            return None
        if cls.knows is not None:
            return f"needs a {cls.knows.__name__} as the listener; choose another policy"
        return "needs a listener with a hidden taste; otherwise use the nearest policy"


class DirectedPolicy(SeenPolicy):
    """A policy that plays the track whose unit features have the largest dot product with a direction; exact."""

    value_name = "similarity to what it looks for"

    @abstractmethod
    def directions(self, sessions: SessionState) -> Floats:
        """Return the direction for each session, (B, d), of any length."""

    def rank(self, sessions: SessionState, k: int) -> Ranking:
        """Return the tracks with the largest dot products with the direction."""
        return best_along(self.directions(sessions), self.dynamics, sessions, k)


def best_along(directions: Floats, dynamics: SessionDynamics, sessions: SessionState, k: int) -> Ranking:
    """Return the k allowed recordings whose unit features have the largest dot products with directions, (B, d)."""
    played = None if dynamics.repeats else sessions.played
    values, tracks = dynamics.catalogue.index(dynamics.same).largest(directions, k, played)
    return Ranking(tracks, values)


def best_of(values: Floats, k: int) -> Ranking:
    """Return the tracks with the k largest values, of (B, N)."""
    tracks = np.array([largest(row, k) for row in values])
    return Ranking(tracks, np.take_along_axis(values, tracks, axis=1))


def simulated(dynamics: SessionDynamics) -> Any:
    """Return the simulated listener, which for a :class:`Person` is the one they replace; None if there is none."""
    listener = dynamics.listener
    return listener.replaces if isinstance(listener, Person) else listener
