"""The vector environment equals single ones step by step, for any batch size and autoreset mode."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from spotify_gym import ENVS, Catalogue

B = 6


TOLD = "mean+responses+taste"


def native(
    env_id: str, catalogue: Catalogue, mode: AutoresetMode | str = AutoresetMode.NEXT_STEP, n: int = B, **options: Any
) -> Any:
    return gym.make_vec(env_id, num_envs=n, catalogue=catalogue, autoreset_mode=mode, **options)


def singles(env_id: str, catalogue: Catalogue, mode: AutoresetMode, **options: Any) -> VectorEnv[Any, Any, Any]:
    return SyncVectorEnv([lambda: gym.make(env_id, catalogue=catalogue, **options)] * B, autoreset_mode=mode)


def actions(catalogue: Catalogue, n_steps: int) -> NDArray[np.int64]:
    """Return random tracks with many repeats."""
    return np.random.default_rng(0).integers(len(catalogue) // 4, size=(n_steps, B))


@pytest.mark.parametrize(
    ("env_id", "state"),
    [*((env_id, "mean") for env_id in ENVS), ("SpotifySession-v0", TOLD), ("SpotifyTaste-v0", TOLD)],
)
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_vector__equals_singles_step_for_step(env_id: str, state: str, mode: AutoresetMode, small: Catalogue) -> None:
    ours, theirs = native(env_id, small, mode, state=state), singles(env_id, small, mode, state=state)
    assert np.array_equal(ours.reset(seed=11)[0], theirs.reset(seed=11)[0])
    for tracks in actions(small, 120):
        one, other = ours.step(tracks), theirs.step(tracks)
        for mine, their in zip(one[:4], other[:4], strict=True):
            assert np.array_equal(mine, their)
        ended = one[2] | one[3]
        if mode == AutoresetMode.SAME_STEP and ended.any():
            for row in np.flatnonzero(ended):
                assert np.array_equal(one[4]["final_obs"][row], other[4]["final_obs"][row])
                assert one[4]["final_info"]["cosine"][row] == other[4]["final_info"]["cosine"][row]


@pytest.mark.parametrize("state", ["mean", TOLD])
@pytest.mark.parametrize("env_id", ENVS)
def test_vector__a_session_is_the_same_in_any_batch(env_id: str, state: str, small: Catalogue) -> None:
    few, many = native(env_id, small, n=2, state=state), native(env_id, small, n=50, state=state)
    few.reset(seed=4), many.reset(seed=4)
    for tracks in np.random.default_rng(1).integers(len(small), size=(60, 50)):
        one, other = few.step(tracks[:2]), many.step(tracks)
        for mine, their in zip(one[:4], other[:4], strict=True):
            assert np.array_equal(mine, their[:2])


@pytest.mark.parametrize("env_id", ENVS)
def test_vector__observations_stay_in_bounds_and_finite(env_id: str, small: Catalogue) -> None:
    env = native(env_id, small, n=200)
    env.reset(seed=0)
    low, high = env.dynamics.reward_bounds
    for tracks in np.random.default_rng(0).integers(60, size=(70, 200)):
        observations, rewards, *_ = env.step(tracks)
        assert env.observation_space.contains(observations)
        assert (rewards >= low - 1e-6).all()
        assert (rewards <= high + 1e-6).all()


def test_vector__disabled_autoreset_waits_for_a_reset_mask(small: Catalogue) -> None:
    env = native("SpotifySession-v0", small, AutoresetMode.DISABLED)
    env.reset(seed=0)
    for tracks in actions(small, 20):
        *_, truncated, _ = env.step(tracks)
    assert truncated.all()
    with pytest.raises(ResetNeeded, match="reset_mask"):
        env.step(np.zeros(B, np.int64))
    env.reset(options={"reset_mask": np.ones(B, np.bool_)})
    assert not env.step(np.zeros(B, np.int64))[3].any()


def test_vector__a_reset_mask_leaves_the_others_alone(small: Catalogue) -> None:
    env = native("SpotifySession-v0", small, AutoresetMode.DISABLED)
    before, _ = env.reset(seed=0)
    after, _ = env.reset(options={"reset_mask": np.arange(B) == 2})
    assert np.flatnonzero((before != after).any(axis=1)).tolist() == [2]


def test_vector__played_tracks_are_those_of_the_observation(small: Catalogue) -> None:
    env = native("SpotifyPlaylist-v0", small, AutoresetMode.SAME_STEP)
    env.reset(seed=0)
    for tracks in actions(small, 20):
        *_, info = env.step(tracks)
    assert all(track in row for track, row in zip(small.recordings[tracks], info["final_info"]["played"], strict=True))
    assert np.array_equal(np.sort(info["played"][:, :5]), np.sort(small.recordings[env.sessions.history]))


@pytest.mark.parametrize("wrong", [np.zeros(B - 1, np.int64), np.zeros(B), np.full(B, -1), np.full(B, 400), [None] * B])
def test_vector__refuses_what_are_no_tracks(wrong: Any, small: Catalogue) -> None:
    env = native("SpotifySession-v0", small)
    env.reset(seed=0)
    with pytest.raises(InvalidAction):
        env.step(wrong)


@pytest.mark.parametrize(
    ("num_envs", "said"),
    [("a", "num_envs='a' is not a whole number"), (2.5, "num_envs=2.5 is not"), (True, "num_envs=True is not")],
)
def test_make_vec__names_a_number_of_sessions_that_is_none(num_envs: Any, said: str, small: Catalogue) -> None:
    with pytest.raises(ValueError, match=said):
        gym.make_vec("SpotifySession-v0", num_envs=num_envs, catalogue=small)


def test_make_vec__takes_modes_of_autoreset_by_name_and_value(small: Catalogue) -> None:
    for known in AutoresetMode:
        for mode in known, known.name, known.value:
            assert native("SpotifySession-v0", small, mode).autoreset_mode is known
    with pytest.raises(ValueError, match=r"autoreset_mode='next' is not one of \['NextStep', 'SameStep', 'Disabled'\]"):
        native("SpotifySession-v0", small, "next")


def test_vector__takes_a_history_for_all_or_for_each(small: Catalogue) -> None:
    env = native("SpotifySession-v0", small)
    shared, _ = env.reset(options={"history": [1, 2, 3, 4, 5]})
    assert (shared == shared[0]).all()
    each, _ = env.reset(options={"history": np.arange(5 * B).reshape(B, 5)})
    assert np.array_equal(each[0], small.features[:5].mean(axis=0))
    with pytest.raises(ValueError, match="3 rows for 6 sessions"):
        env.reset(options={"history": np.arange(15).reshape(3, 5)})


def test_vector__the_vibe_does_not_drift(small: Catalogue) -> None:
    env = gym.make_vec("SpotifySession-v0", num_envs=50, catalogue=small, max_episode_steps=10_000)
    env.reset(seed=0)
    for tracks in np.random.default_rng(0).integers(len(small), size=(2000, 50)):
        env.step(tracks)
    sessions = env.unwrapped.sessions  # type: ignore[attr-defined]
    recomputed = small.features[sessions.history].astype(np.float64).mean(axis=1)
    assert np.abs(sessions.vibe - recomputed).max() < 1e-6
