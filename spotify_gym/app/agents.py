"""Agents that a person can sit down with: each ranks the catalogue for the session as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from spotify_gym.app.explanation import Profile, balance, explain
from spotify_gym.app.words import signed
from spotify_gym.policies import POLICIES, RankingPolicy
from spotify_gym.session import SessionDynamics, SessionState, StepResult
from spotify_gym.training import Run, RunFolder, load_run
from spotify_gym.training.recommendation import best_tracks, feature_shares

EXPECTED = "the reward it expects from here on"
"""What scores are that are returns."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_KEY = np.zeros(1, np.uint64)  # nothing in the session is left to chance: a person answers


class Told(NamedTuple):
    """What somebody has told of themselves: where they started, and what they said to each track since."""

    start: tuple[int, ...]
    """(H,) tracks."""
    answers: tuple[tuple[int, bool], ...] = ()
    """Tracks recommended, and whether they were heard out."""


def retold(dynamics: SessionDynamics, told: Told) -> SessionState:
    """Return the session, a batch of one, that follows from what was told by the dynamics of an environment."""
    sessions = dynamics.start(_KEY, np.array([told.start], np.int64))
    for track, heard in told.answers:
        answer(dynamics, sessions, track, heard)
    return sessions


def answer(dynamics: SessionDynamics, sessions: SessionState, track: int, heard: bool) -> StepResult:
    """Play a track to a person who hears it out or not."""
    sessions.listener.completed[:] = heard
    return dynamics.step(sessions, np.array([track], np.int64))


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

    @property
    def value_name(self) -> str:
        """What its scores are."""

    def rank(self, told: Told, k: int) -> Ranking:
        """Return the `k` best tracks, none of them played before, in the session that was told."""

    def why(self, told: Told, ranking: Sequence[tuple[int, float]], profile: Profile) -> str:
        """Say why the first track of a ranking, (track, score) each, stands there."""


@dataclass(frozen=True)
class Reference:
    """An agent that does not learn."""

    name: str
    policy: RankingPolicy

    @property
    def about(self) -> str:
        """What it does, in one sentence."""
        return self.policy.about

    @property
    def value_name(self) -> str:
        """What its scores are."""
        return self.policy.value_name

    def rank(self, told: Told, k: int) -> Ranking:
        """Ask the policy; of equal scores the earlier track comes first."""
        tracks, values = self.policy.rank(retold(self.policy.dynamics, told), k)
        return _in_order(tracks[0], values[0])

    def why(self, told: Told, ranking: Sequence[tuple[int, float]], profile: Profile) -> str:
        """Say what the policy says of itself, or else what the track shares with the vibe."""
        track, value = ranking[0]
        if self.policy.why:
            return self.policy.why.format(value=value)
        return str(explain(profile, retold(self.policy.dynamics, told).vibe[0], profile.features[track]))


@dataclass(frozen=True)
class Learned:
    """An agent that has learned what to play from experience alone."""

    name: str
    about: str
    dynamics: SessionDynamics
    """Of the environment that it learned in, for a person; it may measure tracks otherwise than others do."""
    run: Run
    value_name: str = EXPECTED

    @property
    def stages(self) -> tuple[float, ...]:
        """Shares of the training, in [0, 1), at which the networks were kept."""
        return () if self.run.path is None else tuple(s for s in RunFolder(self.run.path).snapshots if s < 1)

    def at(self, share: float) -> Learned:
        """Return the agent as it was after a share of its training.

        Raises:
            RunError: it was not kept, or is damaged.
        """
        assert self.run.path is not None  # which has stages
        own_code = bool(self.run.config.own_code)  # which was trusted when the run was opened
        run = load_run(self.run.path, self.dynamics.catalogue, trust=own_code, share=share)
        return replace(self, name=f"{self.name} after {100 * share:g}% of its training", run=run)

    def rank(self, told: Told, k: int) -> Ranking:
        """Ask the Q-network for the tracks with the highest value."""
        sessions = retold(self.dynamics, told)
        return _in_order(*best_tracks(self.run, self.dynamics, self.dynamics.observe(sessions), sessions.played, k))

    def why(self, told: Told, ranking: Sequence[tuple[int, float]], profile: Profile) -> str:
        """Say what the network expects, and which features set the first track before the second.

        Where scores are nothing to expect, say what the first track shares with the vibe.
        """
        (track, value), *rest = ranking[:2]
        if self.value_name != EXPECTED:
            return str(explain(profile, retold(self.dynamics, told).vibe[0], profile.features[track]))
        expects = f"Expects to earn {signed(value)} from here on if this plays"
        if not rest:
            return f"{expects}; nothing else is left."
        other, other_value = rest[0]
        margin = f"{expects}, {value - other_value:.3f} more than with the runner-up."
        shares = self.feature_shares(told, track, other)
        return f"{margin} {balance(profile, track, other, shares)}" if shares is not None else margin

    def feature_shares(self, told: Told, track: int, other: int) -> Floats | None:
        """Return what each feature, (d,), adds to the value of one track over another; None where they have no part."""
        return feature_shares(self.run, self.dynamics.observe(retold(self.dynamics, told)), track, other)


def references(dynamics: SessionDynamics) -> list[Reference]:
    """Return the reference policies that can rank tracks in such sessions, those that earn the most first."""
    return [
        Reference(name.capitalize(), policy(dynamics))
        for name, policy in reversed(POLICIES.items())
        if issubclass(policy, RankingPolicy) and policy.lacks(dynamics) is None
    ]


def _in_order(tracks: Ints, scores: Floats) -> Ranking:
    """Sort by score and leave out what must not be played."""
    order = np.lexsort((tracks, -scores))
    order = order[np.isfinite(scores[order])]
    return Ranking(tracks[order], scores[order])
