"""Studies: methods evaluated on the same held-out sessions of tasks, with tables, significance tests and figures.

To write your own, derive a class from `Study` and define `methods`, as in `experiments/states.py`. It may override the
comparisons (`pairs`), tables (`tables`) and figures (`draw`), and use its own `Case` to make a method differently.
"""

from __future__ import annotations

import re
import sys
import textwrap
import time
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import ClassVar

import pandas as pd
import tyro

from experiments.lib import report
from experiments.lib.aggregation import comparisons, with_skill
from experiments.lib.cases import SCALE, Case, run_cases, scale_of
from spotify_gym.catalogue.files import replacing
from spotify_gym.cli.command import Command, run_command
from spotify_gym.training import TrainConfig

_MOST_SAID, _MOST_WORDS = 12, 2  # if there are more sentences or paragraphs, they are only in the report


@dataclass(frozen=True)
class Experiment(Command):
    """Base of experiments: run all cases, then report. A repeated call resumes where it stopped."""

    out: Path = Path("results")
    """Folder of the results."""
    jobs: int = 2
    """Processes on this machine, one training run each."""
    cluster: str | None = None
    """Address of a Dask scheduler (tcp://...) to use instead; its workers must find the table at the same path."""

    measure: ClassVar[str] = "skill"
    """Column by which methods are compared."""

    @abstractmethod
    def cases(self) -> Iterable[Case]:
        """Return the cases of the experiment."""

    def run(self) -> None:
        """Run the missing cases, and report."""
        began = time.perf_counter()
        rows = self.rows()
        print(f"took {time.perf_counter() - began:,.0f} s")
        rows = with_skill(rows) if self.measure == "skill" else rows
        rows.attrs["command"] = _typed()
        with replacing(self.out / "results.parquet") as file:
            rows.to_parquet(file, index=False)
        self.report(rows)

    def rows(self) -> pd.DataFrame:
        """Run the missing cases, and return the rows of all cases."""
        return run_cases(list(self.cases()), self.out, jobs=self.jobs, cluster=self.cluster)

    def report(self, rows: pd.DataFrame) -> None:
        """Print tables and test results, draw the figures, and write all to one page."""
        tables, said = list(self.tables(rows)), self.findings(rows)
        words = self.words(rows)
        for title, table in tables:
            report.show(title, table)
        for sentence in said if len(said) <= _MOST_SAID else ():
            print(sentence)
        self.draw(rows)
        lists = {"What differs and what does not": said, "How this was made": report.provenance(rows)}
        page = report.write(self.out, tables, {"In words": words, **lists} if words else lists)
        print(f"results: {self.out / 'results.parquet'}\nreport:  {page}")
        for paragraph in words if len(words) <= _MOST_WORDS else ():
            print(f"\n{textwrap.fill(paragraph, 80)}")

    def tables(self, rows: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
        """Return titles and tables of texts, with the most important columns on the left."""
        return report.tables_of(rows)

    def words(self, rows: pd.DataFrame) -> list[str]:
        """Return a paragraph that summarises each task, if methods are compared by skill."""
        tasks = rows.groupby("env", sort=False) if self.measure == "skill" else ()
        return [words for _, of_task in tasks if (words := report.in_words(of_task))]

    def pairs(self, learners: list[str]) -> Iterable[tuple[str, str]]:
        """Return the pairs of methods to compare; pairs of which one is missing in a task are left out."""
        return [*combinations(learners, 2), *((learner, "nearest") for learner in learners)]

    def findings(self, rows: pd.DataFrame) -> list[str]:
        """Return the test results of the pairs of each task, corrected for the number of pairs."""
        said = []
        for task, of_task in rows.groupby("env", sort=False):
            learners = list(of_task.loc[of_task["steps"] > 0, "method"].unique())
            pairs = [pair for pair in self.pairs(learners) if set(pair) <= set(of_task["method"])]
            for pair, found in zip(pairs, comparisons(of_task, pairs, self.measure), strict=True):
                said.append(f"{task}: {found.describe(*pair, self.measure)}")
        return said

    def draw(self, rows: pd.DataFrame) -> None:
        """Draw figures into the folder."""
        report.draw(rows, self.out)


@dataclass(frozen=True)
class Study(Experiment):
    """An experiment with learners, trained with several seeds each, and the reference policies of their tasks."""

    config: tyro.conf.OmitArgPrefixes[TrainConfig] = field(
        default_factory=lambda: TrainConfig.template(env="SpotifyPlaylist-v0", algorithm="double", steps=20_000)
    )
    n_seeds: int = 10
    """Training runs per method."""
    n_sessions: int = 100
    """Held-out sessions per run."""

    scale: ClassVar[tuple[str, ...]] = SCALE
    """Reference policies to evaluate on every task."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", replace(self.config))  # resolves a template's open settings

    @abstractmethod
    def methods(self) -> Iterable[Case]:
        """Return a case for each method on each task."""

    def cases(self) -> Iterator[Case]:
        """Yield the references of every task, and the methods with all their seeds."""
        cases = [replace(case, n_sessions=self.n_sessions) for case in self.methods()]
        tasks: dict[str, TrainConfig] = {}
        for case in cases:
            tasks.setdefault(case.task, case.config)
        for config in tasks.values():
            yield from scale_of(config, self.n_sessions, self.scale)
        for case in cases:
            yield from case.seeded(self.n_seeds)


def main(command: type[Command]) -> None:
    """Run a command as the main program, and exit with its exit code."""
    sys.exit(run_command(command, _program()))


def _program() -> str:
    spec = sys.modules["__main__"].__spec__
    return f"python -m {spec.name}" if spec else f"python {sys.argv[0]}"


def _typed() -> str:
    """Return the command line, with paths reduced to file names."""
    return " ".join([_program(), *(re.sub("[^=]*/", "", word) for word in sys.argv[1:])])
