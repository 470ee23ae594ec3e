"""The wrappers against brute force, vector wrappers against single ones, and stock learners with them."""

from __future__ import annotations

import json
import pickle
import warnings
from copy import deepcopy
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import InvalidAction
from gymnasium.utils.env_checker import check_env
from sb3_contrib import QRDQN, MaskablePPO
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

from spotify_gym import ENVS, Catalogue, wrappers
from spotify_gym.policies import NearestPolicy, RandomPolicy
from spotify_gym.session import SpotifyEnv
from spotify_gym.training import evaluate
from spotify_gym.training.config import EVALUATION_SEED
from spotify_gym.training.vec_adapter import SessionVecEnv
from tests.catalogues import hand_made

STRICT = sorted(set(ENVS) - {"SpotifySession-v0"})
MAKERS = {
    "NearestUnplayed": {},
    "ProtoAction": {},
    "ProtoAction, unit+raw": {"coordinates": "unit+raw"},
    "MaskObservation": {},
}


def wrap(name, env):
    place = wrappers.vector if isinstance(env, gym.vector.VectorEnv) else wrappers
    return getattr(place, name.partition(",")[0])(env, **MAKERS[name])


@pytest.fixture(scope="module")
def twins(small):
    """60 recordings, each of them twice."""
    features = small.features[:60]
    return hand_made(np.concatenate([features, features]))


@pytest.mark.filterwarnings("error", "ignore:.*Box (low|high)ed.*", "ignore:.*For Box action spaces.*")
@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("env_id", sorted(ENVS))
def test_single__passes_the_checker_of_gymnasium(env_id, name, small):
    check_env(wrap(name, gym.make(env_id, catalogue=small)).unwrapped)
    env = wrap(name, gym.make(env_id, catalogue=small))
    env.action_space.seed(0)
    observation, _ = env.reset(seed=0)
    for _ in range(3):
        assert observation in env.observation_space
        observation, *_ = env.step(env.action_space.sample())


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("env_id", sorted(ENVS))
def test_vector__equals_single_ones(env_id, name, mode, small):
    native = wrap(name, gym.make_vec(env_id, num_envs=3, autoreset_mode=mode, catalogue=small))
    single = gym.vector.SyncVectorEnv(
        [lambda: wrap(name, gym.make(env_id, catalogue=small))] * 3, autoreset_mode=gym.vector.AutoresetMode(mode)
    )
    assert native.observation_space == single.observation_space
    assert native.action_space.shape == single.action_space.shape
    results = [env.reset(seed=5) for env in (native, single)]
    native.action_space.seed(1)
    for _ in range(70):
        assert_equal(results[0][0], results[1][0])
        actions = native.action_space.sample()
        results = [env.step(actions) for env in (native, single)]
        for one, other in zip(results[0][1:4], results[1][1:4], strict=True):
            assert_equal(one, other)
        ended = results[0][4].get("_final_obs", ())
        assert list(ended) == list(results[1][4].get("_final_obs", ()))
        for i in np.flatnonzero(ended):
            assert_equal(*(result[4]["final_obs"][i] for result in results))


def assert_equal(one, other):
    if isinstance(one, dict):
        assert set(one) == set(other)
        for key, value in one.items():
            assert_equal(value, other[key])
    else:
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_nearest_unplayed__by_hand():
    catalogue = hand_made(np.array([[1, 0], [1, 0.1], [1, 0.2], [0, 1], [2, 0]], np.float32))
    endless = SpotifyEnv(catalogue, repeats=False, reward={"flow": 1.0}, history_length=1)
    env = wrappers.NearestUnplayed(endless)
    env.reset(options={"history": [3]})
    tracks = [env.step(track)[4]["track"] for track in (0, 0, 0, 2, 2)]
    assert tracks == [0, 4, 1, 2, 2]  # itself, one of equal direction, then the next nearest; in the end none is left


@pytest.mark.parametrize("env_id", STRICT)
def test_nearest_unplayed__plays_the_nearest_of_all_that_may_be_played(env_id, twins):
    env = gym.make_vec(env_id, num_envs=5, autoreset_mode="SameStep", catalogue=twins)
    wrapped = wrappers.vector.NearestUnplayed(env)
    wrapped.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(14):
        asked, allowed = rng.integers(20, size=5), env.unwrapped.action_masks()
        info = wrapped.step(asked)[4]
        info = info.get("final_info", info)
        cosines = np.where(allowed, twins.unit_features[asked] @ twins.unit_features.T, -np.inf)
        expected = np.where(allowed[np.arange(5), asked], asked, cosines.argmax(axis=1))
        assert info["track"].tolist() == expected.tolist()
        assert not info["repeat"].any()


def test_nearest_unplayed__in_session__changes_nothing(small):
    plain, wrapped = (gym.make("SpotifySession-v0", catalogue=small) for _ in range(2))
    wrapped = wrappers.NearestUnplayed(wrapped)
    assert_equal(plain.reset(seed=3)[0], wrapped.reset(seed=3)[0])
    for track in (5, 5, 5, 7, 5):
        one, other = plain.step(track), wrapped.step(track)
        assert_equal(one[0], other[0])
        assert one[1:4] == other[1:4]
        assert one[4]["track"] == other[4]["track"] == track


def test_nearest_unplayed__keeps_songs_apart_where_the_environment_does(small):
    env = wrappers.NearestUnplayed(gym.make("SpotifyPlaylist-v0", catalogue=small, same="song"))
    _, _ = env.reset(seed=0)
    songs = small.songs
    played = set(songs[env.unwrapped.sessions.history[0]])
    for _ in range(20):
        track = env.step(17)[4]["track"]
        assert songs[track] not in played
        played.add(songs[track])


@pytest.mark.parametrize("env_id", sorted(ENVS))
@pytest.mark.parametrize("coordinates", ["unit", "unit+raw"])
def test_proto_action__plays_the_best_of_all_that_may_be_played(env_id, coordinates, twins):
    env = gym.make_vec(env_id, num_envs=5, autoreset_mode="SameStep", catalogue=twins)
    wrapped = wrappers.vector.ProtoAction(env, coordinates)
    wrapped.reset(seed=0)
    wrapped.action_space.seed(0)
    z = np.concatenate([1.5 * twins.unit_features, twins.features / 3], axis=1)
    for _ in range(12):
        points, allowed = wrapped.action_space.sample(), env.unwrapped.action_masks()
        values = points @ twins.unit_features.T if coordinates == "unit" else points @ z.T - (z * z).sum(axis=1) / 2
        info = wrapped.step(points)[4]
        info = info.get("final_info", info)
        assert info["track"].tolist() == np.where(allowed, values, -np.inf).argmax(axis=1).tolist()
        assert not info["repeat"].any() or env_id == "SpotifySession-v0"


def test_proto_action__of_a_place_plays_the_track_at_that_place(small):
    env = wrappers.ProtoAction(gym.make("SpotifySession-v0", catalogue=small), "unit+raw")
    env.reset(seed=0)
    z = np.concatenate([1.5 * small.unit_features, small.features / 3], axis=1)
    for track in (0, 100, 399):
        assert z[track] in env.action_space
        assert env.step(z[track])[4]["track"] == small.recordings[track]


@pytest.mark.parametrize("wrong", [np.full(9, np.nan), np.full(9, np.inf), np.zeros(8), 3, np.zeros((1, 9))])
def test_proto_action__that_is_no_point__is_refused(wrong, small):
    env = wrappers.ProtoAction(gym.make("SpotifySession-v0", catalogue=small))
    env.reset(seed=0)
    with pytest.raises(InvalidAction, match=r"proto-actions must be finite numbers, \(1, 9\)"):
        env.step(wrong)


def test_proto_action__in_other_coordinates__is_refused(small):
    with pytest.raises(ValueError, match="coordinates='raw' is not known; choose 'unit' or 'unit\\+raw'"):
        wrappers.ProtoAction(gym.make("SpotifySession-v0", catalogue=small), "raw")


@pytest.mark.parametrize("action", [-1, 400, 1.5, "a"])
def test_nearest_unplayed__leaves_it_to_the_environment_to_refuse_what_is_no_track(action, small):
    env = wrappers.NearestUnplayed(gym.make("SpotifyPlaylist-v0", catalogue=small))
    env.reset(seed=0)
    with pytest.raises(InvalidAction):
        env.step(action)


@pytest.mark.parametrize("kind", [np.int8, np.uint64, th.tensor])
def test_nearest_unplayed__takes_integers_of_every_type_that_the_environment_takes(kind, small):
    env = wrappers.NearestUnplayed(gym.make("SpotifyPlaylist-v0", catalogue=small))
    many = wrappers.vector.NearestUnplayed(gym.make_vec("SpotifyPlaylist-v0", num_envs=2, catalogue=small))
    several = th.tensor if kind is th.tensor else partial(np.array, dtype=kind)
    for one, action in ((env, kind(5)), (many, several([5, 5]))):
        one.reset(seed=0)
        infos = [one.step(action)[4] for _ in range(3)]
        assert not any(np.any(info["repeat"]) for info in infos)
        assert np.all(infos[0]["track"] == 5)


@pytest.mark.parametrize("env_id", sorted(ENVS))
def test_mask_observation__is_the_mask(env_id, small):
    env = wrappers.MaskObservation(gym.make(env_id, catalogue=small))
    observation, _ = env.reset(seed=0)
    for _ in range(4):
        assert observation["action_mask"].dtype == np.int8
        assert (observation["action_mask"] == env.unwrapped.action_masks()).all()
        observation, *_ = env.step(int(env.np_random.integers(400)))


@pytest.mark.parametrize("name", MAKERS)
def test_wrapper__of_another_environment__is_refused(name):
    for env in (gym.make("CartPole-v1"), gym.make_vec("CartPole-v1", num_envs=2)):
        with pytest.raises(TypeError, match="needs a listening session of this package"):
            wrap(name, env)


@pytest.mark.parametrize("name", MAKERS)
def test_wrapper__of_a_vector_env_that_hides_its_sessions__says_what_to_do(name, small):
    with pytest.raises(TypeError, match="leave it out, or wrap the single ones"):
        wrap(name, gym.make_vec("SpotifyPlaylist-v0", num_envs=2, vectorization_mode="sync", catalogue=small))


@pytest.mark.parametrize("name", MAKERS)
def test_single__is_pickled_and_made_again_from_its_spec(name):
    env = wrap(name, gym.make("SpotifyPlaylist-v0", catalogue="builtin:100"))
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    copied = pickle.loads(pickle.dumps(env))
    assert json.loads(env.spec.to_json())["additional_wrappers"]
    actions = [env.action_space.sample() for _ in range(3)]
    played = []
    for one in (env, again, copied):
        one.reset(seed=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            played.append([one.step(action)[4]["track"] for action in actions])
    assert played[0] == played[1] == played[2]


def test_vector__is_wrapped_after_it_is_made__as_gymnasium_does_not_do_it(small):
    with pytest.raises(gym.error.Error, match="wrappers"):
        gym.make_vec("SpotifyPlaylist-v0", num_envs=2, catalogue=small, wrappers=[wrappers.NearestUnplayed])


# Third-party learners.

SOME = {"learning_starts": 100, "buffer_size": 2000, "batch_size": 16, "policy_kwargs": {"net_arch": [32]}}
PER_TRACK = {
    DQN: SOME,
    QRDQN: {**SOME, "policy_kwargs": {"n_quantiles": 5, "net_arch": [32]}},
    PPO: {"n_steps": 64, "n_epochs": 2},
    A2C: {},
}
CONTINUOUS = {PPO: {"n_steps": 64, "n_epochs": 2}, SAC: SOME, TD3: SOME}


class NeverRepeats(BaseCallback):
    """Stops the training if a track is refused."""

    def _on_step(self) -> bool:
        return not any(info["repeat"] for info in self.locals["infos"])


def learn(algorithm, env, steps, **options):
    model = algorithm("MlpPolicy", env, seed=0, device="cpu", **deepcopy(options))  # SB3 writes into `policy_kwargs`
    model.learn(steps, callback=NeverRepeats())
    assert model.num_timesteps >= steps, "a track was refused"
    return model


def single(name, env_id, **options):
    return Monitor(wrap(name, gym.make(env_id, **options)))


def many(name, env_id, n=4, **options):
    """Return a wrapped vector environment of n sessions, as SB3's `VecEnv`."""
    return SessionVecEnv(wrap(name, gym.make_vec(env_id, num_envs=n, autoreset_mode="SameStep", **options)))


@pytest.mark.parametrize("make", [single, many])
@pytest.mark.parametrize("algorithm", PER_TRACK)
def test_stock_learner__with_nearest_unplayed__never_loses_to_a_repeat(algorithm, make, small):
    where = "NearestUnplayed", "SpotifyPlaylist-v0"
    model = learn(algorithm, make(*where, catalogue=small), 1024, **PER_TRACK[algorithm])
    repeats: list[bool] = []
    evaluate_policy(
        model, single(*where, catalogue=small), 3, callback=lambda seen, _: repeats.append(seen["info"]["repeat"])
    )
    assert len(repeats) == 60
    assert not any(repeats)


@pytest.mark.parametrize("make", [single, many])
@pytest.mark.parametrize("name", ["ProtoAction", "ProtoAction, unit+raw"])
@pytest.mark.parametrize("algorithm", CONTINUOUS)
def test_stock_learner__of_continuous_actions__plays_tracks(algorithm, name, make, small):
    where = name, "SpotifySatiation-v0"
    model = learn(algorithm, make(*where, catalogue=small), 300, **CONTINUOUS[algorithm])
    assert np.isfinite(evaluate_policy(model, single(*where, catalogue=small), 2)[0])


@pytest.mark.parametrize("make", [single, many])
def test_stock_learner__of_observations_with_masks__learns(make, small):
    env = make("MaskObservation", "SpotifyPlaylist-v0", catalogue=small)
    model = PPO("MultiInputPolicy", env, n_steps=64, n_epochs=1, seed=0).learn(256)
    observation = env.reset() if make is many else env.reset()[0]
    assert observation["action_mask"].shape[-1] == 400
    assert np.ndim(model.predict(observation)[0]) == (make is many)


def test_maskable_ppo__in_a_wrapped_environment__still_finds_the_masks(small):
    env = wrappers.NearestUnplayed(gym.make("SpotifyPlaylist-v0", catalogue=small))
    MaskablePPO("MlpPolicy", env, n_steps=64, n_epochs=1, seed=0).learn(128)


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
def test_a_loop_as_in_cleanrl__learns_without_masks(mode, small):
    native = gym.make_vec("SpotifyPlaylist-v0", num_envs=8, autoreset_mode=mode, catalogue=small)
    env = gym.wrappers.vector.RecordEpisodeStatistics(wrappers.vector.NearestUnplayed(native))
    th.manual_seed(0)
    network = th.nn.Sequential(th.nn.Linear(18, 64), th.nn.ReLU(), th.nn.Linear(64, 400))
    optimizer, rng = th.optim.Adam(network.parameters(), lr=1e-3), np.random.default_rng(0)
    memory, returns = [], []
    obs, _ = env.reset(seed=1)
    for step in range(900):
        with th.no_grad():
            actions = network(th.as_tensor(obs)).argmax(dim=1).numpy()
        explores = rng.random(8) < max(0.05, 1 - step / 450)
        actions = np.where(explores, rng.integers(400, size=8), actions)
        next_obs, rewards, terminated, _, infos = env.step(actions)
        if "episode" in infos:
            returns += infos["episode"]["r"][infos["_episode"]].tolist()
        real_next = next_obs.copy()
        if "final_obs" in infos:
            ended = infos["_final_obs"]
            real_next[ended] = np.stack(infos["final_obs"][ended])
        memory.append((obs, actions, rewards, real_next, terminated))
        obs = next_obs
        batch = [memory[i] for i in rng.integers(len(memory), size=8)]
        o, a, r, n, d = (th.as_tensor(np.concatenate(part)) for part in zip(*batch, strict=True))
        with th.no_grad():
            target = r + 0.5 * network(n).max(dim=1).values * ~d
        loss = th.nn.functional.mse_loss(network(o).gather(1, a[:, None])[:, 0], target.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert np.mean(returns[-40:]) > np.mean(returns[:40]) + 2


# The reward of the next track depends on a direction, so networks without hidden layers learn it in fewer sessions.
LINEAR = {"gamma": 0.0, "policy_kwargs": {"net_arch": []}}
VALUES = {
    **LINEAR,
    "learning_rate": lambda left: 3e-3 * left,
    "batch_size": 512,
    "buffer_size": 300_000,
    "learning_starts": 5000,
    "train_freq": 1,
    "exploration_fraction": 0.8,
    "exploration_final_eps": 0.2,
}
PLAYING = {**LINEAR, "gae_lambda": 0.0, "learning_rate": 1e-2}
HALF_WAY = {
    DQN: VALUES,
    QRDQN: {**VALUES, "policy_kwargs": {"net_arch": [], "n_quantiles": 10}},
    PPO: {**PLAYING, "n_steps": 64, "batch_size": 1024, "n_epochs": 4},
    A2C: {**PLAYING, "n_steps": 16},
}
STATES = {
    "SpotifyPlaylist-v0": "mean",
    "SpotifySatiation-v0": "mean",
    "SpotifySkip-v0": "decayed=0.95",
    "SpotifyLogged-v0": "decayed=0.95",
    "SpotifyTaste-v0": "taste",  # only the answers reveal the taste there
}


@pytest.mark.slow
@pytest.mark.parametrize("env_id", STATES)
@pytest.mark.parametrize("algorithm", HALF_WAY)
def test_stock_learner__with_nearest_unplayed__comes_half_the_way_to_nearest(algorithm, env_id):
    options = {"catalogue": Catalogue.builtin(100), "state": STATES[env_id]}
    policies = RandomPolicy, NearestPolicy
    random, nearest = (evaluate(policy, env_id, 2000, **options).returns.mean() for policy in policies)
    model = learn(algorithm, many("NearestUnplayed", env_id, 64, **options), 300_000, **HALF_WAY[algorithm])
    held_out = many("NearestUnplayed", env_id, 2000, **options)
    held_out.seed(EVALUATION_SEED)  # the same sessions
    assert evaluate_policy(model, held_out, 2000)[0] > (random + nearest) / 2
