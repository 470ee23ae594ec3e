"""The best plan that can be found."""

from __future__ import annotations

from typing import Any

import numpy as np

from spotify_gym.policies.policy import Ints, ReferencePolicy, session_length
from spotify_gym.policies.search import Search
from spotify_gym.policies.session_model import Rollout
from spotify_gym.session import SessionState

_LOOKAHEAD = 5


class PlannerPolicy(ReferencePolicy):
    """Plan ahead with the true dynamics and play the plan: the reference that knows the environment. It sets skill 1.

    The plan is what :class:`~spotify_gym.policies.search.Search` finds: no other track in any one place earns more.
    That is a local optimum, so that a better plan may exist; it is never worse than what
    :class:`~spotify_gym.policies.NearestPolicy` would play.

    Where chance decides what listeners do, the policy knows their true state and plans for the rewards to be expected
    under their most likely responses, a few tracks ahead; when something else happens, or the plan is used up, it makes
    another.

    Args:
        env: see :class:`ReferencePolicy`.
        lookahead: tracks planned at a time; None for the rest of the session, or 5 where chance has a part.
    """

    is_quick = False

    def __init__(self, env: Any, lookahead: int | None = None) -> None:
        super().__init__(env)
        self._n_tracks = session_length(env)
        self._lookahead = lookahead or (_LOOKAHEAD if self.dynamics.is_stochastic else self._n_tracks)
        self._search = Search(self.dynamics)
        self._rollouts: dict[int, Rollout] = {}

    def choose(self, sessions: SessionState) -> Ints:
        """Go on with the plan of each session, or make a new one where it does not stand as planned."""
        return np.array([self._next(row, sessions.take(np.array([row]))) for row in range(len(sessions))])

    def _next(self, slot: int, session: SessionState) -> int:
        rollout = self._rollouts.get(slot)
        if rollout is None or not _as_planned(rollout, session):
            rest = max(1, self._n_tracks - int(session.time[0]))
            rollout = self._rollouts[slot] = self._search.best(session, min(self._lookahead, rest))
        return int(rollout.plan[_place(rollout, session)])


def _place(rollout: Rollout, session: SessionState) -> int:
    return int(session.time[0] - rollout.before[0].time[0])


def _as_planned(rollout: Rollout, session: SessionState) -> bool:
    """Say whether the session is one that the rollout was planned for, and has gone as planned so far."""
    place = _place(rollout, session)
    if not 0 <= place < len(rollout.plan):
        return False
    planned = rollout.before[place]
    return bool(planned.key == session.key and (planned.history == session.history).all())
