"""One page from the results of a comparison: `python -m experiments.report RESULTS`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import tyro

from experiments.compare import Compare
from experiments.lib import main
from spotify_gym.cli.command import Command


@dataclass(frozen=True)
class Report(Command):
    """Write report.html and report.md from the results of a comparison."""

    results: tyro.conf.Positional[Path]
    """Folder that `python -m experiments.compare --out` wrote."""

    def run(self) -> None:
        """Write the report and say where it is.

        Raises:
            ValueError: the folder holds no results.
        """
        rows, command = self.results / "results.parquet", self.results / "command.json"
        if not rows.exists():
            raise ValueError(f"there is no {rows}; run `python -m experiments.compare --out {self.results}` first")
        known = json.loads(command.read_text())["command"] if command.exists() else "unknown"
        Compare(out=self.results).report(pd.read_parquet(rows), known)


if __name__ == "__main__":
    main(Report)
