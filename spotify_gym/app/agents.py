"""The agents offered on the page: trained models and reference policies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spotify_gym.app.explanation import Profile
from spotify_gym.app.listening import Agent, ListeningSession, Offer, has_hidden_taste
from spotify_gym.app.words import signed
from spotify_gym.policies import POLICIES, NearestPolicy, RankingPolicy
from spotify_gym.session import SessionDynamics
from spotify_gym.training import Run, RunFolder, load_run
from spotify_gym.training.recommendation import best_tracks, directions_of, plans_of

EXPECTED = "the reward it expects from here on"
"""Name of the scores that are expected returns."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Reference(Agent):
    """A reference policy, which does not learn."""

    policy: RankingPolicy

    def rank(self, session: ListeningSession, k: int) -> Sequence[tuple[int, float]]:
        """Rank by the policy; ties go to the lower track index."""
        tracks, values = self.policy.rank(session.seen_by(self.policy.dynamics), k)
        return _in_order(tracks[0], values[0])

    def why(self, session: ListeningSession, offers: Sequence[Offer]) -> str:
        """Return the policy's own explanation, or else what the track shares with the vibe."""
        return self.policy.why.format(value=offers[0].score) or _likeness(session, offers[0])

    def looks_for(self, session: ListeningSession) -> Floats | None:
        """Return the policy's search direction after the answers so far."""
        directions = self.policy.directions(session.seen_by(self.policy.dynamics))
        return None if directions is None else np.asarray(directions[0])


@dataclass(frozen=True)
class Learned(Agent):
    """A trained model."""

    dynamics: SessionDynamics
    """Dynamics of its training environment, with a person as the listener; its features may be scaled differently."""
    run: Run

    @property
    def stages(self) -> tuple[float, ...]:
        """Fractions of the training, in [0, 1), at which weights were saved."""
        return () if self.run.path is None else tuple(s for s in RunFolder(self.run.path).snapshots if s < 1)

    @lru_cache(maxsize=32)  # noqa: B019 - an agent is there as long as the page
    def at(self, share: float) -> Learned:
        """Return the agent as it was after this fraction of its training; loaded once.

        Raises:
            RunError: no weights were saved there, or they are damaged.
        """
        assert self.run.path is not None  # which has stages
        own_code = bool(self.run.config.own_code)  # which was trusted when the run was opened
        run = load_run(self.run.path, self.dynamics.catalogue, trust=own_code, share=share)
        return replace(self, name=f"{self.name} after {100 * share:g}% of its training", run=run)

    def rank(self, session: ListeningSession, k: int) -> Sequence[tuple[int, float]]:
        """Return the tracks with the highest value; a planning agent keeps its plan from track to track."""
        observation, played = self._observation(session), session.seen_by(self.dynamics).played
        plans, place = session.memory.setdefault(self.name, []), len(session.plays)
        if len(plans) <= place:
            before = plans[-1] if len(plans) == place > 0 else None
            plans += [None] * (place - len(plans)) + [plans_of(self.run, observation, played, before)]
        return _in_order(*best_tracks(self.run, self.dynamics, observation, played, k, plans[place]))

    def why(self, session: ListeningSession, offers: Sequence[Offer]) -> str:
        """Explain the expected return, and which features put the first track ahead of the second.

        Where scores are not returns, explain what the first track shares with the vibe instead.
        """
        if self.value_name != EXPECTED:
            return _likeness(session, offers[0])
        expects = f"Expects to earn {signed(offers[0].score)} from here on if this plays"
        if len(offers) == 1:
            return f"{expects}; nothing else is left."
        one, other = offers[:2]
        margin = f"{expects}, {one.score - other.score:.3f} more than with the runner-up."
        if (shares := self.feature_shares(session, one.track, other.track)) is None:
            return margin
        features = session.dynamics.catalogue.features
        return f"{margin} {_profile(session).balance(features[one.track] - features[other.track], shares)}"

    def looks_for(self, session: ListeningSession) -> Floats | None:
        """Return the direction that the network computes for the session; None where it does not use track features."""
        directions = directions_of(self.run.model, self._observation(session))
        return None if directions is None else directions[0]

    def feature_shares(self, session: ListeningSession, track: int, other: int) -> Floats | None:
        """Return how much each feature, (d,), contributes to the value of one track over another; None if unused.

        Exact where φ is fixed: the shares then sum to the difference of the two values.
        """
        units = self.run.catalogue.unit_features
        direction = self.looks_for(session)
        return None if direction is None else direction * (units[track] - units[other])

    def _observation(self, session: ListeningSession) -> Floats:
        return self.dynamics.observe(session.seen_by(self.dynamics))


def references(dynamics: SessionDynamics) -> list[Reference]:
    """Return the reference policies that can rank tracks in such sessions, the highest-earning first."""
    policies = [
        (name.capitalize(), kind(dynamics))
        for name, kind in reversed(POLICIES.items())
        if issubclass(kind, RankingPolicy)
        and kind.lacks(dynamics) is None
        and not (kind is NearestPolicy and has_hidden_taste(dynamics))  # it would know what is hidden
    ]
    return [Reference(name, policy.about, policy.value_name, policy) for name, policy in policies]


def _in_order(tracks: Iterable[int], scores: Iterable[float]) -> Sequence[tuple[int, float]]:
    """Sort by score and drop the tracks that may not be played."""
    ranking = [(int(track), float(score)) for track, score in zip(tracks, scores, strict=True) if np.isfinite(score)]
    return sorted(ranking, key=lambda pair: (-pair[1], pair[0]))


def _likeness(session: ListeningSession, offer: Offer) -> str:
    return _profile(session).likeness(session.vibe, session.dynamics.catalogue.features[offer.track])


def _profile(session: ListeningSession) -> Profile:
    return Profile.of(session.dynamics.catalogue)
