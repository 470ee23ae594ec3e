"""Work that is killed at random moments can be resumed, and ends with the results of undisturbed work.

Every kill is SIGKILL, which a program cannot handle. Its moment is drawn uniformly from before the first file is
written to after the last one, in processor time, so that a busy machine changes little. Then every file is checked,
and the work is resumed; half of the time it is killed again. `make test` kills a short training once, `make kill` fifty
longer ones, ten comparisons and ten searches.
"""

from __future__ import annotations

import contextlib
import json
import math
import multiprocessing
import os
import time
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

import numpy as np
import optuna
import pandas as pd
import pytest
import torch

from experiments.compare import Compare
from experiments.lib.cases import COSTS, Case, scale_of
from experiments.lib.suites import SUITES
from experiments.tune import Search, Tune, made_in, open_study
from spotify_gym.training import RunFolder, TrainConfig, resume, train
from spotify_gym.training.tensors import read_tensors, write_tensors
from tests.robustness import run_folders

KILLS = {"training": 50, "comparison": 10, "search": 10}
LATEST = 1.05  # latest moment of a kill, as a share of the time of undisturbed work
CONFIG = TrainConfig(
    catalogue="builtin:300",
    env="SpotifyPlaylist-v0",
    algorithm="double",
    hidden=(32,),
    steps=4000,
    n_envs=8,
    learning_starts=100,
)
PRELOAD = ["tests.robustness.test_kill", "matplotlib.figure", "matplotlib.backends.backend_agg"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], tuple[Workload, Path, float]]:
    """Return a function of name and steps that returns a workload, the folder of its results, and its time [s]."""

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
    """Work in another process, and kill it with SIGKILL after ``patience`` of processor time [s].

    Returns:
        The processor time that it took [s].
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
    """Return the processor time of the main thread of a process [s]."""
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


# The workloads, and the checks that their files are complete and equal.

SESSIONS = 10


@dataclass(frozen=True)
class Workload(ABC):
    """Work with results in a folder, from which it can be resumed."""

    config: TrainConfig
    folders: ClassVar[tuple[str, ...]] = (".",)

    @abstractmethod
    def do(self, path: Path) -> None:
        """Start or resume the work."""

    @abstractmethod
    def check_same(self, one: Path, other: Path) -> None:
        """Raise `AssertionError` unless the results in two folders are the same."""

    def check_whole(self, path: Path) -> None:
        """Raise `ValueError` if a file is incomplete."""
        for folder in self.folders:
            check_files(path / folder)


class Training(Workload):
    """A training that saves a checkpoint at each step, so that many kills happen during a write."""

    def do(self, path: Path) -> None:
        """Train or resume."""
        folder = RunFolder(path)
        if not folder.config_file.exists():
            train(replace(self.config, checkpoint_seconds=0), path)
        elif not folder.is_finished:
            resume(path)

    def check_same(self, one: Path, other: Path) -> None:
        """Compare weights and logs bit for bit, except times."""
        ours, theirs = (read_tensors(RunFolder(path).weights_file()) for path in (one, other))
        assert ours.facts == theirs.facts, f"{other} holds another network than {one}"
        assert ours.arrays.keys() == theirs.arrays.keys(), f"{other} holds another network than {one}"
        for name, array in ours.arrays.items():
            assert np.array_equal(array, theirs.arrays[name]), f"{name} in {other} differs from {one}"
        logged = [pd.read_csv(path / "progress.csv").filter(regex="^(?!time/)") for path in (one, other)]
        pd.testing.assert_frame_equal(*logged, obj=f"the log in {other}, beside that in {one},")


class Comparison(Workload):
    """`python -m experiments.compare` with a suite of three references and three short trainings."""

    folders = (".", "cases")

    def do(self, path: Path) -> None:
        """Run the command."""
        with patch.dict(SUITES, quick=self._suite):
            Compare(suite="quick", envs=(self.config.env,), out=path, jobs=1).run()

    def check_same(self, one: Path, other: Path) -> None:
        """Compare the tables, except the columns of cost."""
        ours, theirs = (pd.read_parquet(path / "results.parquet").drop(columns=COSTS) for path in (one, other))
        assert ours.equals(theirs), f"the table in {other} differs from {one}"

    def _suite(self, _catalogue: str) -> Iterator[Case]:
        yield from scale_of(self.config, SESSIONS)
        yield from Case("learner", self.config, n_sessions=SESSIONS).seeded(3)


class Searching(Workload):
    """`python -m experiments.tune` with twelve short trials."""

    folders = (".", "cases")

    @property
    def _search(self) -> Search:
        return Search(self.config, n_seeds=1, n_points=2, n_sessions=SESSIONS)

    def do(self, path: Path) -> None:
        """Run the command."""
        Tune(search=self._search, n_trials=12, n_runs=1, out=path, jobs=1).run()

    def check_same(self, one: Path, other: Path) -> None:
        """Compare all trials and the best settings."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        ours, theirs = (
            [(trial.params, trial.value) for trial in made_in(open_study(path, self._search))] for path in (one, other)
        )
        assert ours == theirs, f"the trials in {other} differ from {one}"
        assert (one / "best.json").read_bytes() == (other / "best.json").read_bytes()


WORKLOADS: Mapping[str, type[Workload]] = {"training": Training, "comparison": Comparison, "search": Searching}
"""The workloads by name."""


def check_files(path: Path) -> None:
    """Check every file in a folder, if the folder exists.

    Raises:
        ValueError: if a file is incomplete.
    """
    for file in sorted(path.iterdir()) if path.is_dir() else ():
        check = CHECKS.get(file.name) or CHECKS.get(file.suffix)
        if check is None or file.name.startswith("."):  # unfinished files have such names, and are removed later
            continue
        try:
            check(file)
        except Exception as error:
            raise ValueError(f"{file} is not whole: {error}") from error


def _check_zip(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None, "a member does not match its checksum"


def _check_end(file: Path, end: bytes) -> None:
    assert file.read_bytes().endswith(end), "it is cut off"


CHECKS: Mapping[str, Callable[[Path], object]] = {
    "config.json": lambda file: RunFolder(file.parent).config,
    "meta.json": lambda file: RunFolder(file.parent).meta,
    ".safetensors": read_tensors,
    ".pth": lambda file: torch.load(file, weights_only=True),
    ".zip": _check_zip,
    ".png": lambda file: _check_end(file, b"IEND\xaeB`\x82"),
    ".html": lambda file: _check_end(file, b"</html>"),
    ".json": lambda file: json.loads(file.read_bytes()),
    ".parquet": pd.read_parquet,
}
"""Readers by file name or else suffix, which raise if a file is incomplete.

The logs of SB3 (progress.csv, monitor.csv) are not checked: SB3 appends to them, and the checkpoint restores them.
"""
