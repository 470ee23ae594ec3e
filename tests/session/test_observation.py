"""The state options."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.listeners import SkippingListener
from spotify_gym.session import SessionState, StepResult
from spotify_gym.session.blocks import Belief, Block, Taste, UpperConfidence
from spotify_gym.session.kernels import beside
from spotify_gym.session.observation import STATES
from tests.catalogues import hand_made


def start(catalogue: Catalogue, state: str, **kwargs: Any) -> tuple[gym.Env[Any, Any], np.ndarray[Any, Any]]:
    env = gym.make("SpotifySession-v0", catalogue=catalogue, state=state, **kwargs)
    return env, env.reset(options={"history": [0, 1, 2, 3, 4]})[0]


def test_history__lists_the_tracks_oldest_first(small: Catalogue) -> None:
    env, seen = start(small, "history")
    assert np.array_equal(seen, small.features[[0, 1, 2, 3, 4]].ravel())
    assert np.array_equal(env.step(9)[0], small.features[[1, 2, 3, 4, 9]].ravel())


@pytest.mark.parametrize(("state", "left"), [("decayed", 0.9), ("decayed=0.8", 0.8), ("decayed=0", 0.0)])
def test_decayed__weighs_each_track_by_its_age(small: Catalogue, state: str, left: float) -> None:
    env, seen = start(small, state)
    weights = left ** np.arange(4, -1, -1)
    expected = weights @ small.features[:5] / weights.sum()
    assert np.allclose(seen, expected, atol=1e-6)
    assert np.allclose(env.step(9)[0], left * expected + (1 - left) * small.features[9], atol=1e-6)


@pytest.mark.parametrize("state", ["mean+decayed=1", "decayed=", "decayed=nan", "decayed=-0.1"])
def test_decayed__of_no_such_rate_is_refused(small: Catalogue, state: str) -> None:
    with pytest.raises(ValueError, match=r"state='decayed=.*' *: the decay must be at least 0 and below 1"):
        start(small, state)


def test_mean_decayed__shows_both(small: Catalogue) -> None:
    both = start(small, "mean+decayed")[1]
    assert np.array_equal(both, np.concatenate([start(small, "mean")[1], start(small, "decayed")[1]]))


def test_genres__are_the_mix_of_the_history(small: Catalogue) -> None:
    assert small.genres is not None
    seen = start(small, "mean+genres")[1]
    shares = small.genres / small.genres.sum(axis=1, keepdims=True)
    assert np.allclose(seen[9:], shares[:5].mean(axis=0), atol=1e-6)


def test_genres__are_asked_of_a_catalogue_that_has_them() -> None:
    with pytest.raises(ValueError, match="needs genres"):
        start(hand_made(np.eye(6, dtype=np.float32)), "mean+genres")


@pytest.mark.parametrize(
    "state", ["mean", "decayed", "mean+decayed", "mean+genres", "history", "responses", "answered", "taste"]
)
def test_state__stays_within_its_bounds(state: str, small: Catalogue) -> None:
    env = gym.make_vec("SpotifyPlaylist-v0", num_envs=100, catalogue=small, state=state)
    env.reset(seed=0)
    for tracks in np.random.default_rng(0).integers(len(small), size=(40, 100)):
        assert env.observation_space.contains(env.step(tracks)[0])


def test_responses__are_summed_up_by_what_came_of_the_tracks(small: Catalogue) -> None:
    skips_all = SkippingListener(position=(0.0, 99.0, -99.0), last_skip=0, recent_skips=0, mood_sd=0, taste_weight=0)
    env = gym.make("SpotifySkip-v0", catalogue=small, state="responses", listener=skips_all)
    seen, _ = env.reset(seed=3, options={"history": [0, 1, 2, 3, 4]})
    units = small.unit_features
    assert np.allclose(seen[:9], units[:5].mean(axis=0), atol=1e-6)
    assert (seen[9:-3] == 0).all()
    first = env.step(10)[1]
    env.step(11)  # is skipped
    env.step(11)  # is a repeat, to which the listener does not respond
    for track in 12, 13:
        seen = env.step(track)[0]
    heard = [10, 12, 13] if first else [12, 13]
    skipped = [11] if first else [10, 11]
    assert np.allclose(seen[9:18], units[heard].mean(axis=0), atol=1e-6)
    assert np.allclose(seen[18:27], units[skipped].mean(axis=0), atol=1e-6)
    counts = np.array([len(heard), len(skipped), 4, 0])
    assert np.allclose(seen[27:31], counts / (counts + 10))


def played(env: gym.vector.VectorEnv, plays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Play tracks, (T, B); return the last observations, and the answers, (T, B): 1, -1, or 0 for a repeat."""
    answers = []
    for tracks in plays:
        seen, *_, info = env.step(tracks)
        answers.append(np.where(info["repeat"], 0, 2 * info["completed"] - 1))
    return seen, np.array(answers)


def test_answered__are_the_last_tracks_turned_round_where_they_were_skipped(small: Catalogue) -> None:
    options = {"listener": SkippingListener(patience=1000), "max_episode_steps": 80}
    env = gym.make_vec("SpotifyTaste-v0", num_envs=20, catalogue=small, state="answered", **options)
    seen, _ = env.reset(seed=0)
    assert not seen[:, :450].any()
    plays = np.random.default_rng(0).integers(len(small), size=(70, 20))
    seen, answers = played(env, plays)
    for session in range(20):
        asked = answers[:, session] != 0
        told = (answers[:, [session]] * small.unit_features[plays[:, session]])[asked][-50:]
        assert np.allclose(seen[session, :450].reshape(50, 9)[-len(told) :], told, atol=1e-6)


def test_taste__is_the_ridge_regression_in_the_metric_of_the_catalogue(small: Catalogue) -> None:
    env = gym.make_vec("SpotifyTaste-v0", num_envs=20, catalogue=small, state="taste")
    seen, _ = env.reset(seed=0)
    mean, covariance = small.unit_features.mean(axis=0), np.cov(small.unit_features.T, ddof=0)
    assert np.allclose(seen[:, :27].reshape(20, 3, 9), 2 * mean, atol=1e-5)  # the prior mean
    plays = np.random.default_rng(0).choice(len(small), (12, 20), replace=False)
    seen, answers = played(env, plays)
    for session in range(20):
        y = answers[:, session]
        units = small.unit_features[plays[:, session]] * abs(y)[:, None]  # repeats give no answer
        for place, weight in enumerate(Taste.weights):
            prior = weight * np.linalg.inv(9 * covariance)
            taste = np.linalg.solve(units.T @ units + prior, prior @ (2 * mean) + units.T @ y)
            assert np.allclose(seen[session, 9 * place : 9 * place + 9], taste, atol=1e-3)


def test_ucb__starts_at_what_tastes_are_like_and_finds_the_most_likely_taste(small: Catalogue) -> None:
    env = gym.make_vec("SpotifyTaste-v0", num_envs=20, catalogue=small, state="ucb")
    seen, _ = env.reset(seed=0)
    mean, covariance = small.unit_features.mean(axis=0), 16 * np.cov(small.unit_features.T, ddof=0)
    spread = covariance @ mean / np.sqrt(mean @ covariance @ mean)
    assert np.allclose(seen[:, :9], 2 * mean + UpperConfidence.bonus * spread, atol=1e-4)
    plays = np.random.default_rng(0).choice(len(small), (15, 20), replace=False)
    seen, answers = played(env, plays)
    for session in range(20):
        y = answers[:, session]
        units = small.unit_features[plays[:, session]][y != 0].astype(np.float64)
        f, precision = _mode(units, (y[y != 0] + 1) / 2, 2 * mean, np.linalg.inv(covariance))
        spread = np.linalg.solve(precision, f)
        expected = f + UpperConfidence.bonus * spread / np.sqrt(f @ spread)
        assert np.corrcoef(seen[session, :9], expected)[0, 1] > 0.99  # a filter, which uses each answer once, is close


def test_belief__is_the_posterior_over_tracks_as_tastes(small: Catalogue) -> None:
    env = gym.make_vec("SpotifyTaste-v0", num_envs=20, catalogue=small, state="belief")
    env.reset(seed=0)
    plays = np.random.default_rng(0).choice(len(small), (15, 20), replace=False)
    seen, answers = played(env, plays)
    some = np.random.default_rng(0).choice(len(small), min(4096, len(small)), replace=False)
    tastes = 4 * small.unit_features[some].astype(np.float64)
    for session in range(20):
        y = answers[:, session]
        after_skip = np.concatenate([[False], y[:-1] < 0])
        odds = small.unit_features[plays[:, session]] @ tastes.T + np.where(after_skip, -1, 0.6)[:, None]
        weights = np.exp(-np.logaddexp(0, -y[:, None] * odds)[y != 0].sum(axis=0))
        f, spread = np.average(tastes, axis=0, weights=weights), np.cov(tastes.T, ddof=0, aweights=weights)
        expected = f + Belief.bonus * spread @ f / np.sqrt(f @ spread @ f)
        assert np.allclose(seen[session, :9], expected, atol=1e-3)


@pytest.mark.parametrize("state", ["ucb", "belief"])
def test_bounds__hold_where_all_tracks_are_equal(state: str) -> None:
    catalogue = hand_made(np.ones((60, 3), np.float32))
    env = gym.make_vec("SpotifyTaste-v0", num_envs=4, catalogue=catalogue, state=state, repeats=True)
    seen, _ = env.reset(seed=0)
    for track in range(20):
        assert env.observation_space.contains(seen)
        seen, *_ = env.step(np.full(4, track))


def _mode(units: np.ndarray, y: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mode of a logistic regression's posterior by Newton's method, and the precision there."""
    f = mean.astype(np.float64)
    for _ in range(50):
        p = 1 / (1 + np.exp(-units @ f))
        curvature = precision + (units.T * (p * (1 - p))) @ units
        f = f + np.linalg.solve(curvature, units.T @ (y - p) - precision @ (f - mean))
    return f, curvature


@pytest.mark.parametrize("order", [("mean", *rest) for rest in permutations(sorted(set(STATES) - {"mean"}))][::1512])
def test_state__is_any_blocks_in_any_order(order: tuple[str, ...], small: Catalogue) -> None:
    alone = [start(small, state) for state in order]
    env, seen = start(small, "+".join(order))
    assert np.array_equal(seen, np.concatenate([one for _, one in alone]))
    for track in 9, 3, 200:
        assert np.array_equal(env.step(track)[0], np.concatenate([one.step(track)[0] for one, _ in alone]))


class Count(Block):
    """A user-defined block: the number of completed tracks in the session."""

    n_memory = 1

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        super().__init__(np.zeros(1, np.float32), np.full(1, 100, np.float32))

    def move(self, sessions: SessionState, memory: np.ndarray, result: StepResult) -> None:
        memory[:, 0] += result.completed

    def read(self, sessions: SessionState, memory: np.ndarray) -> np.ndarray:
        return memory


def test_own_block__keeps_its_memory_beside_others(small: Catalogue) -> None:
    state = f"decayed+{__name__}:Count+decayed"
    env = gym.make_vec("SpotifyPlaylist-v0", num_envs=2, catalogue=small, state=state, autoreset_mode="SameStep")
    env.reset(seed=0, options={"history": [0, 1, 2, 3, 4]})
    counts = [env.step(np.array([track, track % 7]))[0][:, 9].tolist() for track in range(5, 25)]
    assert counts[:4] == [[1, 1], [2, 2], [3, 2], [4, 2]]  # tracks 0 to 4 are in the start
    assert counts[-1] == [0, 0]  # new sessions
    seen = env.step(np.array([100, 100]))[0]
    assert seen[:, 9].tolist() == [1, 1]
    assert np.array_equal(seen[:, :9], seen[:, 10:19])


def test_seed_vibe__is_shown_where_nothing_is_paid_for_it(small: Catalogue) -> None:
    env, seen = start(small, "mean+spotify_gym.session.blocks:Seed")
    after = env.step(9)[0]
    assert np.array_equal(after[-seen.size // 2 :], seen[-seen.size // 2 :])


def test_blocks__of_other_numbers_of_sessions_are_refused() -> None:
    with pytest.raises(ValueError, match="row for each session"):
        beside(np.ones((4, 2), np.float32), np.ones((1, 2), np.float32))
