"""A listening session with a recommending agent: the page's logic, without its user interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spotify_gym.listeners import Person
from spotify_gym.policies.policy import simulated
from spotify_gym.session import SessionDynamics, SessionState, StepResult

Floats = NDArray[np.float32]

OFFERS = 10
"""The next track and the nine that come close."""
YOU = "you"
"""Name in place of an agent's for tracks that the person chose."""


@dataclass(frozen=True)
class Agent(ABC):
    """A recommender."""

    name: str
    about: str
    """One sentence that introduces it to a layperson."""
    value_name: str
    """What its scores mean."""

    @abstractmethod
    def rank(self, session: ListeningSession, k: int) -> Sequence[tuple[int, float]]:
        """Return the `k` best tracks, none of them played before, with their scores on a scale of its own."""

    @abstractmethod
    def why(self, session: ListeningSession, offers: Sequence[Offer]) -> str:
        """Explain why the first offer comes first."""

    def looks_for(self, session: ListeningSession) -> Floats | None:
        """Return its search direction in the space of unit features, (d,); None if it has none."""
        return None


@dataclass(frozen=True)
class Offer:
    """A track that an agent would play now."""

    track: int
    score: float
    """How the agent values it, on a scale of its own."""
    similarity: float
    """Cosine to the vibe, in [-1, 1]."""


@dataclass(frozen=True)
class Play:
    """A track that was recommended, and its outcome."""

    track: int
    heard: bool
    agent: str
    """Name of the agent that recommended it."""
    similarity: float
    """Cosine to the vibe before it, in [-1, 1]."""
    reward: float
    """What the environment pays for it; nothing for a track that was skipped."""
    known: float | None = None
    """How well the agent knew the taste of the simulated listener then, in [-1, 1]; None: there is none."""


def dynamics_for_a_person(dynamics: SessionDynamics) -> SessionDynamics:
    """Return the dynamics with a person in place of the listener, and without repeats of a song."""
    return replace(dynamics, repeats=False, same="song", listener=Person(dynamics.listener))


def has_hidden_taste(dynamics: SessionDynamics) -> bool:
    """Return whether listeners have a hidden taste, which only their answers reveal."""
    return dynamics.listener is not None and dynamics.listener.hides


@lru_cache(maxsize=8)
def as_simulated(dynamics: SessionDynamics) -> SessionDynamics:
    """Return the dynamics with the simulated listener in place of the person."""
    return replace(dynamics, listener=simulated(dynamics))


class ListeningSession:
    """One session: five tracks to start from, then one recommendation after another.

    Args:
        dynamics: dynamics of the session, made by :func:`dynamics_for_a_person`.
        agent: who recommends; may change at any time.
        start: H different tracks, the oldest first.
        length: tracks after which the session is over; None: it goes on.
        key: key of a simulated listener with a hidden taste, whose start this is; None for a person.

    Raises:
        ValueError: a start of another length, with a track twice, or with one that the catalogue does not have; a key
            where listeners have nothing to hide.
    """

    def __init__(
        self,
        dynamics: SessionDynamics,
        agent: Agent,
        start: Iterable[int],
        length: int | None = None,
        key: int | None = None,
    ) -> None:
        self.dynamics, self.agent, self.length, self.key = dynamics, agent, length, key
        self.start = tuple(map(int, start))
        self._check()
        self.plays: list[Play] = []
        self.memory: dict[str, list[Any]] = {}
        """By name of the agent, what it remembers of each place so far, including the current one."""
        self._begin()

    @classmethod
    def of_listener(cls, dynamics: SessionDynamics, agent: Agent, key: int, length: int | None = None) -> Self:
        """Begin a session with the simulated listener of this key, who answers through :meth:`answered`."""
        return cls(dynamics, agent, _begun(as_simulated(dynamics), key=key).history[0], length, key)

    @property
    def vibe(self) -> Floats:
        """The mean features of the last tracks heard, (d,)."""
        return self.vibes[-1]

    @property
    def heard(self) -> list[int]:
        """All tracks heard, the starting ones first."""
        return [*self.start, *(play.track for play in self.plays if play.heard)]

    @property
    def earned(self) -> float:
        """The reward so far."""
        return sum(play.reward for play in self.plays)

    def seen_by(self, dynamics: SessionDynamics) -> SessionState:
        """Return the state of this session, a batch of one, under the dynamics of another environment."""
        if dynamics not in self._seen:
            self._seen[dynamics] = _begun(dynamics, self.start)
        state = self._seen[dynamics]
        for play in self.plays[int(state.time[0]) :]:
            _step(dynamics, state, play.track, play.heard)
        return state

    def offers(self) -> Sequence[Offer]:
        """Return the next track and the runners-up, at most ten, one version of each song."""
        return self.offers_of(self.agent)

    def offers_of(self, agent: Agent) -> Sequence[Offer]:
        """Return the offers of any agent, as `offers` does."""
        if agent.name not in self._offers:
            songs: dict[int, Offer] = {}
            for track, score in agent.rank(self, 3 * OFFERS):
                songs.setdefault(int(self.dynamics.first_versions[track]), Offer(track, score, self.similarity(track)))
            self._offers[agent.name] = list(songs.values())[:OFFERS]
        return self._offers[agent.name]

    def after(self, heard: bool) -> Self:
        """Return a copy of the session after this answer to the next track."""
        twin = copy(self)
        twin.state, twin.plays, twin.vibes = self.state.take(np.zeros(1, np.intp)), self.plays.copy(), self.vibes.copy()
        twin._seen, twin.memory = {}, {name: places.copy() for name, places in self.memory.items()}
        twin._play_next(heard)
        return twin

    @property
    def moved(self) -> bool | None:
        """Whether the last skip changed the offers, apart from the skipped track; None if the last one was no skip."""
        if not self.plays or self.plays[-1].heard or self.agent.name not in self._before:
            return None
        expected = [one.track for one in self._before[self.agent.name] if one.track != self.plays[-1].track]
        return [offer.track for offer in self.offers()][: len(expected)] != expected

    @property
    def patience(self) -> tuple[float, float] | None:
        """Remaining and initial patience of the environment's listener, in skips; None if it never leaves."""
        listener, mind = simulated(self.dynamics), self.state.listener.replaced
        if not hasattr(mind, "patience") or not np.isfinite(listener.patience):
            return None
        return max(0.0, float(mind.patience[0])), float(listener.patience)

    @property
    def has_left(self) -> bool:
        """Whether the listener of the environment would have left."""
        return self.patience is not None and self.patience[0] == 0

    def similarity(self, track: int) -> float:
        """Return the cosine of a track to the vibe; 0 if the vibe is zero."""
        return cosine(self.dynamics.catalogue.unit_features[track], self.vibe)

    @property
    def taste(self) -> Floats | None:
        """The hidden taste of the simulated listener, (d,); None without one."""
        return None if self.key is None else np.asarray(self.state.listener.replaced.taste[0])

    def known_by(self, agent: Agent) -> float | None:
        """Return the cosine of an agent's search direction to the simulated listener's taste; None without one."""
        direction = None if self.taste is None else agent.looks_for(self)
        return None if direction is None or self.taste is None else cosine(direction, self.taste)

    def listened(self) -> None:
        """Hear the next track to its end."""
        self._play_next(heard=True)

    def skip(self) -> None:
        """Skip the next track: it is not offered again, and the vibe does not change."""
        self._play_next(heard=False)

    def answered(self) -> None:
        """Let the environment's listener answer the next track; without a listener it is heard out."""
        for offer in self.offers()[:1]:
            self._answer(offer.track, self._would_hear(offer), self.agent.name)

    def play(self, track: int) -> None:
        """Hear out a track of the person's choice; does nothing if the song was played before."""
        if not self.has_played(track):
            offered = track in {offer.track for offer in self.offers()}
            self._answer(track, True, self.agent.name if offered else YOU)

    def has_played(self, track: int) -> bool:
        """Return whether this song was played or skipped in this session."""
        return bool((self.state.played == self.dynamics.first_versions[track]).any())

    @property
    def is_over(self) -> bool:
        """Whether the session has reached its length, or the simulated listener has left."""
        return self.length is not None and (len(self.plays) >= self.length or (self.key is not None and self.has_left))

    def go_on(self) -> None:
        """Continue without a limit on the length."""
        self.length = None

    def undo(self) -> None:
        """Take back the last answer; does nothing if there is none."""
        plays, self.plays = self.plays[:-1], []
        memory, self.memory = self.memory, {}
        self._begin()
        for play in plays:
            self._answer(play.track, play.heard, play.agent)
        self.memory = memory

    def to_json(self) -> dict[str, Any]:
        """Return plain values for `from_json`: track ids and answers, which determine all else."""
        ids = self.dynamics.catalogue.track_ids
        plays = [{"track": ids[play.track], "heard": play.heard, "agent": play.agent} for play in self.plays]
        start = [ids[track] for track in self.start]
        return {"start": start, "plays": plays, "agent": self.agent.name, "key": self.key}

    @classmethod
    def from_json(
        cls, plain: Mapping[str, Any], dynamics: SessionDynamics, agents: Mapping[str, Agent], length: int | None = None
    ) -> ListeningSession:
        """Restore a session from `to_json`.

        Raises:
            ValueError: the values are not of a session, or name unknown tracks or agents.
        """
        find = dynamics.catalogue.index_of
        try:
            session = cls(dynamics, agents[plain["agent"]], map(find, plain["start"]), length, plain.get("key"))
            for play in plain["plays"]:
                session._answer(find(play["track"]), bool(play["heard"]), str(play["agent"]))
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"this session cannot be restored here: {error!r}") from error
        return session

    def _check(self) -> None:
        n_tracks, wanted = len(self.dynamics.catalogue), self.dynamics.history_length
        if len(self.start) != wanted or len(set(self.start)) != wanted:
            raise ValueError(f"a session starts from {wanted} different tracks; got {len(set(self.start))}")
        if strangers := [track for track in self.start if not 0 <= track < n_tracks]:
            raise ValueError(f"{strangers[0]} is not a track of this catalogue; choose from 0 to {n_tracks - 1}")
        if self.key is not None and not has_hidden_taste(self.dynamics):
            raise ValueError("listeners here have no hidden taste")

    def _begin(self) -> None:
        self.state = _begun(self.dynamics, self.start)
        if self.key is not None:
            self.state.listener.replaced = _begun(as_simulated(self.dynamics), key=self.key).listener
        self.vibes: list[Floats] = [self.state.vibe[0].copy()]
        self._seen: dict[SessionDynamics, SessionState] = {}
        self._offers: dict[str, Sequence[Offer]] = {}  # by agent
        self._before = self._offers  # the offers before the last answer

    def _would_hear(self, offer: Offer) -> bool:
        """Return whether the environment's listener would hear a track out now; True without a listener."""
        if (listener := simulated(self.dynamics)) is None:
            return True
        luck = np.random.default_rng((self.key or 0, len(self.plays))).random((1, listener.n_uniforms), np.float32)
        unit = self.dynamics.catalogue.unit_features[[offer.track]]
        mind = self.state.listener.replaced.take(np.zeros(1, np.intp))
        response = listener.respond(mind, unit, np.array([offer.similarity], np.float32), luck)
        return response.completed is None or bool(response.completed[0])

    def _play_next(self, heard: bool) -> None:
        for offer in self.offers()[:1]:
            self._answer(offer.track, heard, self.agent.name)

    def _answer(self, track: int, heard: bool, agent: str) -> None:
        known = self.known_by(self.agent)
        for places in self.memory.values():
            del places[len(self.plays) + 1 :]
        outcome = _step(self.dynamics, self.state, track, heard)
        reward = float(outcome.reward[0]) if heard else 0.0
        self.plays.append(Play(track, heard, agent, float(outcome.cosine[0]), reward, known))
        self.vibes.append(self.state.vibe[0].copy())
        self._before, self._offers = self._offers, {}


def _begun(dynamics: SessionDynamics, start: Sequence[int] | None = None, key: int = 0) -> SessionState:
    """Begin a session, a batch of one, from the given start, or from the one that a listener's key determines."""
    return dynamics.start(np.array([key], np.uint64), None if start is None else np.array([start], np.int64))


def _step(dynamics: SessionDynamics, state: SessionState, track: int, heard: bool) -> StepResult:
    """Play a track to a person who hears it out or not."""
    state.listener.completed[:] = heard
    return dynamics.step(state, np.array([track], np.int64))


def cosine(one: Floats, other: Floats) -> float:
    """Return the cosine of two vectors, 0 where one is nothing."""
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other) or 1))
