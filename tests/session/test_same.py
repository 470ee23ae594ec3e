"""The option `same`: repeats by recording, or by song in any edition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.catalogue import TextColumn
from spotify_gym.policies import POLICIES, SeenPolicy
from spotify_gym.registration import ENVS
from spotify_gym.session import make_dynamics
from tests.catalogues import hand_made


@pytest.fixture(scope="module")
def editions() -> Catalogue:
    """30 songs in two editions each, original and remastered, with different features."""
    catalogue = Catalogue.builtin(60, seed=5)
    names = [f"Song {i % 30}" + (" - Remastered 2011" if i >= 30 else "") for i in range(60)]
    made = hand_made(catalogue.features + np.arange(60, dtype=np.float32)[:, None] / 1000, names)
    return replace(made, artists=TextColumn.of(["Somebody"] * 60), popularity=np.arange(60, dtype=np.float32))


def playlist(catalogue: Catalogue, **options: Any) -> gym.Env[Any, Any]:
    env = gym.make("SpotifyPlaylist-v0", catalogue=catalogue, **options).unwrapped
    env.reset(options={"history": [0, 1, 2, 3, 4]})
    return env


def test_song__is_not_played_in_another_edition(editions: Catalogue) -> None:
    env = playlist(editions, same="song")
    assert np.flatnonzero(~env.action_masks()).tolist() == [0, 1, 2, 3, 4, 30, 31, 32, 33, 34]
    before, (observation, reward, *_, info) = env.sessions.vibe.copy(), env.step(33)
    assert info["repeat"]
    assert not info["completed"]
    assert reward == pytest.approx(env.dynamics.reward_bounds[0])
    np.testing.assert_array_equal(env.sessions.vibe, before)
    np.testing.assert_array_equal(observation[: before.size], before[0])
    assert not env.step(35)[-1]["repeat"]
    assert env.step(5)[-1]["repeat"]
    assert set(env.step(7)[-1]["played"]) == {0, 1, 2, 3, 4, 5, 7, -1}  # songs are listed by their first editions


@pytest.mark.parametrize("options", [{}, {"same": "recording"}])
@pytest.mark.parametrize("env_id", sorted({*ENVS} - {"SpotifyTaste-v0", "SpotifyLogged-v0"}))
def test_recording__is_what_counts_in_every_id_of_before(
    env_id: str, options: dict[str, Any], editions: Catalogue
) -> None:
    env = gym.make(env_id, catalogue=editions, **options).unwrapped
    env.reset(options={"history": [0, 1, 2, 3, 4]})
    assert not env.step(30)[-1]["repeat"]
    assert env.action_space.recordings is editions.recordings


def test_song__is_what_the_action_space_knows(editions: Catalogue) -> None:
    env = gym.make_vec("SpotifyPlaylist-v0", num_envs=2, catalogue=editions, same="song")
    assert env.unwrapped.single_action_space.recordings is editions.songs
    assert env.unwrapped.single_action_space == playlist(editions).action_space  # the same tracks


@pytest.mark.parametrize("policy", sorted(set(POLICIES) - {"fixed"}))  # it plays one list in all sessions
def test_policies__play_no_song_twice(policy: str, editions: Catalogue) -> None:
    env_id = "SpotifyTaste-v0" if issubclass(POLICIES[policy], SeenPolicy) else "SpotifyPlaylist-v0"
    env = gym.make_vec(env_id, num_envs=3, catalogue=editions, same="song", played_width=30)
    observations, _ = env.reset(seed=0)
    player = POLICIES[policy](env)
    for _ in range(18):
        observations, _, _, _, info = env.step(player.predict(observations)[0])
        assert not info["repeat"].any()


def test_same__of_another_kind_is_named(editions: Catalogue) -> None:
    with pytest.raises(ValueError, match=r"same='title' is not known; choose \"recording\" or \"song\""):
        make_dynamics(editions, same="title")
