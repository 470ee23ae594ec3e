"""The interface of all reference policies, including SB3's `predict`; and the policies random, popular and nearest."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.wrappers import RecordEpisodeStatistics, TransformObservation
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

from spotify_gym import ENVS
from spotify_gym.app.agents import references
from spotify_gym.app.listening import ListeningSession, dynamics_for_a_person
from spotify_gym.listeners import SkippingListener, as_listener
from spotify_gym.policies import (
    POLICIES,
    FixedPolicy,
    NearestPolicy,
    PlannerPolicy,
    PopularPolicy,
    RandomPolicy,
    Ranking,
    RankingPolicy,
    SeenPolicy,
)
from spotify_gym.training.leaderboard import HeldOut
from tests.catalogues import hand_made

MAKERS = {**POLICIES, "fixed": partial(FixedPolicy, n_starts=8)}


def env_of(name):
    """Return the id of an environment that the policy can play."""
    return "SpotifyTaste-v0" if issubclass(POLICIES[name], SeenPolicy) else "SpotifyPlaylist-v0"


@pytest.fixture(scope="module")
def few(small):
    return small.take(np.arange(60))


class FirstPolicy(RankingPolicy):
    """A user-defined policy, which plays the tracks in the order of the catalogue."""

    about = "Goes through the catalogue from top to bottom."

    def rank(self, sessions, k):
        allowed = self.dynamics.allowed(sessions)
        tracks = np.argsort(~allowed, axis=1, kind="stable")[:, :k]
        return Ranking(tracks, np.where(np.take_along_axis(allowed, tracks, axis=1), -tracks, -np.inf))


def test_policy_of_ones_own__needs_one_line_to_be_known_everywhere(few, monkeypatch):
    monkeypatch.setitem(POLICIES, "first", FirstPolicy)
    sessions = HeldOut("SpotifyPlaylist-v0", {}, few, 3, 0)
    evaluation = sessions.played_by_reference("first")
    assert evaluation.repeats.sum() == 0
    dynamics = dynamics_for_a_person(sessions.dynamics)
    page = references(dynamics)
    assert page[0].name == "First"
    offers = ListeningSession(dynamics, page[0], [0, 1, 2, 3, 5]).offers()
    assert [offer.track for offer in offers[:3]] == [4, 6, 7]


def test_policy_of_ones_own__can_be_named_by_where_it_stands(few):
    evaluation = HeldOut("SpotifyPlaylist-v0", {}, few, 3, 0).played_by_reference(f"{__name__}:FirstPolicy")
    assert evaluation.repeats.sum() == 0


@pytest.mark.parametrize("name", [name for name in POLICIES if issubclass(POLICIES[name], RankingPolicy)])
def test_rank__is_in_order_and_begins_with_the_choice(name, few):
    env = gym.make_vec(env_of(name), num_envs=4, played_width=8, catalogue=few.take(np.arange(8)))
    env.reset(seed=0)
    sessions = env.unwrapped.sessions
    tracks, values = POLICIES[name](env.unwrapped.dynamics).rank(sessions, 10)
    allowed = np.take_along_axis(env.unwrapped.action_masks(), tracks, axis=1)
    assert allowed[np.isfinite(values)].all()
    assert np.isfinite(values).sum(axis=1).tolist() == [3] * 4
    assert (np.diff(values[:, :3]) <= 0).all()
    assert name == "random" or (tracks[:, 0] == POLICIES[name](env).choose(sessions)).all()


def plays(name, env_id):
    return POLICIES[name].suits(as_listener(ENVS[env_id]["kwargs"].get("listener")))


@pytest.mark.parametrize(("name", "env_id"), [pair for pair in product(sorted(POLICIES), ENVS) if plays(*pair)])
def test_predict__alone_and_in_a_batch__gives_tracks(name, env_id, few):
    env = gym.make(env_id, catalogue=few)
    observation, _ = env.reset(seed=3)
    track, state = MAKERS[name](env).predict(observation)
    assert np.shape(track) == ()
    assert np.issubdtype(np.asarray(track).dtype, np.integer)
    assert state is None
    env.step(track)

    many = gym.make_vec(env_id, num_envs=3, catalogue=few)
    observations, _ = many.reset(seed=3)
    tracks, state = MAKERS[name](many).predict(observations, state="mine", episode_start=np.ones(3, bool))
    assert tracks.shape == (3,)
    assert state == "mine"
    assert tracks[0] == track  # the first slot is the single env
    many.step(tracks)


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_predict__through_wrappers__reads_the_session_itself(name, few):
    env = gym.make(env_of(name), catalogue=few, state="history")
    wrapped = TransformObservation(RecordEpisodeStatistics(env), np.zeros_like, env.observation_space)
    observation, _ = env.reset(seed=0)
    assert MAKERS[name](wrapped).predict(observation)[0] == MAKERS[name](env).predict(observation)[0]


def test_predict__is_what_sb3_evaluates(few):
    env = Monitor(gym.make("SpotifyPlaylist-v0", catalogue=few))
    mean, _ = evaluate_policy(NearestPolicy(env), env, n_eval_episodes=2)
    assert mean > 0


def test_predict__before_the_first_reset__raises(few):
    env = gym.make("SpotifySession-v0", catalogue=few)
    with pytest.raises(ResetNeeded):
        NearestPolicy(env).predict(np.zeros(9, np.float32))


@pytest.mark.parametrize("env", [lambda: gym.make("CartPole-v1"), lambda: gym.make_vec("CartPole-v1", num_envs=2)])
def test_policy__for_another_kind_of_env__raises(env):
    with pytest.raises(TypeError, match="NearestPolicy needs a listening environment"):
        NearestPolicy(env())


def test_policy__for_a_vector_env_that_hides_the_sessions__says_what_to_do(few):
    env = gym.make_vec("SpotifySession-v0", num_envs=2, vectorization_mode="sync", catalogue=few)
    with pytest.raises(TypeError, match="With vectorization_mode, a vector env hides its sessions: leave it out"):
        NearestPolicy(env)


@pytest.mark.parametrize("policy", [FixedPolicy, PlannerPolicy])
def test_policy__that_plans_a_session_without_end__raises(policy, few):
    endless = gym.make("SpotifySession-v0", catalogue=few).unwrapped
    with pytest.raises(ValueError, match="max_episode_steps"):
        policy(endless)


@pytest.mark.parametrize("policy", [MAKERS["fixed"], PlannerPolicy])
def test_policy__of_a_session_of_other_length__plans_for_that(policy, few):
    env = gym.make("SpotifySession-v0", catalogue=few, max_episode_steps=3)
    observation, _ = env.reset(seed=0)
    made = policy(env)
    for _ in range(3):
        observation, _, _, truncated, _ = env.step(made.predict(observation)[0])
    assert truncated
    assert policy is PlannerPolicy or len(made.tracks) == 3


# Baselines: one track at a time.


def play(make, env, n_tracks):
    """Play ``n_tracks`` tracks in every session; return the tracks, and a mask of repeats, both (n_tracks, B)."""
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
    with pytest.raises(ValueError, match="by hand has none; use a table with a popularity column"):
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
    """A listener who is expected to like the tracks that others skip."""

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
