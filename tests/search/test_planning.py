"""Planning in any model with `step` and `expected_rewards`, against brute force."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from spotify_gym.search.planning import PlanningModel, beam, improve, iterated_local_search, largest

N_STEPS = 4


@dataclass
class Places:
    """Positions of B walkers, (B, 2)."""

    at: np.ndarray

    def __len__(self):
        return len(self.at)

    def take(self, rows):
        return Places(self.at[rows])


class Walk(PlanningModel):
    """Walkers in the plane: the reward of a move depends on the position, and a walk ends beyond `reach`."""

    def __init__(self, seed=0, n_actions=6, reach=np.inf):
        self.moves = np.random.default_rng(seed).normal(size=(n_actions, 2)).astype(np.float32)
        self.n_actions, self.reach = n_actions, reach

    def expected_rewards(self, states, actions=None):
        moves = self.moves if actions is None else self.moves[actions]
        return np.sin(states.at @ moves.T) + moves[:, 0]

    def step(self, states, actions):
        reward = self.expected_rewards(states)[np.arange(len(states)), actions]
        states.at = (states.at + self.moves[actions]) / 2
        return reward, np.abs(states.at).max(axis=1) > self.reach


def starts(n_states):
    return Places(np.random.default_rng(1).normal(size=(n_states, 2)).astype(np.float32))


def all_returns(model, states):
    plans = np.array(list(product(range(model.n_actions), repeat=N_STEPS)))
    return plans, np.array([model.rollout(states, plan).value for plan in plans])


@pytest.mark.parametrize("reach", [np.inf, 0.8])
@pytest.mark.parametrize("n_states", [1, 3])
def test_beam__wide_enough__finds_the_best_plan(n_states, reach):
    model, states = Walk(reach=reach), starts(n_states)
    plan, value = beam(model, states, N_STEPS, width=6**N_STEPS)
    _, values = all_returns(model, states)
    assert value == pytest.approx(values.max(), abs=1e-5)
    assert model.rollout(states, plan).value == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("reach", [np.inf, 0.8])
def test_returns__are_those_of_rollouts(reach, monkeypatch):
    model, states = Walk(reach=reach), starts(3)
    plans, values = all_returns(model, states)
    assert model.returns(states, plans) == pytest.approx(values, abs=1e-6)
    monkeypatch.setattr("spotify_gym.search.planning._STATES_AT_ONCE", 7)
    assert model.returns(states, plans) == pytest.approx(values, abs=1e-6)


def test_beam__over_some_actions__plans_no_others():
    plan, _ = beam(Walk(), starts(2), N_STEPS, width=8, actions=np.array([4, 1]))
    assert set(plan) <= {1, 4}


@pytest.mark.parametrize("actions", [None, np.array([5, 0, 3])])
def test_improve__ends_where_no_single_action_is_better(actions):
    model, states = Walk(), starts(3)
    best = improve(model, model.rollout(states, np.zeros(N_STEPS, np.int64)), actions)
    for position, action in product(range(N_STEPS), range(6) if actions is None else actions):
        plan = best.plan.copy()
        plan[position] = action
        assert model.rollout(states, plan).value <= best.value + 1e-5


@pytest.mark.parametrize("seed", range(4))
def test_iterated_local_search__comes_as_far_as_trying_everything(seed):
    model, states = Walk(seed), starts(2)
    begun = model.rollout(states, np.zeros(N_STEPS, np.int64))
    found = iterated_local_search(model, begun, np.arange(6), 30)
    assert found.value == pytest.approx(all_returns(model, states)[1].max(), abs=1e-5)
    assert (iterated_local_search(model, begun, np.arange(6), 30).plan == found.plan).all()


def test_mean_rewards__a_few_states_at_a_time__are_the_same(monkeypatch):
    model, states = Walk(), starts(12)
    going = np.arange(12) % 3 > 0
    together = model.mean_rewards(states, None, 2, going)
    expected = (model.expected_rewards(states) * going[:, None]).reshape(6, 2, 6).mean(axis=0)
    assert together == pytest.approx(expected, abs=1e-6)
    monkeypatch.setattr("spotify_gym.search.planning._REWARDS_AT_ONCE", 30)
    assert model.mean_rewards(states, None, 2, going) == pytest.approx(together, abs=1e-6)


def test_largest__finds_them_in_order():
    scores = np.random.default_rng(0).integers(1000, size=10_000).astype(np.float32)
    assert scores[largest(scores, 20)].tolist() == np.sort(scores)[::-1][:20].tolist()
    assert largest(scores[:5], 9).tolist() == np.argsort(-scores[:5], kind="stable").tolist()
