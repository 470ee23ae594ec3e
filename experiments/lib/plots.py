"""Plots of all experiments, in one style and with a fixed colour per algorithm.

They draw the tidy frames of :mod:`experiments.lib.aggregation`: `method, estimate, low, high, n_runs`, where `low` and
`high` are NaN if there is no interval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from spotify_gym.catalogue.files import replacing
from spotify_gym.policies import POLICIES

FAINT = "#777777"

_COLOURS = {
    "DQN": "#0072B2",
    "Double DQN": "#D55E00",
    "Dueling DQN": "#009E73",
    "Dueling Double DQN": "#AA3377",
    "QR-DQN": "#E69F00",
    "random": "#C4C4C4",
    "popular": "#A3A3A3",
    "fixed": "#808080",
    "nearest": "#575757",
    "planner": "#1A1A1A",
}
"""Learners in colours safe for colour-blind readers (Okabe and Ito, 2008), references in greys."""

_SPARE = ("#56B4E9", "#8C6D31", "#6A51A3", "#B10026", "#1B7837", "#CC79A7")

_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))

_STYLE: list[Any] = [
    "seaborn-v0_8-whitegrid",
    {
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.titlepad": 16,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": "#E6E6E6",
        "lines.linewidth": 1.8,
        "legend.fontsize": 9,
        "savefig.dpi": 160,
    },
]


@dataclass(frozen=True)
class PlotStyle:
    """Drawing style of one method."""

    colour: str
    marker: str
    dashes: Any
    reference: bool
    """Whether the method is a reference policy."""


def styles(methods: Iterable[str]) -> dict[str, PlotStyle]:
    """Return the style of each method: the colour of its algorithm, with its own dashes and marker for each variant.

    The algorithm is the name up to the first comma: "DQN" and "DQN, γ = 0" share a colour. Unknown names get spare
    colours in order of appearance.
    """
    colours, spare, n_variants = dict(_COLOURS), cycle(_SPARE), Counter[str]()
    found = {}
    for method in dict.fromkeys(methods):
        algorithm, variant, _ = method.partition(",")
        if algorithm not in colours:
            colours[algorithm] = next(spare)
        n_variants[algorithm] += bool(variant)
        nth = n_variants[algorithm] if variant else 0
        marker, dashes = _MARKERS[nth % len(_MARKERS)], _DASHES[nth % len(_DASHES)]
        found[method] = PlotStyle(colours[algorithm], marker, dashes, algorithm in POLICIES)
    return found


@contextmanager
def figure(path: Path, n_panels: int = 1, size: tuple[float, float] = (7.0, 4.0)) -> Iterator[Sequence[Axes]]:
    """Yield the axes of a new figure, which is saved to `path` when the block ends without an error.

    Args:
        path: File to write; its ending is the format: png, svg or pdf. Missing folders are made.
        n_panels: Number of axes, two per row.
        size: Width and height of one panel [inches].

    Example:
        with figure(Path("skill.png")) as (axes,):
            interval_plot(axes, aggregates(results))
    """
    n_columns = min(n_panels, 2)
    n_rows = ceil(n_panels / n_columns)
    with matplotlib.style.context(_STYLE):
        canvas = Figure(figsize=(size[0] * n_columns, size[1] * n_rows), layout="constrained")
        panels: list[Axes] = canvas.subplots(n_rows, n_columns, squeeze=False).ravel().tolist()
        for spare in panels[n_panels:]:
            spare.set_axis_off()
        yield panels[:n_panels]
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            canvas.savefig(file, format=path.suffix[1:])


def caption(axes: Axes, text: str) -> None:
    """Write an explanation of the marks below the figure."""
    canvas = axes.get_figure(root=True)
    assert isinstance(canvas, Figure)
    canvas.supxlabel(text, x=0.01, ha="left", fontsize=8, color=FAINT)


INTERVAL = "95 % bootstrap interval over training runs (n)"

SKILL_MARKS = {0.0: "fixed list", 1.0: "planner"}
"""Labels of skill 0 and 1."""


def learning_curves(
    axes: Axes,
    frame: pd.DataFrame,
    *,
    x: str = "step",
    x_label: str = "environment steps",
    levels: Mapping[str, float] | None = None,
) -> None:
    """Plot skill against the column `x`, a line and a band per method, with horizontal lines at `levels`."""
    _lines(axes, frame, x)
    for name, level in (levels or {}).items():
        axes.axhline(level, color=styles([name])[name].colour, linewidth=1, linestyle="dashed")
        _right_of(axes, level, name)
    axes.set(xlabel=x_label, ylabel="skill")
    axes.margins(x=0)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
    caption(axes, f"Line: interquartile mean. Band: {INTERVAL}.")


def profile_plot(axes: Axes, frame: pd.DataFrame) -> None:
    """Plot performance profiles: the share of a method's runs above each `threshold`."""
    _lines(axes, frame, "threshold")
    axes.set(xlabel="skill τ", ylabel="share of runs with skill > τ", ylim=(-0.02, 1.02))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.margins(x=0)
    caption(axes, f"Higher is better. Band: pointwise {INTERVAL}.")


def interval_plot(
    axes: Axes, frame: pd.DataFrame, *, marks: Mapping[float, str] | None = None, floor: float = -np.inf
) -> None:
    """Plot an estimate with its interval per method, best on top.

    Args:
        axes: Axes to draw on.
        frame: One row per method.
        marks: Values to mark with a labelled line, such as `SKILL_MARKS`.
        floor: Methods below it become an arrow at the left edge, so that they do not compress the scale of the others.
    """
    rows = frame.sort_values("estimate", ignore_index=True)
    names = [f"{method}  (n = {n})" for method, n in zip(rows["method"], rows["n_runs"], strict=True)]
    _whiskers(axes, rows, names, list(styles(rows["method"]).values()), floor)
    _mark(axes, marks or {})
    for height, estimate in enumerate(rows["estimate"]):
        _right_of(axes, height, f"{estimate:z.3f}")
    axes.set(xlabel="skill, interquartile mean")
    caption(axes, f"Point: interquartile mean. Line: {INTERVAL}; none where n = 1.")


def improvement_plot(axes: Axes, frame: pd.DataFrame) -> None:
    """Plot the probability that a run of `method` beats a run of `other`, one pair per row."""
    rows = frame.iloc[::-1]
    style_of = styles([*frame["method"], *frame["other"]])
    names = [f"{method}  beats  {other}" for method, other in zip(rows["method"], rows["other"], strict=True)]
    _whiskers(axes, rows, names, [style_of[method] for method in rows["method"]])
    _mark(axes, {0.5: "no difference"})
    axes.set(xlim=(-0.02, 1.02), xlabel="probability of a higher skill")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    caption(axes, f"Between one run of each, a tie counting half. Line: {INTERVAL}.")


def bar_plot(axes: Axes, values: pd.Series[float], measure: str) -> None:
    """Plot one bar per value, named by the index, largest on top."""
    ordered = values.sort_values()
    bars = axes.barh([str(name) for name in ordered.index], ordered.to_numpy(), color="#0072B2", height=0.7)
    axes.bar_label(bars, fmt="{:.3g}", padding=3, fontsize=9)
    axes.set(xlabel=measure)
    axes.margins(x=0.12)
    axes.grid(axis="y", visible=False)


def growth_plot(axes: Axes, frame: pd.DataFrame, cost: str, size: str = "tracks in the catalogue") -> None:
    """Plot cost against size on logarithmic axes, with the exponent of each series' power law.

    Args:
        axes: Axes to draw on.
        frame: `method, size, cost`, all positive; several rows of one size are drawn as points around their median.
        cost: Label of the cost, with its unit.
        size: Label of the size.
    """
    for (method, rows), style in zip(
        frame.groupby("method", sort=False), styles(frame["method"]).values(), strict=True
    ):
        median = rows.groupby("size")["cost"].median()
        look = {"color": style.colour, "linestyle": style.dashes, "marker": style.marker, "markersize": 5}
        axes.plot(median.index, median, label=f"{method}: grows as size$^{{{exponent(median):.2f}}}$", **look)
        axes.scatter(rows["size"], rows["cost"], color=style.colour, s=9, alpha=0.4, linewidths=0)
    axes.set(xscale="log", yscale="log", xlabel=size, ylabel=cost)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.legend()
    caption(axes, "Line: median of the measurements (points). Exponent 1: in proportion.")


def exponent(costs: pd.Series[float]) -> float:
    """Return the exponent of the power law of costs, indexed by size; NaN for fewer than two."""
    sizes = costs.index.to_numpy(np.float64)
    return float(np.polyfit(np.log(sizes), np.log(costs.to_numpy()), 1)[0]) if len(costs) > 1 else np.nan


def _lines(axes: Axes, frame: pd.DataFrame, x: str) -> None:
    """Draw a line and a band per method, with the number of runs in the legend."""
    for (method, rows), style in zip(
        frame.groupby("method", sort=False), styles(frame["method"]).values(), strict=True
    ):
        label = f"{method}  (n = {rows['n_runs'].iat[0]})"
        axes.plot(rows[x], rows["estimate"], color=style.colour, linestyle=style.dashes, label=label)
        axes.fill_between(rows[x], rows["low"], rows["high"], color=style.colour, alpha=0.15, linewidth=0)
    axes.legend()


def _whiskers(
    axes: Axes, rows: pd.DataFrame, names: Sequence[str], looks: Sequence[PlotStyle], floor: float = -np.inf
) -> None:
    """Draw each estimate as a point and its interval as a line, one per row; estimates below `floor` as an arrow."""
    values = rows[["estimate", "low", "high"]].to_numpy(np.float64)
    for height, ((estimate, low, high), style) in enumerate(zip(values, looks, strict=True)):
        if estimate < floor:
            axes.plot(0.01, height, "<", color=style.colour, transform=axes.get_yaxis_transform())
            continue
        axes.hlines(height, low, high, color=style.colour, linewidth=6, alpha=0.35)
        face = "white" if style.reference else style.colour
        axes.plot(estimate, height, style.marker, color=style.colour, markerfacecolor=face, markersize=7)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.grid(axis="y", visible=False)


def _mark(axes: Axes, marks: Mapping[float, str]) -> None:
    """Draw vertical lines with labels at the upper edge."""
    for value, name in marks.items():
        axes.axvline(value, color=FAINT, linewidth=1, linestyle="dashed", zorder=0)
        axes.text(value, 1.01, name, fontsize=8, color=FAINT, ha="center", transform=axes.get_xaxis_transform())


def _right_of(axes: Axes, height: float, text: str) -> None:
    """Write a label beyond the right edge."""
    axes.text(1.01, height, text, fontsize=8, color=FAINT, va="center", transform=axes.get_yaxis_transform())
