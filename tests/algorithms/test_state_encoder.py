"""State encoders: a mixture of the observed vectors, or a dense network."""

from __future__ import annotations

import copy

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecNormalize

from spotify_gym.algorithms import BindingError, DoubleDQN
from spotify_gym.algorithms.ablations import ActionHeadPolicy, SampledPolicy, ShortlistPolicy
from spotify_gym.algorithms.state_encoder import AttentionEncoder, DenseEncoder, MixtureEncoder
from spotify_gym.session.spaces import BlockBox
from tests.algorithms.probes import FeatureSpace, Playlist, randomize, tracks
from tests.algorithms.test_dqn import LEARNERS, QUICK


class BlockPlaylist(Playlist):
    """A `Playlist` whose space declares its block of the observation, which follows `skipped` other numbers."""

    def __init__(self, *args, skipped=0, **kwargs):
        super().__init__(*args, **kwargs)
        self.skipped, d = skipped, self.action_space.features.shape[1]
        bounds = np.full(skipped + d, 9.0, np.float32)
        self.observation_space = BlockBox(-bounds, bounds, (slice(skipped, skipped + d),))

    def reset(self, **kwargs):
        obs, info = super().reset(**kwargs)
        return np.concatenate([np.zeros(self.skipped, np.float32), obs]), info

    def step(self, action):
        obs, *rest = super().step(action)
        return np.concatenate([np.zeros(self.skipped, np.float32), obs]), *rest


def model_of(algorithm=DoubleDQN, policy="CataloguePolicy", env=None, **policy_kwargs):
    return algorithm(policy, env or BlockPlaylist(), policy_kwargs=policy_kwargs, seed=0, device="cpu")


def random_mixture(blocks, n_inputs):
    encoder = MixtureEncoder(blocks, n_inputs, [16])
    randomize(encoder)
    return encoder


def test_mixture__turns_with_the_coordinates():
    blocks = (slice(0, 4), slice(5, 9), slice(11, 15))  # the numbers 4, 9 and 10 are something else
    encoder = random_mixture(blocks, 15)
    obs, rotation = th.randn(20, 15), th.linalg.qr(th.randn(4, 4)).Q
    turned = obs.clone()
    for block in blocks:
        turned[:, block] = obs[:, block] @ rotation
    assert th.allclose(encoder(turned)[0], encoder(obs)[0] @ rotation, atol=1e-4)
    other = obs.clone()
    other[:, 4] += 1.0
    assert not th.allclose(encoder(other)[0], encoder(obs)[0], atol=1e-2)


def test_mixture__lies_among_what_was_seen():
    encoder = random_mixture((slice(0, 4), slice(4, 8)), 8)
    obs = th.randn(1, 8)
    directions, values = encoder(obs)
    assert values.shape == (1, 1)
    seen = obs.view(2, 4)
    weights = th.linalg.lstsq(seen.T, directions[0]).solution
    assert th.allclose(weights @ seen, directions[0], atol=1e-4)


def test_mixture__is_the_same_without_a_gradient_and_follows_its_weights():
    encoder = random_mixture((slice(0, 4), slice(5, 9), slice(11, 15)), 16)
    obs = th.randn(20, 16)
    for other in encoder, copy.deepcopy(encoder):
        for _ in range(2):
            expected = other(obs)
            with th.no_grad():
                for got, part in zip(other(obs), expected, strict=True):
                    assert th.allclose(got, part, atol=1e-5)
                other.weights[0].weight += 0.5
    with th.no_grad(), pytest.raises((IndexError, RuntimeError)):
        encoder(obs[:, :12])


@pytest.mark.parametrize("net_arch", [[], [16], [64, 33]])
@pytest.mark.parametrize("n_states", [1, 40])
def test_mixture__has_the_gradients_of_autograd(n_states, net_arch):
    encoder = MixtureEncoder((slice(0, 4), slice(5, 9), slice(11, 15)), 16, net_arch)
    randomize(encoder)
    obs, of_f, of_v = th.randn(n_states, 16), th.randn(n_states, 4), th.randn(n_states, 1)
    obs[0, 5:9] = 0
    compiled, plain = obs, obs.clone().requires_grad_()  # the plain path also computes gradients of observations
    for ours, expected in zip(
        *(th.autograd.grad(encoder(seen), [*encoder.parameters()], (of_f, of_v)) for seen in (compiled, plain)),
        strict=True,
    ):
        assert th.allclose(ours, expected, rtol=1e-4, atol=1e-4)
    directions, _ = encoder(obs)
    with th.no_grad():
        encoder.weights[0].weight += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        directions.sum().backward()


def test_mixture__starts_at_zero_and_takes_zero_vectors():
    encoder = MixtureEncoder((slice(0, 3),), 3, [8])
    directions, values = encoder(th.zeros(2, 3))
    assert not directions.any()
    assert not values.any()
    assert th.isfinite(random_mixture((slice(0, 3),), 3)(th.zeros(2, 3))[0]).all()


def test_attention__finds_out_a_taste_from_answers():
    d, n = 4, 12
    encoder = AttentionEncoder([slice(i * d, i * d + d) for i in range(n)], n * d, [32])
    rng = th.Generator().manual_seed(0)

    def asked(batch):
        tastes = th.nn.functional.normalize(th.randn(batch, d, generator=rng), dim=1)
        units = th.nn.functional.normalize(th.randn(batch, n, d, generator=rng), dim=2)
        answered = units * (units @ tastes[:, :, None]).sign()
        answered[:, :4] = 0  # places without a track
        return answered.flatten(1), tastes

    def likeness(batch):
        answered, tastes = asked(batch)
        return th.cosine_similarity(encoder(answered)[0], tastes).mean()

    assert not encoder(asked(3)[0])[0].any()
    optimizer = th.optim.Adam(encoder.parameters(), 1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        (-likeness(128)).backward()
        optimizer.step()
    with th.no_grad():
        answered, tastes = asked(1000)
        mean = th.cosine_similarity(answered.view(1000, n, d).sum(dim=1), tastes).mean()
        learned = likeness(1000)
    assert 1 - learned < 0.8 * (1 - mean)  # the mean takes each answer by itself


def test_attention__passes_over_places_where_nothing_was_played():
    few, many = (AttentionEncoder([slice(i * 3, i * 3 + 3) for i in range(n)], n * 3, [8]) for n in (2, 5))
    randomize(many)
    many.places.data[:] = many.places[0]
    obs = th.randn(10, 15)
    obs[:, 6:] = 0
    moved = th.cat([obs[:, 6:], obs[:, :6]], dim=1)
    for one, other in zip(many(obs), many(moved), strict=True):
        assert th.allclose(one, other, atol=1e-5)
    assert few(obs[:, :6])[0].shape == (10, 3)


def test_encoder__is_the_mixture_where_the_space_says_what_is_seen():
    assert isinstance(model_of().q_net.tower, MixtureEncoder)
    assert isinstance(model_of(env=Playlist()).q_net.tower, DenseEncoder)  # its space declares no vectors
    assert isinstance(model_of(encoder="dense").q_net.tower, DenseEncoder)
    assert isinstance(model_of(track_embedding="learned").q_net.tower, DenseEncoder)
    for policy in (SampledPolicy, ShortlistPolicy):
        assert isinstance(model_of(policy=policy, n_candidates=5).q_net.tower, MixtureEncoder)
    assert model_of(policy=ActionHeadPolicy).policy.encoder is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"env": Playlist(), "encoder": "mixture"},
            "has them at no place; choose a `state` with some, such as",
        ),
        ({"encoder": "mixture", "track_embedding": "learned"}, "track_embedding='learned' requires encoder='dense'"),
        ({"encoder": "mixed"}, "encoder='mixed' is not known; choose 'mixture', 'attention' or 'dense'"),
    ],
)
def test_encoder__that_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        model_of(**options)


class Narrow(BaseFeaturesExtractor):
    """Keeps the first two numbers of an observation."""

    def __init__(self, observation_space):
        super().__init__(observation_space, features_dim=2)

    def forward(self, observations):
        return observations[:, :2]


def test_mixture__refuses_an_extractor_that_leaves_it_no_vectors():
    with pytest.raises(ValueError, match="reads the vectors of the observation, which Narrow changes"):
        model_of(features_extractor_class=Narrow)
    model_of(encoder="dense", features_extractor_class=Narrow).learn(20)


def test_mixture__refuses_vectors_at_other_places():
    model = model_of(env=BlockPlaylist(skipped=4, features=tracks(30, d=4)))
    space = model.observation_space
    moved = BlockBox(space.low, space.high, (slice(0, 4),))
    with pytest.raises(BindingError, match="at 4:8, but these have them at 0:4"):
        model.policy.bind(moved, model.action_space)
    with pytest.raises(BindingError, match="has them at no place"):
        model.policy.bind(Playlist(tracks(30, d=8)).observation_space, model.action_space)


def test_mixture__refuses_normalized_observations(tmp_path):
    raw = make_vec_env(BlockPlaylist, 1)
    with pytest.raises(ValueError, match=r"wrap with norm_obs=False, or choose policy_kwargs=\{'encoder': 'dense'\}"):
        model_of(env=VecNormalize(raw))
    model = model_of(env=VecNormalize(raw, norm_obs=False))
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="norm_obs=False"):
        model.set_env(VecNormalize(raw))
    with pytest.raises(ValueError, match="norm_obs=False"):
        DoubleDQN.load(tmp_path / "model", env=VecNormalize(raw))
    model_of(env=VecNormalize(raw), encoder="dense").set_env(VecNormalize(raw))


def test_dense__refuses_what_is_not_normalized_as_in_training():
    env = BlockPlaylist()
    high = np.arange(1, 5, dtype=np.float32)
    model = model_of(env=gym.wrappers.NormalizeObservation(env))
    for low in (-high, np.full(4, -1e-6, np.float32)):  # of features standardised, and of those from 0 to 1
        env.observation_space = BlockBox(low, high, env.observation_space.blocks)
        with pytest.raises(BindingError, match="wrap the environment as in training"):
            model.set_env(env)


@pytest.mark.parametrize("encoder", ["mixture", "dense"])
def test_file__says_how_states_are_read(tmp_path, encoder):
    env, obs = BlockPlaylist(), tracks(20, seed=5)
    model = model_of(env=env, net_arch=[8], **({} if encoder == "mixture" else {"encoder": encoder})).learn(150)
    model.save(tmp_path / "model")
    expected = model.predict(obs, deterministic=True)[0]
    again = DoubleDQN.load(tmp_path / "model", device="cpu").bind(env.action_space)
    for loaded in (again, DoubleDQN.load(tmp_path / "model", env=env, policy_kwargs={"net_arch": [8]}, device="cpu")):
        assert loaded.policy.encoder == encoder
        assert np.array_equal(loaded.predict(obs, deterministic=True)[0], expected)


def test_file__that_says_nothing_is_dense(tmp_path):
    model = model_of(env=Playlist(), encoder="dense").learn(150)
    del model.policy_kwargs["encoder"]  # as in older files
    model.save(tmp_path / "model")
    loaded = DoubleDQN.load(tmp_path / "model", env=BlockPlaylist(), device="cpu")
    loaded.save(tmp_path / "again")
    for one in (loaded, DoubleDQN.load(tmp_path / "again", env=BlockPlaylist(), device="cpu")):
        obs = tracks(20, seed=5)
        assert np.array_equal(one.predict(obs, deterministic=True)[0], model.predict(obs, deterministic=True)[0])


@pytest.mark.parametrize("algorithm", LEARNERS)
@pytest.mark.parametrize(("playlist", "gamma"), [(BlockPlaylist, 0.99), (Playlist, 0.0)], ids=["mixture", "dense"])
def test_learner__finds_what_is_near_over_tracks_it_never_saw(algorithm, playlist, gamma):
    env = make_vec_env(lambda: playlist(tracks(300), repeats=False), 8, seed=0)
    options = {**QUICK, "learning_rate": 2e-2, "train_freq": 1, "gradient_steps": 2, "batch_size": 64}
    model = algorithm("CataloguePolicy", env, seed=0, gamma=gamma, **options).learn(800)
    unseen, states = tracks(500, seed=77), tracks(50, seed=78)
    model.bind(FeatureSpace(unseen))
    chosen = unseen[model.predict(states, deterministic=True)[0]]
    cosines = (states * chosen).sum(1) / np.linalg.norm(states, axis=1) / np.linalg.norm(chosen, axis=1)
    nearest = (states @ unseen.T / np.linalg.norm(states, axis=1)[:, None] / np.linalg.norm(unseen, axis=1)).max(1)
    assert cosines.mean() > (nearest.mean() - 1e-3 if playlist is BlockPlaylist else 0.85)
