"""Which algorithm is better here, by how much, and how sure are we: `python -m experiments.compare --suite quick`."""

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
    """Run a suite of methods on the same held-out sessions and report; a second call goes on where it stopped."""

    suite: str = "quick"
    """quick: minutes, the learners where learning pays. main: the whole family, ten seeds. networks: what the exact
    maximum is worth. rivals: learners of SB3 beside ours. overestimation: Double and Dueling with one output per track.
    full: main at ten times the sessions, and the state options. One's own, as module:function, gives cases for a
    catalogue."""
    seeds: int | None = None
    """Training runs of each method, where these are fewer than the suite has."""
    envs: tuple[str, ...] = FAMILY
    """Environments to keep of the suite."""
    listener: str | None = None
    """Who listens in SpotifyLogged-v0, such as the JSON file that `spotify-gym listener fit` writes; None: its own."""
    beside: Path | None = None
    """Rows of one's own method, to stand beside those of the suite: CSV or Parquet with the columns method, session and
    return, and where they are needed env_id, seed and catalogue; or what `spotify-gym evaluate --out FILE` writes."""
    agent: bool = False
    """Keep the best learner as a run folder, to sit in a session with."""
    catalogue: str = "builtin"
    """What can be played: "builtin", "builtin:26000", a CSV or Parquet table, or a prepared .arrow."""
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
            raise ValueError(f"{asked}: the suite {self.suite!r} has none of these")
        return cases

    def rows(self) -> pd.DataFrame:
        """Read one's own method, so that a mistake there is told first; do what is missing; put the two together."""
        if self.beside is not None:
            own_rows(self.beside)
        rows = super().rows()
        return rows if self.beside is None else with_own(rows, self.beside, self.catalogue)

    def report(self, rows: pd.DataFrame) -> None:
        """Report, and say where to sit in a session with the best."""
        super().report(rows)
        if self.agent:
            print(f"\nsit in it: spotify-gym app {self._kept(rows)}")

    def _kept(self, rows: pd.DataFrame) -> Path:
        """Train the best learner's first run again, the same to the bit, this time into a folder."""
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
    """Folder that `python -m experiments.compare --out` wrote."""

    def run(self) -> None:
        """Write the report and say where it is."""
        rows = self.results / "results.parquet"
        if not rows.exists():
            raise ValueError(f"there is no {rows}; run `python -m experiments.compare --out {self.results}` first")
        Compare(out=self.results).report(pd.read_parquet(rows))


def own_rows(path: Path) -> pd.DataFrame:
    """Read the rows of one's own method; raise `ValueError` where there is no such table, or a column is missing."""
    try:
        own = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"--beside {path} cannot be read: {error}") from error
    if {"policy", "seed"} <= {*own} and "method" not in own:  # of `spotify-gym evaluate`, the references among them
        own = own.rename(columns={"policy": "method", "seed": "session"})
        own = own[~own["method"].isin(POLICIES)]
    if missing := [name for name in ("method", "session", "return") if name not in own]:
        raise ValueError(f"--beside {path}: there is no column {missing[0]!r} in it")
    return own


def with_own(rows: pd.DataFrame, path: Path, catalogue: str) -> pd.DataFrame:
    """Add the rows of a file to those of a suite, on the tasks and sessions that the suite has played.

    Args:
        rows: of the suite.
        path: CSV or Parquet.
        catalogue: which one they are of where the file does not say.

    Raises:
        ValueError: a column, task or session is missing, or a method is called as one of the suite.
    """
    own = own_rows(path)
    tasks = rows.drop_duplicates("env")[["env", "env_id", "catalogue", "n_tracks", "fingerprint"]]
    if "env_id" not in own and tasks["env_id"].nunique() > 1:
        raise ValueError(f"--beside {path}: name the environment in a column env_id, or keep one by --envs")
    usual: dict[str, Any] = {"env_id": tasks["env_id"].iat[0], "catalogue": catalogue, "seed": 0, "steps": 1}
    own = own.assign(**{name: value for name, value in usual.items() if name not in own})
    if taken := sorted({*own["method"]} & {*rows["method"]}):
        raise ValueError(f"--beside {path}: the suite has a method {taken[0]!r} of its own; call yours otherwise")
    sessions = rows[["env", "session"]].drop_duplicates()
    own = own[[name for name in rows if name in own and name not in ("env", "n_tracks", "fingerprint")]]
    own = own.merge(tasks, on=["env_id", "catalogue"]).merge(sessions, on=["env", "session"])
    found = own.groupby(["method", "env", "seed"], as_index=False).size()
    if found.empty or (found["size"] != found["env"].map(sessions["env"].value_counts())).any():
        first, last = sessions["session"].min(), sessions["session"].max()
        raise ValueError(f"--beside {path}: it should hold sessions {first} to {last} of {', '.join(tasks['env'])}")
    return pd.concat([rows, own], ignore_index=True)


if __name__ == "__main__":
    main(Compare)
