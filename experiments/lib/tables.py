"""What stands in the tables of a comparison, and how its numbers are written."""

from __future__ import annotations

import math

import pandas as pd
from rich.table import Table
from rich.text import Text

from experiments.lib.aggregation import aggregates

COLUMNS = {
    "return": "return",
    "skill": "skill",
    "interval": "95 % interval",
    "repeat_rate": "repeat",
    "coverage": "cover",
    "diversity": "divers.",
    "novelty": "novelty",
    "train_seconds": "train [s]",
    "peak_memory_mb": "MB",
    "n_runs": "runs",
}
"""Columns of a summary and their headings."""


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Summarise one task, a row per method: interquartile means over runs of `return` and `skill`, means of the rest.

    Args:
        rows: result rows of one task, with `skill`.

    Returns:
        Columns `method` and those of :data:`COLUMNS`, as text, best skill first.
    """
    skill = aggregates(rows, "skill").set_index("method")
    returns = aggregates(rows, "return").set_index("method")["estimate"]
    others = rows.groupby("method")[["repeat_rate", "coverage", "diversity", "novelty"]].mean()
    costs = rows.groupby("method")[["train_seconds", "peak_memory_mb"]].max()
    table = pd.DataFrame(
        {
            "return": returns.map("{:.2f}".format),
            "skill": skill["estimate"].map("{:z.3f}".format),
            "interval": pd.Series(map(interval_text, skill["low"], skill["high"]), skill.index),
            "repeat_rate": others["repeat_rate"].map("{:.0%}".format),
            "coverage": others["coverage"].map("{:.2%}".format),
            "diversity": others["diversity"].map("{:.2f}".format),
            "novelty": others["novelty"].map(lambda bits: "" if math.isnan(bits) else f"{bits:.1f}"),
            "train_seconds": costs["train_seconds"].map("{:.1f}".format),
            "peak_memory_mb": costs["peak_memory_mb"].map("{:.0f}".format),
            "n_runs": skill["n_runs"].map("{:d}".format),
        }
    )
    order = skill["estimate"].sort_values(ascending=False).index
    return table.loc[order].rename_axis("method").reset_index()


def overview(rows: pd.DataFrame) -> pd.DataFrame:
    """Set the methods side by side over all tasks of one catalogue: skill with its interval, a column per environment.

    Args:
        rows: result rows of tasks that share a catalogue, with `skill`.

    Returns:
        Columns `method` and the environments, as text, in the order of the rows.
    """
    columns = {}
    for env, of_task in rows.groupby("env_id", sort=False):
        skill = aggregates(of_task, "skill").set_index("method")
        columns[env] = pd.Series(map(_skill_text, skill["estimate"], skill["low"], skill["high"]), skill.index)
    return pd.DataFrame(columns, pd.Index(rows["method"].unique(), name="method")).fillna("").reset_index()


def _skill_text(estimate: float, low: float, high: float) -> str:
    return f"{estimate:z.3f}" + (f" ({interval_text(low, high)})" if not math.isnan(low) else "")


def summary_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the summary of one task with its headings as they are shown."""
    return summary(rows).rename(columns=COLUMNS)


def console_table(rows: pd.DataFrame) -> Table:
    """Lay the summary of one task out for the terminal."""
    sessions = rows["session"].nunique()
    title = f"{rows['env'].iloc[0]}: {rows['n_tracks'].iloc[0]:,} tracks, {sessions} held-out sessions"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("method", no_wrap=True)
    for heading in COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for row in summary(rows).itertuples(index=False):
        table.add_row(*(Text(cell) for cell in row))
    return table


def markdown_table(shown: pd.DataFrame) -> str:
    """Write a table of texts in Markdown, all columns but the first to the right."""
    lines = ["| " + " | ".join(shown.columns) + " |", "|---" + "|---:" * (len(shown.columns) - 1) + "|"]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in shown.itertuples(index=False)]
    return "\n".join(lines)


def interval_text(low: float, high: float) -> str:
    """Write an interval; nothing where there is none.

    >>> interval_text(0.25, 1), interval_text(math.nan, math.nan)
    ('0.250 to 1.000', '')
    """
    return "" if math.isnan(low) else f"{low:.3f} to {high:.3f}"
