"""Registration of the environments with Gymnasium."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym

ENVS: dict[str, dict[str, Any]] = {
    "SpotifySession-v0": {"max_episode_steps": 20, "kwargs": {}},
    "SpotifyPlaylist-v0": {"max_episode_steps": 20, "kwargs": {"repeats": False, "reward": {"flow": 0.5, "fit": 0.5}}},
    "SpotifySatiation-v0": {"max_episode_steps": 20, "kwargs": {"repeats": False, "listener": "satiated"}},
    "SpotifySkip-v0": {
        "max_episode_steps": 50,
        "kwargs": {"repeats": False, "listener": "skipping", "reward": {"listened": 1.0}},
    },
    "SpotifyLogged-v0": {
        "max_episode_steps": 50,
        "kwargs": {"repeats": False, "same": "song", "listener": "logged", "reward": {"listened": 1.0}},
    },
    "SpotifyTaste-v0": {
        "max_episode_steps": 50,
        "kwargs": {
            "repeats": False,
            "same": "song",
            "reward": {"listened": 1.0},
            "listener": {  # all values are given, so that changed defaults do not change this environment
                "listener": "skipping",
                "position": (-0.12, -0.51, -0.59, -0.68, -0.92),
                "last_skip": 1.58,
                "recent_skips": 0.36,
                "mood_sd": 0.45,
                "taste_weight": 4.0,
                "patience": 15.0,
                "start_pool": 6,  # H + 1: one track sets the taste, the H others are a random start unrelated to it
            },
        },
    },
}
"""Environments by id: the length of a session and the options of the environment."""

SMALL = "builtin:1000"
"""Catalogue of the small ids, `SpotifySession-1k-v0` and so on, for scripts that accept only an id."""


def small_id(env_id: str) -> str:
    """Return the id of the same environment with the small catalogue: "SpotifySession-1k-v0"."""
    name, _, version = env_id.rpartition("-")
    return f"{name}-1k-{version}"


def register_envs() -> None:
    """Register every environment and its small variant with Gymnasium; repeated calls have no effect."""
    for env_id, preset in ENVS.items():
        _register(env_id, **preset)
        _register(small_id(env_id), **{**preset, "kwargs": {**preset["kwargs"], "catalogue": SMALL}})


def refuse_catalogue(env_id: str, options: Mapping[str, Any]) -> None:
    """Check that no catalogue is given with a small id.

    Raises:
        ValueError: a catalogue is given.
    """
    for large in ENVS:
        if env_id == small_id(large) and options.get("catalogue") != SMALL:
            raise ValueError(f"{env_id} has its own 1,000 tracks; for another catalogue make {large}")


def _register(env_id: str, **preset: Any) -> None:
    if env_id not in gym.registry:
        gym.register(
            env_id,
            entry_point="spotify_gym.session.env:SpotifyEnv",
            vector_entry_point="spotify_gym.session.vector_env:SpotifyVectorEnv",
            order_enforce=False,  # the environment itself checks that `reset` comes first
            **preset,
        )
