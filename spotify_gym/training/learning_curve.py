"""The learning curve: what a learner earned as it went, drawn from the log of its training."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from spotify_gym.catalogue.files import replacing
from spotify_gym.training.errors import RunError

_STEPS, _RETURN, _CHANCE = "time/total_timesteps", "rollout/ep_rew_mean", "rollout/exploration_rate"


def mean_return(model: BaseAlgorithm) -> float:
    """Return the mean return of the last 100 sessions, exploration included; NaN before the first has ended."""
    returns = [episode["r"] for episode in model.ep_info_buffer or ()]
    return float(np.mean(returns)) if returns else np.nan


def draw_curve(folder: Path, title: str) -> None:
    """Draw the mean return, and the exploration behind it, against the environment steps, from `progress.csv`.

    Raises:
        RunError: the log is damaged; a training that goes on writes on in that of whoever began it.
    """
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    try:
        with (folder / "progress.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row.get(_RETURN)]  # where a session has ended
        steps, returns = ([float(row[name]) for row in rows] for name in (_STEPS, _RETURN))
        chances = [float(row.get(_CHANCE) or "nan") for row in rows]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise RunError(f"{folder / 'progress.csv'} is damaged: {error}") from error
    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.plot(steps, returns, color="#1a7f4b", linewidth=2, marker=".")
    axes.set(title=title, xlabel="environment steps", ylabel="mean return of the last 100 sessions")
    axes.grid(alpha=0.3)
    if not np.isnan(chances).all():  # of a Q-learner
        chance = axes.twinx()
        chance.plot(steps, chances, color="#999999", linestyle="--", linewidth=1)
        chance.set(ylabel="probability of a random track", ylim=(0, 1.02))
        chance.yaxis.label.set_color("#777777")
    with replacing(folder / "learning_curve.png") as file:
        figure.savefig(file, format="png")
