"""Sample efficiency: skill against training time and environment steps.

`python -m experiments.sample_efficiency --catalogue TABLE`. Time is measured from the call of `train` to its last step.
During training, weights are only copied; they are evaluated on the held-out sessions afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.lib import Case, Study, learner_name, main
from experiments.lib.aggregation import aggregates
from experiments.lib.plots import figure, learning_curves
from spotify_gym.catalogue import Catalogue
from spotify_gym.training import train
from spotify_gym.training.callbacks import OnTheWay

_COLUMNS = ["learner", "skill", "runs", "median [s]", "slowest [s]", "slowest, processor [s]", "slowest, steps"]
_TOO_NEAR = 0.02  # distance in skill below which the labels of two lines overlap


@dataclass(frozen=True)
class SampleEfficiency(Study):
    """Train with several seeds and measure skill over time; a repeated call resumes where it stopped.

    The slowest run counts. The table shows wall-clock time and the processor time of the training, which is the same on
    an idle machine and smaller on a busy one.
    """

    algorithms: tuple[str, ...] = ()
    """Algorithms to compare; none: that of --algorithm."""
    thresholds: tuple[float, ...] = (0.9, 0.93, 0.95, 0.985)
    """Skill levels that a run must reach and not fall below again."""
    n_points: int = 25
    """Number of evenly spaced points per curve."""
    out: Path = Path("results/sample_efficiency")
    jobs: int = 1
    """Runs at a time; more than one per free core distorts the times."""

    def methods(self) -> Iterator[Case]:
        """Yield each learner."""
        for name in self.algorithms or (self.config.algorithm,):
            config = replace(self.config, algorithm=name)
            yield CurveCase(learner_name(config), config, n_points=self.n_points)

    def tables(self, rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield a table of when the runs of each learner reach the skill levels for good, and of their final skill."""
        lines = []
        for method, points in points_of(rows).groupby("method", sort=False):
            ends = points.groupby("seed").last()
            for level in self.thresholds:
                lines.append((method, f"≥ {level:g}", *_when(first_for_good(points, level), len(ends))))
            skills = ends["skill"]
            lines.append((method, f"end: {skills.min():.3f} to {skills.max():.3f}", *_when(ends, len(ends))))
        nearest = rows.loc[rows["method"] == "nearest", "skill"].mean()
        title = f"{rows['env'].iat[0]}, {rows['n_tracks'].iat[0]:,} tracks; the nearest track has skill {nearest:.3f}"
        yield title, pd.DataFrame(lines, columns=_COLUMNS)

    def pairs(self, learners: list[str]) -> tuple[()]:
        """Return no pairs, since means over a whole training are not comparable."""
        return ()

    def words(self, rows: pd.DataFrame) -> list[str]:
        """Return the paragraphs for the final skill of the runs."""
        last = rows.groupby("method")["step"].transform("max")
        return super().words(rows[rows["step"].isna() | (rows["step"] == last)])

    def draw(self, rows: pd.DataFrame) -> None:
        """Plot skill over time and over steps; the time at a step is the median of the runs."""
        points = points_of(rows)
        medians = points.groupby(["method", "step"])["seconds"].median().reset_index()
        frame = aggregates(points, along="step").merge(medians)
        nearest, best = rows.loc[rows["method"] == "nearest", "skill"].mean(), frame["estimate"].max()
        levels = {"planner": 1.0} if abs(1 - nearest) < _TOO_NEAR else {"nearest": nearest, "planner": 1.0}
        with figure(self.out / "curve.png", 2) as (over_time, over_steps):
            learning_curves(over_time, frame, x="seconds", x_label="seconds of training, median of runs", levels=levels)
            learning_curves(over_steps, frame, levels=levels)
            for axes in (over_time, over_steps):
                axes.set_ylim(min(0.5, best - 0.5), max(1.0, nearest, best) + 0.02)
            over_time.set_title(f"{rows['env'].iat[0]}, {rows['n_tracks'].iat[0]:,} tracks")


class Point(NamedTuple):
    """One point of a training run."""

    step: int
    updates: int
    seconds: float
    cpu_seconds: float
    weights: dict[str, Any]


@dataclass(frozen=True)
class CurveCase(Case):
    """A training run that is evaluated at several points."""

    n_points: int = 25
    """Number of points."""

    def __post_init__(self) -> None:
        if self.n_points < 1:
            raise ValueError(f"n_points={self.n_points} must be at least 1")

    def policy(self, catalogue: Catalogue) -> tuple[Any, list[Point]]:
        """Train, and copy the online network's weights with the time at each point."""
        points: list[Point] = []
        wall, cpu = time.perf_counter(), time.process_time()

        def note(model: Any) -> None:
            times = time.perf_counter() - wall, time.process_time() - cpu
            weights = {name: tensor.clone() for name, tensor in model.q_net.state_dict().items()}
            points.append(Point(model.num_timesteps, model._n_updates, *times, weights))

        callback = OnTheWay(np.linspace(0, self.config.total_steps, self.n_points + 1)[1:], note)
        return train(self.config, catalogue=catalogue, callbacks=[callback]).model, points

    def measured(self, policy: tuple[Any, list[Point]], catalogue: Catalogue) -> pd.DataFrame:
        """Return a row per held-out session for each point, in order."""
        model, points = policy
        rows = []
        for *moment, weights in points:
            model.policy.q_net.load_state_dict(weights)
            rows.append(super().measured(model, catalogue).assign(**dict(zip(Point._fields, moment, strict=False))))
        return pd.concat(rows, ignore_index=True)


def points_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the mean skill at each point of each run."""
    keys = ["method", "env", "seed", "step", "seconds", "cpu_seconds"]
    return rows[rows["step"].notna()].groupby(keys, sort=False)["skill"].mean().reset_index()


def first_for_good(points: pd.DataFrame, level: float) -> pd.DataFrame:
    """Return for each run the first point from which its skill stays at or above `level`, if there is one."""
    lowest_ahead = points.groupby("seed")["skill"].transform(lambda skill: skill[::-1].cummin())
    return points[lowest_ahead >= level].groupby("seed").first()


def _when(reached: pd.DataFrame, n_runs: int) -> list[str]:
    """Return texts: how many runs reached a point, and when, as the median and as the slowest."""
    share = f"{len(reached)}/{n_runs}"
    if len(reached) < n_runs:
        return [share, "", "never", "", ""]
    seconds, cpu_seconds, step = reached[["seconds", "cpu_seconds", "step"]].max()
    return [share, *(f"{value:.1f}" for value in (reached["seconds"].median(), seconds, cpu_seconds)), f"{step:,.0f}"]


if __name__ == "__main__":
    main(SampleEfficiency)
