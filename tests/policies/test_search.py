"""Planning in the true dynamics, against trying everything."""

from __future__ import annotations

import numpy as np
import pytest

from spotify_gym.listeners import SkippingListener
from spotify_gym.policies.planner import Search
from spotify_gym.policies.session_model import SessionModel
from spotify_gym.search.planning import beam, improve, iterated_local_search
from spotify_gym.session import make_dynamics
from tests.policies.toys import PROBLEMS, all_lists, dynamics, returns, starts, tracks

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
    problem.step(sessions, sessions.history[:, 0])  # a repeat, which stands twice among the played
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
    constant = values[valued] - expected[valued]  # what no candidate changes
    assert constant == pytest.approx(np.full(len(constant), constant[0]), abs=1e-5)


@every_problem
def test_replacements__in_any_order__are_worth_the_same(name, small):
    model = SessionModel(dynamics(name, small, 5))
    rollout = model.rollout(starts(model.dynamics, 1), np.arange(100, 108))
    some = np.array([7, 9, 8, 100, 3, 250])  # the last less the first is what it would be, were they side by side
    values = model.replacement_values(rollout, 2)
    assert model.replacement_values(rollout, 2, some[:3]) == pytest.approx(values[some[:3]], abs=1e-5)
    assert model.replacement_values(rollout, 2, some) == pytest.approx(values[some], abs=1e-5)


def test_replacements__spare_what_the_plan_and_the_session_hold():
    problem = dynamics("playlist", tracks(30))  # the last track is the first once more
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
