"""Offline RL datasets of logged sessions, made by a fixed recipe: `python -m experiments.datasets`.

For each environment there are three Minari datasets of 1,000 sessions over the built-in catalogue: `random` plays
random tracks, `nearest` the track with the highest immediate reward, `mixed` either with equal probability. One version
of this package makes the same data every time; compare the digest. `infos` hold propensities, and what was played.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import minari

from experiments.lib import FAMILY, main
from experiments.logged.dataset import Log
from spotify_gym.cli.command import Command
from spotify_gym.training import TrainConfig

RECIPES = {"random": 1.0, "mixed": 0.5, "nearest": 0.0}
"""Datasets by name, with the probability of a random track instead of the nearest."""


@dataclass(frozen=True)
class Datasets(Command):
    """Write the datasets of each environment, and print id, size, mean return and digest of each."""

    envs: tuple[str, ...] = FAMILY
    """Environments."""
    catalogue: str = "builtin"
    """Tracks to play; the dataset ids stand for the default, so another catalogue gives other data under them."""
    n_sessions: int = 1000
    """Sessions per dataset."""
    out: Path = Path("results/datasets")
    """Folder to write to; readers set MINARI_DATASETS_PATH to it."""

    def run(self) -> None:
        """Write the missing datasets, and list all."""
        for env in self.envs:
            for name, epsilon in RECIPES.items():
                task = TrainConfig(env=env, catalogue=self.catalogue)
                log = Log(task, "nearest", epsilon, self.n_sessions, f"{env.removesuffix('-v0')}/{name}")
                dataset = minari.MinariDataset(log.written(self.out))
                earned, content = 0.0, hashlib.blake2b(digest_size=8)
                for episode in dataset.iterate_episodes():
                    earned += float(episode.rewards.sum())
                    content.update(episode.actions.tobytes())
                size = f"{dataset.total_episodes:,} sessions, {dataset.total_steps:,} steps"
                size += f", mean return {earned / self.n_sessions:.2f}"
                print(f"{log.dataset_id}: {size}, digest {content.hexdigest()}")


if __name__ == "__main__":
    main(Datasets)
