"""Without repeats, `predict` keeps the tracks chosen so far in SB3's `state`, and nowhere else."""

from __future__ import annotations

import warnings

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from spotify_gym import Catalogue
from spotify_gym.algorithms import DoubleDQN, DuelingDoubleDQN
from spotify_gym.algorithms.replay import draw_unplayed, played_next, played_of
from spotify_gym.training import evaluate
from spotify_gym.training.config import EVALUATION_SEED
from tests.algorithms.probes import FeatureSpace, Playlist, randomize, tracks
from tests.algorithms.test_dqn import QUICK

POLICIES = ["MlpPolicy", "CataloguePolicy"]


def random_model(policy="CataloguePolicy", algorithm=DoubleDQN, **env_kwargs):
    """Return a model with random weights for a playlist without repeats."""
    model = algorithm(policy, Playlist(**{"repeats": False, **env_kwargs}), seed=0, device="cpu")
    randomize(model.q_net)
    return model


@pytest.mark.parametrize("explores", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("policy", POLICIES)
def test_state__keeps_every_version_of_what_was_chosen_from_being_chosen_again(policy, explores):
    model = random_model(policy, features=tracks(24, n_versions=12))  # 12 recordings, each twice
    model.exploration_rate = explores
    obs, state, recordings = tracks(3, seed=9), None, model.action_space.recordings
    chosen = []
    for _ in range(12):
        actions, state = model.predict(obs, state, np.zeros(3, np.bool_))
        chosen.append(recordings[actions])
    assert all(sorted(row) == list(range(12)) for row in np.array(chosen).T)
    assert np.array_equal(recordings[state[0]], np.array(chosen).T)
    with pytest.raises(ValueError, match=r"every action of a session is forbidden|has played all 12 recordings"):
        model.predict(obs, state)


def test_state__begins_anew_where_a_session_does():
    model, obs = random_model(), tracks(2, seed=9)
    first, state = model.predict(obs, None, np.ones(2, np.bool_), deterministic=True)
    second, state = model.predict(obs, state, np.array([False, False]), deterministic=True)
    assert (first != second).all()
    third, state = model.predict(obs, state, np.array([True, False]), deterministic=True)
    assert third[0] == first[0]
    assert state[0].tolist() == [[-1, -1, third[0]], [first[1], second[1], third[1]]]
    _, state = model.predict(obs, state, np.array([False, True]), deterministic=True)
    assert state[0].shape == (2, 2)  # the length of the longest session


def test_state__of_one_environment_is_a_batch_of_one():
    model, obs = random_model(), tracks(1, seed=9)[0]
    action, state = model.predict(obs, episode_start=np.array([True]), deterministic=True)
    again, state = model.predict(obs, state, np.array([False]), deterministic=True)
    assert (action.shape, state[0].tolist()) == ((), [[action, again]])


def test_state__comes_back_as_it_came_where_repeats_are_legal_or_someone_else_counts():
    free, strict = random_model(repeats=True), random_model()
    obs, anything = tracks(2, seed=9), (np.array([[7], [8]]),)
    assert free.predict(obs, anything)[1] is anything
    assert free.predict(obs)[1] is None
    assert strict.predict(obs, anything, action_masks=np.ones(30, np.bool_))[1] is anything
    assert strict.predict(obs, anything, played=np.array([1]))[1] is anything


@pytest.mark.parametrize(
    ("state", "starts"), [((np.zeros((3, 1), int),), None), (None, np.ones(3)), ((np.zeros(2, int),), None)]
)
def test_state__of_other_sessions_is_refused(state, starts):
    with pytest.raises(ValueError, match="do not match observations of 2 sessions"):
        random_model().predict(tracks(2), state, starts, deterministic=True)


def test_predict__explains_a_tuple_as_sb3_does():
    with pytest.raises(ValueError, match="mixing Gym API with SB3 VecEnv API"):
        random_model().predict((tracks(1)[0], {}), deterministic=True)


def test_file__keeps_whether_repeats_are_forbidden(tmp_path):
    model, obs = random_model(), tracks(2, seed=9)
    model.save(tmp_path / "model")
    loaded = DoubleDQN.load(tmp_path / "model", device="cpu")
    assert loaded.action_space.forbids_repeats
    model.bind(FeatureSpace(tracks(30)))  # where repeats are legal
    assert model.predict(obs)[1] is None


@pytest.mark.parametrize("exploration_rate", [0.0, 0.5])
def test_predict__warns_once_where_it_is_asked_again_without_a_word_of_what_was_played(exploration_rate):
    model, obs = random_model(), tracks(1, seed=9)[0]
    model.exploration_rate = exploration_rate
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(obs)
        model.predict(obs, action_masks=np.ones(30, np.bool_))
        _, state = model.predict(obs)
        for _ in range(3):
            _, state = model.predict(obs, state, np.array([False]))
        model.predict(obs, episode_start=np.array([True]))
        model.predict(obs)
    with pytest.warns(UserWarning, match=r"`action, state = .*action_masks.*NearestUnplayed") as caught:
        model.predict(obs)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            model.predict(obs)


def test_predict__has_no_memory_of_its_own():
    model, obs = random_model(), tracks(4, seed=9)
    first = model.predict(obs, None, np.ones(4, np.bool_), deterministic=True)
    for _ in range(3):
        again = model.predict(obs, None, np.ones(4, np.bool_), deterministic=True)
        assert np.array_equal(first[0], again[0])
        assert np.array_equal(first[1][0], again[1][0])


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("policy", POLICIES)
def test_sb3s_evaluation__loses_no_more_than_the_track_that_nobody_spoke_of(policy, n_envs):
    model = random_model(policy)
    envs = [Playlist(repeats=False, strict=False) for _ in range(n_envs)]
    evaluate_policy(model, VecMonitor(DummyVecEnv([lambda env=env: env for env in envs])), n_eval_episodes=9)
    assert sum(env.refused for env in envs) <= 9 + 6 * n_envs  # SB3 plays sessions that it does not count


def returns_by_hand(model, env, n_sessions, masked=False):
    """Return what a plain loop earns in the sessions of `evaluate`, if it passes the state on, or masks."""
    returns = []
    for i in range(n_sessions):
        obs, _ = env.reset(seed=EVALUATION_SEED + i)
        state, start, total, done = None, np.array([True]), 0.0, False
        while not done:
            told = {"action_masks": env.get_wrapper_attr("action_masks")()} if masked else {}
            action, state = model.predict(obs, state, start, deterministic=True, **told)
            start = np.array([False])
            obs, reward, terminated, truncated, _ = env.step(action)
            total, done = total + reward, terminated or truncated
        returns.append(total)
    return np.array(returns)


@pytest.fixture(scope="module")
def large():
    return Catalogue.builtin(100_000)


@pytest.mark.parametrize("env_id", ["SpotifySession-v0", "SpotifyPlaylist-v0", "SpotifySatiation-v0", "SpotifySkip-v0"])
def test_sb3s_evaluation__says_what_ours_says(env_id, large, tmp_path):
    env = make_vec_env(lambda: gym.make(env_id, catalogue=large), 8)
    options = {**QUICK, "learning_rate": 1e-2, "gamma": 0.0, "train_freq": 1, "gradient_steps": 1, "batch_size": 64}
    watch = EvalCallback(env, n_eval_episodes=16, eval_freq=50, verbose=0)
    DoubleDQN("CataloguePolicy", env, seed=0, **options).learn(800, callback=watch).save(tmp_path / "model")
    model = DoubleDQN.load(tmp_path / "model", env=env, device="cpu")
    ours = evaluate(model, env_id, n_sessions=40, catalogue=large).returns
    near = 4 * ours.std() / len(ours) ** 0.5 + 1e-6
    single = gym.make(env_id, catalogue=large)
    assert returns_by_hand(model, single, 10) == pytest.approx(ours[:10], abs=1e-4)
    for venv in (env, make_vec_env(lambda: single, 1)):
        venv.seed(3)
        assert evaluate_policy(model, venv, n_eval_episodes=40)[0] == pytest.approx(ours.mean(), abs=near)
    assert watch.last_mean_reward == pytest.approx(ours.mean(), abs=2 * near)


def test_small_catalogue__loses_nothing_with_masks():
    catalogue = Catalogue.builtin(60)
    env = gym.make("SpotifyPlaylist-v0", catalogue=catalogue)
    model = DuelingDoubleDQN("CataloguePolicy", env, seed=0, **QUICK).learn(300)
    ours = evaluate(model, "SpotifyPlaylist-v0", n_sessions=10, catalogue=catalogue).returns
    assert returns_by_hand(model, env, 10, masked=True) == pytest.approx(ours, abs=1e-4)
    lost = ours - returns_by_hand(model, env, 10)
    assert (lost < 5 * 2).all()  # the model does not know the five starting tracks; two rewards differ by at most 2


# Few ids instead of wide masks.


def test_played__is_none_where_repeats_are_legal():
    assert played_of([{}, {"track": 3}]) is None


def test_played__pads_sessions_of_different_length():
    infos = [{"played": np.array([4, 2, 9])}, {}, {"played": np.array([1])}]
    assert played_of(infos).tolist() == [[4, 2, 9], [-1, -1, -1], [1, -1, -1]]


def test_played_next__is_that_of_the_new_session_where_one_is_done():
    ended, reset = [{"played": [1, 2, 3]}, {"played": [4, 5, 6]}], [{"played": [7]}, {"played": [8]}]
    assert played_next(ended, np.array([False, True]), reset).tolist() == [[1, 2, 3], [8, -1, -1]]


def test_draw__is_uniform_over_what_is_left():
    recordings = np.array([0, 1, 2, 0, 4, 1])  # 3 is a version of 0, 5 of 1
    played = np.array([[3, -1], [1, 2]])
    rng = np.random.default_rng(0)
    draws = np.array([draw_unplayed(rng, recordings, played) for _ in range(6000)])
    for column, left in ((0, [1, 2, 4, 5]), (1, [0, 3, 4])):
        tracks, counts = np.unique(draws[:, column], return_counts=True)
        assert tracks.tolist() == left
        np.testing.assert_allclose(counts / 6000, 1 / len(left), atol=0.03)


def test_draw__says_so_where_nothing_is_left():
    with pytest.raises(ValueError, match="all 2 recordings"):
        draw_unplayed(np.random.default_rng(0), np.array([0, 0, 2]), np.array([[0, 2]]))
