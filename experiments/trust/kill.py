"""Kill a training at random moments: each goes on, and ends with the weights of one that nobody disturbed.

    python -m experiments.trust.kill
    python -m experiments.trust.kill --env SpotifySkip-v0 --policy mlp

Every kill is SIGKILL, which no program can prepare for, at a moment drawn uniformly from before the first file is
written to after the last one, in time on the processor, so that a busy machine changes little. A checkpoint is written
after every step, so that many kills fall into a write. Then every file is looked at, and the training resumed, which is
killed again half the time.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import shutil
import sys
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

import numpy as np

from experiments.trust.intact import found_in
from spotify_gym.training import RunFolder, TrainConfig, resume, train
from spotify_gym.training.command_line import Command, run_command
from spotify_gym.training.curve import read_csv
from spotify_gym.training.tensors import read_tensors

_PROG = "python -m experiments.trust.kill"
_LATEST = 1.05  # moment of a kill, as a share of the time that a whole training takes
_AGAIN = 0.5  # probability that a resumed training is killed too


class LostError(ValueError):
    """A killed training did not come back as it was."""


@dataclass(frozen=True)
class Kill(Command):
    """Kill trainings at random moments and compare what becomes of them with one that was left alone."""

    kills: int = 50
    """How many trainings."""
    seed: int = 0
    """Decides the moments, as shares of a whole training."""
    env: str = "SpotifyPlaylist-v0"
    """Id of the environment."""
    algorithm: Literal["dqn", "double", "dueling", "dueling_double"] = "double"
    """The learner."""
    policy: Literal["mlp", "catalogue"] = "catalogue"
    """Its head."""
    steps: int = 2400
    """Environment steps of a training."""

    def run(self) -> None:
        """Print what each kill left behind; stop where something was lost."""
        folder = Path(mkdtemp(prefix="kill-"))
        whole = folder / "whole"
        duration = play_out(self.config, whole)
        print(f"undisturbed, {self.steps} steps take {duration:.2f} s of processor time", flush=True)
        for number in range(self.kills):
            path = folder / f"killed-{number}"
            found = killed(self.config, path, duration, np.random.default_rng([self.seed, number]))
            compare(whole, path)
            print(f"kill {number + 1:>3}: {', then '.join(found)}; resumed to the same weights", flush=True)
            shutil.rmtree(path)
        shutil.rmtree(folder)

    @property
    def config(self) -> TrainConfig:
        """The settings of all these trainings."""
        return TrainConfig(
            catalogue="builtin:300",
            env=self.env,
            algorithm=self.algorithm,
            policy=self.policy,
            hidden=(16,),
            steps=self.steps,
            n_envs=8,
            learning_starts=100,
            checkpoint_seconds=0,
        )


def killed(config: TrainConfig, path: Path, duration: float, rng: np.random.Generator) -> list[str]:
    """Train in a folder until it is finished, with one or more kills on the way; say what each of them left.

    Args:
        config: the settings.
        path: the folder.
        duration: of a whole training [s].
        rng: decides the moments.

    Raises:
        ValueError: a file was not whole after a kill.
    """
    found: list[str] = []
    while not found or rng.random() < _AGAIN:
        play_out(config, path, patience=float(rng.uniform(0, _LATEST * duration)))
        found.append(found_in(path))
    play_out(config, path)
    if found_in(path) != "finished":
        raise LostError(f"{path} could not be finished: {found_in(path)}")
    return found


def play_out(config: TrainConfig, path: Path, patience: float = math.inf) -> float:
    """Begin or go on with a training in another process, and kill that process after so much time on the processor.

    Returns:
        The time on the processor that it had [s].
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([train.__module__])  # so that the process is there at once
    ready, go = context.Event(), context.Event()
    process = context.Process(target=_train, args=(config, path, ready, go))
    process.start()
    assert process.pid is not None
    ready.wait()
    before, spent = _processor_time(process.pid), 0.0
    go.set()
    while process.is_alive() and spent < patience:
        time.sleep(0.0005)
        spent = max(spent, _processor_time(process.pid) - before)
    process.kill()
    process.join()
    return spent


def compare(one: Path, other: Path) -> None:
    """Raise `LostError` unless two run folders hold the same weights and learning curve, bit for bit."""
    ours, theirs = (read_tensors(RunFolder(path).weights_file) for path in (one, other))
    if ours.facts != theirs.facts or ours.arrays.keys() != theirs.arrays.keys():
        raise LostError(f"{other} holds another network than {one}")
    for name, array in ours.arrays.items():
        if not np.array_equal(array, theirs.arrays[name]):
            raise LostError(f"{name} in {other} differs from {one}")
    curves = ([point._replace(seconds=0) for point in read_csv(path / "learning_curve.csv")] for path in (one, other))
    if len({tuple(curve) for curve in curves}) > 1:
        raise LostError(f"the learning curve in {other} differs from {one}")


def _train(config: TrainConfig, path: Path, ready: Event, go: Event) -> None:
    ready.set()
    go.wait()
    folder = RunFolder(path)
    if not folder.config_file.exists():
        train(config, path)
    elif not folder.is_finished:
        resume(path)


def _processor_time(pid: int) -> float:
    """Return the time that the main thread of a process has been running [s]."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:  # it has ended
        return 0.0


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.exit(run_command(Kill, _PROG))
