"""The learning curve: what a learner earned as it went, as a table and as a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
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


def write_csv(path: Path, points: Iterable[CurvePoint]) -> None:
    """Write the curve as a table, a line per point."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(CurvePoint._fields)
    table.writerows(
        (p.step, p.sessions, f"{p.seconds:.3f}", f"{p.mean_return:.6f}", f"{p.exploration:.4f}") for p in points
    )
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def read_csv(path: Path) -> tuple[CurvePoint, ...]:
    """Read what `write_csv` wrote; nothing where there is no such file.

    Raises:
        RunError: the file is damaged.
    """
    if not path.exists():
        return ()
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return tuple(
                CurvePoint(
                    int(row["step"]), int(row["sessions"]), *(float(row[name]) for name in CurvePoint._fields[2:])
                )
                for row in csv.DictReader(file)
            )
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise RunError(f"{path} is damaged: {error}") from error


def write_png(path: Path, points: Sequence[CurvePoint], title: str) -> None:
    """Draw the mean return, and the exploration behind it, against the environment steps."""
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

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
    with replacing(path) as file:
        figure.savefig(file, format="png")
