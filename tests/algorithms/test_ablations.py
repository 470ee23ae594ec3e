"""The maxima over few candidates."""

from __future__ import annotations

import numpy as np
import pytest
import torch as th

from spotify_gym.algorithms import DoubleDQN
from spotify_gym.algorithms.ablations import ActionHeadPolicy, SampledPolicy, ShortlistPolicy
from tests.algorithms.probes import Playlist, tracks
from tests.algorithms.test_dqn import QUICK

POLICIES = [SampledPolicy, ShortlistPolicy, ActionHeadPolicy]


def model_of(policy, n=40, n_versions=0, **policy_kwargs):
    """A model whose weights are random throughout."""
    env = Playlist(tracks(n, n_versions=n_versions))
    model = DoubleDQN(policy, env, policy_kwargs=policy_kwargs, seed=0, device="cpu")
    generator = th.Generator().manual_seed(0)
    model.q_net.load_state_dict(
        {k: th.randn(w.shape, generator=generator) for k, w in model.q_net.state_dict().items()}
    )
    return model


@pytest.mark.parametrize("policy", POLICIES)
def test_candidates__are_valued_as_in_the_dense_form(policy):
    q_net = model_of(policy, n_versions=5, n_candidates=12).q_net
    obs = th.as_tensor(tracks(6, seed=9))
    values = q_net(obs)
    actions = th.tensor([[0], [3], [39], [3], [1], [2]])
    assert th.allclose(q_net.taken(obs, actions), values.gather(1, actions), atol=1e-5)
    choice = q_net.top_k(obs, 3)
    assert th.allclose(choice.values, values.gather(1, choice.actions), atol=1e-5)
    assert (choice.values[:, :-1] >= choice.values[:, 1:]).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_candidates__are_never_what_was_played(policy):
    q_net = model_of(policy, n_versions=5, n_candidates=30).q_net  # 35 .. 39 are versions of 0 .. 4
    obs = th.as_tensor(tracks(8, seed=9))
    favourite = q_net.best(obs).actions
    played = th.where(favourite < 5, favourite + 35, favourite)
    for _ in range(20):
        assert (q_net.best(obs, played).actions != favourite).all()


def test_sampled__takes_the_logarithm_of_the_catalogue_by_default():
    assert model_of(SampledPolicy, n=1000).q_net.n_candidates == 20
    assert model_of(SampledPolicy, n=1025).q_net.n_candidates == 22


def test_sampled__finds_the_best_where_it_draws_enough():
    q_net = model_of(SampledPolicy, n_candidates=2000).q_net
    obs = th.as_tensor(tracks(6, seed=9))
    assert th.equal(q_net.best(obs).actions[:, 0], q_net(obs).argmax(1))


def test_sampled__says_where_all_candidates_are_played():
    q_net = model_of(SampledPolicy, n_candidates=3).q_net
    with pytest.raises(ValueError, match="all 3 candidates"):
        q_net.best(th.as_tensor(tracks(1)), th.arange(40)[None])


def test_shortlist__is_what_lies_nearest_to_the_vibe():
    q_net = model_of(ShortlistPolicy, n_candidates=4).q_net
    features, vibe = tracks(40), tracks(1, seed=9)
    cosines = features @ vibe[0] / np.linalg.norm(features, axis=1)
    assert set(q_net.propose(th.as_tensor(vibe))[0].tolist()) == set(np.argsort(-cosines)[:4].tolist())


def test_shortlist__of_everything_is_the_exact_maximum():
    q_net = model_of(ShortlistPolicy, n_candidates=10**6).q_net
    obs = th.as_tensor(tracks(6, seed=9))
    assert th.equal(q_net.best(obs).actions[:, 0], q_net(obs).argmax(1))


def test_action_head__has_no_dead_weights():
    q_net = model_of(ActionHeadPolicy, net_arch=[7]).q_net  # d = 4: 8 numbers of the state, 4 of the track
    assert sum(weight.numel() for weight in q_net.parameters()) == (8 + 4) * 7 + 7 + 7 + 1


@pytest.mark.parametrize("policy", POLICIES)
def test_learner__learns_from_few_candidates_and_survives_a_file(tmp_path, policy):
    env = Playlist(tracks(60), repeats=False)
    model = DoubleDQN(policy, env, seed=0, policy_kwargs={"n_candidates": 30}, **QUICK).learn(100)
    model.save(tmp_path / "model")
    loaded = DoubleDQN.load(tmp_path / "model", env=env, device="cpu")
    assert loaded.q_net.n_candidates == 30
    states = [net.state_dict() for net in (model.q_net, loaded.q_net)]
    assert all(th.equal(states[0][name], states[1][name]) for name in states[0])
