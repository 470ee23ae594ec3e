"""Draw the session of the README: `python -m experiments.pictures`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
from matplotlib.image import imsave

from spotify_gym.policies import NearestPolicy
from spotify_gym.training.command_line import Command, run_command


@dataclass(frozen=True)
class Pictures(Command):
    """Play some tracks of a session and keep its picture."""

    out: Path = Path("docs/session.png")
    """File to write."""
    env: str = "SpotifyPlaylist-v0"
    """Id of the environment."""
    catalogue: str = "builtin"
    """What can be played."""
    n_tracks: int = 14
    """Tracks to play before the picture is taken."""
    seed: int = 3
    """Of the session."""

    def run(self) -> None:
        """Let the nearest track play, and draw."""
        env = gym.make(self.env, catalogue=self.catalogue, render_mode="rgb_array")
        observation, _ = env.reset(seed=self.seed)
        policy = NearestPolicy(env)
        for _ in range(self.n_tracks):
            observation, *_ = env.step(policy.predict(observation)[0])
        self.out.parent.mkdir(parents=True, exist_ok=True)
        picture: Any = env.render()
        imsave(self.out, picture)
        print(self.out)


if __name__ == "__main__":
    sys.exit(run_command(Pictures, "python -m experiments.pictures"))
