"""One page from the results of a suite: `python -m experiments.report RESULTS`. Nothing in it is typed by hand."""

from __future__ import annotations

import base64
import html
import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import tyro

from experiments.lib.aggregation import aggregates, comparisons, improvements, profiles
from experiments.lib.plot_style import figure
from experiments.lib.plots import SKILL_MARKS, improvement_plot, interval_plot, profile_plot
from experiments.lib.results import FIXED, PLANNER
from experiments.lib.tables import markdown_table, overview, summary_of
from spotify_gym.catalogue.atomic import replacing
from spotify_gym.cli.command import Command, run_command

_FLOOR = -0.5  # worse than this is drawn at the edge: how much worse than a fixed list is of no interest
PACKAGES = ("spotify_gym", "gymnasium", "stable-baselines3", "torch", "numpy", "scipy")

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #8884; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; background: white; border-radius: 6px; }
code { background: #8882; padding: .1rem .3rem; border-radius: 4px; }
"""


@dataclass(frozen=True)
class Report(Command):
    """Write report.html and report.md from the results of a comparison."""

    results: tyro.conf.Positional[Path]
    """Folder that `python -m experiments.compare --out` wrote."""

    def run(self) -> None:
        """Write the report and say where it is."""
        print(write_report(self.results))


def write_report(folder: Path) -> Path:
    """Write `report.html`, whole in itself, and `report.md` beside `results.parquet`; return the page's path.

    Raises:
        ValueError: the folder holds no results.
    """
    source = folder / "results.parquet"
    if not source.exists():
        raise ValueError(f"{folder} holds no results.parquet; run `python -m experiments.compare --out {folder}` first")
    rows = pd.read_parquet(source)
    draw(rows, folder)
    for name, lines in (("report.md", _markdown(rows, folder)), ("report.html", _page(rows, folder))):
        with replacing(folder / name) as file:
            file.write("\n".join(lines).encode())
    return folder / "report.html"


def draw(rows: pd.DataFrame, folder: Path) -> None:
    """Draw for each task the methods on the scale of skill, how their runs spread, and which beats which."""
    for number, (_, of_task) in enumerate(rows.groupby("env", sort=False), start=1):
        with figure(folder / f"skill_{number}.png") as (axes,):
            interval_plot(axes, aggregates(of_task), marks=SKILL_MARKS, floor=_FLOOR)
            axes.set_title(str(of_task["env"].iat[0]))
        learners = of_task[of_task["steps"] > 0]
        if learners["method"].nunique() > 1:
            with figure(folder / f"spread_{number}.png", 2) as (profile, better):
                profile_plot(profile, profiles(learners, np.linspace(*_span(learners), 101)))
                improvement_plot(better, improvements(learners))


def _span(rows: pd.DataFrame) -> tuple[float, float]:
    """Return the range of skill of the runs, a little wider."""
    skills = rows.groupby(["method", "seed"])["skill"].mean()
    margin = 0.05 * (skills.max() - skills.min()) + 0.005
    return skills.min() - margin, skills.max() + margin


def findings(rows: pd.DataFrame) -> list[str]:
    """Say of every pair of learners on each task whether they differ, corrected for the number of pairs."""
    said = []
    for task, of_task in rows.groupby("env", sort=False):
        learners = of_task.loc[of_task["steps"] > 0, "method"].unique()
        pairs = [*combinations(learners, 2), *((learner, "nearest") for learner in learners)]
        said += [f"{task}: {sentence}" for sentence in comparisons(of_task, pairs)["sentence"]]
    return said


def provenance(rows: pd.DataFrame, folder: Path) -> dict[str, str]:
    """Name what the results were made with: command, catalogue, versions, machine."""
    command = folder / "command.json"
    catalogues = rows.drop_duplicates("fingerprint")
    return {
        "command": json.loads(command.read_text())["command"] if command.exists() else "unknown",
        "catalogues": ", ".join(
            f"{Path(catalogue).name}: {n_tracks:,} tracks, fingerprint {fingerprint[:12]}"
            for catalogue, n_tracks, fingerprint in catalogues[["catalogue", "n_tracks", "fingerprint"]].to_numpy()
        ),
        "versions": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "scale": f"skill 0 is the task's {FIXED} policy, 1 its {PLANNER}; both over the same held-out sessions",
    }


def tables(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the tables with their headings: skill on all tasks of a catalogue if there are several, then each task."""
    for catalogue, of_catalogue in rows.groupby("catalogue", sort=False):
        if of_catalogue["env_id"].nunique() > 1:
            yield (
                f"Skill, {Path(str(catalogue)).name}: {of_catalogue['n_tracks'].iat[0]:,} tracks",
                overview(of_catalogue),
            )
    for task, of_task in rows.groupby("env", sort=False):
        yield str(task), summary_of(of_task)


def _markdown(rows: pd.DataFrame, folder: Path) -> Iterator[str]:
    for heading, table in tables(rows):
        yield f"### {heading}\n"
        yield markdown_table(table) + "\n"
    yield "### What differs and what does not\n"
    yield from (f"- {sentence}" for sentence in findings(rows))
    yield "\n### How this was made\n"
    yield from (f"- {name}: {value}" for name, value in provenance(rows, folder).items())
    yield ""


def _page(rows: pd.DataFrame, folder: Path) -> Iterator[str]:
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>Comparison</title><style>{_STYLE}</style>"
    yield "<meta name=viewport content='width=device-width'><h1>Comparison</h1>"
    for heading, table in tables(rows):
        yield f"<h2>{html.escape(heading)}</h2>"
        yield table.to_html(index=False, border=0)
    for picture in sorted(folder.glob("*.png")):
        data = base64.b64encode(picture.read_bytes()).decode()
        yield f"<p><img alt='{html.escape(picture.stem)}' src='data:image/png;base64,{data}'></p>"
    yield "<h2>What differs and what does not</h2><ul>"
    yield from (f"<li>{html.escape(sentence)}</li>" for sentence in findings(rows))
    yield "</ul><h2>How this was made</h2><ul>"
    yield from (
        f"<li>{name}: <code>{html.escape(value)}</code></li>" for name, value in provenance(rows, folder).items()
    )
    yield "</ul></html>"


if __name__ == "__main__":
    sys.exit(run_command(Report, "python -m experiments.report"))
