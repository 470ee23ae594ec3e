"""Which algorithm is better here, by how much, and how sure are we: `python -m experiments.compare --suite quick`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console

from experiments.lib.results import with_skill
from experiments.lib.runner import keep_rows, run_cases
from experiments.lib.suites import FAMILY, suite_named
from experiments.lib.tables import console_table
from experiments.report import write_report
from spotify_gym.catalogue.atomic import replacing
from spotify_gym.cli.command import Command, run_command


@dataclass(frozen=True)
class Compare(Command):
    """Run a suite of methods on the same held-out sessions and report; a second call goes on where it stopped."""

    suite: str = "quick"
    """quick: minutes, the four learners on one task. main: the whole family, ten seeds. networks: what the exact
    maximum is worth. full: main at ten times the sessions, and the state options."""
    envs: tuple[str, ...] = FAMILY
    """Environments to keep of the suite."""
    catalogue: str = "builtin"
    """What can be played: "builtin", "builtin:26000", a CSV or Parquet table, or a prepared .arrow."""
    out: Path = Path("results/compare")
    """Folder of the results."""
    jobs: int = 2
    """Processes on this machine, one training each."""
    cluster: str | None = None
    """Address of a Dask scheduler (tcp://...) whose workers do the work instead; they must find the same table."""

    def run(self) -> None:
        """Run what is missing, print one table per task, write the report."""
        cases = [case for case in suite_named(self.suite)(self.catalogue) if case.config.env in self.envs]
        if not cases:
            raise ValueError(f"--envs {' '.join(self.envs)}: the suite {self.suite!r} has none of these")
        rows = with_skill(run_cases(cases, self.out, jobs=self.jobs, cluster=self.cluster))
        keep_rows(self.out / "results.parquet", rows)
        self._note_command()
        show(rows)
        page = write_report(self.out)
        print(f"results: {self.out / 'results.parquet'}\nreport:  {page}")

    def _note_command(self) -> None:
        envs = "" if self.envs == FAMILY else f" --envs {' '.join(self.envs)}"
        options = f"--suite {self.suite} --catalogue {Path(self.catalogue).name}{envs}"
        with replacing(self.out / "command.json") as file:
            file.write(json.dumps({"command": f"python -m experiments.compare {options}"}).encode())


def show(rows: pd.DataFrame) -> None:
    """Print one table per task."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    for _, of_task in rows.groupby("env", sort=False):
        console.print(console_table(of_task))


if __name__ == "__main__":
    sys.exit(run_command(Compare, "python -m experiments.compare"))
