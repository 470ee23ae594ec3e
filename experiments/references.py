"""What the policies that do not learn earn, the table that gives every number its scale.

`python -m experiments.references --catalogue TABLE`
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from experiments.lib.cases import Case
from experiments.lib.runner import run_cases
from experiments.lib.statistics import bootstrap_interval
from experiments.lib.suites import FAMILY, REFERENCES
from spotify_gym.cli.command import Command, run_command
from spotify_gym.policies.bound import upper_bound
from spotify_gym.training import EVALUATION_SEED, TrainConfig
from spotify_gym.training.learners import catalogue_of

BOUND = "bound"
"""Stands beside the policies: more than anybody can earn."""


@dataclass(frozen=True)
class References(Command):
    """Let the reference policies play the same held-out sessions; a second call with the same settings is at once."""

    catalogue: str = "builtin"
    """What can be played: "builtin", "builtin:26000", a CSV or Parquet table, or a prepared .arrow."""
    envs: tuple[str, ...] = FAMILY
    """Environments."""
    policies: tuple[str, ...] = REFERENCES
    """Reference policies by name, or one's own as module:Class."""
    n_sessions: int = 100
    """Held-out sessions of each."""
    out: Path = Path("results/references")
    """Folder of the results."""
    jobs: int = 2
    """Processes."""

    def run(self) -> None:
        """Play, print a table, keep it as references.json."""
        tasks = [TrainConfig(catalogue=self.catalogue, env=env) for env in self.envs]
        cases = [Case(name, task, name, self.n_sessions) for task in tasks for name in self.policies]
        rows = run_cases(cases, self.out, jobs=self.jobs)
        found = pd.concat([_of_task(task, rows, self.n_sessions) for task in tasks], ignore_index=True)
        (self.out / "references.json").write_text(json.dumps(found.to_dict("records"), indent=1))
        Console().print(_table(found, int(rows["n_tracks"].max()), self.n_sessions))


def bounds_of(task: TrainConfig, n_sessions: int) -> NDArray[np.float64]:
    """Return what nobody can exceed in each held-out session, (n_sessions,)."""
    catalogue = catalogue_of(task)
    env = gym.make_vec(task.env, num_envs=n_sessions, catalogue=catalogue, **task.env_options).unwrapped
    env.reset(seed=EVALUATION_SEED)
    return upper_bound(env.dynamics, env.sessions, env.max_episode_steps)  # type: ignore[attr-defined]


def _of_task(task: TrainConfig, rows: pd.DataFrame, n_sessions: int) -> pd.DataFrame:
    """Return mean return and interval over sessions for each policy, lowest first, and the bound."""
    of_env = rows[rows["env_id"] == task.env]
    returns = {str(name): group["return"].to_numpy() for name, group in of_env.groupby("method", sort=False)}
    returns[BOUND] = bounds_of(task, n_sessions)
    lines = []
    for name, values in returns.items():
        interval = bootstrap_interval(values, np.mean)
        lines.append((task.env, name, *map(float, interval)))
    return pd.DataFrame(lines, columns=["env", "policy", "mean", "low", "high"]).sort_values("mean")


def _table(found: pd.DataFrame, n_tracks: int, n_sessions: int) -> Table:
    table = Table(title=f"Return of the policies that do not learn: {n_tracks:,} tracks, {n_sessions} sessions")
    for heading in ("environment", "policy", "return", "95 % interval over sessions"):
        table.add_column(heading, justify="left" if heading in ("environment", "policy") else "right")
    for env, of_env in found.groupby("env", sort=False):
        for place, (policy, mean, low, high) in enumerate(of_env[["policy", "mean", "low", "high"]].to_numpy()):
            table.add_row("" if place else str(env), policy, f"{mean:.2f}", f"{low:.2f} to {high:.2f}")
        table.add_section()
    return table


if __name__ == "__main__":
    sys.exit(run_command(References, "python -m experiments.references"))
