"""`train` with hooks equals SB3's; the variants differ by the rules of their papers."""

from __future__ import annotations

import numpy as np
import pytest
import stable_baselines3
import torch as th
from stable_baselines3.common.env_util import make_vec_env

from spotify_gym.algorithms import DQN, DoubleDQN, DuelingDoubleDQN, DuelingDQN
from spotify_gym.algorithms.networks import TopK
from spotify_gym.algorithms.replay import Batch
from tests.algorithms.probes import PROBES, Playlist, tracks

LEARNERS = [DQN, DoubleDQN, DuelingDQN, DuelingDoubleDQN]
QUICK = {
    "learning_starts": 20,
    "batch_size": 16,
    "target_update_interval": 20,
    "train_freq": 2,
    "exploration_fraction": 0.5,
    "learning_rate": 1e-3,
    "device": "cpu",
}


def weights(model):
    return th.cat([value.flatten() for value in model.policy.state_dict().values()])


def optimizer_state(model):
    return [value for state in model.policy.optimizer.state_dict()["state"].values() for value in state.values()]


class Hooked(DQN):
    """This package's `DQN` with SB3's own `train`."""

    train = stable_baselines3.DQN.train


@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize("n_envs", [1, 3])
def test_hooked_train__gives_the_weights_of_sb3s_train(n_steps, n_envs):
    runs = []
    for algorithm in (Hooked, DQN):
        env = make_vec_env(Playlist, n_envs, seed=0)
        runs.append(algorithm("MlpPolicy", env, n_steps=n_steps, seed=3, **QUICK).learn(300))
    assert th.equal(weights(runs[0]), weights(runs[1]))
    assert all(th.equal(a, b) for a, b in zip(*map(optimizer_state, runs), strict=True))


@pytest.mark.parametrize("n_steps", [1, 3])
def test_hooked_dqn__is_stock_sb3_where_nothing_is_explored(monkeypatch, n_steps):
    monkeypatch.setattr(
        np.random, "rand", lambda: 1.0
    )  # SB3 would draw its epsilon from the stream of the replay buffer
    options = {**QUICK, "learning_starts": 0, "exploration_initial_eps": 0.0, "exploration_final_eps": 0.0}
    stock, ours = (
        algorithm("MlpPolicy", Playlist(), n_steps=n_steps, seed=3, **options).learn(300)
        for algorithm in (stable_baselines3.DQN, DQN)
    )
    assert type(stock.replay_buffer) is not type(ours.replay_buffer)
    assert th.equal(weights(stock), weights(ours))


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("n_steps", [1, 3])
def test_dqn__is_stock_sb3_over_ordinary_actions(n_steps, n_envs):
    stock, ours = (
        algorithm("MlpPolicy", make_vec_env("CartPole-v1", n_envs), n_steps=n_steps, seed=3, **QUICK).learn(300)
        for algorithm in (stable_baselines3.DQN, DQN)
    )
    assert th.equal(weights(stock), weights(ours))
    obs = stock.observation_space.sample()
    chosen = []
    for model in (stock, ours):
        model.set_random_seed(1)
        chosen.append([int(model.predict(obs)[0]) for _ in range(50)])
    assert chosen[0] == chosen[1]


def hand_made(actions_online, actions_target):
    """Return networks with given values, and one transition of reward 1 that is not done."""

    class Given:
        def __init__(self, values):
            self.values = th.tensor([values])

        def best(self, obs, played=None):
            return TopK(*self.values.max(dim=1, keepdim=True))

        def taken(self, obs, actions):
            return self.values.gather(1, actions)

    zeros = th.zeros(1, 1)
    batch = Batch(zeros, zeros.long(), zeros, zeros, zeros + 1.0, zeros + 0.9, None)
    return Given(actions_online), Given(actions_target), batch


@pytest.mark.parametrize(("algorithm", "target"), [(DQN, 1.0 + 0.9 * 7.0), (DoubleDQN, 1.0 + 0.9 * 2.0)])
def test_target_rule__where_the_two_networks_disagree(algorithm, target):
    model = algorithm("MlpPolicy", Playlist(), seed=0, device="cpu")
    # The online network prefers action 1, which the target network values at 2; its own favourite, 0, at 7.
    model.q_net, model.q_net_target, batch = hand_made([3.0, 5.0, 1.0], [7.0, 2.0, 4.0])
    assert model.targets(batch).item() == pytest.approx(target)


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_targets__of_gamma_zero_are_the_rewards(algorithm):
    model = algorithm("MlpPolicy", Playlist(), gamma=0.0, seed=0, device="cpu")
    model.q_net, model.q_net_target, batch = hand_made([3.0, 5.0, 1.0], [7.0, 2.0, 4.0])
    assert model.targets(batch).item() == 1.0


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("algorithm", LEARNERS)
@pytest.mark.parametrize("policy", ["MlpPolicy", "CataloguePolicy"])
def test_learner__solves_probe(policy, algorithm, probe):
    env = make_vec_env(probe, 8, seed=0)
    options = {"learning_rate": 2e-2, "train_freq": 1, "gradient_steps": 2, "exploration_final_eps": 0.5}
    options = {**QUICK, **options, "policy_kwargs": {"net_arch": [16]}}
    model = algorithm(policy, env, gamma=probe.gamma, seed=0, **options).learn(600)
    states, actions, expected = map(th.tensor, zip(*probe.values, strict=True))
    with th.no_grad():
        values = model.q_net.taken(states[:, None], actions[:, None])[:, 0]
    np.testing.assert_allclose(values, expected, atol=0.1)


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_learner__trained_twice_with_one_seed_is_the_same(algorithm):
    first, second = (
        algorithm("MlpPolicy", make_vec_env(Playlist, 2, seed=1, env_kwargs={"repeats": False}), seed=5, **QUICK).learn(
            200
        )
        for _ in range(2)
    )
    assert th.equal(weights(first), weights(second))


def test_exploration__is_drawn_for_each_environment():
    model = DQN("MlpPolicy", make_vec_env(Playlist, 8), seed=0, **QUICK)
    model.exploration_rate = 0.5
    obs = np.tile(tracks(1), (8, 1))
    greedy = model.predict(obs, deterministic=True)[0]
    explored = np.array([(model.predict(obs)[0] != greedy) for _ in range(200)])
    assert 0.4 < explored.mean() < 0.5  # half, less the random draws that hit the best one
    assert np.isin(explored.mean(axis=1), [0.0, 1.0]).mean() < 0.05  # hardly ever all or none of them


def test_exploration__draws_from_its_own_generator():
    model = DQN("MlpPolicy", Playlist(), seed=0, **QUICK)
    model.exploration_rate = 1.0
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = [int(model.predict(tracks(1)[0])[0]) for _ in range(5)]
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    model.set_random_seed(0)
    assert first == [int(model.predict(tracks(1)[0])[0]) for _ in range(5)]


@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize("n_envs", [1, 3])
def test_learner__never_plays_what_is_forbidden(n_envs, n_steps):
    env = make_vec_env(
        lambda: Playlist(tracks(12, n_versions=4), repeats=False), n_envs, seed=0
    )  # the environment fails if one is played
    model = DoubleDQN("MlpPolicy", env, n_steps=n_steps, seed=0, **QUICK).learn(400)
    assert model.replay_buffer.played is not None


def test_learner__refuses_a_policy_that_cannot_leave_tracks_out():
    with pytest.raises(TypeError, match="MlpPolicy"):
        DQN(stable_baselines3.dqn.MlpPolicy, Playlist())


class Stock(th.optim.Adam):
    """PyTorch's Adam, unchanged."""


def test_optimizer__gives_the_weights_of_pytorchs_adam():
    runs = [
        DQN("CataloguePolicy", Playlist(tracks(30)), seed=3, policy_kwargs=options, **QUICK).learn(150)
        for options in ({}, {"optimizer_class": Stock, "optimizer_kwargs": {"fused": True}})
    ]
    assert th.equal(*map(weights, runs))
    assert all(th.equal(a, b) for a, b in zip(*map(optimizer_state, runs), strict=True))
