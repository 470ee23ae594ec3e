"""Random, popular and nearest: one track at a time."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import gymnasium as gym
import numpy as np
import pytest

from spotify_gym import ENVS
from spotify_gym.listeners import SkippingListener
from spotify_gym.policies import NearestPolicy, PopularPolicy, RandomPolicy
from tests.catalogues import hand_made


def play(make, env, n_tracks):
    """Play every session for so many tracks; which, and which of them were a repeat, (n_tracks, B) both."""
    observations, _ = env.reset(seed=0)
    policy = make(env)
    tracks, repeats = [], []
    for _ in range(n_tracks):
        tracks.append(policy.predict(observations)[0])
        observations, _, _, _, info = env.step(tracks[-1])
        repeats.append(info["repeat"])
    return np.array(tracks), np.array(repeats)


@pytest.fixture
def twins(small):
    """30 recordings, each of them twice."""
    features = small.features[:30]
    return hand_made(np.concatenate([features, features]))


@pytest.fixture
def charts(twins):
    popularity = np.arange(60, dtype=np.float32)
    popularity[-1] = np.nan
    return replace(twins, popularity=popularity)


@pytest.mark.parametrize("policy", [RandomPolicy, NearestPolicy])
def test_choice__where_repeats_are_forbidden__is_a_recording_not_played(policy, twins):
    env = gym.make_vec("SpotifyPlaylist-v0", num_envs=50, catalogue=twins)
    assert not play(policy, env, 19)[1].any()


def test_random__when_all_was_played__plays_on(twins):
    env = gym.make_vec("SpotifyPlaylist-v0", num_envs=2, max_episode_steps=-1, catalogue=twins.take(np.arange(6)))
    assert play(RandomPolicy, env, 8)[1][-1].all()


def test_random__draws_every_allowed_track_alike(small):
    env = gym.make_vec("SpotifyPlaylist-v0", num_envs=5000, played_width=10, catalogue=small.take(np.arange(10)))
    env.reset(seed=0, options={"history": [0, 1, 2, 3, 4]})
    tracks = RandomPolicy(env).choose(env.unwrapped.sessions)
    counts = np.bincount(tracks, minlength=10)
    assert counts[:5].tolist() == [0] * 5
    assert counts[5:] == pytest.approx(np.full(5, 1000), abs=130)  # 4.6 standard deviations


def test_random__is_a_function_of_its_seed(small):
    env = gym.make_vec("SpotifySession-v0", num_envs=20, catalogue=small)
    first, again, other = (play(partial(RandomPolicy, seed=seed), env, 5)[0] for seed in (7, 7, 8))
    assert (first == again).all()
    assert (first != other).any()


def test_popular__goes_down_the_charts_past_what_was_played(charts):
    env = gym.make_vec("SpotifyPlaylist-v0", num_envs=1, catalogue=charts)
    env.reset(seed=0, options={"history": [28, 3, 4, 27, 1]})
    policy = PopularPolicy(env)
    tracks = []
    for _ in range(3):
        tracks += policy.predict(np.zeros((1, 18)))[0].tolist()
        env.step(np.array(tracks[-1:]))
    # 59 has no popularity, so that its recording stands at 29; 58 and 57 were heard at the start, as 28 and 27
    assert tracks == [56, 55, 54]


def test_popular__where_repeats_are_legal__still_plays_no_track_twice(charts):
    env = gym.make_vec("SpotifySession-v0", num_envs=4, catalogue=charts)
    assert not play(PopularPolicy, env, 20)[1].any()


@pytest.mark.parametrize("popularity", [None, np.full(60, np.nan, np.float32)])
def test_popular__without_popularity__says_so(twins, popularity):
    env = gym.make("SpotifySession-v0", catalogue=replace(twins, popularity=popularity))
    with pytest.raises(ValueError, match="by hand has none; bring a table with a popularity column"):
        PopularPolicy(env)


def test_nearest__by_hand():
    # The vibe of the first two tracks is (1, 1); its cosine to the fourth is 1, to the third 0.95, to these two 0.71.
    catalogue = hand_made(np.array([[2, 0], [0, 2], [1, 2], [5, 5]], np.float32))
    env = gym.make("SpotifySession-v0", catalogue=catalogue, history_length=2)
    observation, _ = env.reset(seed=0, options={"history": [0, 1]})
    assert NearestPolicy(env).predict(observation)[0] == 3

    env = gym.make("SpotifyPlaylist-v0", catalogue=catalogue, history_length=2, played_width=4)
    observation, _ = env.reset(seed=0, options={"history": [0, 3]})
    # Vibe and seed vibe are (3.5, 2.5): track 2 has cosine 0.88, track 1 0.58; 0 and 3 were played.
    assert NearestPolicy(env).predict(observation)[0] == 2


@pytest.mark.parametrize("env_id", ["SpotifySession-v0", "SpotifyPlaylist-v0", "SpotifySatiation-v0"])
def test_nearest__is_the_best_of_all_tracks_tried(env_id, small):
    env = gym.make_vec(env_id, num_envs=4, catalogue=small)
    play(RandomPolicy, env, 6)
    dynamics, sessions = env.unwrapped.dynamics, env.unwrapped.sessions
    rewards = np.array([dynamics.step(sessions.take(np.arange(4)), np.full(4, track)).reward for track in range(400)])
    chosen = NearestPolicy(env).choose(sessions)
    assert rewards[chosen, np.arange(4)] == pytest.approx(rewards.max(axis=0), abs=1e-6)


@pytest.mark.parametrize("env_id", ENVS)
def test_nearest__ranks_by_the_expected_rewards(env_id, small):
    env = gym.make_vec(env_id, num_envs=4, catalogue=small)
    env.reset(seed=0)
    env.step(np.array([3, 5, 7, 9]))
    sessions, dynamics = env.unwrapped.sessions, env.unwrapped.dynamics
    ranking = NearestPolicy(env).rank(sessions, 5)
    expected = dynamics.expected_rewards(sessions)
    assert np.take_along_axis(expected, ranking.tracks, axis=1) == pytest.approx(ranking.values, abs=1e-5)
    if dynamics.repeats:
        assert ranking.values == pytest.approx(-np.sort(-expected, axis=1)[:, :5], abs=1e-5)
    else:
        assert ranking.values[:, 0] == pytest.approx(expected.max(axis=1), abs=1e-5)


class Contrary(SkippingListener):
    """Somebody who is expected to like what others skip."""

    def expect(self, state, units, cosine):
        return {"listened": 1 - super().expect(state, units, cosine)["listened"]}


def test_nearest__heeds_what_a_listener_expects_otherwise_than_its_parent(small):
    env = gym.make_vec("SpotifySkip-v0", num_envs=4, catalogue=small, listener=Contrary())
    env.reset(seed=0)
    sessions = env.unwrapped.sessions
    chosen = NearestPolicy(env).choose(sessions)
    expected = env.unwrapped.dynamics.expected_rewards(sessions)
    assert expected[np.arange(4), chosen] == pytest.approx(expected.max(axis=1))


def test_nearest__knows_the_hidden_taste(small):
    env = gym.make_vec("SpotifySkip-v0", num_envs=16, catalogue=small)
    env.reset(seed=0)
    sessions = env.unwrapped.sessions
    likings = sessions.listener.taste @ small.unit_features.T
    likings[~env.unwrapped.action_masks()] = -1
    assert (NearestPolicy(env).choose(sessions) == likings.argmax(axis=1)).all()


def test_nearest__many_sessions_at_a_time__are_as_one_by_one(small, monkeypatch):
    env = gym.make_vec("SpotifyPlaylist-v0", num_envs=30, catalogue=small)
    env.reset(seed=0)
    sessions = env.unwrapped.sessions
    together = NearestPolicy(env).choose(sessions)
    monkeypatch.setattr("spotify_gym.policies.policy._VALUES_AT_ONCE", 900)
    assert (NearestPolicy(env).choose(sessions) == together).all()
