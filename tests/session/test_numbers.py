"""Rewards and observations are finite and within their bounds, for any catalogue, options and tracks."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spotify_gym import ENVS, Catalogue
from spotify_gym.session import SessionDynamics
from tests.catalogues import hand_made, odd_catalogues

ROUNDING = 2e-5  # of float32, over a few operations, relative to the largest term
WEIGHTS = st.sampled_from([0.0, 1.0, -1.0, 0.5, 1e-6, 1e3])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(["mean", "decayed", "mean+decayed", "history", "mean+history"]),
        "history_length": st.integers(1, 6),
        "repeats": st.booleans(),
        "reward_baseline": st.none() | st.sampled_from([0.0, 0.5, -1.0, 1e6]),
        "reward": st.dictionaries(st.sampled_from(["flow", "fit"]), WEIGHTS, min_size=1),
        "listener": st.sampled_from([None, "satiated", "skipping"]),
    },
)
QUICKLY = settings(max_examples=60)


def play(env: Any, steps: int, tracks_of: Any) -> None:
    """Play tracks of ``tracks_of`` and check that all numbers are finite and within their bounds."""
    low, high = env.dynamics.reward_bounds
    slack = ROUNDING * (1 + max(abs(low), abs(high)))
    observations, _ = env.reset(seed=0)
    assert env.observation_space.contains(observations)
    for _ in range(steps):
        mask = env.action_masks() if len(env.catalogue) < 1000 else None
        tracks = tracks_of()
        observations, rewards, *_, info = env.step(tracks)
        assert env.observation_space.contains(observations)
        assert np.isfinite(rewards).all()
        assert (rewards >= low - slack).all()
        assert (rewards <= high + slack).all()
        assert (np.abs(info["cosine"]) <= 1 + ROUNDING).all()
        told = info.get("final_info", info)
        np.testing.assert_allclose(sum(told[name] for name in env.dynamics.reward), rewards, rtol=1e-5, atol=slack)
        if mask is not None and env.autoreset_mode == gym.vector.AutoresetMode.SAME_STEP:
            assert env.dynamics.repeats or np.array_equal(mask[np.arange(len(tracks)), tracks], ~told["repeat"])


def drawing(env: Any) -> Any:
    rng = np.random.default_rng(0)
    return lambda: rng.integers(len(env.catalogue), size=env.num_envs)


def sessions(env_id: str, num_envs: int, catalogue: Catalogue | str, **options: Any) -> Any:
    """Make sessions with an end or, if the catalogue has too few songs for a whole one, without."""
    options["catalogue"] = catalogue
    try:
        return gym.make_vec(env_id, num_envs=num_envs, **options)
    except ValueError:
        return gym.make_vec(env_id, num_envs=num_envs, max_episode_steps=-1, played_width=120, **options)


@QUICKLY
@given(catalogue=odd_catalogues(), options=OPTIONS, env_id=st.sampled_from(["SpotifySession-v0", "SpotifyPlaylist-v0"]))
def test_any_catalogue_and_options__give_numbers_or_a_reason(
    catalogue: Catalogue, options: dict[str, Any], env_id: str
) -> None:
    if options.get("listener") == "skipping" and len(catalogue) < 16:
        with pytest.raises(ValueError, match="a session starts from 16; use more tracks"):
            gym.make(env_id, catalogue=catalogue, **options)
        return
    env = sessions(env_id, 7, catalogue, autoreset_mode="SameStep", **options)
    play(env, 30, drawing(env))


@QUICKLY
@given(catalogue=odd_catalogues(smallest=16), env_id=st.sampled_from(list(ENVS)))
def test_any_catalogue__is_appraised_in_numbers(catalogue: Catalogue, env_id: str) -> None:
    env = sessions(env_id, 3, catalogue)
    env.reset(seed=1)
    dynamics: SessionDynamics = env.dynamics
    low, high = dynamics.reward_bounds
    values = dynamics.expected_rewards(env.sessions)
    assert np.isfinite(values).all()
    assert ((values >= low - 1e-4) & (values <= high + 1e-4)).all()
    part = dynamics.expected_rewards(env.sessions, np.arange(5))
    np.testing.assert_allclose(part, values[:, :5], atol=1e-4)


def test_tracks_next_to_nothing__count_as_nothing_in_play_and_in_appraisal() -> None:
    features = np.zeros((35, 2), np.float32)
    features[:, 0] = 1e-22  # its square underflows in float32
    features[-1, 0] = 1
    env: Any = gym.make_vec("SpotifySession-v0", num_envs=3, catalogue=hand_made(features))
    env.reset(seed=1)
    appraised = env.dynamics.expected_rewards(env.sessions)[:, 0]
    np.testing.assert_allclose(env.step(np.zeros(3, np.int64))[1], appraised, atol=1e-6)


@pytest.mark.parametrize("env_id", ENVS)
@pytest.mark.parametrize("n_tracks", [6, 16, 5000])
def test_random_play__twenty_thousand_steps_within_bounds(env_id: str, n_tracks: int) -> None:
    if env_id in ("SpotifySkip-v0", "SpotifyLogged-v0") and n_tracks < 16:
        with pytest.raises(ValueError, match="the catalogue has 6 tracks, but a session starts from 16; use more"):
            gym.make(env_id, catalogue=f"builtin:{n_tracks}")
        return
    env = sessions(env_id, 200, f"builtin:{n_tracks}", autoreset_mode="SameStep")
    play(env, 100, drawing(env))


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ENVS)
@pytest.mark.parametrize("scaling", ["standard", "minmax"])
def test_random_play__a_million_steps_within_bounds(env_id: str, scaling: str) -> None:
    env: Any = gym.make_vec(
        env_id, num_envs=1000, catalogue="builtin", scaling=scaling, autoreset_mode="SameStep", state="mean+decayed"
    )
    play(env, 1000, drawing(env))


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ENVS)
def test_random_play__over_two_million_tracks(env_id: str) -> None:
    catalogue = Catalogue.builtin(2_000_000)
    env: Any = gym.make_vec(env_id, num_envs=100, catalogue=catalogue, autoreset_mode="SameStep")
    play(env, 100, drawing(env))
    values = env.dynamics.expected_rewards(env.sessions.take(np.arange(2)))
    assert values.shape == (2, 2_000_000)
    assert np.isfinite(values).all()


def test_constant_catalogue__is_zero_and_earns_nothing() -> None:
    for value in (0.0, 0.1, 1e-6, 120.0):
        catalogue = Catalogue.from_features(np.full((8, 9), value))
        assert not catalogue.features.any()
        env: Any = gym.make_vec("SpotifySession-v0", num_envs=3, catalogue=catalogue)
        env.reset(seed=0)
        assert env.step(np.arange(3))[1].tolist() == [0.0, 0.0, 0.0]


def test_duplicates_only__leave_nothing_to_play_where_repeats_are_forbidden() -> None:
    catalogue = Catalogue.from_features(np.tile([[1.0, 2.0]], (8, 1)))
    env = sessions("SpotifyPlaylist-v0", 2, catalogue)
    env.reset(seed=0)
    assert not env.action_masks().any()
    *_, info = env.step(np.array([6, 7]))
    assert info["repeat"].all()


def test_one_genre__is_a_state_that_never_changes() -> None:
    catalogue = Catalogue.builtin(50)
    assert catalogue.genres is not None
    alike = np.flatnonzero(catalogue.genres[:, catalogue.genres.sum(axis=0).argmax()])
    env: Any = gym.make_vec("SpotifySession-v0", num_envs=4, catalogue=catalogue.take(alike), state="mean+genres")
    play(env, 30, drawing(env))


@pytest.mark.parametrize("history_length", [50, 400])
@pytest.mark.parametrize("state", ["mean", "decayed", "history"])
def test_long_history__of_one_track_stays_within_bounds(history_length: int, state: str) -> None:
    features = np.random.default_rng(0).normal(size=(4, 300))[[0, 1, 2, 3] * 100]
    catalogue = hand_made(features.astype(np.float32))
    env = gym.make("SpotifySession-v0", catalogue=catalogue, history_length=history_length, state=state)
    history: NDArray[np.int64] = np.full(history_length, 2)
    observation, _ = env.reset(options={"history": history})
    assert env.observation_space.contains(observation)
    for _ in range(15):
        assert env.observation_space.contains(env.step(2)[0])
