"""The planner: its search against brute force; the fixed list, the upper bound, and the order of all policies."""

from __future__ import annotations

from functools import partial
from itertools import pairwise, product
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

from spotify_gym import Catalogue
from spotify_gym.listeners import SatiatedListener, SkippingListener
from spotify_gym.policies import FixedPolicy, NearestPolicy, PlannerPolicy, RandomPolicy
from spotify_gym.policies.planner import Search, upper_bound
from spotify_gym.policies.session_model import SessionModel
from spotify_gym.search.planning import beam, improve, iterated_local_search
from spotify_gym.session import SessionDynamics, SessionState, make_dynamics
from spotify_gym.training import EVALUATION_SEED, evaluate
from tests.catalogues import hand_made

PROBLEMS: dict[str, dict[str, Any]] = {
    "session": {},
    "playlist": {"repeats": False, "reward": {"flow": 0.5, "fit": 0.5}},
    "satiation": {"repeats": False, "listener": SatiatedListener()},
}
"""Options of the deterministic environments."""


def tracks(n_tracks: int, seed: int = 0, d: int = 3) -> Catalogue:
    """Return a catalogue of tracks in all directions, of very different lengths; the last one equals the first."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_tracks, d)) * rng.uniform(0.3, 3, size=(n_tracks, 1))
    features[-1] = features[0]
    return hand_made(features.astype(np.float32))


def dynamics(name: str, catalogue: Catalogue, history_length: int = 2) -> SessionDynamics:
    """Return the dynamics of one of the problems."""
    return make_dynamics(catalogue, history_length=history_length, **PROBLEMS[name])


def starts(of: SessionDynamics, n_sessions: int, seed: int = 0) -> SessionState:
    """Start random sessions."""
    return of.start(np.random.default_rng(seed).integers(2**64, size=n_sessions, dtype=np.uint64))


def returns(of: SessionDynamics, sessions: SessionState, lists: NDArray[np.int64]) -> NDArray[np.float64]:
    """Play each list, (n_lists, T), in each session, and return what it earns on average, (n_lists,)."""
    now = sessions.take(np.tile(np.arange(len(sessions)), len(lists)))
    total = np.zeros(len(now))
    for played in np.asarray(lists).T:
        total += of.step(now, np.repeat(played, len(sessions))).reward
    return total.reshape(len(lists), len(sessions)).mean(axis=1)


def all_lists(of: SessionDynamics, n_tracks: int) -> NDArray[np.int64]:
    """Return all lists of ``n_tracks`` tracks, (N ** n_tracks, n_tracks)."""
    return np.array(list(product(range(len(of.catalogue)), repeat=n_tracks)))


every_problem = pytest.mark.parametrize("name", sorted(PROBLEMS))


@every_problem
def test_rollout__earns_what_the_sessions_earn(name, small):
    problem = dynamics(name, small, 5)
    sessions, plan = starts(problem, 7), np.random.default_rng(1).choice(400, 6, replace=False)
    before = sessions.vibe.copy()

    rollout = SessionModel(problem).rollout(sessions, plan)

    assert rollout.value == pytest.approx(returns(problem, sessions, plan[None])[0], abs=1e-5)
    assert (rollout.before[0].vibe == before).all()
    assert (sessions.vibe == before).all()


@every_problem
@pytest.mark.parametrize("n_groups", [1, 3])
def test_mean_rewards__are_the_mean_of_expected_rewards(name, n_groups, small):
    problem = dynamics(name, small, 5)
    sessions = starts(problem, 6)
    problem.step(sessions, sessions.history[:, 0])  # a repeat, which is listed twice in the played tracks
    which = np.arange(50, 350)

    mean = SessionModel(problem).mean_rewards(sessions, which, n_groups)

    assert mean == pytest.approx(
        problem.expected_rewards(sessions, which).reshape(-1, n_groups, 300).mean(axis=0), abs=1e-5
    )


def test_mean_rewards__of_those_who_left__are_nothing(small):
    problem = dynamics("satiation", small)
    sessions = starts(problem, 4)
    mean = SessionModel(problem).mean_rewards(sessions, going=np.array([True, False, False, False]))
    assert mean[0] == pytest.approx(problem.expected_rewards(sessions)[0] / 4, abs=1e-6)


@every_problem
@pytest.mark.parametrize("n_sessions", [1, 5])
def test_beam__of_any_width__finds_the_best_list_there_is(name, n_sessions):
    problem = dynamics(name, tracks(7))
    sessions = starts(problem, n_sessions)
    plan, worth = beam(SessionModel(problem), sessions, 3, width=7**3)
    assert worth == pytest.approx(returns(problem, sessions, all_lists(problem, 3)).max(), abs=1e-5)
    assert returns(problem, sessions, plan[None])[0] == pytest.approx(worth, abs=1e-5)


def test_beam__of_one__is_greedy(small):
    problem = dynamics("playlist", small, 5)
    session = starts(problem, 1)
    plan, _ = beam(SessionModel(problem), session, 4, width=1)
    for track in plan:
        assert track == problem.expected_rewards(session)[0].argmax()
        problem.step(session, np.array([track]))


@every_problem
@pytest.mark.parametrize("position", [0, 3, 7])
@pytest.mark.parametrize("greedy", [True, False])
def test_replacements__are_worth_what_playing_them_earns(name, position, greedy, small):
    problem = dynamics(name, small, 5)
    session = starts(problem, 1)
    plan = beam(SessionModel(problem), session, 8, width=1)[0] if greedy else np.arange(100, 108)
    rollout = SessionModel(problem).rollout(session, plan)
    lists = np.repeat(rollout.plan[None], 400, axis=0)
    lists[:, position] = np.arange(400)
    gains = returns(problem, session, lists) - rollout.value

    values = SessionModel(problem).replacement_values(rollout, position)

    valued = np.isfinite(values)
    apart = values[valued] - values[rollout.plan[position]] - gains[valued]
    assert apart == pytest.approx(np.zeros(len(apart)), abs=1e-5)
    assert (gains[~valued] <= 1e-6).all()
    assert greedy or valued.sum() > 10


@pytest.mark.parametrize("name", ["session", "satiation"])
def test_replacements__for_several_sessions__are_worth_the_mean(name, small):
    problem = dynamics(name, small, 5)
    sessions = starts(problem, 6)
    rollout = SessionModel(problem).rollout(sessions, beam(SessionModel(problem), sessions, 8, width=1)[0])
    free = np.flatnonzero(~np.isin(small.recordings, rollout.before[-1].played) & (small.recordings == np.arange(400)))
    free = free[free != rollout.plan[-1]]
    lists = np.repeat(rollout.plan[None], len(free), axis=0)
    lists[:, 1] = free

    values = SessionModel(problem).replacement_values(rollout, 1, free)

    expected = returns(problem, sessions, lists) - rollout.rewards[0]
    valued = np.isfinite(values)
    constant = values[valued] - expected[valued]  # the part that is equal for all candidates
    assert constant == pytest.approx(np.full(len(constant), constant[0]), abs=1e-5)


@every_problem
def test_replacements__in_any_order__are_worth_the_same(name, small):
    model = SessionModel(dynamics(name, small, 5))
    rollout = model.rollout(starts(model.dynamics, 1), np.arange(100, 108))
    some = np.array([7, 9, 8, 100, 3, 250])  # not consecutive, so not a slice
    values = model.replacement_values(rollout, 2)
    assert model.replacement_values(rollout, 2, some[:3]) == pytest.approx(values[some[:3]], abs=1e-5)
    assert model.replacement_values(rollout, 2, some) == pytest.approx(values[some], abs=1e-5)


def test_replacements__spare_what_the_plan_and_the_session_hold():
    problem = dynamics("playlist", tracks(30))  # the last track equals the first
    session = starts(problem, 1)
    rollout = SessionModel(problem).rollout(session, [0, 7, 8])
    values = SessionModel(problem).replacement_values(rollout, 1)
    held = [0, 29, 8, *session.history[0]]
    assert (values[held] == -np.inf).all()


def test_replacements__spare_nothing_else(small):
    model = SessionModel(dynamics("playlist", small, 5))
    session = starts(model.dynamics, 1)
    taken = model._is_taken(model.rollout(session, np.arange(100, 103)), 2)
    held = small.recordings[[100, 101, *session.history[0]]]
    assert set(np.flatnonzero(taken)) == set(held.tolist())


@every_problem
def test_improve__ends_where_no_single_track_is_better(name, small):
    few = small.take(np.arange(120))
    problem = dynamics(name, few, 5)
    session = starts(problem, 1)
    worst = SessionModel(problem).rollout(session, np.arange(6))

    best = improve(SessionModel(problem), worst)

    assert best.value > worst.value
    for position in range(6):
        lists = np.repeat(best.plan[None], 120, axis=0)
        lists[:, position] = np.arange(120)
        assert returns(problem, session, lists).max() <= best.value + 1e-5


def test_iterated_local_search__leaves_a_list_better_or_as_it_was_and_is_the_same_again(small):
    problem = dynamics("satiation", small, 5)
    session, model, everything = starts(problem, 1), SessionModel(problem), np.arange(400)
    stuck = improve(model, model.rollout(session, np.arange(10)))
    shaken = iterated_local_search(model, stuck, everything, 5)
    assert shaken.value > stuck.value
    assert (iterated_local_search(model, stuck, everything, 5).plan == shaken.plan).all()
    assert iterated_local_search(model, shaken, everything, 1).value >= shaken.value


@every_problem
@pytest.mark.parametrize("seed", range(5))
def test_search__on_a_toy__finds_the_best_list_there_is(name, seed):
    problem = dynamics(name, tracks(9, seed))
    session = starts(problem, 1, seed)
    best = returns(problem, session, all_lists(problem, 4)).max()
    assert Search(problem).best(session, 4).value == pytest.approx(best, abs=1e-5)


@every_problem
def test_search__of_one_list_for_many__finds_the_best_there_is(name):
    problem = dynamics(name, tracks(9))
    sessions = starts(problem, 20)
    best = returns(problem, sessions, all_lists(problem, 3)).max()
    assert Search(problem, widths=(1,), n_centres=9).best(sessions, 3).value == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("name", ["playlist", "satiation"])
def test_search__in_a_sample__reaches_the_whole_catalogue(name, small):
    problem = dynamics(name, small, 5)
    session = starts(problem, 1)
    sampled = Search(problem, sample_size=40).sample
    assert len(sampled) == 40
    plan = Search(problem, sample_size=40).best(session, 6).plan
    assert not set(plan.tolist()) <= set(sampled.tolist())


def test_search__where_chance_decides__plans_for_what_is_likely(small):
    problem = make_dynamics(small, repeats=False, listener=SkippingListener(), reward={"listened": 1.0})
    session = starts(problem, 1)
    plan = Search(problem, widths=(1,)).best(session, 3).plan
    assert plan[0] == problem.expected_rewards(session)[0].argmax()
    assert len(set(plan.tolist())) == 3


def test_neighbourhoods__where_repeats_are_legal__are_single_long_vectors(small):
    lists = Search(dynamics("session", small, 5), n_centres=3).neighbourhoods(10)
    longest = np.argsort(-np.linalg.norm(small.features, axis=1))[:3]
    assert lists.tolist() == [[track] * 10 for track in longest]


def test_neighbourhoods__where_they_are_not__are_a_track_and_the_nearest_to_it(small):
    for plan in Search(dynamics("playlist", small, 5), n_centres=3).neighbourhoods(5):
        cosines = small.unit_features @ small.unit_features[plan[0]]
        assert plan.tolist() == np.argsort(-cosines)[:5].tolist()


# The policies that use it.

N_SESSIONS = 12


def play(make, env_id, catalogue, n_sessions=N_SESSIONS):
    """Return the returns of the held-out sessions, (n_sessions,)."""
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
        session.key[:] = seed  # all future random numbers derive from the key
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


@every_problem
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
    # The best cosines to the start are those of track 1, of the next track the same, then 0, −1, and −1 for a repeat.
    assert upper_bound(problem, session, 3)[0] == pytest.approx(2 * cosine, abs=1e-6)
    assert upper_bound(problem, session, 5)[0] == pytest.approx(2 * cosine - 2, abs=1e-6)


def test_bound__of_a_weight_below_zero__is_one_too():
    problem = make_dynamics(tracks(6), history_length=2, reward={"flow": -1.0, "fit": 0.5})
    sessions = starts(problem, 3)
    for row, most in enumerate(upper_bound(problem, sessions, 3)):
        assert returns(problem, sessions.take(np.array([row])), all_lists(problem, 3)).max() <= most + 1e-5
