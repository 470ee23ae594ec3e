"""Kill work at random moments: each time it goes on, and ends with the results of work that nobody disturbed.

    python -m experiments.trust.kill                             # fifty trainings
    python -m experiments.trust.kill --victim search --kills 10
    python -m experiments.trust.kill --env SpotifySkip-v0 --policy mlp

Every kill is SIGKILL, which no program can prepare for, at a moment drawn uniformly from before the first file is
written to after the last one, in time on the processor, so that a busy machine changes little. Then every file is
looked at, and the work taken up again, which is killed again half the time.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from experiments.trust.killing import play_out
from experiments.trust.scratch import scratch
from experiments.trust.victims import VICTIMS, Victim
from spotify_gym.cli.command import Command, run_command
from spotify_gym.training import TrainConfig

_PROG = "python -m experiments.trust.kill"
_LATEST = 1.05  # moment of a kill, as a share of the time that all of the work takes
_AGAIN = 0.5  # probability that work taken up again is killed too


@dataclass(frozen=True)
class Kill(Command):
    """Kill work at random moments and compare what becomes of it with work that was left alone."""

    victim: Literal["training", "comparison", "search"] = "training"
    """What is killed."""
    kills: int = 50
    """How many times it is begun, to be killed."""
    seed: int = 0
    """Decides the moments, as shares of the whole."""
    env: str = "SpotifyPlaylist-v0"
    """Id of the environment."""
    algorithm: str = "double"
    """The learner."""
    policy: Literal["mlp", "catalogue"] = "catalogue"
    """Its head."""
    steps: int = 4000
    """Environment steps of a training."""

    def run(self) -> None:
        """Print what each kill left behind; stop where something was lost."""
        victim = VICTIMS[self.victim](self.config)
        with scratch() as folder:
            whole, everything = folder / "whole", set[str]()
            duration = _play(victim, whole)
            print(f"undisturbed, it takes {duration:.2f} s of processor time", flush=True)
            for number in range(self.kills):
                path = folder / f"killed-{number}"
                found = killed(victim, path, duration, np.random.default_rng([self.seed, number]))
                victim.compare(whole, path)
                print(f"kill {number + 1:>3}: {', then '.join(found)}; the same in the end", flush=True)
                everything.update(found)
                shutil.rmtree(path)
        print(f"{self.kills} times killed, in {len(everything)} different states; nothing was lost")

    @property
    def config(self) -> TrainConfig:
        """The settings of all trainings."""
        return TrainConfig(
            catalogue="builtin:300",
            env=self.env,
            algorithm=self.algorithm,
            policy=self.policy,
            hidden=(32,),
            steps=self.steps,
            n_envs=8,
            learning_starts=100,
        )


def killed(victim: Victim, path: Path, duration: float, rng: np.random.Generator) -> list[str]:
    """Work in a folder until all is done, with one or more kills on the way; say what each of them left.

    Args:
        victim: the work.
        path: the folder.
        duration: of all of the work [s].
        rng: decides the moments.

    Raises:
        ValueError: a file was not whole after a kill, or the work could not be finished.
    """
    found: list[str] = []
    while not found or rng.random() < _AGAIN:
        _play(victim, path, patience=float(rng.uniform(0, _LATEST * duration)))
        found.append(victim.found(path))
    _play(victim, path)
    return found


def _play(victim: Victim, path: Path, patience: float = np.inf) -> float:
    return play_out(partial(victim.play, path), victim.modules, patience)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.exit(run_command(Kill, _PROG))
