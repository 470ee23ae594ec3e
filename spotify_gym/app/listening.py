"""A person listening to what an agent recommends: all that the page does in a session, without the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spotify_gym.app.agents import Agent, Told, answer, retold
from spotify_gym.app.explanation import Profile
from spotify_gym.listeners import Person
from spotify_gym.session import SessionDynamics

Floats = NDArray[np.float32]

OFFERS = 10
"""The next track and the nine that come close."""
YOU = "you"
"""Who recommended a track that the person found."""


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
    """A track that was recommended, and what the person did."""

    track: int
    heard: bool
    agent: str
    """Name of the agent that recommended it."""
    similarity: float
    """Cosine to the vibe before it, in [-1, 1]."""
    reward: float
    """What the environment pays for it; nothing for a track that was skipped."""


def dynamics_for_a_person(dynamics: SessionDynamics) -> SessionDynamics:
    """Let a person answer in the listener's place, and play no song twice, whatever the environment allows."""
    return replace(dynamics, repeats=False, same="song", listener=Person(dynamics.listener))


class ListeningSession:
    """One session: five tracks to start from, then one recommendation after another.

    Args:
        dynamics: of the session, as :func:`dynamics_for_a_person` makes them.
        agent: who recommends; may change at any time.
        start: H different tracks, the oldest first.
        length: tracks after which the session is over; None: it goes on.

    Raises:
        ValueError: a start of another length, with a track twice, or with one that the catalogue does not have.
    """

    def __init__(
        self, dynamics: SessionDynamics, agent: Agent, start: Iterable[int], length: int | None = None
    ) -> None:
        self.dynamics = dynamics
        self.start = tuple(map(int, start))
        self._check_start()
        self._agent = agent
        self._offers: Sequence[Offer] | None = None
        self._before: Sequence[Offer] | None = None  # the last answer
        self.plays: list[Play] = []
        self.length = length
        self._begin()

    @property
    def agent(self) -> Agent:
        """Who recommends."""
        return self._agent

    @agent.setter
    def agent(self, agent: Agent) -> None:
        self._agent = agent
        self._offers = self._before = None

    @property
    def vibe(self) -> Floats:
        """The mean features of the last tracks heard, (d,)."""
        return self.vibes[-1]

    @property
    def seed_vibe(self) -> Floats:
        """The vibe that the session started with, (d,)."""
        return self.vibes[0]

    @property
    def heard(self) -> list[int]:
        """All tracks heard, the starting ones first."""
        return [*self.start, *(play.track for play in self.plays if play.heard)]

    @property
    def told(self) -> Told:
        """What agents are asked about."""
        return Told(self.start, tuple((play.track, play.heard) for play in self.plays))

    def offers(self) -> Sequence[Offer]:
        """Return the next track and the runners-up, ten or what is left, one version of each song."""
        if self._offers is None:
            self._offers = self.offers_of(self._agent)
        return self._offers

    def offers_of(self, agent: Agent) -> Sequence[Offer]:
        """Return what any agent would play now, as `offers` does."""
        tracks, scores = agent.rank(self.told, 3 * OFFERS)
        _, first = np.unique(self.dynamics.first_versions[tracks], return_index=True)
        return [
            Offer(int(tracks[i]), float(scores[i]), self.similarity(int(tracks[i]))) for i in np.sort(first)[:OFFERS]
        ]

    def why(self, agent: Agent, offers: Sequence[Offer], profile: Profile) -> str:
        """Say why an agent would play the first of its offers."""
        return agent.why(self.told, [(offer.track, offer.score) for offer in offers], profile)

    def after(self, heard: bool) -> Self:
        """Return the session as it would be after this answer to the next track; it stays as it is."""
        twin = copy(self)
        twin.state, twin.plays, twin.vibes = self.state.take(np.zeros(1, np.intp)), self.plays.copy(), self.vibes.copy()
        twin._play_next(heard)
        return twin

    @property
    def moved(self) -> bool | None:
        """Whether the last skip changed what comes, beyond the track that is gone; None: there was no skip."""
        if not self.plays or self.plays[-1].heard or self._before is None:
            return None
        expected = [offer.track for offer in self._before if offer.track != self.plays[-1].track]
        return [offer.track for offer in self.offers()][: len(expected)] != expected

    @property
    def patience(self) -> tuple[float, float] | None:
        """Skips that the listener of the environment could still bear, and how many in all; None: it never leaves."""
        listener, mind = self.dynamics.listener, self.state.listener.replaced
        if not isinstance(listener, Person) or not hasattr(mind, "patience"):
            return None
        most = float(listener.replaces.patience)  # type: ignore[union-attr]
        return (max(0.0, float(mind.patience[0])), most) if np.isfinite(most) else None

    def similarity(self, track: int) -> float:
        """Return the cosine of a track to the vibe; 0 with a vibe of nothing."""
        length = float(np.linalg.norm(self.vibe))
        return float(self.dynamics.catalogue.unit_features[track] @ self.vibe) / length if length > 0 else 0.0

    def listened(self) -> None:
        """Hear the next track out."""
        self._play_next(heard=True)

    def skip(self) -> None:
        """Skip the next track: it will not be played again, and the vibe stays."""
        self._play_next(heard=False)

    def play(self, track: int) -> None:
        """Hear out a track of one's own choice, which may be an offer; nothing happens where it was played before."""
        if not self.has_played(track):
            offered = track in {offer.track for offer in self.offers()}
            self._answer(track, True, self._agent.name if offered else YOU)

    def has_played(self, track: int) -> bool:
        """Say whether this song was played or skipped in this session."""
        return bool((self.state.played == self.dynamics.first_versions[track]).any())

    @property
    def is_over(self) -> bool:
        """Whether all tracks of a session of the environment were recommended."""
        return self.length is not None and len(self.plays) >= self.length

    def go_on(self) -> None:
        """Go on without an end."""
        self.length = None

    def undo(self) -> None:
        """Take the last answer back; nothing happens where there is none."""
        plays, self.plays = self.plays[:-1], []
        self._begin()
        for play in plays:
            self._answer(play.track, play.heard, play.agent)

    def to_json(self) -> dict[str, Any]:
        """Return plain values that `from_json` reads: track ids and answers, from which all else follows."""
        ids = self.dynamics.catalogue.track_ids
        plays = [{"track": ids[play.track], "heard": play.heard, "agent": play.agent} for play in self.plays]
        return {"start": [ids[track] for track in self.start], "plays": plays, "agent": self._agent.name}

    @classmethod
    def from_json(
        cls,
        plain: Mapping[str, Any],
        dynamics: SessionDynamics,
        agents: Mapping[str, Agent],
        length: int | None = None,
    ) -> ListeningSession:
        """Take up a session where `to_json` left it.

        Raises:
            ValueError: it is no such session, or is about tracks or agents that are not there.
        """
        find = dynamics.catalogue.index_of
        try:
            start = [find(track_id) for track_id in plain["start"]]
            session = cls(dynamics, agents[plain["agent"]], start, length)
            for play in plain["plays"]:
                session._answer(find(play["track"]), bool(play["heard"]), str(play["agent"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no session that can be taken up here: {error!r}") from error
        return session

    def _check_start(self) -> None:
        n_tracks, wanted = len(self.dynamics.catalogue), self.dynamics.history_length
        if len(self.start) != wanted or len(set(self.start)) != wanted:
            raise ValueError(f"a session starts from {wanted} different tracks; got {len(set(self.start))}")
        if strangers := [track for track in self.start if not 0 <= track < n_tracks]:
            raise ValueError(f"{strangers[0]} is no track of this catalogue; they go from 0 to {n_tracks - 1}")

    def _begin(self) -> None:
        self.state = retold(self.dynamics, Told(self.start))
        self.vibes: list[Floats] = [self.state.vibe[0].copy()]
        self._offers = self._before = None

    def _play_next(self, heard: bool) -> None:
        for offer in self.offers()[:1]:
            self._answer(offer.track, heard, self._agent.name)

    def _answer(self, track: int, heard: bool, agent: str) -> None:
        outcome = answer(self.dynamics, self.state, track, heard)
        reward = float(outcome.reward[0]) if heard else 0.0
        self.plays.append(Play(track, heard, agent, float(outcome.cosine[0]), reward))
        self.vibes.append(self.state.vibe[0].copy())
        self._before, self._offers = self._offers, None
