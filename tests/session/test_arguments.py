"""Any argument of an environment is played, or refused by a message that names it and without side effects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import Error, InvalidAction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spotify_gym import Catalogue, CatalogueError
from spotify_gym.catalogue import as_catalogue

N_TRACKS, B = 60, 4
TRACKS = Catalogue.builtin(N_TRACKS)
SINGLE: Any = gym.make("SpotifyPlaylist-v0", catalogue=TRACKS).unwrapped
BATCH: Any = gym.make_vec("SpotifyPlaylist-v0", num_envs=B, catalogue=TRACKS, max_episode_steps=10**9)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, N_TRACKS + 3),
    st.integers(),
    st.floats(),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.complex_numbers(),
    st.sampled_from([TRACKS.track_ids[0], np.int8(3), np.uint64(2**64 - 1), np.float32(2), np.datetime64("NaT"), int]),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
ARRAYS = st.builds(
    lambda values, kind: np.array(values).astype(kind),
    st.lists(st.integers(0, 120), max_size=6),
    st.sampled_from(["<i8", ">i8", "<i4", "u1", "f4", "?", "O", "U3", "m8[s]"]),
)
ACTIONS = ANYTHING | ARRAYS | st.lists(st.integers(0, N_TRACKS - 1), min_size=B, max_size=B)
HISTORIES = ANYTHING | ARRAYS | st.lists(st.integers(0, N_TRACKS - 1), min_size=5, max_size=5)
PATIENTLY = settings(max_examples=300)


def tried(call: Callable[[], Any], *refusals: type[Exception]) -> Any:
    """Return the result of a call, or the message of the error with which it was refused."""
    try:
        return call()
    except refusals as error:
        return str(error)


@PATIENTLY
@given(action=ACTIONS)
def test_single__plays_any_action_or_refuses_it(action: Any) -> None:
    before, _ = SINGLE.reset(seed=1)
    try:
        observation, reward, *_ = SINGLE.step(action)
    except InvalidAction:
        assert np.array_equal(SINGLE.dynamics.observe(SINGLE.sessions)[0], before)
        return
    assert np.isfinite(reward)
    assert np.isfinite(observation).all()


@PATIENTLY
@given(actions=ACTIONS)
def test_batch__plays_any_actions_or_refuses_them(actions: Any) -> None:
    before, _ = BATCH.reset(seed=1)
    try:
        observations, rewards, *_ = BATCH.step(actions)
    except InvalidAction:
        assert np.array_equal(BATCH.dynamics.observe(BATCH.sessions), before)
        return
    assert np.isfinite(rewards).all()
    assert np.isfinite(observations).all()


@PATIENTLY
@given(history=HISTORIES)
@pytest.mark.parametrize("env", [SINGLE, BATCH], ids=["single", "batch"])
def test_reset__takes_any_history_or_refuses_it(env: Any, history: Any) -> None:
    begun = tried(lambda: env.reset(seed=1, options={"history": history}), ValueError)
    assert isinstance(begun, str) or np.isfinite(begun[0]).all()


@PATIENTLY
@given(mask=ANYTHING | ARRAYS | st.lists(st.booleans(), min_size=B, max_size=B))
def test_reset__takes_any_mask_or_refuses_it(mask: Any) -> None:
    BATCH.reset(seed=1)
    begun = tried(lambda: BATCH.reset(options={"reset_mask": mask}), ValueError)
    assert "reset_mask" in begun if isinstance(begun, str) else begun


@PATIENTLY
@given(seed=ANYTHING)
@pytest.mark.parametrize("env", [SINGLE, BATCH], ids=["single", "batch"])
def test_reset__takes_any_seed_or_refuses_it(env: Any, seed: Any) -> None:
    assert tried(lambda: env.reset(seed=seed), Error, ValueError, TypeError)


OPTION_NAMES = ("state", "history_length", "repeats", "reward", "reward_baseline", "listener", "scaling")


@PATIENTLY
@given(options=st.dictionaries(st.sampled_from(OPTION_NAMES), ANYTHING, min_size=1, max_size=2))
@example(options={"history_length": np.int8(3), "reward_baseline": np.float16(0.1), "reward": {"flow": np.uint8(2)}})
def test_make__takes_any_options_or_names_the_wrong_one(options: dict[str, Any]) -> None:
    env = tried(lambda: gym.make("SpotifySession-v0", catalogue=TRACKS, **options), ValueError)
    if isinstance(env, str):
        assert any(name in env for name in (*options, "catalogue has 60 tracks"))
        return
    env.reset(seed=0)
    assert np.isfinite(float(env.step(3)[1]))


@settings(max_examples=100)
@given(name=st.text(max_size=30) | st.from_regex(r"builtin:(0*\d\d?|-\d+|1\d{8,})", fullmatch=True))
@example(name="~nobody-has-this-name")
def test_catalogue__of_any_name_is_one_or_is_refused(name: str) -> None:
    catalogue = tried(lambda: as_catalogue(name), CatalogueError)
    assert catalogue if isinstance(catalogue, str) else len(catalogue) < 100
