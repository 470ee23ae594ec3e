"""Learning from logs alone, `python -m experiments.offline --catalogue TABLE`.

Sessions that some other policy has played are kept as a Minari dataset. A learner of the DQN family and behaviour
cloning learn from these without a step in the environment, and meet there the same learner trained online with as many
steps and updates, and whoever played the logs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import tyro

from experiments.lib.aggregation import aggregates, comparisons
from experiments.lib.cases import Case
from experiments.lib.execute import execute, rows_of
from experiments.lib.plot_style import figure
from experiments.lib.plots import SKILL_MARKS, interval_plot
from experiments.lib.runner import keep_rows
from experiments.lib.scale import SCALE, on_scale, scale_of, task_of
from experiments.lib.suites import learner_name, seeds
from experiments.lib.tables import interval_text
from experiments.logged.behaviour import MixedPolicy
from experiments.logged.dataset import Log
from experiments.logged.learning import clone, learn_offline
from spotify_gym.cli.command import Command, run_command
from spotify_gym.cli.printing import show_table
from spotify_gym.training import TrainConfig, evaluate
from spotify_gym.training.learners import catalogue_of

CLONING, BEHAVIOUR = "behaviour cloning", "who played the logs"
_COLUMNS: dict[str, Literal["left", "right"]] = {
    "method": "left",
    "skill": "right",
    "95 % interval": "right",
    "runs": "right",
}


@dataclass(frozen=True)
class Offline(Command):
    """Log sessions, learn from them alone, and play; a second call goes on where the first one stopped.

    The data are logged once; runs differ by what they draw from them.
    """

    config: tyro.conf.OmitArgPrefixes[TrainConfig] = field(
        default_factory=lambda: TrainConfig(env="SpotifyPlaylist-v0", algorithm="double", steps=20_000)
    )
    behaviour: Literal["random", "popular", "nearest"] = "nearest"
    """Who plays the logs."""
    epsilon: float = 0.5
    """Probability that they play any track instead."""
    n_logged: int = 1000
    """Sessions to log; 1,000 of 20 tracks are as many steps as the learner takes online by default."""
    n_seeds: int = 10
    """Training runs of each method."""
    n_sessions: int = 100
    """Held-out sessions to play."""
    out: Path = Path("results/offline")
    """Folder of the results; Minari's datasets are in `minari` under it."""
    jobs: int = 2
    """Processes, one training each."""

    def run(self) -> None:
        """Log, learn, play, print a table and what differs, draw."""
        Case(BEHAVIOUR, self.config, n_sessions=self.n_sessions).check()
        data = self.log.written(self.out / "minari")
        scale = scale_of(self.config, self.n_sessions)
        results = on_scale(scale, list(self._cases(data)), learn_and_play, self.out, self.jobs)
        keep_rows(self.out / "offline.parquet", results)
        title = f"{self.config.env}, {self.n_logged:,} sessions by {self.behaviour}, ε = {self.epsilon:g}"
        show_table(title, _COLUMNS, _lines(results))
        offline, online = self._learners
        pairs = [(offline, CLONING), (offline, BEHAVIOUR), (offline, online)]
        print(*comparisons(results, pairs)["sentence"], sep="\n")
        draw(results, title, self.out / "offline.png")
        print(f"dataset: {data}\npicture: {self.out / 'offline.png'}")

    @property
    def log(self) -> Log:
        """The sessions to learn from."""
        task = replace(task_of(self.config), state=self.config.state)
        return Log(task, self.behaviour, self.epsilon, self.n_logged)

    @property
    def _learners(self) -> tuple[str, str]:
        name = learner_name(self.config)
        return f"{name}, offline", f"{name}, online"

    def _cases(self, data: Path) -> Iterator[OfflineCase]:
        offline, online = self._learners
        hows: dict[str, Literal["offline", "cloned", "online"]] = {
            offline: "offline",
            CLONING: "cloned",
            online: "online",
        }
        case = OfflineCase(BEHAVIOUR, self.config, self.behaviour, self.n_sessions, "logged", str(data), self.epsilon)
        yield case
        for name, how in hows.items():
            yield from seeds(replace(case, method=name, reference=None, how=how), self.n_seeds)


@dataclass(frozen=True)
class OfflineCase(Case):
    """A method that learns from a dataset, or one to hold it against."""

    how: Literal["logged", "offline", "cloned", "online"] = "online"
    """The policy that played the logs, or how a learner learns."""
    data: str = ""
    """Folder of the Minari dataset."""
    epsilon: float = 0.0
    """Of the policy that played the logs."""


def learn_and_play(case: OfflineCase) -> pd.DataFrame:
    """Learn, and return a row per held-out session."""
    if case.how == "online":
        return execute(case)
    config, catalogue = case.config, catalogue_of(case.config)
    player: Any
    if case.reference is not None:
        player = partial(MixedPolicy, policy=case.reference, epsilon=case.epsilon)
    else:
        learn = {"offline": learn_offline, "cloned": clone}[case.how]
        player = learn(config, Path(case.data), catalogue)
    played = evaluate(player, config.env, case.n_sessions, catalogue=catalogue, **config.env_options)
    return rows_of(case, catalogue, played)


def draw(results: pd.DataFrame, title: str, path: Path) -> None:
    """Draw the skill of each method."""
    with figure(path, size=(8.0, 3.2)) as (axes,):
        interval_plot(axes, aggregates(_shown(results)), marks=SKILL_MARKS)
        axes.set_title(title, loc="right")


def _shown(results: pd.DataFrame) -> pd.DataFrame:
    """Leave out the ends of the scale."""
    return results[~results["method"].isin(SCALE) | results["method"].eq("nearest")]


def _lines(results: pd.DataFrame) -> Iterator[list[str]]:
    for row in aggregates(_shown(results)).sort_values("estimate", ascending=False).to_dict("records"):
        interval = interval_text(row["low"], row["high"])
        yield [row["method"], f"{row['estimate']:.3f}", interval, f"{row['n_runs']}"]


if __name__ == "__main__":
    sys.exit(run_command(Offline, "python -m experiments.offline"))
