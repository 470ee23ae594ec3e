"""How soon does a learner play well: its skill against seconds of training and steps.

`python -m experiments.sample_efficiency --catalogue TABLE`. The clock runs from the call of `train` to its last step.
On the way the weights are only set aside; they play the held-out sessions when the clock has stopped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import tyro

from experiments.lib.aggregation import curves
from experiments.lib.callbacks import AtEvenDistances
from experiments.lib.cases import Case
from experiments.lib.plot_style import figure
from experiments.lib.plots import learning_curves
from experiments.lib.scale import on_scale, scale_of
from experiments.lib.suites import learner_name, seeds
from spotify_gym.cli.command import Command, run_command
from spotify_gym.cli.printing import show_table
from spotify_gym.training import TrainConfig, evaluate, train
from spotify_gym.training.learners import catalogue_of

_COLUMNS: dict[str, Literal["left", "right"]] = {
    "learner": "left",
    "skill": "right",
    "runs": "right",
    "median [s]": "right",
    "slowest [s]": "right",
    "slowest, processor [s]": "right",
    "slowest, steps": "right",
}
_TOO_NEAR = 0.02  # lines with names that would lie on each other


@dataclass(frozen=True)
class SampleEfficiency(Command):
    """Train with several seeds and look at the skill as time goes on; a second call goes on where it stopped.

    The slowest run counts. The clock is that of the wall; beside it stands the time that the processor spent on the
    training, which is the same on an idle machine and less on a busy one.
    """

    config: tyro.conf.OmitArgPrefixes[TrainConfig] = field(
        default_factory=lambda: TrainConfig(env="SpotifyPlaylist-v0", algorithm="double", steps=20_000)
    )
    algorithms: tuple[Literal["dqn", "double", "dueling", "dueling_double"], ...] = ()
    """Learners to set against each other; none: the one of --algorithm."""
    thresholds: tuple[float, ...] = (0.9, 0.93, 0.95, 0.985)
    """Levels of skill to reach and not to leave again."""
    n_seeds: int = 10
    """Training runs of each learner."""
    n_points: int = 25
    """Points of a curve, at even distances."""
    n_sessions: int = 100
    """Held-out sessions to play at each."""
    out: Path = Path("results/sample_efficiency")
    """Folder of the results."""
    jobs: int = 1
    """Runs at a time; more than one per free core spoils the clock."""

    def run(self) -> None:
        """Train, play, print a table, draw."""
        learners = [replace(self.config, algorithm=name) for name in self.algorithms or (self.config.algorithm,)]
        cases = [CurveCase(learner_name(one), one, None, self.n_sessions, self.n_points) for one in learners]
        runs = [run for case in cases for run in seeds(case, self.n_seeds)]
        scale = scale_of(self.config, self.n_sessions)
        results = on_scale(scale, runs, learning_curve, self.out, self.jobs)
        learned = results[results["seconds"].notna()]
        nearest = float(results.loc[results["method"] == "nearest", "skill"].mean())
        learned.to_csv(self.out / "curve.csv", index=False)
        draw(learned, nearest, self.out / "curve.png")
        title = (
            f"{learned['env'].iat[0]}, {learned['n_tracks'].iat[0]:,} tracks; the nearest track has skill {nearest:.3f}"
        )
        show_table(title, _COLUMNS, _rows(learned, self.thresholds))
        print(f"every point: {self.out / 'curve.csv'}\npicture: {self.out / 'curve.png'}")


@dataclass(frozen=True)
class CurveCase(Case):
    """A training run that is looked at on the way."""

    n_points: int = 25
    """How often."""

    def __post_init__(self) -> None:
        if self.n_points < 1:
            raise ValueError(f"n_points={self.n_points} must be at least 1")


def learning_curve(case: CurveCase) -> pd.DataFrame:
    """Train once, and return a row for each point of the curve, the last one at the end.

    Columns: `step`, `updates` (gradient steps), `seconds` and `cpu_seconds` of training so far, the mean `return` of
    the held-out sessions, and what tells the run from others.
    """
    config, catalogue = case.config, catalogue_of(case.config)
    watch = _Watch()
    model = train(
        config, catalogue=catalogue, callbacks=[AtEvenDistances(config.total_steps, case.n_points, watch)]
    ).model
    returns = []
    for point in watch.points:
        model.policy.q_net.load_state_dict(point.weights)
        played = evaluate(model, config.env, case.n_sessions, catalogue=catalogue, **config.env_options)
        returns.append(played.returns.mean())
    rows = pd.DataFrame(watch.points).drop(columns="weights")
    labels: dict[str, Any] = {**case.labels, "n_tracks": len(catalogue)}
    return rows.assign(**{"return": returns}, **labels)


class _Point(NamedTuple):
    """One moment of a training run."""

    step: int
    updates: int
    seconds: float
    cpu_seconds: float
    weights: dict[str, Any]


class _Watch:
    """Sets the weights of the online network aside, with the time."""

    def __init__(self) -> None:
        self.points: list[_Point] = []
        self._began = time.perf_counter(), time.process_time()

    def __call__(self, model: Any) -> None:
        wall, cpu = self._began
        times = time.perf_counter() - wall, time.process_time() - cpu
        weights = {name: tensor.clone() for name, tensor in model.q_net.state_dict().items()}
        self.points.append(_Point(model.num_timesteps, model._n_updates, *times, weights))


def first_for_good(points: pd.DataFrame, level: float) -> pd.Series | None:
    """Return the point of one run from which on its skill is at `level` or above; None where it does not end there."""
    below = np.flatnonzero(points["skill"].to_numpy() < level)
    after = 0 if not below.size else int(below[-1]) + 1
    return points.iloc[after] if after < len(points) else None


def draw(points: pd.DataFrame, nearest: float, path: Path) -> None:
    """Draw the curves over time and over steps; seconds are the median of the runs at each step."""
    frame = curves(points)
    medians = points.groupby(["method", "step"])["seconds"].median()
    frame["seconds"] = medians.loc[list(zip(frame["method"], frame["step"], strict=True))].to_numpy()
    levels = {"planner": 1.0} if abs(1 - nearest) < _TOO_NEAR else {"nearest": nearest, "planner": 1.0}
    best = frame["estimate"].max()
    with figure(path, 2) as (over_time, over_steps):
        learning_curves(over_time, frame, x="seconds", x_label="seconds of training, median of runs", levels=levels)
        learning_curves(over_steps, frame, levels=levels)
        for axes in (over_time, over_steps):
            axes.set_ylim(min(0.5, best - 0.5), max(1.0, nearest, best) + 0.02)
        over_time.set_title(f"{points['env'].iat[0]}, {points['n_tracks'].iat[0]:,} tracks")


def _rows(points: pd.DataFrame, thresholds: tuple[float, ...]) -> Iterator[list[str]]:
    """Say for each learner when its runs reach the levels of skill for good, and how they end."""
    for method, rows in points.groupby("method", sort=False):
        runs = [run for _, run in rows.groupby("seed")]
        for level in thresholds:
            reached = [point for run in runs if (point := first_for_good(run, level)) is not None]
            yield [str(method), f"≥ {level:g}", *_when(reached, len(runs))]
        ends = [run.iloc[-1] for run in runs]
        skills = [end["skill"] for end in ends]
        yield [str(method), f"end: {min(skills):.3f} to {max(skills):.3f}", *_when(ends, len(runs))]


def _when(reached: list[pd.Series], n_runs: int) -> list[str]:
    """Say how many runs have come to a point, and when: the median run, and the slowest."""
    share = f"{len(reached)}/{n_runs}"
    if len(reached) < n_runs:
        return [share, "", "never", "", ""]
    times = pd.DataFrame(reached)[["seconds", "cpu_seconds", "step"]]
    slowest = times.max()
    seconds = [times["seconds"].median(), slowest["seconds"], slowest["cpu_seconds"]]
    return [share, *(f"{value:.1f}" for value in seconds), f"{slowest['step']:,.0f}"]


if __name__ == "__main__":
    sys.exit(run_command(SampleEfficiency, "python -m experiments.sample_efficiency"))
