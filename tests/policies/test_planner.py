"""The planner, the fixed list, the bound, and the order of them all."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest

from spotify_gym.policies import FixedPolicy, NearestPolicy, PlannerPolicy, RandomPolicy
from spotify_gym.policies.bound import upper_bound
from spotify_gym.session import make_dynamics
from spotify_gym.training import EVALUATION_SEED, evaluate
from tests.catalogues import hand_made
from tests.policies.toys import PROBLEMS, all_lists, dynamics, returns, starts, tracks

N_SESSIONS = 12


def play(make, env_id, catalogue, n_sessions=N_SESSIONS):
    """Return what each held-out session earns, (n_sessions,)."""
    return evaluate(make, env_id, n_sessions, catalogue=catalogue).returns


def bound(env_id, catalogue):
    env = gym.make_vec(env_id, num_envs=N_SESSIONS, catalogue=catalogue).unwrapped
    env.reset(seed=EVALUATION_SEED)
    return upper_bound(env.dynamics, env.sessions, env.max_episode_steps)


@pytest.fixture(scope="module")
def fixed():
    return partial(FixedPolicy, n_starts=64)


@pytest.mark.parametrize("env_id", ["SpotifySession-v0", "SpotifyPlaylist-v0"])
def test_order__random_fixed_nearest_planner_bound(env_id, small, fixed):
    returns_of = [play(make, env_id, small) for make in (RandomPolicy, fixed, NearestPolicy, PlannerPolicy)]
    nearest, planned = returns_of[2:]
    assert all(low.mean() < high.mean() for low, high in pairwise(returns_of))
    assert (planned >= nearest - 1e-5).all()
    assert (planned <= bound(env_id, small) + 1e-5).all()


def test_order__where_satiation_asks_for_plans__a_planned_list_for_all_beats_greed(small, fixed):
    env_id = "SpotifySatiation-v0"
    rivals = [play(make, env_id, small) for make in (RandomPolicy, NearestPolicy, fixed, PlannerPolicy)]
    _, nearest, best_fixed, planned = rivals
    assert all(low.mean() < high.mean() for low, high in pairwise(rivals))
    assert (planned >= nearest).all()
    assert (nearest.mean() - best_fixed.mean()) / (planned.mean() - best_fixed.mean()) < 0.9
    assert planned.mean() > 1.2 * nearest.mean()
    assert (planned <= bound(env_id, small)).all()


def test_order__where_chance_decides(small, fixed):
    env_id = "SpotifySkip-v0"
    luckless, blind, nearest, planned = (
        play(make, env_id, small, 40) for make in (RandomPolicy, fixed, NearestPolicy, PlannerPolicy)
    )
    assert luckless.mean() < nearest.mean()
    assert blind.mean() < nearest.mean()
    assert planned.mean() >= nearest.mean() - 0.5
    assert (planned[:N_SESSIONS] <= bound(env_id, small)).all()


@pytest.mark.slow
def test_satiation__on_real_tracks__the_planner_beats_greed(real_tracks):
    from spotify_gym import Catalogue

    catalogue = Catalogue.read(real_tracks)
    nearest, planned = (play(make, "SpotifySatiation-v0", catalogue) for make in (NearestPolicy, PlannerPolicy))
    assert (planned > nearest + 1).all()


def test_planner__goes_on_as_planned_and_plans_anew_when_it_is_not(small, monkeypatch):
    env = gym.make("SpotifyPlaylist-v0", catalogue=small, max_episode_steps=6)
    policy = PlannerPolicy(env)
    planned = []
    find = type(policy._search).best

    def spy(search, session, n_tracks):
        planned.append(n_tracks)
        return find(search, session, n_tracks)

    monkeypatch.setattr(type(policy._search), "best", spy)
    observation, _ = env.reset(seed=0)
    for _ in range(3):
        observation, *_ = env.step(policy.predict(observation)[0])
    assert planned == [6]
    observation, *_ = env.step((policy.predict(observation)[0] + 1) % 400)
    policy.predict(observation)
    assert planned == [6, 2]
    observation, _ = env.reset(seed=0)
    policy.predict(observation)
    assert planned == [6, 2, 6]
    policy.predict(observation)
    assert planned == [6, 2, 6]


def test_planner__sessions_of_a_batch__are_planned_as_if_alone(small):
    many = play(PlannerPolicy, "SpotifyPlaylist-v0", small, 4)
    env = gym.make("SpotifyPlaylist-v0", catalogue=small)
    observation, _ = env.reset(seed=EVALUATION_SEED + 3)
    policy, total, ended = PlannerPolicy(env), 0.0, False
    while not ended:
        observation, reward, _, ended, _ = env.step(policy.predict(observation)[0])
        total += reward
    assert total == pytest.approx(many[3], abs=1e-5)


def test_planner__leaves_the_sessions_alone(small):
    env = gym.make_vec("SpotifySkip-v0", num_envs=2, catalogue=small)
    observations, _ = env.reset(seed=0)
    before = env.unwrapped.sessions.take(np.arange(2))
    PlannerPolicy(env).predict(observations)
    after = env.unwrapped.sessions
    assert (after.played == before.played).all()
    assert (after.vibe == before.vibe).all()
    assert (after.listener.patience == before.listener.patience).all()
    assert (after.time == 0).all()


def test_planner__does_not_know_what_chance_will_bring(small):
    def chosen(seed):
        env = gym.make("SpotifySkip-v0", catalogue=small)
        env.reset(seed=0)
        session = env.unwrapped.sessions
        session.key[:] = seed  # all chance to come is drawn from the key
        return PlannerPolicy(env).choose(session)[0]

    assert len({int(chosen(seed)) for seed in range(5)}) == 1


def test_planner__with_a_lookahead_of_one__is_nearest(small):
    near = play(partial(PlannerPolicy, lookahead=1), "SpotifySatiation-v0", small, 3)
    assert near == pytest.approx(play(NearestPolicy, "SpotifySatiation-v0", small, 3), abs=1e-4)


def test_fixed__plays_one_list_to_everybody(small, fixed):
    env = gym.make_vec("SpotifyPlaylist-v0", num_envs=5, catalogue=small)
    observations, _ = env.reset(seed=0)
    policy = fixed(env)
    for t in range(4):
        chosen = policy.predict(observations)[0]
        assert chosen.tolist() == [policy.tracks[t]] * 5
        observations, *_ = env.step(chosen)
    assert len(policy.tracks) == len(set(policy.tracks.tolist())) == 20


def test_fixed__with_a_list_found_before__plays_that(small):
    env = gym.make("SpotifySession-v0", catalogue=small)
    observation, _ = env.reset(seed=0)
    policy = FixedPolicy(env, tracks=[5, 6])
    played = []
    for _ in range(3):
        played.append(int(policy.predict(observation)[0]))
        observation, *_ = env.step(played[-1])
    assert played == [5, 6, 6]


def test_fixed__generalises_to_sessions_that_it_was_not_made_for(small):
    env = gym.make_vec("SpotifySession-v0", num_envs=1, catalogue=small)
    policy = FixedPolicy(env, n_starts=512)
    problem = env.unwrapped.dynamics
    others = starts(problem, 512, seed=99)
    alone = returns(problem, others, np.repeat(np.arange(400)[:, None], 20, axis=1))
    assert returns(problem, others, policy.tracks[None])[0] > alone.max() - 0.05


@pytest.mark.parametrize("name", sorted(PROBLEMS))
@pytest.mark.parametrize("seed", range(4))
def test_bound__is_above_every_list_there_is(name, seed):
    problem = dynamics(name, tracks(7, seed))
    sessions = starts(problem, 3, seed)
    for row, most in enumerate(upper_bound(problem, sessions, 4)):
        best = returns(problem, sessions.take(np.array([row])), all_lists(problem, 4)).max()
        assert best <= most + 1e-5
    assert upper_bound(problem, sessions, 1) == pytest.approx(problem.expected_rewards(sessions).max(axis=1), abs=1e-6)


def test_bound__by_hand():
    catalogue = hand_made(np.array([[1, 0], [1, 0.1], [0, 1], [-1, 0]], np.float32))
    problem = make_dynamics(catalogue, history_length=1, repeats=False, reward={"fit": 1.0}, reward_baseline=0.0)
    session = problem.start(np.zeros(1, np.uint64), np.array([[0]]))
    cosine = 1 / np.sqrt(1.01)
    # The first track has at most that of track 1, the later ones have it again, then 0, -1, and -1 for a repeat.
    assert upper_bound(problem, session, 3)[0] == pytest.approx(2 * cosine, abs=1e-6)
    assert upper_bound(problem, session, 5)[0] == pytest.approx(2 * cosine - 2, abs=1e-6)


def test_bound__of_a_weight_below_zero__is_one_too():
    problem = make_dynamics(tracks(6), history_length=2, reward={"flow": -1.0, "fit": 0.5})
    sessions = starts(problem, 3)
    for row, most in enumerate(upper_bound(problem, sessions, 3)):
        assert returns(problem, sessions.take(np.array([row])), all_lists(problem, 3)).max() <= most + 1e-5
