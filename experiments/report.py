"""One page from the results of a comparison: `python -m experiments.report RESULTS`."""

from __future__ import annotations

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
        """Write the report and say where it is."""
        rows = self.results / "results.parquet"
        if not rows.exists():
            raise ValueError(f"there is no {rows}; run `python -m experiments.compare --out {self.results}` first")
        Compare(out=self.results).report(pd.read_parquet(rows))


if __name__ == "__main__":
    main(Report)
