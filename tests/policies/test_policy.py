"""What all reference policies promise: SB3's predict, alone and in a batch, wrapped or not."""

from __future__ import annotations

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
from spotify_gym.listeners import as_listener
from spotify_gym.policies import (
    POLICIES,
    FixedPolicy,
    NearestPolicy,
    PlannerPolicy,
    Ranking,
    RankingPolicy,
    SeenPolicy,
)
from spotify_gym.training.leaderboard import HeldOut

MAKERS = {**POLICIES, "fixed": partial(FixedPolicy, n_starts=8)}


def env_of(name):
    """An environment where the policy can play."""
    return "SpotifyTaste-v0" if issubclass(POLICIES[name], SeenPolicy) else "SpotifyPlaylist-v0"


@pytest.fixture(scope="module")
def few(small):
    return small.take(np.arange(60))


class FirstPolicy(RankingPolicy):
    """Play the tracks in the order of the catalogue: a policy of one's own."""

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
    with pytest.raises(TypeError, match="NearestPolicy needs a listening session"):
        NearestPolicy(env())


def test_policy__for_a_vector_env_that_hides_the_sessions__says_what_to_do(few):
    env = gym.make_vec("SpotifySession-v0", num_envs=2, vectorization_mode="sync", catalogue=few)
    with pytest.raises(TypeError, match="leave out vectorization_mode"):
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
