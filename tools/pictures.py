"""Draw the session of the README: `python -m tools.pictures`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import tyro
from matplotlib.image import imsave

from spotify_gym.cli.command import guarded
from spotify_gym.policies import NearestPolicy


def main(out: Path = Path("docs/session.png"), env: str = "SpotifyPlaylist-v0", catalogue: str = "builtin") -> None:
    """Let the nearest policy play some tracks of a session, and keep its picture.

    Args:
        out: file to write.
        env: id of the environment.
        catalogue: what can be played.
    """
    playing: gym.Env[Any, Any] = gym.make(env, catalogue=catalogue, render_mode="rgb_array")
    observation, _ = playing.reset(seed=3)
    policy = NearestPolicy(playing)
    for _ in range(14):
        observation, *_ = playing.step(policy.predict(observation)[0])
    out.parent.mkdir(parents=True, exist_ok=True)
    picture: Any = playing.render()
    imsave(out, picture)
    print(out)


if __name__ == "__main__":
    sys.exit(guarded(lambda: tyro.cli(main), "python -m tools.pictures"))
