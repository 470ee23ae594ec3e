"""Networks: one output per track, the dot product over the whole catalogue, and the maximum over few candidates."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import stable_baselines3
import torch as th

from spotify_gym.algorithms import DQN, BindingError, DoubleDQN, DuelingDoubleDQN, DuelingDQN
from spotify_gym.algorithms.ablations import ActionHeadPolicy, SampledPolicy, ShortlistPolicy
from spotify_gym.algorithms.catalogue_policy import CataloguePolicy
from tests.algorithms.probes import FeatureSpace, Playlist, randomize, tracks
from tests.algorithms.test_dqn import QUICK

KINDS = [{"track_embedding": "fixed"}, {"track_embedding": "learned"}, {"layer_norm": True}, {"unit_state": False}]


def observations(n):
    return th.as_tensor(tracks(n, seed=9))


def model_of(algorithm=DQN, n=40, n_versions=0, seed=0, policy="CataloguePolicy", **policy_kwargs):
    """Return a model with random weights; the last `n_versions` tracks are versions of the first ones."""
    env = Playlist(tracks(n, n_versions=n_versions))
    model = algorithm(policy, env, policy_kwargs=policy_kwargs, seed=seed, device="cpu")
    randomize(model.q_net, model.q_net_target, seed=seed)
    return model


def network(algorithm=DQN, n=10, n_versions=0, **policy_kwargs):
    """Return an untrained network with one output per track."""
    env = Playlist(tracks(n, n_versions=n_versions))
    return algorithm("MlpPolicy", env, policy_kwargs=policy_kwargs, seed=0, device="cpu").q_net


@pytest.mark.parametrize(
    ("n_versions", "policy_kwargs"), [(0, {"policy": "MlpPolicy"}), *((5, policy_kwargs) for policy_kwargs in KINDS)]
)
@pytest.mark.parametrize("algorithm", [DQN, DuelingDQN])
def test_network__agrees_with_its_dense_form(algorithm, n_versions, policy_kwargs):
    q_net, obs = model_of(algorithm, n_versions=n_versions, **policy_kwargs).q_net, observations(6)
    values = q_net(obs)
    assert values.shape == (6, 40)
    actions = th.tensor([[0], [3], [39], [3], [1], [2]])
    assert th.allclose(q_net.taken(obs, actions), values.gather(1, actions), atol=1e-5)
    best, highest = q_net.best(obs), values[:, : 40 - n_versions].topk(4).values
    assert th.allclose(best.values, highest[:, :1], atol=1e-5)
    assert th.allclose(values.gather(1, best.actions), highest[:, :1], atol=1e-5)
    assert th.allclose(values.gather(1, q_net.top_k(obs, 4).actions), highest, atol=1e-5)


def test_best__per_track__leaves_out_every_version_of_what_was_played():
    q_net, obs = network(n_versions=3), observations(2)  # 7, 8, 9 are versions of 0, 1, 2
    played = th.tensor([[0, 8, -1], [-1, -1, -1]])
    allowed = q_net(obs).detach().clone()
    allowed[0, [0, 7, 1, 8]] = -th.inf
    assert th.equal(q_net.best(obs, played).actions[:, 0], allowed.argmax(1))
    assert th.equal(q_net.top_k(obs, 10, played).values.isneginf().sum(1), th.tensor([4, 0]))


def test_best_of__keeps_to_the_mask():
    q_net, obs = network(), observations(4)
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


# The catalogue head: small on disk, and valid for any catalogue with the same coordinates.


@pytest.mark.parametrize("algorithm", [DQN, DuelingDQN])
def test_best__leaves_out_every_version_of_what_was_played(algorithm):
    q_net = model_of(algorithm, n=40, n_versions=5).q_net  # 35 .. 39 are versions of 0 .. 4
    obs = observations(3)
    favourites = q_net(obs)[:, :35].topk(3).indices
    played = th.where(favourites < 5, favourites + 35, favourites)
    allowed = q_net(obs)[:, :35].scatter(1, favourites, -th.inf)
    assert th.equal(q_net.best(obs, played).actions[:, 0], allowed.argmax(1))
    padded = th.cat([played, played[:, :1].expand(-1, 4), th.full((3, 2), -1)], dim=1)
    assert th.equal(q_net.best(obs, padded).actions, q_net.best(obs, played).actions)


def test_dueling__centres_the_advantages_over_all_tracks():
    model = model_of(DuelingDQN, n_versions=5)
    q_net, obs = model.q_net, observations(6)
    _, value = q_net.tower(obs)
    assert th.allclose(q_net(obs).mean(dim=1, keepdim=True), value, atol=1e-5)


@pytest.mark.parametrize("algorithm", [DQN, DuelingDQN])
def test_network__hears_versions_that_sound_otherwise(algorithm):
    model = model_of(algorithm)
    model.action_space.recordings = np.arange(40) // 2 * 2  # two tracks a song, which sound different
    model.bind(model.action_space)
    q_net, obs = model.q_net, observations(6)
    assert not th.allclose(q_net(obs)[:, ::2], q_net(obs)[:, 1::2])
    actions = th.tensor([[0], [3], [39], [3], [1], [2]])
    assert th.allclose(q_net.taken(obs, actions), q_net(obs).gather(1, actions), atol=1e-5)
    assert th.equal(q_net.best(obs).actions[:, 0], 2 * q_net(obs)[:, ::2].argmax(1))
    best = q_net.best(obs).actions
    assert not (q_net.best(obs, best + 1).actions == best).any()


def test_stock_sb3__can_use_the_policy():
    env = Playlist(tracks(30))
    model = stable_baselines3.DQN(CataloguePolicy, env, learning_starts=10, seed=0, device="cpu").learn(60)
    assert 0 <= int(model.predict(env.reset()[0])[0]) < 30


@pytest.mark.parametrize("policy_kwargs", KINDS[:2])
def test_file__is_small_whatever_the_catalogue_and_loads_onto_others(tmp_path, policy_kwargs):
    model = model_of(DoubleDQN, n=20_000, **policy_kwargs)
    model.save(tmp_path / "model")
    assert (tmp_path / "model.zip").stat().st_size < 1_000_000
    larger = Playlist(tracks(30_000, seed=3))
    loaded = DoubleDQN.load(tmp_path / "model", env=larger, device="cpu")
    obs = tracks(4, seed=9)
    again = DoubleDQN.load(tmp_path / "model", device="cpu").bind(larger.action_space)
    assert np.array_equal(loaded.predict(obs, deterministic=True)[0], again.predict(obs, deterministic=True)[0])
    assert np.array_equal(
        model.bind(larger.action_space).predict(obs, deterministic=True)[0],
        loaded.predict(obs, deterministic=True)[0],
    )


def test_file__without_a_catalogue_says_what_is_missing(tmp_path):
    model_of().save(tmp_path / "model")
    loaded = DQN.load(tmp_path / "model", device="cpu")
    with pytest.raises(BindingError, match="loaded without its catalogue"):
        loaded.predict(tracks(1)[0])


def test_bind__to_a_space_without_its_features_forgets_the_tracks():
    model = model_of()
    model.bind(pickle.loads(pickle.dumps(model.action_space)))
    with pytest.raises(BindingError, match="loaded without its catalogue"):
        model.predict(tracks(1)[0])


def test_networks__share_what_they_know_of_the_tracks():
    model = model_of(DuelingDoubleDQN)
    assert model.q_net.table() is model.q_net_target.table()


def test_model__refuses_tracks_that_are_measured_otherwise(tmp_path):
    model = model_of()
    model.save(tmp_path / "model")
    with pytest.raises(BindingError, match="coordinates"):
        model.bind(FeatureSpace(tracks(30), scaling="minmax"))
    with pytest.raises(BindingError, match="but these tracks are described by"):
        DQN.load(tmp_path / "model", env=Playlist(tracks(30, d=3)))


def test_learned_embedding__is_looked_up_anew_when_the_weights_change():
    model = model_of(track_embedding="learned")
    obs = observations(5)
    model.q_net.best(obs)
    other = model_of(track_embedding="learned", seed=1)
    model.q_net.load_state_dict(other.q_net.state_dict())
    assert th.equal(model.q_net.best(obs).actions, other.q_net.best(obs).actions)


# The maxima over few candidates.

FEW = [SampledPolicy, ShortlistPolicy, ActionHeadPolicy]


@pytest.mark.parametrize("policy", FEW)
def test_candidates__are_valued_as_in_the_dense_form(policy):
    q_net = model_of(policy=policy, n_versions=5, n_candidates=12).q_net
    obs = observations(6)
    values = q_net(obs)
    actions = th.tensor([[0], [3], [39], [3], [1], [2]])
    assert th.allclose(q_net.taken(obs, actions), values.gather(1, actions), atol=1e-5)
    choice = q_net.top_k(obs, 3)
    assert th.allclose(choice.values, values.gather(1, choice.actions), atol=1e-5)
    assert (choice.values[:, :-1] >= choice.values[:, 1:]).all()


@pytest.mark.parametrize("policy", FEW)
def test_candidates__are_never_what_was_played(policy):
    q_net = model_of(policy=policy, n_versions=5, n_candidates=30).q_net  # 35 .. 39 are versions of 0 .. 4
    obs = observations(8)
    favourite = q_net.best(obs).actions
    played = th.where(favourite < 5, favourite + 35, favourite)
    for _ in range(20):
        assert (q_net.best(obs, played).actions != favourite).all()


def test_sampled__takes_the_logarithm_of_the_catalogue_by_default():
    assert model_of(policy=SampledPolicy, n=1000).q_net.n_candidates == 20
    assert model_of(policy=SampledPolicy, n=1025).q_net.n_candidates == 22


def test_sampled__says_where_all_candidates_are_played():
    q_net = model_of(policy=SampledPolicy, n_candidates=3).q_net
    with pytest.raises(ValueError, match="all 3 candidates"):
        q_net.best(th.as_tensor(tracks(1)), th.arange(40)[None])


def test_shortlist__is_what_lies_nearest_to_the_vibe():
    q_net = model_of(policy=ShortlistPolicy, n_candidates=4).q_net
    features, vibe = tracks(40), tracks(1, seed=9)
    cosines = features @ vibe[0] / np.linalg.norm(features, axis=1)
    assert set(q_net.propose(th.as_tensor(vibe))[0].tolist()) == set(np.argsort(-cosines)[:4].tolist())


@pytest.mark.parametrize(("policy", "n_candidates"), [(SampledPolicy, 2000), (ShortlistPolicy, 10**6)])
def test_candidates__of_everything_give_the_exact_maximum(policy, n_candidates):
    q_net = model_of(policy=policy, n_candidates=n_candidates).q_net
    obs = observations(6)
    assert th.equal(q_net.best(obs).actions[:, 0], q_net(obs).argmax(1))


def test_action_head__has_no_dead_weights():
    q_net = model_of(policy=ActionHeadPolicy, net_arch=[7]).q_net  # d = 4: 8 numbers of the state, 4 of the track
    assert sum(weight.numel() for weight in q_net.parameters()) == (8 + 4) * 7 + 7 + 7 + 1


@pytest.mark.parametrize("policy", FEW)
def test_learner__learns_from_few_candidates_and_survives_a_file(tmp_path, policy):
    env = Playlist(tracks(60), repeats=False)
    model = DoubleDQN(policy, env, seed=0, policy_kwargs={"n_candidates": 30}, **QUICK).learn(100)
    model.save(tmp_path / "model")
    loaded = DoubleDQN.load(tmp_path / "model", env=env, device="cpu")
    assert loaded.q_net.n_candidates == 30
    states = [net.state_dict() for net in (model.q_net, loaded.q_net)]
    assert all(th.equal(states[0][name], states[1][name]) for name in states[0])
