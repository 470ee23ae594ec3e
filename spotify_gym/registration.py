"""The registered environments, as data."""

from __future__ import annotations

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
}
"""Id of each environment, with the length of a session and the options that make it."""


def register_envs() -> None:
    """Register every environment with Gymnasium; doing so twice is harmless."""
    for env_id, preset in ENVS.items():
        if env_id not in gym.registry:
            gym.register(
                env_id,
                entry_point="spotify_gym.session.env:SpotifyEnv",
                vector_entry_point="spotify_gym.session.vector_env:SpotifyVectorEnv",
                order_enforce=False,  # the environment says itself what must come first
                **preset,
            )
