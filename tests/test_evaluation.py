"""Off-policy estimators against closed forms; experiments/ope.py holds them against true values by rollout."""

from __future__ import annotations

import numpy as np
import pytest

from spotify_gym.evaluation import (
    doubly_robust,
    effective_sessions,
    fitted_q_evaluation,
    ips,
    per_decision_ips,
    snips,
)

REWARDS = np.array([[1.0, 2.0], [0.0, 4.0], [3.0, 0.0]])
RATIOS = np.array([[2.0, 0.5], [0.5, 0.0], [1.0, 1.0]])


def test_weighing__by_hand():
    """Products of ratios 1, 0, 1; discounted returns 2, 2, 3."""
    assert ips(REWARDS, RATIOS, 0.5).value == pytest.approx((2 + 0 + 3) / 3)
    assert snips(REWARDS, RATIOS, 0.5).value == pytest.approx((2 + 0 + 3) / 2)
    assert per_decision_ips(REWARDS, RATIOS, 0.5).value == pytest.approx((2 + 0.5 * 2 + 0 + 0 + 3) / 3)
    q, v = np.array([[1.0, 1.0], [2.0, 2.0], [0.0, 0.0]]), np.array([[3.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    by_hand = [3 + 2 * 0 + 0.5 * (2 * 1 + 1 * 1), 1 + 0.5 * -2 + 0.5 * (0.5 * 1 + 0 * 2), 3]
    assert doubly_robust(REWARDS, RATIOS, q, v, 0.5).value == pytest.approx(np.mean(by_hand))
    assert effective_sessions(RATIOS) == pytest.approx(2)


def test_estimators__agree_where_the_policy_played_itself():
    rewards = np.random.default_rng(0).random((50, 4))
    ones, zeros, truth = np.ones_like(rewards), np.zeros_like(rewards), rewards.sum(axis=1).mean()
    for estimate in (ips(rewards, ones), snips(rewards, ones), per_decision_ips(rewards, ones)):
        assert estimate.value == pytest.approx(truth)
        assert estimate.low < truth < estimate.high
    weights = np.random.default_rng(1).random((50, 4)) * 2
    assert doubly_robust(rewards, weights, zeros, zeros) == pytest.approx(per_decision_ips(rewards, weights))


@pytest.fixture(scope="module")
def chain():
    """A log of a two-state chain of 3 steps played by one policy, and the exact value of another policy in it.

    A session begins in state 0. Action 1 earns the number of the state, and leads to state 1 with probability .8;
    action 0 earns .5, and leads there with probability .3.
    """
    rng, n, horizon = np.random.default_rng(0), 20_000, 3
    reward, moves = np.array([[0.5, 0.0], [0.5, 1.0]]), np.array([0.3, 0.8])  # [state, action]
    played, judged = np.array([[0.5, 0.5], [0.6, 0.4]]), np.array([[0.3, 0.7], [0.1, 0.9]])
    q = np.zeros((horizon + 1, 2, 2))
    for t in range(horizon - 1, -1, -1):
        v = (q[t + 1] * judged).sum(axis=1)
        q[t] = reward + (1 - moves) * v[0] + moves * v[1]
    states = np.zeros((n, horizon), int)
    actions = np.zeros_like(states)
    for t in range(horizon):
        actions[:, t] = rng.random(n) < played[states[:, t], 1]
        if t + 1 < horizon:
            states[:, t + 1] = rng.random(n) < moves[actions[:, t]]
    steps = np.broadcast_to(np.arange(horizon), states.shape)
    return {
        "truth": (q[0, 0] * judged[0]).sum(),
        "rewards": reward[states, actions],
        "ratios": (judged / played)[states, actions],
        "q": q[steps, states, actions],
        "v": (q[:-1] * judged).sum(axis=2)[steps, states],
        "features": np.eye(12)[4 * steps + 2 * states + actions],
        "expected": np.einsum(
            "sta,stak->stk", judged[states], np.eye(12)[(4 * steps + 2 * states)[..., None] + [0, 1]]
        ),
    }


def test_estimators__find_the_value_of_a_chain(chain):
    rewards, ratios = chain["rewards"], chain["ratios"]
    found = {
        "ips": ips(rewards, ratios),
        "snips": snips(rewards, ratios),
        "per decision": per_decision_ips(rewards, ratios),
        "doubly robust": doubly_robust(rewards, ratios, chain["q"], chain["v"]),
        "fitted": fitted_q_evaluation(rewards, chain["features"], chain["expected"], ridge=1e-9)[0],
    }
    for name, estimate in found.items():
        assert estimate.low <= chain["truth"] <= estimate.high, name
        assert estimate.value == pytest.approx(chain["truth"], abs=0.04), name
    width = {name: estimate.high - estimate.low for name, estimate in found.items()}
    assert width["doubly robust"] < width["per decision"] < width["ips"]


def test_doubly_robust__is_saved_by_the_ratios_or_by_the_model(chain):
    rewards, ratios, q, v = chain["rewards"], chain["ratios"], chain["q"], chain["v"]
    assert doubly_robust(rewards, ratios, q + 1, v + 1).value == pytest.approx(chain["truth"], abs=0.06)
    assert doubly_robust(rewards, np.full_like(ratios, 0.7), q, v).value == pytest.approx(chain["truth"], abs=0.02)


def test_fitted_q__finds_the_values_of_all_that_was_seen(chain):
    _, weights = fitted_q_evaluation(chain["rewards"], chain["features"], chain["expected"], ridge=1e-9)
    np.testing.assert_allclose(chain["features"] @ weights, chain["q"], atol=0.03)


def test_estimators__refuse_arrays_that_do_not_belong_together():
    for estimate in (ips, snips, per_decision_ips):
        for rewards, ratios in ((REWARDS, RATIOS[:, :1]), (REWARDS, RATIOS[:, 0]), (REWARDS[:0], RATIOS[:0])):
            with pytest.raises(ValueError, match="must all have the same shape"):
                estimate(rewards, ratios)
        assert estimate(REWARDS.tolist(), RATIOS.tolist()) == estimate(REWARDS, RATIOS)
    with pytest.raises(ValueError, match="must all have the same shape"):
        doubly_robust(REWARDS, RATIOS, REWARDS, REWARDS[:2])
    with pytest.raises(ValueError, match="must all have the same shape"):
        fitted_q_evaluation(REWARDS, np.ones((3, 2, 4)), np.ones((3, 1, 4)))


def test_estimators__lose_nothing_to_rounding():
    """Products of fifty ratios are beyond float32, and of four hundred beyond float64; equal weights change nothing."""
    for ratio, length in ((0.1, 50), (10, 50), (0.1, 400)):
        ratios = np.full((3, length), ratio, np.float32)
        assert snips(np.ones((3, length), np.float32), ratios).value == pytest.approx(length)
        assert effective_sessions(ratios) == pytest.approx(3)
    assert ips(np.ones((3, 50), np.float32), np.full((3, 50), 10, np.float32)).value == pytest.approx(50e50)


def test_snips__without_any_weight__is_unknown():
    assert np.isnan(snips(REWARDS, 0 * RATIOS)).all()
    assert effective_sessions(0 * RATIOS) == 0
    assert np.isnan(effective_sessions(np.nan * RATIOS))  # not 0, as if it were known


def test_fitted_q__takes_lists_as_the_others_do():
    features = np.ones((3, 2, 4))
    given, same = (
        fitted_q_evaluation(*parts)
        for parts in ((REWARDS, features, features), (REWARDS.tolist(), features.tolist(), features.tolist()))
    )
    assert given[0] == same[0]
