"""`info` has the same structure in `reset` and `step`, in single and vector environments, and at any step."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from spotify_gym import ENVS, Catalogue


def shapes(info: dict[str, Any]) -> dict[str, Any]:
    return {name: (type(value), np.shape(value), getattr(value, "dtype", None)) for name, value in info.items()}


@pytest.mark.parametrize("texts", [False, True])
@pytest.mark.parametrize("env_id", ENVS)
def test_info__is_of_one_structure(env_id: str, texts: bool, small: Catalogue) -> None:
    env = gym.make(env_id, catalogue=small, info_texts=texts)
    _, first = env.reset(seed=0)
    assert (first["track"], first["end"], first["cosine"], first["repeat"], first["completed"]) == (
        -1,
        0,
        0,
        False,
        False,
    )
    assert ("track_id" in first) == texts
    for track in range(5, 40):
        *_, terminated, truncated, info = env.step(track)
        assert shapes(info) == shapes(first)
        assert info["track"] == track
        assert info["end"] == terminated
        if texts:
            assert info["track_id"] == small.track_ids[track]
            assert info["history_ids"].tolist() == [small.track_ids[i] for i in info["history"]]
        if terminated or truncated:
            assert shapes(env.reset()[1]) == shapes(first)


@pytest.mark.parametrize("env_id", ENVS)
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_info__of_the_native_vector_env_is_gymnasiums(env_id: str, mode: AutoresetMode, small: Catalogue) -> None:
    options = {"num_envs": 4, "catalogue": small, "info_texts": True}
    ours = gym.make_vec(env_id, autoreset_mode=mode, **options)
    theirs = gym.make_vec(env_id, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **options)
    compare(ours.reset(seed=3)[1], theirs.reset(seed=3)[1])
    for tracks in np.random.default_rng(0).integers(len(small), size=(120, 4)):
        compare(ours.step(tracks)[4], theirs.step(tracks)[4])


def compare(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert set(one) == set(other)
    for name in other:
        if name.startswith("_"):
            assert np.array_equal(one[name], other[name]), name
        elif name == "final_info":
            mask = one["_final_info"]
            assert set(one[name]) == set(other[name])
            assert all(np.array_equal(one[name][key][mask], other[name][key][mask]) for key in other[name])
        elif name == "final_obs":
            assert np.array_equal(one[name][one["_final_obs"]], np.stack(other[name][one["_final_obs"]]))
        else:
            assert one[name].shape == other[name].shape
            assert np.array_equal(one[name], other[name]), name


@pytest.mark.parametrize("env_id", [env_id for env_id in ENVS if env_id != "SpotifySession-v0"])
def test_played__is_as_wide_as_a_session_is_long(env_id: str, small: Catalogue) -> None:
    length = ENVS[env_id]["max_episode_steps"]
    _, info = gym.make(env_id, catalogue=small).reset(seed=0)
    assert info["played"].shape == (5 + length,)
    assert info["played"][5:].tolist() == [-1] * length
    assert gym.make(env_id, catalogue=small, history_length=7).reset()[1]["played"].shape == (7 + length,)
    assert gym.make_vec(env_id, 2, catalogue=small).reset()[1]["played"].shape == (2, 5 + length)
    assert gym.make_vec(env_id, 2, catalogue=small, max_episode_steps=9).reset()[1]["played"].shape == (2, 14)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_played__of_sessions_of_different_age_has_one_width(mode: str, small: Catalogue) -> None:
    env = gym.make_vec(
        "SpotifyPlaylist-v0", 2, mode, catalogue=small, max_episode_steps=70, played_width=75, wrappers=[Late]
    )
    env.reset(seed=0)
    ages = set()
    for step in range(200):
        *_, info = env.step(np.array([step, step + 5]))
        ages |= set((info["played"] >= 0).sum(axis=1) - 5)
    assert max(ages) == 70
    env.close()


class Late(gym.Wrapper[Any, Any, Any, Any]):
    """Ends a session after nine steps if its first starting track is even."""

    steps = 0

    def reset(self, **options: Any) -> Any:
        self.steps = 0
        observation, info = super().reset(**options)
        self.early = info["history"][0] % 2 == 0
        return observation, info

    def step(self, action: Any) -> Any:
        self.steps += 1
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, terminated, truncated or (self.early and self.steps == 9), info


def test_session__that_outgrows_the_width_is_told_its_name(small: Catalogue) -> None:
    env = gym.make("SpotifyPlaylist-v0", catalogue=small, max_episode_steps=100)
    env.reset(seed=0)
    for track in range(20):
        env.step(track)
    before = env.unwrapped.sessions.time.copy()  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="played_width=25 has room for the start and 20 tracks"):
        env.step(20)
    assert env.unwrapped.sessions.time == before  # type: ignore[attr-defined]
    many = gym.make_vec("SpotifyPlaylist-v0", 2, catalogue=small, played_width=8, autoreset_mode="SameStep")
    many.reset(seed=0)
    for track in range(3):
        many.step(np.array([track, track]))
    with pytest.raises(ValueError, match="played_width=8"):
        many.step(np.array([9, 9]))
    gym.make_vec("SpotifySession-v0", 2, catalogue=small, played_width=8).reset()


@pytest.mark.parametrize("env_id", ["SpotifyPlaylist-v0", "SpotifyTaste-v0"])
def test_session__that_would_run_out_of_songs_is_refused_when_made(env_id: str) -> None:
    few = Catalogue.from_features(np.random.default_rng(0).normal(size=(22, 5)))
    for make in gym.make, gym.make_vec:
        with pytest.raises(ValueError, match=r"has 22 songs, but a session needs (25|55): 5 to start from and (20|50)"):
            make(env_id, catalogue=few)
        make(env_id, catalogue=few, played_width=22).reset(seed=0)
        make(env_id, catalogue=few, repeats=True).reset(seed=0)
    gym.make_vec(env_id, catalogue=few, max_episode_steps=17)


@pytest.mark.parametrize("width", [5, 0, -1, 2.5, "25"])
def test_width__that_cannot_be_is_refused(width: Any, small: Catalogue) -> None:
    with pytest.raises(ValueError, match=r"played_width=.* must be a whole number of 6 or more"):
        gym.make("SpotifyPlaylist-v0", catalogue=small, played_width=width)
