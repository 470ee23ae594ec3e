"""Generated report of results: tables, plots, significant differences and provenance."""

from __future__ import annotations

import math
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from experiments.lib.aggregation import aggregates, improvements, profiles
from experiments.lib.plots import SKILL_MARKS, figure, improvement_plot, interval_plot, profile_plot
from spotify_gym.catalogue.files import replacing
from spotify_gym.cli import page
from spotify_gym.cli.command import show_table

_FLOOR = -0.5  # skill below this is drawn at the edge of the plot
_APART = 0.1  # difference in skill between best and worst learner that is worth mentioning
_LEVEL = 0.01  # smaller differences in skill are ignored
_PACKAGES = ("spotify_gym", "gymnasium", "stable-baselines3", "torch", "numpy", "scipy")
_MEANS = (
    ("value_bias", "bias", "{:+.2f}"),
    ("repeat_rate", "repeat", "{:.0%}"),
    ("coverage", "cover", "{:.2%}"),
    ("diversity", "divers.", "{:.2f}"),
    ("novelty", "novelty", "{:.1f}"),
)
"""Measures whose means a summary shows: column, heading and format."""


def tables_of(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield headings and tables: an overview of each catalogue with several environments, then each task."""
    for catalogue, of_catalogue in rows.groupby("catalogue", sort=False):
        if of_catalogue["env_id"].nunique() > 1:
            heading = f"Skill, {Path(str(catalogue)).name}: {of_catalogue['n_tracks'].iat[0]:,} tracks"
            yield heading, overview(of_catalogue)
    for task, of_task in rows.groupby("env", sort=False):
        n_tracks, n_sessions = of_task["n_tracks"].iat[0], of_task["session"].nunique()
        yield f"{task}: {n_tracks:,} tracks, {n_sessions} held-out sessions", summary(of_task)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Summarise one task as a table of texts, a row per method, best first, most important columns on the left.

    Args:
        rows: result rows of one task, with `skill`.

    Returns:
        Interquartile means over runs of `return` and `skill`, and of `skill_seen` if present; means of the other
        measures; maxima of the costs.
    """
    skill = aggregates(rows, "skill").set_index("method")
    of_method, seen = rows.groupby("method"), {}
    if "skill_seen" in rows and rows["skill_seen"].notna().all():
        seen["of what is seen"] = aggregates(rows, "skill_seen").set_index("method")["estimate"].map("{:z.3f}".format)
    columns = {
        "return": aggregates(rows, "return").set_index("method")["estimate"].map("{:.2f}".format),
        "skill": skill["estimate"].map("{:z.3f}".format),
        **seen,
        "95 % interval": pd.Series(map(interval_text, skill["low"], skill["high"]), skill.index),
        "runs": skill["n_runs"].map("{:d}".format),
        "train [s]": of_method["train_seconds"].max().map(_text("{:.1f}")),
        **{name: of_method[measure].mean().map(_text(form)) for measure, name, form in _MEANS if measure in rows},
        "MB": of_method["peak_memory_mb"].max().map(_text("{:.0f}")),
    }
    order = skill["estimate"].sort_values(ascending=False).index
    table = pd.DataFrame(columns).loc[order].rename_axis("method").reset_index()
    return table if skill["n_runs"].max() > 1 else table.drop(columns="95 % interval")


def overview(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare the methods over all tasks of one catalogue: skill with its interval, a column per environment.

    Args:
        rows: result rows of tasks that share a catalogue, with `skill`.

    Returns:
        Columns `method` and the environments, as text, in the order of the rows.
    """
    columns = {}
    for env, of_task in rows.groupby("env_id", sort=False):
        skill = aggregates(of_task, "skill").set_index("method")
        columns[env] = pd.Series(map(estimate_text, skill["estimate"], skill["low"], skill["high"]), skill.index)
    return pd.DataFrame(columns, pd.Index(rows["method"].unique(), name="method")).fillna("").reset_index()


def in_words(rows: pd.DataFrame) -> str | None:
    """Return a paragraph that summarises the results of one task; None if no learner took part.

    Args:
        rows: result rows of one task, with `skill`.
    """
    means, skills = rows.groupby("method")["return"].mean(), aggregates(rows, "skill").set_index("method")
    learned = skills.index.intersection(pd.Index(rows.loc[rows["steps"] > 0, "method"].unique()))
    learners = skills.loc[learned].sort_values("estimate", ascending=False)
    if learners.empty or not {"fixed", "planner"} <= {*means.index}:
        return None
    best, least = str(learners.index[0]), str(learners.index[-1])
    numbers = learners[["estimate", "low", "high"]].to_numpy(np.float64)
    (estimate, low, high), other = numbers[0].tolist(), float(numbers[-1, 0])
    random = f"random play {means['random']:.1f}, " if "random" in means else ""
    said = f"Of the learners, {best} earns most in {rows['env'].iat[0]}: {means[best]:.1f} a session. For comparison: "
    said += f"{random}the best fixed list {means['fixed']:.1f}, and the planner, which knows "
    hidden = "skill_seen" in rows and rows["skill_seen"].notna().any()
    knows = "rules and the listener's hidden state" if hidden else "rules"
    said += f"the {knows}, {means['planner']:.1f}. With 0 for that list and 1 for the planner the "
    said += f"skill of {best} is {estimate_text(estimate, low, high)}: "
    nearest = math.inf if hidden else skills["estimate"].get("nearest", math.inf)
    if abs(estimate - nearest) < _LEVEL:
        said += f"it plays about as well as the nearest neighbour of the vibe ({nearest:z.3f})."
    elif note := "note" in rows and rows.loc[rows["method"] == best, "note"].fillna("").max():
        said += f"{note}."
    else:
        said += "learning pays here." if low > 0 else "learning does not pay here yet."
    if estimate - other > _APART:
        said += f" The choice of learner matters: “{least}” reaches {other:z.3f}."
    return said


def interval_text(low: float, high: float) -> str:
    """Return an interval as text, "" for NaN.

    >>> interval_text(0.25, 1), interval_text(math.nan, math.nan)
    ('0.250 to 1.000', '')
    """
    return "" if math.isnan(low) else f"{low:.3f} to {high:.3f}"


def estimate_text(estimate: float, low: float, high: float) -> str:
    """Return an estimate as text, with its interval unless that is NaN.

    >>> estimate_text(0.5, 0.25, 1)
    '0.500 (0.250 to 1.000)'
    """
    return f"{estimate:z.3f}" + ("" if math.isnan(low) else f" ({interval_text(low, high)})")


def draw(rows: pd.DataFrame, folder: Path) -> None:
    """Plot for each task the skill of the methods, their performance profiles, and probabilities of improvement."""
    for number, (task, of_task) in enumerate(rows.groupby("env", sort=False), start=1):
        with figure(folder / f"skill_{number}.png") as (axes,):
            interval_plot(axes, aggregates(of_task), marks=SKILL_MARKS, floor=_FLOOR)
            axes.set_title(str(task))
        runs = of_task[of_task["steps"] > 0].groupby("method")["seed"].nunique()
        if (runs > 1).sum() > 1:
            learners = of_task[of_task["method"].isin(runs[runs > 1].index)]
            skills = learners.groupby(["method", "seed"])["skill"].mean()
            margin = 0.05 * (skills.max() - skills.min()) + 0.005
            thresholds = np.linspace(skills.min() - margin, skills.max() + margin, 101)
            with figure(folder / f"spread_{number}.png", 2) as (profile, better):
                profile_plot(profile, profiles(learners, thresholds))
                improvement_plot(better, improvements(learners))


def provenance(rows: pd.DataFrame) -> list[str]:
    """Return the provenance of results: command, catalogues, versions, machine and scale."""
    catalogues = rows.drop_duplicates("fingerprint")[["catalogue", "n_tracks", "fingerprint"]].to_numpy()
    return [
        f"command: {rows.attrs.get('command', 'unknown')}",
        *(f"{Path(name).name}: {n:,} tracks, fingerprint {fingerprint[:12]}" for name, n, fingerprint in catalogues),
        f"versions: {', '.join(f'{name} {version(name)}' for name in _PACKAGES)}",
        f"machine: {platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        *["scale: skill 0 is the task's fixed policy, 1 its planner; both over the same held-out sessions"]
        * ("skill" in rows),
        *["of what is seen: the same with 1 for the best reference that knows only what an agent sees"]
        * ("skill_seen" in rows),
    ]


def show(title: str, table: pd.DataFrame) -> None:
    """Print a table of texts, without the rightmost columns that do not fit the terminal."""
    widths = 3 + np.array([max(map(len, [name, *table[name]])) for name in table.columns])
    n_shown = max(1, np.searchsorted(1 + np.cumsum(widths), shutil.get_terminal_size((120, 0)).columns, side="right"))
    first, *others = table.columns[:n_shown]
    columns: dict[str, Literal["left", "right"]] = {first: "left", **dict.fromkeys(others, "right")}
    show_table(title, columns, table[list(columns)].itertuples(index=False))


def write(folder: Path, tables: Sequence[tuple[str, pd.DataFrame]], lists: Mapping[str, Sequence[str]]) -> Path:
    """Write `report.html`, self-contained with the pictures of the folder, `report.md` and `tables.csv`.

    Args:
        folder: folder of the results.
        tables: headings and tables of texts.
        lists: headings and sentences.

    Returns:
        Path of the HTML page.
    """
    pictures = [(picture.stem, picture.read_bytes()) for picture in sorted(folder.glob("*.png"))]
    written = page.write(folder / "report.html", "Comparison", [*tables, *pictures, *lists.items()])
    frames = [table.assign(table=title) for title, table in tables]
    widest_first = sorted(frames, key=lambda frame: -frame.shape[1])
    columns = pd.concat(widest_first).columns  # in the order of the widest tables
    with replacing(folder / "tables.csv") as file:
        file.write(pd.concat(frames)[columns].set_index("table").to_csv().encode())
    return written


def _text(form: str) -> Callable[[float], str]:
    """Return a formatter of numbers that maps NaN to ""."""
    return lambda value: "" if math.isnan(value) else form.format(value)
