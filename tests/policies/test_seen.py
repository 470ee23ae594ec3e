"""Policies that know only what is visible: what they learn from it, and that they use nothing else."""

from __future__ import annotations

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.app.agents import references
from spotify_gym.app.listening import ListeningSession, dynamics_for_a_person
from spotify_gym.listeners import SkippingListener
from spotify_gym.policies import (
    POLICIES,
    BeliefPolicy,
    KalmanUCBPolicy,
    LinUCBPolicy,
    NearestCompletedPolicy,
    NearestSeenPolicy,
    SeenPolicy,
)
from spotify_gym.training import evaluate

SEEN = [name for name, policy in POLICIES.items() if issubclass(policy, SeenPolicy)]


def played(env_id, catalogue, n_tracks, policy=None, **options):
    """Return sessions after ``n_tracks`` tracks, which are random or chosen by a policy, and their dynamics."""
    env = gym.make_vec(env_id, num_envs=6, catalogue=catalogue, autoreset_mode="SameStep", **options)
    env.reset(seed=3)
    rng, made = np.random.default_rng(0), policy and policy(env)
    for _ in range(n_tracks):
        tracks = made.choose(env.unwrapped.sessions) if made else rng.integers(len(catalogue), size=6)
        env.step(tracks)
    return env.unwrapped.sessions, env.unwrapped.dynamics


@pytest.mark.parametrize("env_id", ["SpotifySkip-v0", "SpotifyTaste-v0"])
@pytest.mark.parametrize("name", SEEN)
def test_seen__is_all_that_is_looked_at(name, env_id, small):
    sessions, dynamics = played(env_id, small, 30)
    policy = POLICIES[name](dynamics)
    bare = replace(sessions, listener=None, key=np.zeros_like(sessions.key), memory=None)
    for ours, theirs in zip(policy.rank(sessions, 5), policy.rank(bare, 5), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", SEEN)
def test_seen__is_the_same_whether_watched_from_the_start_or_not(name, small):
    """The choices do not depend on the batch either, in which sessions end and restart at different times."""
    sessions, dynamics = played(
        "SpotifyTaste-v0", small, 40, POLICIES[name], listener={"listener": "skipping", "patience": 4.0}
    )
    assert len(set(sessions.time.tolist())) > 1
    watched = POLICIES[name](dynamics)
    for seed in range(3):
        others, _ = played("SpotifyTaste-v0", small, seed)
        watched.choose(others)
    tracks = watched.choose(sessions)
    for row in range(6):
        assert POLICIES[name](dynamics).choose(sessions.take(np.array([row]))) == tracks[row]


@pytest.mark.parametrize("start_pool", [16, 6])
def test_belief__is_what_bayes_rule_gives(start_pool, small):
    """Compare with the likelihoods of all answers under the listener, for each possible taste; without moods."""
    catalogue = small.take(np.arange(30))
    listener = SkippingListener(mood_sd=0.0, start_pool=start_pool)
    sessions, dynamics = played("SpotifySkip-v0", catalogue, 12, listener=listener, played_width=30)
    units, log = catalogue.unit_features, sessions.log
    directions = BeliefPolicy(dynamics, n_moods=1).directions(sessions)
    for row in range(6):
        likelihood = np.ones(30)
        if start_pool == 16:  # each starting track is the nearest of three
            cosines = units @ units.T
            shares = (cosines[:, None, :] < cosines[:, log.tracks[row, :5], None]).mean(axis=2)  # (tastes, 5)
            likelihood = (shares**2).prod(axis=1) + 1e-9
        _, minds = listener.start(np.tile(units[None, :5], (30, 1, 1)), 5, np.zeros((30, 2), np.float32))
        minds.taste[:], minds.mood[:] = units, 0
        for track, answer in zip(log.tracks[row, 5:], log.answers[row, 5:], strict=True):
            if answer == 0:
                continue
            heard = np.diag(
                listener.expect(minds, np.tile(units[track], (30, 1)), np.zeros((30, 30), np.float32))["listened"]
            )
            likelihood *= heard if answer > 0 else 1 - heard
            luck = np.full((30, 1), 0.0 if answer < 0 else 1 - 2**-24, np.float32)
            listener.respond(minds, np.tile(units[track], (30, 1)), np.zeros(30, np.float32), luck)
        expected = likelihood @ units / likelihood.sum()
        tolerance = 1e-4 if start_pool == 6 else 0.1  # since rivals are sampled
        np.testing.assert_allclose(directions[row], expected, atol=tolerance)


def test_filter__begins_with_the_catalogue_and_weighs_an_answer_by_how_surprising_it_is(small):
    sessions, dynamics = played("SpotifyTaste-v0", small, 1)
    mean, covariance = small.unit_moments
    f, p = KalmanUCBPolicy(dynamics).estimate(sessions)
    for row in range(6):
        track, answer = sessions.log.tracks[row, 5], sessions.log.answers[row, 5]
        if answer == 0:  # a repeat, to which the listener does not respond
            np.testing.assert_allclose(p[row], 16 * covariance, atol=1e-5)
            continue
        u, prior = small.unit_features[track].astype(float), 16 * covariance
        heard = 1 / (1 + np.exp(dynamics.listener.position[0] - 2 * mean @ u))
        precision = np.linalg.inv(prior + 1e-9 * np.eye(9)) + heard * (1 - heard) * np.outer(u, u)
        np.testing.assert_allclose(p[row], np.linalg.inv(precision), atol=1e-3)
        np.testing.assert_allclose(f[row], 2 * mean + np.linalg.solve(precision, u * ((answer > 0) - heard)), atol=1e-3)


@pytest.mark.parametrize("policy", [LinUCBPolicy, KalmanUCBPolicy])
def test_bonus__is_a_standard_deviation_of_what_is_believed(policy, small):
    sessions, dynamics = played("SpotifySkip-v0", small, 8)
    made = policy(dynamics, bonus=0.7)
    f, p = made.estimate(sessions)
    units = small.unit_features
    expected = f @ units.T + 0.7 * np.sqrt(np.einsum("ni,bij,nj->bn", units, p, units))
    np.testing.assert_allclose(made.values(sessions), expected, atol=1e-3)


def test_start__counts_as_heard_out_only_where_it_says_something(small):
    for env_id, n_known in ("SpotifySkip-v0", 5), ("SpotifyTaste-v0", 0):
        sessions, dynamics = played(env_id, small, 0)
        f, inverse = LinUCBPolicy(dynamics, ridge=1.0).estimate(sessions)
        units = small.unit_features[sessions.history[:, :n_known]].astype(float)
        gram = np.eye(9) + np.einsum("bhi,bhj->bij", units, units)
        np.testing.assert_allclose(inverse, np.linalg.inv(gram), atol=1e-5)
        np.testing.assert_allclose(f, np.linalg.solve(gram, units.sum(axis=1)[:, :, None])[:, :, 0], atol=1e-5)


def test_taste__is_learned_from_answers():
    """Policies that ignore the answers, average them, or infer the taste from them, against one that knows it."""
    catalogue = Catalogue.builtin(3000)
    policies = (
        NearestSeenPolicy,
        NearestCompletedPolicy,
        LinUCBPolicy,
        POLICIES["thompson"],
        BeliefPolicy,
        KalmanUCBPolicy,
    )
    earned = [evaluate(one, "SpotifyTaste-v0", 64, catalogue=catalogue).returns.mean() for one in policies]
    knows = evaluate(POLICIES["nearest"], "SpotifyTaste-v0", 64, catalogue=catalogue).returns.mean()
    assert max(earned[:2]) + 5 < min(earned[2:])
    assert max(earned) < knows
    assert min(earned[4:]) > knows - 12


def test_seen__needs_somebody_with_something_to_hide(small):
    for env_id in "SpotifySession-v0", "SpotifySatiation-v0":
        env = gym.make(env_id, catalogue=small)
        with pytest.raises(ValueError, match="NearestSeenPolicy needs a listener with a hidden taste"):
            NearestSeenPolicy(env)
        with pytest.raises(ValueError, match="BeliefPolicy needs a SkippingListener as the listener"):
            BeliefPolicy(env)


def test_person__is_learned_from_like_a_listener(small):
    dynamics = dynamics_for_a_person(gym.make("SpotifyTaste-v0", catalogue=small).unwrapped.dynamics)
    agents = {agent.name: agent for agent in references(dynamics)}
    assert {name.capitalize() for name in SEEN} <= set(agents)
    session = ListeningSession(dynamics, agents["Belief"], [1, 2, 3, 4, 5])
    for _ in range(8):  # a person who likes tracks similar to track 50
        offer = session.offers()[0]
        (session.listened if small.unit_features[offer.track] @ small.unit_features[50] > 0.3 else session.skip)()
    believed = agents["Belief"].policy.directions(session.state)[0]
    assert believed @ small.unit_features[50] / np.linalg.norm(believed) > 0.6
