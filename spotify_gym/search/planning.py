"""Planning in a model of the dynamics: beam search, improvement of whole plans, iterated local search.

The algorithms work with any :class:`PlanningModel`, of the true dynamics or of learned ones.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_REWARDS_AT_ONCE = 2**22  # 16 MB
_STATES_AT_ONCE = 2**15
_LEAST_GAIN = 1e-6  # of the return: smaller gains are rounding
_SHAKEN = 4  # adjacent actions replaced at random
_STRIDE = 64  # every 64th score is in the sample that gives a threshold


class States(Protocol):
    """A batch of B states that plans start from."""

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[Any]) -> Self:
        """Copy the given states, in the given order; an index may occur more than once."""


S = TypeVar("S", bound=States)


@dataclass(frozen=True, eq=False)
class Rollout(Generic[S]):
    """One plan of T actions, played out from each of B states."""

    plan: Ints
    """(T,) the actions."""
    before: tuple[S, ...]
    """The B states before each of them."""
    rewards: NDArray[np.float64]
    """(T,) the reward of each action, averaged over the states."""

    @property
    def value(self) -> float:
        """The return, averaged over the states."""
        return float(self.rewards.sum())


class PlanningModel(ABC, Generic[S]):
    """Deterministic dynamics to plan in. Actions are the integers from 0 to `n_actions` - 1.

    A model must implement `step` and `expected_rewards`. The other methods are derived from them, and can be overridden
    by faster ones.
    """

    n_actions: int

    @abstractmethod
    def step(self, states: S, actions: Ints) -> tuple[Floats, Bools]:
        """Take one action in each of B states and update `states` in place.

        Args:
            states: B states.
            actions: (B,).

        Returns:
            Rewards, (B,), and whether the episode has ended, (B,).
        """

    @abstractmethod
    def expected_rewards(self, states: S, actions: Ints | None = None) -> Floats:
        """Return the immediate reward of each action, (M,), None for all, in each of B states, (B, M)."""

    def mean_rewards(
        self, states: S, actions: Ints | None = None, n_groups: int = 1, going: Bools | None = None
    ) -> Floats:
        """Return the immediate reward of each action, averaged over the states of a group.

        Args:
            states: B · G states; the first of each group, then the second of each, ...
            actions: (M,); None for all.
            n_groups: G.
            going: (B · G,) the states whose episode has not ended; None for all.

        Returns:
            (G, M).
        """
        total = np.zeros((n_groups, self.n_actions if actions is None else len(actions)), np.float32)
        rows = np.arange(len(states))
        at_once = n_groups * max(1, _REWARDS_AT_ONCE // total.size)
        for part in np.split(rows, rows[at_once::at_once]):
            rewards = self.expected_rewards(states.take(part), actions)
            if going is not None:
                rewards *= going[part, None]
            total += rewards.reshape(-1, *total.shape).sum(axis=0)
        return total / np.float32(len(states) // n_groups)

    def rollout(self, states: S, plan: Ints) -> Rollout[S]:
        """Roll a plan, (T,), out from each of the states; the states are not modified."""
        now, going = states.take(np.arange(len(states))), np.ones(len(states), np.bool_)
        before, rewards = [], np.zeros(len(plan))
        for t, action in enumerate(plan):
            before.append(now.take(np.arange(len(now))))
            reward, ended = self.step(now, np.full(len(now), action))
            rewards[t] = np.mean(reward * going, dtype=np.float64)
            going &= ~ended
        return Rollout(np.array(plan, np.int64), tuple(before), rewards)

    def returns(self, states: S, plans: Ints) -> NDArray[np.float64]:
        """Return the mean return over the states of each plan, (L, T), as (L,); the states are not modified."""
        at_once = max(1, _STATES_AT_ONCE // len(states))
        parts = (plans[first : first + at_once] for first in range(0, len(plans), at_once))
        return np.concatenate([self._returns(states, part) for part in parts])

    def _returns(self, states: S, plans: Ints) -> NDArray[np.float64]:
        now = states.take(np.tile(np.arange(len(states)), len(plans)))
        total, going = np.zeros(len(now)), np.ones(len(now), np.bool_)
        for actions in plans.T:
            reward, ended = self.step(now, np.repeat(actions, len(states)))
            total += reward * going
            going &= ~ended
        means: NDArray[np.float64] = total.reshape(len(plans), -1).mean(axis=1)
        return means

    def replacement_values(self, rollout: Rollout[S], position: int, actions: Ints | None = None) -> Floats:
        """Return the value of each action at `position`: the return of the plan from there on, up to a constant.

        Args:
            rollout: rollout of the plan.
            position: index into the plan.
            actions: (M,); None for all.

        Returns:
            (M,), averaged over the states; -inf for actions that are not allowed or cannot beat the planned one.
        """
        actions = np.arange(self.n_actions) if actions is None else actions
        plans = np.tile(rollout.plan[position:], (len(actions), 1))
        plans[:, 0] = actions
        return self.returns(rollout.before[position], plans).astype(np.float32)


def beam(
    model: PlanningModel[S], states: S, n_steps: int, width: int, actions: Ints | None = None
) -> tuple[Ints, float]:
    """Beam search: extend plans action by action and keep those with the highest return so far.

    Args:
        model: the dynamics.
        states: B states that all get the same plan; not modified.
        n_steps: T, the length of the plan.
        width: W, the number of plans kept; 1 is greedy search.
        actions: (M,) the actions to consider; None for all.

    Returns:
        The best plan found, (T,), and its expected return, averaged over the states.
    """
    n_states = len(states)
    nodes = states.take(np.arange(n_states))  # B · W states: those of the first state, then of the second, ...
    going = np.ones(n_states, np.bool_)
    earned, plans = np.zeros(1), np.zeros((1, 0), np.int64)
    for _ in range(n_steps):
        scores = model.mean_rewards(nodes, actions, len(plans), going) + earned[:, None].astype(np.float32)
        best = largest(scores.ravel(), width)
        parent, place = np.divmod(best, scores.shape[1])
        chosen = place if actions is None else actions[place]
        rows = (np.arange(n_states)[:, None] * len(plans) + parent).ravel()
        nodes, going = nodes.take(rows), going[rows]
        _, ended = model.step(nodes, np.tile(chosen, n_states))
        going &= ~ended
        earned = scores.ravel()[best].astype(np.float64)
        plans = np.concatenate([plans[parent], chosen[:, None]], axis=1)
    return plans[0], float(earned[0])


def largest(scores: Floats, k: int) -> Ints:
    """Return the indices of the k largest scores, of (n,), the largest first; all indices if n < k.

    The k-th largest score of a sample is at most the k-th largest of all, so scores below it can be discarded first.
    """
    part = scores[::_STRIDE]
    least = np.partition(part, -k)[-k] if len(part) > k else -np.inf
    candidates = np.flatnonzero(scores >= least)
    order = np.argsort(-scores[candidates], kind="stable")[:k]
    return candidates[order]


def improve(
    model: PlanningModel[S],
    rollout: Rollout[S],
    actions: Ints | Callable[[Ints, int], Ints] | None = None,
    n_sweeps: int | None = None,
) -> Rollout[S]:
    """Coordinate ascent: replace one action at a time by the best one, until no replacement increases the return.

    Args:
        model: the dynamics.
        rollout: rollout of the plan.
        actions: (M,) the actions to consider, or a function that returns them for a plan and a position; None for all.
        n_sweeps: maximum number of passes through the plan; None for no limit.
    """
    n, position, unchanged = len(rollout.plan), 0, 0
    left = math.inf if n_sweeps is None else n_sweeps * n
    while unchanged < n and left > 0:
        tried = actions(rollout.plan, position) if callable(actions) else actions
        values = model.replacement_values(rollout, position, tried)
        place = int(values.argmax())
        action = place if tried is None else int(tried[place])
        unchanged, left = unchanged + 1, left - 1
        if values[place] > -np.inf and action != rollout.plan[position]:
            plan = rollout.plan.copy()
            plan[position] = action
            other = model.rollout(rollout.before[0], plan)
            if other.value > rollout.value + _LEAST_GAIN:
                rollout, unchanged = other, 0
        position = (position + 1) % n
    return rollout


def iterated_local_search(model: PlanningModel[S], rollout: Rollout[S], actions: Ints, n_rounds: int) -> Rollout[S]:
    """Replace a few adjacent actions by random ones, improve again, and keep the plan if its return is higher.

    From Lourenço, Martin and Stützle (2003), "Iterated local search".
    """
    rng = np.random.default_rng(0)
    n_shaken = min(_SHAKEN, len(rollout.plan), len(actions))
    for _ in range(n_rounds):
        first = rng.integers(len(rollout.plan) - n_shaken + 1)
        plan = rollout.plan.copy()
        plan[first : first + n_shaken] = rng.choice(actions, n_shaken, replace=False)
        other = improve(model, model.rollout(rollout.before[0], plan), actions)
        rollout = max(rollout, other, key=attrgetter("value"))
    return rollout
