"""The learning curve: what a learner earned as it went, read from the log of its training and drawn."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from spotify_gym.catalogue.atomic import replacing
from spotify_gym.training.errors import RunError

WINDOW = 100
"""Sessions that the mean return is taken over."""


class CurvePoint(NamedTuple):
    """One moment of a training run."""

    step: int
    """Environment steps so far."""
    sessions: int
    """Sessions that have ended so far."""
    seconds: float
    """Wall-clock of the training so far, interruptions not counted [s]."""
    mean_return: float
    """Mean return of the last 100 sessions, exploration included."""
    exploration: float
    """Probability of a random track, in [0, 1]."""


_FILES = {
    "progress.csv": (
        *("time/total_timesteps", "time/episodes", "time/time_elapsed"),
        *("rollout/ep_rew_mean", "rollout/exploration_rate"),
    ),
    "learning_curve.csv": CurvePoint._fields,
}
"""The files that hold the curve, SB3's log first and that of version 0.1 after it, with their columns for a point."""


def read_curve(folder: Path) -> tuple[CurvePoint, ...]:
    """Read the curve from a run folder; nothing where there is none.

    Raises:
        RunError: the file is damaged.
    """
    for name, columns in _FILES.items():
        if (file := folder / name).exists():
            return _read(file, columns)
    return ()


def _read(file: Path, columns: tuple[str, ...]) -> tuple[CurvePoint, ...]:
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = [row for row in csv.DictReader(lines) if row.get(columns[3])]  # where a session has ended
        points = [[float(row[name]) for name in columns] for row in rows]
        return tuple(CurvePoint(int(step), int(sessions), *rest) for step, sessions, *rest in points)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, csv.Error) as error:
        raise RunError(f"{file} is damaged: {error}") from error


def draw_curve(folder: Path, title: str) -> None:
    """Draw the mean return, and the exploration behind it, against the environment steps."""
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    points = read_curve(folder)
    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    steps = [p.step for p in points]
    axes.plot(steps, [p.mean_return for p in points], color="#1a7f4b", linewidth=2, marker=".")
    axes.set(title=title, xlabel="environment steps", ylabel=f"mean return of the last {WINDOW} sessions")
    axes.grid(alpha=0.3)
    chance = axes.twinx()
    chance.plot(steps, [p.exploration for p in points], color="#999999", linestyle="--", linewidth=1)
    chance.set(ylabel="probability of a random track", ylim=(0, 1.02))
    chance.yaxis.label.set_color("#777777")
    with replacing(folder / "learning_curve.png") as file:
        figure.savefig(file, format="png")
