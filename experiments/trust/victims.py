"""What is killed: a training, a comparison, a search over settings; and how to tell that nothing of it was lost."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

import numpy as np
import optuna
import pandas as pd

from experiments.compare import Compare
from experiments.lib.cases import COSTS, Case, scale_of
from experiments.lib.search_space import Search, made_in, open_study
from experiments.lib.suites import SUITES
from experiments.trust.intact import check_files, found_in
from experiments.tune import Tune
from spotify_gym.training import RunFolder, TrainConfig, resume, train
from spotify_gym.training.learning_curve import read_curve
from spotify_gym.training.tensors import read_tensors

_SESSIONS = 10


class LostError(ValueError):
    """Something killed did not come back as it was."""


@dataclass(frozen=True)
class Victim(ABC):
    """Work that is kept in a folder and goes on there."""

    config: TrainConfig
    modules: ClassVar[Sequence[str]]
    """What its process imports first."""

    @abstractmethod
    def play(self, path: Path) -> None:
        """Begin the work, or go on with it."""

    @abstractmethod
    def found(self, path: Path) -> str:
        """Say how far it is; raise `ValueError` where a file is not whole."""

    @abstractmethod
    def compare(self, one: Path, other: Path) -> None:
        """Raise `LostError` unless the results in two folders are the same."""


class Training(Victim):
    """A training; each of its steps leaves a checkpoint, so that many kills fall into a write."""

    modules = ("spotify_gym.training.trainer", "matplotlib.figure", "matplotlib.backends.backend_agg")

    def play(self, path: Path) -> None:
        """Train or resume."""
        folder = RunFolder(path)
        if not folder.config_file.exists():
            train(replace(self.config, checkpoint_seconds=0), path)
        elif not folder.is_finished:
            resume(path)

    def found(self, path: Path) -> str:
        """Name the step of the checkpoint."""
        return found_in(path)

    def compare(self, one: Path, other: Path) -> None:
        """Compare weights and learning curves bit for bit."""
        ours, theirs = (read_tensors(RunFolder(path).weights_file) for path in (one, other))
        if ours.facts != theirs.facts or ours.arrays.keys() != theirs.arrays.keys():
            raise LostError(f"{other} holds another network than {one}")
        for name, array in ours.arrays.items():
            if not np.array_equal(array, theirs.arrays[name]):
                raise LostError(f"{name} in {other} differs from {one}")
        curves = ([point._replace(seconds=0) for point in read_curve(path)] for path in (one, other))
        if len({tuple(curve) for curve in curves}) > 1:
            raise LostError(f"the learning curve in {other} differs from {one}")


class Comparison(Victim):
    """`python -m experiments.compare` with a suite of three references and three short trainings."""

    modules = ("experiments.compare",)

    def play(self, path: Path) -> None:
        """Run the command."""
        with _quiet(), patch.dict(SUITES, quick=self._suite):
            Compare(suite="quick", envs=(self.config.env,), out=path, jobs=1).run()

    def found(self, path: Path) -> str:
        """Count the cases."""
        check_files(path)
        check_files(path / "cases")
        n_done = len(list((path / "cases").glob("*.parquet")))
        return f"{n_done} cases" + (" and the table" if (path / "results.parquet").exists() else "")

    def compare(self, one: Path, other: Path) -> None:
        """Compare the tables, but for what the runs cost."""
        ours, theirs = (pd.read_parquet(path / "results.parquet").drop(columns=COSTS) for path in (one, other))
        if not ours.equals(theirs):
            raise LostError(f"the table in {other} differs from {one}")

    def _suite(self, _catalogue: str) -> Iterator[Case]:
        yield from scale_of(self.config, _SESSIONS)
        yield from Case("learner", self.config, n_sessions=_SESSIONS).seeded(3)


class Searching(Victim):
    """`python -m experiments.tune` with twelve short trials."""

    modules = ("experiments.tune",)

    @property
    def _search(self) -> Search:
        return Search(self.config, n_seeds=1, n_points=2, n_sessions=_SESSIONS)

    def play(self, path: Path) -> None:
        """Run the command."""
        with _quiet():
            Tune(search=self._search, n_trials=12, n_runs=1, out=path, jobs=1).run()

    def found(self, path: Path) -> str:
        """Count the trials."""
        check_files(path)
        check_files(path / "cases")
        return f"{len(self._made(path))} trials" + (" and the best settings" if (path / "best.json").exists() else "")

    def compare(self, one: Path, other: Path) -> None:
        """Compare all trials and the best settings."""
        ours, theirs = (self._trials(path) for path in (one, other))
        if ours != theirs:
            raise LostError(f"the trials in {other} differ from {one}: {theirs} instead of {ours}")
        if (one / "best.json").read_bytes() != (other / "best.json").read_bytes():
            raise LostError(f"the best settings in {other} differ from {one}")

    def _trials(self, path: Path) -> list[tuple[dict[str, object], object]]:
        return [(trial.params, trial.value) for trial in self._made(path)]

    def _made(self, path: Path) -> list[optuna.trial.FrozenTrial]:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        return made_in(open_study(path, self._search))


VICTIMS: Mapping[str, type[Victim]] = {"training": Training, "comparison": Comparison, "search": Searching}
"""All of them, by name."""


@contextmanager
def _quiet() -> Iterator[None]:
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield
