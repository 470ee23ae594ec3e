"""Work that is killed at random moments goes on, and ends with the results of work that nobody disturbed.

Every kill is SIGKILL, which no program can prepare for, at a moment drawn uniformly from before the first file is
written to after the last one, in time on the processor, so that a busy machine changes little. Then every file is
looked at, and the work taken up again, which is killed again half the time. `make test` kills a short training once,
`make kill` fifty longer ones, ten comparisons and ten searches.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest

from spotify_gym.training import TrainConfig
from spotify_gym.training.tensors import read_tensors, write_tensors
from tests.robustness import run_folders
from tests.robustness.workloads import CHECKS, WORKLOADS, Training, Workload, check_files

KILLS = {"training": 50, "comparison": 10, "search": 10}
LATEST = 1.05  # moment of a kill, as a share of the time that all of the work takes
CONFIG = TrainConfig(
    catalogue="builtin:300",
    env="SpotifyPlaylist-v0",
    algorithm="double",
    hidden=(32,),
    steps=4000,
    n_envs=8,
    learning_starts=100,
)
PRELOAD = ["tests.robustness.workloads", "matplotlib.figure", "matplotlib.backends.backend_agg"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], tuple[Workload, Path, float]]:
    """Return a workload, the folder where it was done, and the processor time that this took [s]."""

    @cache
    def done(name: str, steps: int) -> tuple[Workload, Path, float]:
        workload, folder = WORKLOADS[name](replace(CONFIG, steps=steps)), tmp_path_factory.mktemp(name) / "whole"
        return workload, folder, work_until_killed(workload, folder)

    return done


@pytest.mark.parametrize(
    ("name", "number", "steps"),
    [
        ("training", 0, 200),
        *(pytest.param(name, 0, 400, marks=pytest.mark.slow) for name in ("comparison", "search")),
        *(
            pytest.param(name, number, CONFIG.steps, marks=pytest.mark.kill)
            for name, kills in KILLS.items()
            for number in range(1, kills + 1)
        ),
    ],
)
def test_killed__ends_the_same(name: str, number: int, steps: int, undisturbed, tmp_path: Path) -> None:
    workload, whole, duration = undisturbed(name, steps)
    rng = np.random.default_rng(number)
    killed = False
    while not killed or rng.random() < 0.5:
        work_until_killed(workload, tmp_path / "killed", patience=rng.uniform(0, LATEST * duration))
        workload.check_whole(tmp_path / "killed")
        killed = True
    work_until_killed(workload, tmp_path / "killed")
    workload.check_same(whole, tmp_path / "killed")


def work_until_killed(workload: Workload, folder: Path, patience: float = math.inf) -> float:
    """Work in another process, and kill that process with SIGKILL after so much time on the processor [s].

    Returns:
        The time on the processor that it had [s].
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    ready, go = context.Event(), context.Event()
    process = context.Process(target=_work, args=(workload, folder, ready, go))
    process.start()
    ready.wait()
    before, spent = _processor_time(process.pid), 0.0
    go.set()
    while process.is_alive() and spent < patience:
        time.sleep(0.0005)
        spent = max(spent, _processor_time(process.pid) - before)
    process.kill()
    process.join()
    assert process.exitcode <= 0, f"it ended with exit code {process.exitcode} before it could be killed"
    return spent


def _work(workload: Workload, folder: Path, ready: Event, go: Event) -> None:
    ready.set()
    go.wait()
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        workload.do(folder)


def _processor_time(pid: int) -> float:
    """Return the time that the main thread of a process has been running [s]."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:  # it has ended
        return 0.0


def test_training__of_other_weights_is_noticed(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for path in one, other:
        run_folders.write_finished(path)
    training = Training(run_folders.CONFIG)
    training.check_same(one, other)
    weights = read_tensors(other / "weights.safetensors")
    name = next(iter(weights.arrays))
    changed = {**weights.arrays, name: weights.arrays[name] + np.float32(1e-6)}
    write_tensors(other / "weights.safetensors", weights._replace(arrays=changed))
    with pytest.raises(AssertionError, match=f"{name} in .* differs"):
        training.check_same(one, other)


def test_files__cut_off_are_noticed(tmp_path: Path) -> None:
    run_folders.write_finished(tmp_path / "run")
    check_files(tmp_path / "run")
    for file in [file for file in (tmp_path / "run").iterdir() if {file.name, file.suffix} & CHECKS.keys()]:
        content = file.read_bytes()
        file.write_bytes(content[:-9])
        with pytest.raises(ValueError, match=f"{file.name} is not whole"):
            check_files(tmp_path / "run")
        file.write_bytes(content)
