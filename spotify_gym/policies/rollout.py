"""A plan played out: what each track earns, and where the sessions stand before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spotify_gym.session import SessionDynamics, SessionState

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rollout:
    """One list of T tracks, played in each of S sessions under rules that leave nothing to chance."""

    plan: Ints
    """(T,) the tracks."""
    before: tuple[SessionState, ...]
    """The S sessions before each of the T tracks."""
    rewards: NDArray[np.float64]
    """(T,) what each track earns, the mean over the sessions."""
    fits: NDArray[np.float64]
    """(T,) how much of that is the term "fit", on which no other track of the plan has an influence."""

    @property
    def value(self) -> float:
        """The return, the mean over the sessions."""
        return float(self.rewards.sum())

    @classmethod
    def played(cls, dynamics: SessionDynamics, sessions: SessionState, plan: Sequence[int] | Ints) -> Rollout:
        """Play the plan; `sessions` stay as they are. A listener who has left earns nothing more."""
        now, before, rewards, fits = _copy(sessions), [], [], []
        playing = np.ones(len(sessions), np.bool_)
        for track in plan:
            before.append(now)
            now = _copy(now)
            outcome = dynamics.step(now, np.full(len(now), track))
            rewards.append(np.mean(outcome.reward * playing, dtype=np.float64))
            fits.append(np.mean(outcome.terms["fit"] * playing, dtype=np.float64) if "fit" in outcome.terms else 0.0)
            playing &= ~outcome.left
        return cls(np.array(plan, np.int64), tuple(before), np.array(rewards), np.array(fits))

    def replaced(self, dynamics: SessionDynamics, position: int, track: int) -> Rollout:
        """Play another track at one position, and the rest as planned."""
        rest = self.played(dynamics, self.before[position], [track, *self.plan[position + 1 :]])
        return Rollout(
            np.concatenate([self.plan[:position], rest.plan]),
            self.before[:position] + rest.before,
            np.concatenate([self.rewards[:position], rest.rewards]),
            np.concatenate([self.fits[:position], rest.fits]),
        )


def _copy(sessions: SessionState) -> SessionState:
    return sessions.take(np.arange(len(sessions)))
