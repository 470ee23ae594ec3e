"""Networks with one output per action."""

from __future__ import annotations

import pytest
import torch as th

from spotify_gym.algorithms import DQN, DuelingDQN
from tests.algorithms.probes import Playlist, tracks


def network(algorithm, n=10, n_versions=0, **policy_kwargs):
    env = Playlist(tracks(n, n_versions=n_versions))
    return algorithm("MlpPolicy", env, policy_kwargs=policy_kwargs, seed=0, device="cpu").q_net


def observations(n):
    return th.as_tensor(tracks(n, seed=9))


@pytest.mark.parametrize("algorithm", [DQN, DuelingDQN])
def test_network__taken_and_best_agree_with_the_dense_values(algorithm):
    q_net, obs = network(algorithm), observations(5)
    values = q_net(obs)
    actions = th.tensor([[0], [3], [9], [3], [1]])
    assert th.equal(q_net.taken(obs, actions)[:, 0], values[th.arange(5), actions[:, 0]])
    best = q_net.best(obs)
    assert th.equal(best.values[:, 0], values.max(1).values)
    assert th.equal(best.actions[:, 0], values.argmax(1))
    assert th.equal(q_net.top_k(obs, 3).actions, values.argsort(1, descending=True)[:, :3])


def test_best__leaves_out_every_version_of_what_was_played():
    q_net, obs = network(DQN, n=10, n_versions=3), observations(2)  # 7, 8, 9 are versions of 0, 1, 2
    played = th.tensor([[0, 8, -1], [-1, -1, -1]])
    allowed = q_net(obs).detach().clone()
    allowed[0, [0, 7, 1, 8]] = -th.inf
    assert th.equal(q_net.best(obs, played).actions[:, 0], allowed.argmax(1))
    assert th.equal(q_net.top_k(obs, 10, played).values.isneginf().sum(1), th.tensor([4, 0]))


def test_best_of__keeps_to_the_mask():
    q_net, obs = network(DQN), observations(4)
    mask = th.zeros(1, 10, dtype=th.bool)
    mask[0, [2, 5]] = True
    assert th.equal(q_net.best_of(obs, mask).values[:, 0], q_net(obs)[:, [2, 5]].max(1).values)


def test_dueling__centres_the_advantages_of_each_state():
    q_net, obs = network(DuelingDQN), observations(6)
    hidden = q_net.q_net.trunk(obs)
    th.testing.assert_close(q_net(obs).mean(1, keepdim=True), q_net.q_net.value(hidden))
    th.testing.assert_close(q_net(obs)[:1], q_net(obs[:1]))  # the other states of the batch change nothing


def test_dueling__has_no_dead_weights():
    q_net = network(DuelingDQN, net_arch=[7, 5])
    q_net(observations(3)).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in q_net.parameters())
    # d=4: trunk 4x7, value 7x5 and 5x1, advantages 7x5 and 5x10, with their biases
    assert sum(weight.numel() for weight in q_net.parameters()) == 35 + 40 + 6 + 40 + 60


@pytest.mark.parametrize("net_arch", [[], [8]])
def test_dueling__works_with_nothing_to_share(net_arch):
    assert network(DuelingDQN, net_arch=net_arch)(observations(2)).shape == (2, 10)
