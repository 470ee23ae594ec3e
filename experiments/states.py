"""What is worth seeing: the state options against each other, `python -m experiments.states --catalogue TABLE`.

The vibe of the last tracks is not all that could be known of a session: a longer memory, the genres, the five tracks
themselves, or how the listener responds may be worth more, or may only be more to learn.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import pandas as pd
import tyro

from experiments.lib.aggregation import aggregates, comparisons
from experiments.lib.cases import Case
from experiments.lib.execute import execute, rows_of
from experiments.lib.plot_style import figure
from experiments.lib.plots import SKILL_MARKS, interval_plot
from experiments.lib.runner import keep_rows
from experiments.lib.scale import SCALE, on_scale, scale_of
from experiments.lib.suites import FAMILY, learner_name, seeds
from experiments.lib.tables import interval_text
from spotify_gym.cli.command import Command, run_command
from spotify_gym.cli.printing import show_table
from spotify_gym.listeners import Listener, SatiatedListener, SkippingListener
from spotify_gym.training import SessionVecEnv, TrainConfig, evaluate
from spotify_gym.training.learners import catalogue_of, learner_of
from spotify_gym.training.trainer import one_thread

COMPARED = ("mean", "decayed", "mean+decayed", "mean+genres", "history", "mean+history")
"""States that are worth a comparison."""


class SilentSatiatedListener(SatiatedListener):
    """Tires of what sounds alike, and does not show it."""

    visible = Listener.visible  # type: ignore[assignment]
    visible_bounds = Listener.visible_bounds  # type: ignore[assignment]


class SilentSkippingListener(SkippingListener):
    """Skips, and the agent does not learn of it."""

    visible = Listener.visible  # type: ignore[assignment]
    visible_bounds = Listener.visible_bounds  # type: ignore[assignment]


SILENT: dict[str, Listener[Any]] = {
    "SpotifySatiation-v0": SilentSatiatedListener(),
    "SpotifySkip-v0": SilentSkippingListener(),
}
"""The environments whose listener shows something, each with the same listener who does not."""

NO_FEEDBACK = "mean, no feedback"
_COLUMNS: dict[str, Literal["left", "right"]] = {
    "environment": "left",
    "state": "left",
    "skill": "right",
    "95 % interval": "right",
    "runs": "right",
}


@dataclass(frozen=True)
class States(Command):
    """Train one learner on every state, everything else equal; a second call goes on where it stopped."""

    config: tyro.conf.OmitArgPrefixes[TrainConfig] = field(
        default_factory=lambda: TrainConfig(algorithm="double", steps=20_000)
    )
    envs: tuple[str, ...] = FAMILY
    """Environments."""
    states: tuple[str, ...] = ()
    """States beside "mean"; none: all that the catalogue can show. Where the listener shows how they respond, the mean
    without that is tried too."""
    n_seeds: int = 10
    """Training runs of each."""
    n_sessions: int = 100
    """Held-out sessions to play."""
    out: Path = Path("results/states")
    """Folder of the results."""
    jobs: int = 2
    """Processes, one training each."""

    def run(self) -> None:
        """Train, play, print a table and what differs, draw."""
        tasks = [replace(self.config, env=env) for env in self.envs]
        runs = [run for task in tasks for case in self._cases(task) for run in seeds(case, self.n_seeds)]
        scale = [case for task in tasks for case in scale_of(task, self.n_sessions)]
        results = on_scale(scale, runs, train_on_state, self.out, self.jobs)
        keep_rows(self.out / "states.parquet", results)
        learner = learner_name(self.config)
        show_table(f"{learner}, by what it sees", _COLUMNS, _lines(results))
        print(*findings(results), sep="\n")
        draw(results, learner, self.out / "states.png")
        print(f"every session: {self.out / 'states.parquet'}\npicture: {self.out / 'states.png'}")

    def _cases(self, task: TrainConfig) -> Iterator[StateCase]:
        can_show = [state for state in COMPARED if "genres" not in state or catalogue_of(task).genres is not None]
        if unknown := sorted(set(self.states) - set(can_show)):
            raise ValueError(
                f"{task.catalogue} cannot show the state {unknown[0]!r}; choose from {', '.join(can_show)}"
            )
        for state in dict.fromkeys(("mean", *(self.states or can_show))):
            yield StateCase(state, replace(task, state=state), n_sessions=self.n_sessions)
        if task.env in SILENT:
            yield StateCase(NO_FEEDBACK, replace(task, state="mean"), n_sessions=self.n_sessions, feedback=False)


@dataclass(frozen=True)
class StateCase(Case):
    """A learner that may be kept from seeing how the listener responds."""

    feedback: bool = True
    """Whether it sees that."""


def train_on_state(case: StateCase) -> pd.DataFrame:
    """Train, and return a row per held-out session."""
    if case.feedback:
        return execute(case)
    config, catalogue = case.config, catalogue_of(case.config)
    options = {"catalogue": catalogue, "listener": SILENT[config.env], **config.env_options}
    env: Any = gym.make_vec(config.env, num_envs=config.n_envs, autoreset_mode="SameStep", **options)
    sessions = SessionVecEnv(env)
    with one_thread():
        model = learner_of(config, sessions)
        sessions.seed(config.first_seed)
        model.learn(config.total_steps)
    return rows_of(case, catalogue, evaluate(model, config.env, case.n_sessions, **options))


def findings(results: pd.DataFrame) -> list[str]:
    """Say of each state whether it is better or worse than the mean, corrected for all states of an environment."""
    said = []
    for env, rows in results.groupby("env", sort=False):
        pairs = [(state, "mean") for state in _states_of(rows) if state != "mean"]
        said += [f"{env}: {sentence}" for sentence in comparisons(rows, pairs)["sentence"]]
    return said


def draw(results: pd.DataFrame, learner: str, path: Path) -> None:
    """Draw a panel per environment."""
    of_envs = list(results.groupby("env", sort=False))
    with figure(path, len(of_envs), size=(6.5, 3.2)) as panels:
        for axes, (env, rows) in zip(panels, of_envs, strict=True):
            shown = rows[rows["method"].isin([*_states_of(rows), "nearest"])]
            interval_plot(axes, aggregates(shown), marks=SKILL_MARKS)
            axes.set_title(str(env).partition(" ")[0])
            axes.set_xlabel(f"skill of {learner}, interquartile mean")


def _states_of(rows: pd.DataFrame) -> list[str]:
    """Return the methods that learn, in their order."""
    return [str(method) for method in rows["method"].unique() if method not in SCALE]


def _lines(results: pd.DataFrame) -> Iterator[list[str]]:
    for env, rows in results.groupby("env", sort=False):
        found = aggregates(rows[rows["method"].isin([*_states_of(rows), "nearest"])])
        for row in found.sort_values("estimate", ascending=False).to_dict("records"):
            interval = interval_text(row["low"], row["high"])
            yield [str(env), row["method"], f"{row['estimate']:.3f}", interval, f"{row['n_runs']}"]


if __name__ == "__main__":
    sys.exit(run_command(States, "python -m experiments.states"))
