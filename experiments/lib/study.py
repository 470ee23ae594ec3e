"""Study: methods meet on tasks, all in the same held-out sessions; then tables, what differs, and figures.

One of your own is a class that says in `methods` what is tried, as `experiments/states.py` shows; it may say otherwise
what is compared (`pairs`), shown (`tables`) and drawn (`draw`), and a `Case` of its own how a method comes about.
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

_MOST_SAID, _MOST_WORDS = 12, 2  # sentences and paragraphs on the terminal; more stand in the report only


@dataclass(frozen=True)
class Experiment(Command):
    """Cases, a run of them all, and a report. A second call goes on where the first one stopped."""

    out: Path = Path("results")
    """Folder of the results."""
    jobs: int = 2
    """Processes on this machine, one training each."""
    cluster: str | None = None
    """Address of a Dask scheduler (tcp://...) whose workers do the work instead; they must find the same table."""

    measure: ClassVar[str] = "skill"
    """Column that methods are compared by."""

    @abstractmethod
    def cases(self) -> Iterable[Case]:
        """Return all that is to be done."""

    def run(self) -> None:
        """Do what is missing, and report."""
        began = time.perf_counter()
        rows = self.rows()
        print(f"took {time.perf_counter() - began:,.0f} s")
        rows = with_skill(rows) if self.measure == "skill" else rows
        rows.attrs["command"] = _typed()
        with replacing(self.out / "results.parquet") as file:
            rows.to_parquet(file, index=False)
        self.report(rows)

    def rows(self) -> pd.DataFrame:
        """Do what is missing, and return the rows of all cases."""
        return run_cases(list(self.cases()), self.out, jobs=self.jobs, cluster=self.cluster)

    def report(self, rows: pd.DataFrame) -> None:
        """Print tables and what differs, draw, and write all of it on one page."""
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
        """Return tables of texts with their titles, what matters most on the left."""
        return report.tables_of(rows)

    def words(self, rows: pd.DataFrame) -> list[str]:
        """Say of each task in a paragraph what its table says, where that is about skill."""
        tasks = rows.groupby("env", sort=False) if self.measure == "skill" else ()
        return [words for _, of_task in tasks if (words := report.in_words(of_task))]

    def pairs(self, learners: list[str]) -> Iterable[tuple[str, str]]:
        """Return the methods of a task that are set against each other; those that did not meet are left out."""
        return [*combinations(learners, 2), *((learner, "nearest") for learner in learners)]

    def findings(self, rows: pd.DataFrame) -> list[str]:
        """Say of the pairs of each task whether they differ, corrected for their number."""
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
    """An experiment with learners, each trained with several seeds, and the references that give them their scale."""

    config: tyro.conf.OmitArgPrefixes[TrainConfig] = field(
        default_factory=lambda: TrainConfig.template(env="SpotifyPlaylist-v0", algorithm="double", steps=20_000)
    )
    n_seeds: int = 10
    """Training runs of each method."""
    n_sessions: int = 100
    """Held-out sessions to play."""

    scale: ClassVar[tuple[str, ...]] = SCALE
    """Reference policies that play on every task."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", replace(self.config))  # settled, where it is a template

    @abstractmethod
    def methods(self) -> Iterable[Case]:
        """Return a case for each method on each task."""

    def cases(self) -> Iterator[Case]:
        """Return the references of every task, and the methods with all their seeds."""
        cases = [replace(case, n_sessions=self.n_sessions) for case in self.methods()]
        tasks: dict[str, TrainConfig] = {}
        for case in cases:
            tasks.setdefault(case.task, case.config)
        for config in tasks.values():
            yield from scale_of(config, self.n_sessions, self.scale)
        for case in cases:
            yield from case.seeded(self.n_seeds)


def main(command: type[Command]) -> None:
    """Run a command as the program that was started, and exit."""
    sys.exit(run_command(command, _program()))


def _program() -> str:
    spec = sys.modules["__main__"].__spec__
    return f"python -m {spec.name}" if spec else f"python {sys.argv[0]}"


def _typed() -> str:
    """Return the command as it was typed, files by their name alone."""
    return " ".join([_program(), *(re.sub("[^=]*/", "", word) for word in sys.argv[1:])])
