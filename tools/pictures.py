"""Render a session of each environment as a GIF, for README and documentation: `python -m tools.pictures`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import tyro
from PIL import Image

from spotify_gym import ENVS
from spotify_gym.cli.command import guarded
from spotify_gym.policies import NearestPolicy

_SIZE = (640, 384)
_COLOURS = 32
_FRAME, _LAST = 700, 3_000  # display time of a frame, and of the last one [ms]


def main(
    out: Path = Path("docs/pictures"), catalogue: str = "builtin:20000", envs: tuple[str, ...] = tuple(ENVS)
) -> None:
    """Play a session with the nearest policy in each environment, with a frame after every track.

    Args:
        out: folder to write to.
        catalogue: catalogue to play from.
        envs: ids of the environments.
    """
    out.mkdir(parents=True, exist_ok=True)
    for env_id in envs:
        first, *rest = [_picture(frame) for frame in _session(env_id, catalogue)]
        file = out / f"{env_id}.gif"
        shown = [_FRAME] * len(rest) + [_LAST]
        first.save(file, save_all=True, append_images=rest, duration=shown, loop=0, optimize=True)
        print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


def _session(env_id: str, catalogue: str) -> list[Any]:
    env: gym.Env[Any, Any] = gym.make(env_id, catalogue=catalogue, render_mode="rgb_array", max_episode_steps=20)
    observation, _ = env.reset(seed=3)
    policy, frames, over = NearestPolicy(env), [env.render()], False
    while not over:
        observation, _, left, cut, _ = env.step(policy.predict(observation)[0])
        frames.append(env.render())
        over = left or cut
    return frames


def _picture(frame: Any) -> Image.Image:
    return Image.fromarray(frame).resize(_SIZE, Image.Resampling.LANCZOS).quantize(_COLOURS, dither=Image.Dither.NONE)


if __name__ == "__main__":
    sys.exit(guarded(lambda: tyro.cli(main), "python -m tools.pictures"))
