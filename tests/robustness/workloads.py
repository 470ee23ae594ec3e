"""Workloads to be killed: a training, a comparison, a search; and whether their files are whole, and the same."""

from __future__ import annotations

import json
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

import numpy as np
import optuna
import pandas as pd
import torch

from experiments.compare import Compare
from experiments.lib.cases import COSTS, Case, scale_of
from experiments.lib.search_space import Search, made_in, open_study
from experiments.lib.suites import SUITES
from experiments.tune import Tune
from spotify_gym.training import RunFolder, TrainConfig, resume, train
from spotify_gym.training.tensors import read_tensors

SESSIONS = 10


@dataclass(frozen=True)
class Workload(ABC):
    """Work that is kept in a folder and goes on there."""

    config: TrainConfig
    folders: ClassVar[tuple[str, ...]] = (".",)

    @abstractmethod
    def do(self, path: Path) -> None:
        """Begin the work, or go on with it."""

    @abstractmethod
    def check_same(self, one: Path, other: Path) -> None:
        """Raise `AssertionError` unless the results in two folders are the same."""

    def check_whole(self, path: Path) -> None:
        """Raise `ValueError` where a file is not whole."""
        for folder in self.folders:
            check_files(path / folder)


class Training(Workload):
    """A training; each of its steps leaves a checkpoint, so that many kills fall into a write."""

    def do(self, path: Path) -> None:
        """Train or resume."""
        folder = RunFolder(path)
        if not folder.config_file.exists():
            train(replace(self.config, checkpoint_seconds=0), path)
        elif not folder.is_finished:
            resume(path)

    def check_same(self, one: Path, other: Path) -> None:
        """Compare weights and logs bit for bit, times aside."""
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
        """Compare the tables, but for what the runs cost."""
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
"""All of them, by name."""


def check_files(path: Path) -> None:
    """Look at every file of a folder, where there is one.

    Raises:
        ValueError: one is not whole.
    """
    for file in sorted(path.iterdir()) if path.is_dir() else ():
        check = CHECKS.get(file.name) or CHECKS.get(file.suffix)
        if check is None or file.name.startswith("."):  # unfinished ones bear such a name, and are cleared away
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
"""What reads each file, by its name or else its ending, and raises where it is not whole.

SB3 writes on in its logs (progress.csv, monitor.csv); the checkpoint holds what they are put back to.
"""
