"""The catalogue head: equal to its dense form, small on disk, at home on any catalogue that is measured alike."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import stable_baselines3
import torch as th
from stable_baselines3.common.env_util import make_vec_env

from spotify_gym.algorithms import DQN, BindingError, DoubleDQN, DuelingDoubleDQN, DuelingDQN
from spotify_gym.algorithms.catalogue_policy import CataloguePolicy
from spotify_gym.algorithms.replay import Batch
from tests.algorithms.probes import FeatureSpace, Playlist, tracks
from tests.algorithms.test_dqn import QUICK

KINDS = [{"track_embedding": "fixed"}, {"track_embedding": "learned"}, {"layer_norm": True}, {"unit_state": False}]


def model_of(algorithm=DQN, n=40, n_versions=0, seed=0, **policy_kwargs):
    """A model whose weights are random throughout, so that nothing is zero by initialisation."""
    env = Playlist(tracks(n, n_versions=n_versions))
    model = algorithm("CataloguePolicy", env, policy_kwargs=policy_kwargs, seed=seed, device="cpu")
    generator = th.Generator().manual_seed(seed)
    for net in model.q_net, model.q_net_target:
        net.load_state_dict({name: th.randn(w.shape, generator=generator) for name, w in net.state_dict().items()})
    return model


@pytest.mark.parametrize("policy_kwargs", KINDS)
@pytest.mark.parametrize("algorithm", [DQN, DuelingDQN])
def test_network__agrees_with_its_dense_form(algorithm, policy_kwargs):
    q_net = model_of(algorithm, n_versions=5, **policy_kwargs).q_net
    obs = th.as_tensor(tracks(6, seed=9))
    values = q_net(obs)
    assert values.shape == (6, 40)
    actions = th.tensor([[0], [3], [39], [3], [1], [2]])
    assert th.allclose(q_net.taken(obs, actions), values.gather(1, actions), atol=1e-5)
    best = q_net.best(obs)
    assert th.allclose(best.values[:, 0], values.max(1).values, atol=1e-5)
    assert th.allclose(values.gather(1, q_net.top_k(obs, 4).actions), values[:, :35].topk(4).values, atol=1e-5)


@pytest.mark.parametrize("algorithm", [DQN, DuelingDQN])
def test_best__leaves_out_every_version_of_what_was_played(algorithm):
    q_net = model_of(algorithm, n=40, n_versions=5).q_net  # 35 .. 39 are versions of 0 .. 4
    obs = th.as_tensor(tracks(3, seed=9))
    favourites = q_net(obs)[:, :35].topk(3).indices
    played = th.where(favourites < 5, favourites + 35, favourites)
    allowed = q_net(obs)[:, :35].scatter(1, favourites, -th.inf)
    assert th.equal(q_net.best(obs, played).actions[:, 0], allowed.argmax(1))
    padded = th.cat([played, played[:, :1].expand(-1, 4), th.full((3, 2), -1)], dim=1)
    assert th.equal(q_net.best(obs, padded).actions, q_net.best(obs, played).actions)


def test_dueling__centres_the_advantages_over_all_tracks():
    model = model_of(DuelingDQN, n_versions=5)
    q_net, obs = model.q_net, th.as_tensor(tracks(6, seed=9))
    _, value = q_net.tower(obs)
    assert th.allclose(q_net(obs).mean(dim=1, keepdim=True), value, atol=1e-5)


def test_target_rule__holds_over_the_catalogue():
    model = model_of(DoubleDQN)
    obs = th.as_tensor(tracks(6, seed=9))
    chosen = model.q_net(obs).argmax(1, keepdim=True)
    nothing = th.zeros(6, 1)
    batch = Batch(obs, chosen, obs, nothing, nothing, None, None)
    assert th.allclose(model.next_values(batch), model.q_net_target(obs).gather(1, chosen), atol=1e-5)


@pytest.mark.parametrize("algorithm", [DQN, DoubleDQN, DuelingDQN, DuelingDoubleDQN])
def test_learner__beats_chance_by_far_over_tracks_it_never_saw(algorithm):
    env = make_vec_env(lambda: Playlist(tracks(300), repeats=False), 8, seed=0)
    options = {**QUICK, "learning_rate": 2e-2, "gamma": 0.0, "train_freq": 1, "gradient_steps": 2, "batch_size": 64}
    model = algorithm("CataloguePolicy", env, seed=0, **options).learn(800)
    unseen = tracks(500, seed=77)
    model.bind(FeatureSpace(unseen))
    states = tracks(50, seed=78)
    chosen = unseen[model.predict(states, deterministic=True)[0]]
    cosines = (states * chosen).sum(1) / np.linalg.norm(states, axis=1) / np.linalg.norm(chosen, axis=1)
    assert cosines.mean() > 0.85


@pytest.mark.parametrize("algorithm", [DQN, DuelingDQN])
def test_network__hears_versions_that_sound_otherwise(algorithm):
    model = model_of(algorithm)
    model.action_space.recordings = np.arange(40) // 2 * 2  # two tracks a song, which sound different
    model.bind(model.action_space)
    q_net, obs = model.q_net, th.as_tensor(tracks(6, seed=9))
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
    with pytest.raises(BindingError, match="no catalogue yet"):
        loaded.predict(tracks(1)[0])


def test_bind__to_a_space_without_its_features_forgets_the_tracks():
    model = model_of()
    model.bind(pickle.loads(pickle.dumps(model.action_space)))
    with pytest.raises(BindingError, match="no catalogue yet"):
        model.predict(tracks(1)[0])


def test_networks__share_what_they_know_of_the_tracks():
    model = model_of(DuelingDoubleDQN)
    assert model.q_net.table() is model.q_net_target.table()


def test_model__refuses_tracks_that_are_measured_otherwise(tmp_path):
    model = model_of()
    model.save(tmp_path / "model")
    with pytest.raises(BindingError, match="coordinates"):
        model.bind(FeatureSpace(tracks(30), scaling="minmax"))
    with pytest.raises(BindingError, match="measured by"):
        DQN.load(tmp_path / "model", env=Playlist(tracks(30, d=3)))


def test_learned_embedding__is_looked_up_anew_when_the_weights_change():
    model = model_of(track_embedding="learned")
    obs = th.as_tensor(tracks(5, seed=9))
    model.q_net.best(obs)
    other = model_of(track_embedding="learned", seed=1)
    model.q_net.load_state_dict(other.q_net.state_dict())
    assert th.equal(model.q_net.best(obs).actions, other.q_net.best(obs).actions)
