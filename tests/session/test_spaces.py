"""The spaces: what a learner may read off them."""

from __future__ import annotations

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box

from spotify_gym import ENVS, Catalogue


@pytest.mark.parametrize("env_id", ENVS)
def test_action_space__says_whether_repeats_are_forbidden(env_id: str, small: Catalogue) -> None:
    space = gym.make(env_id, catalogue=small).action_space
    for same in space, copy.copy(space), copy.deepcopy(space), pickle.loads(pickle.dumps(space)):
        assert same.forbids_repeats == (env_id != "SpotifySession-v0")


@pytest.mark.parametrize(
    ("env_id", "state", "begins"),
    [
        ("SpotifySession-v0", "mean", [0]),
        ("SpotifyPlaylist-v0", "mean+decayed", [0, 9, 18]),
        ("SpotifySession-v0", "history", [0, 9, 18, 27, 36]),
        ("SpotifySatiation-v0", "mean", [0, 9]),
        ("SpotifySkip-v0", "mean", [0]),
    ],
)
def test_observation_space__knows_its_vectors(env_id: str, state: str, begins: list[int], small: Catalogue) -> None:
    space = gym.make(env_id, catalogue=small, state=state).observation_space
    assert isinstance(space, Box)
    for same in space, copy.copy(space), copy.deepcopy(space), pickle.loads(pickle.dumps(space)):
        assert same.blocks == tuple(slice(begin, begin + 9) for begin in begins)
        assert same == Box(space.low, space.high, dtype=np.float32) == same
