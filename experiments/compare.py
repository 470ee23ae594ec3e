"""Comparison of algorithms with significance tests: `python -m experiments.compare --suite quick`."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import pandas as pd
import tyro

from experiments.lib import FAMILY, Case, Experiment, main
from experiments.lib.suites import SUITES
from spotify_gym.cli.command import Command
from spotify_gym.policies import POLICIES
from spotify_gym.registry import resolve
from spotify_gym.training import RunFolder, train


@dataclass(frozen=True)
class Compare(Experiment):
    """Run a suite of methods on the same held-out sessions and report; a repeated call resumes where it stopped."""

    suite: str = "quick"
    """quick: learners in two environments, minutes. main: the whole family, ten seeds. networks: the exact maximum and
    approximate ones. rivals: SB3's algorithms and ours. overestimation: Double and Dueling with one output per track.
    full: main with ten times the sessions, and the state options. Or your own module:function, which takes a catalogue
    and yields cases."""
    seeds: int | None = None
    """Training runs per method, if fewer than in the suite."""
    envs: tuple[str, ...] = FAMILY
    """Environments of the suite to run."""
    listener: str | None = None
    """Listener in SpotifyLogged-v0, such as the JSON file that `spotify-gym listener fit` writes; None: the default."""
    beside: Path | None = None
    """Results of your own method to compare with the suite: CSV or Parquet with the columns method, session and return,
    and if needed env_id, seed and catalogue; or a file written by `spotify-gym evaluate --out FILE`."""
    agent: bool = False
    """Save the best learner as a run folder, to listen with it in the app."""
    catalogue: str = "builtin"
    """Tracks to play: "builtin", "builtin:26000", a CSV or Parquet table, or a prepared .arrow."""
    out: Path = Path("results/compare")

    def cases(self) -> list[Case]:
        """Return the cases of the suite."""
        if self.suite == "heads":
            raise ValueError("--suite heads is now: --suite networks")
        suite = resolve("--suite", self.suite, SUITES)
        seeds = inf if self.seeds is None else self.seeds
        kept = [case for case in suite(self.catalogue) if case.config.env in self.envs and case.config.seed < seeds]
        cases = [case.heard_by(self.listener) for case in kept]
        if not cases:
            asked = f"--envs {' '.join(self.envs)}" if self.seeds is None else f"--seeds {self.seeds}"
            raise ValueError(f"{asked}: not in the suite {self.suite!r}")
        return cases

    def rows(self) -> pd.DataFrame:
        """Run the missing cases and add the rows of `beside`, which is read first to report its errors early."""
        if self.beside is not None:
            own_rows(self.beside)
        rows = super().rows()
        return rows if self.beside is None else with_own(rows, self.beside, self.catalogue)

    def report(self, rows: pd.DataFrame) -> None:
        """Write the report, and print how to listen with the best learner."""
        super().report(rows)
        if self.agent:
            print(f"\nto listen with the best learner: spotify-gym app {self._kept(rows)}")

    def _kept(self, rows: pd.DataFrame) -> Path:
        """Repeat the first run of the best learner, bit for bit, into a run folder; return the folder."""
        learned = rows[rows["steps"] > 0].groupby("method")["skill"].mean()
        case = next(case for case in self.cases() if case.method == learned.idxmax())
        folder = RunFolder(self.out / "agent")
        if folder.config_file.exists() and not (folder.is_finished and folder.config == case.config):
            shutil.rmtree(folder.path)
        if not folder.config_file.exists():
            train(case.config, folder.path)
        return folder.path


@dataclass(frozen=True)
class Report(Command):
    """Write report.html and report.md from the results of a comparison."""

    results: tyro.conf.Positional[Path]
    """Folder written by `python -m experiments.compare --out`."""

    def run(self) -> None:
        """Write the report and print where it is."""
        rows = self.results / "results.parquet"
        if not rows.exists():
            raise ValueError(f"{rows} not found; run `python -m experiments.compare --out {self.results}` first")
        Compare(out=self.results).report(pd.read_parquet(rows))


def own_rows(path: Path) -> pd.DataFrame:
    """Read the rows of a user's own method; raise `ValueError` if the file is unreadable or a column is missing."""
    try:
        own = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"--beside {path} cannot be read: {error}") from error
    if {"policy", "seed"} <= {*own} and "method" not in own:  # written by `spotify-gym evaluate`
        own = own.rename(columns={"policy": "method", "seed": "session"})
        own = own[~own["method"].isin(POLICIES)]
    if missing := [name for name in ("method", "session", "return") if name not in own]:
        raise ValueError(f"--beside {path}: column {missing[0]!r} not found")
    return own


def with_own(rows: pd.DataFrame, path: Path, catalogue: str) -> pd.DataFrame:
    """Add the rows of a file to those of a suite, for the tasks and sessions of the suite.

    Args:
        rows: rows of the suite.
        path: CSV or Parquet file.
        catalogue: catalogue of the file's rows if the file has no such column.

    Raises:
        ValueError: a column, task or session is missing, or a method has the name of one of the suite.
    """
    own = own_rows(path)
    tasks = rows.drop_duplicates("env")[["env", "env_id", "catalogue", "n_tracks", "fingerprint"]]
    if "env_id" not in own and tasks["env_id"].nunique() > 1:
        raise ValueError(f"--beside {path}: add a column env_id, or keep one environment with --envs")
    usual: dict[str, Any] = {"env_id": tasks["env_id"].iat[0], "catalogue": catalogue, "seed": 0, "steps": 1}
    own = own.assign(**{name: value for name, value in usual.items() if name not in own})
    if taken := sorted({*own["method"]} & {*rows["method"]}):
        raise ValueError(f"--beside {path}: the suite already has a method {taken[0]!r}; rename yours")
    sessions = rows[["env", "session"]].drop_duplicates()
    own = own[[name for name in rows if name in own and name not in ("env", "n_tracks", "fingerprint")]]
    own = own.merge(tasks, on=["env_id", "catalogue"]).merge(sessions, on=["env", "session"])
    found = own.groupby(["method", "env", "seed"], as_index=False).size()
    if found.empty or (found["size"] != found["env"].map(sessions["env"].value_counts())).any():
        first, last = sessions["session"].min(), sessions["session"].max()
        raise ValueError(f"--beside {path}: it must have sessions {first} to {last} of {', '.join(tasks['env'])}")
    return pd.concat([rows, own], ignore_index=True)


if __name__ == "__main__":
    main(Compare)
