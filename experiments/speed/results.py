"""What was measured as one table, as plain values, and as curves of growth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from rich.table import Table
from rich.text import Text

from experiments.lib.plot_style import FAINT, figure
from experiments.lib.plots import growth_plot
from experiments.speed.environments import VECTOR, VECTOR_BY_TRACKS
from experiments.speed.learning import DECISION, GRADIENT
from experiments.speed.measuring import Group, Measured, times_as_fast

COLUMNS = ("size", "median", "best", "× floor", "× usual", "of limit", "goal", "")
LEGEND = (
    "× floor: times as fast as Gymnasium's own CartPole-v1, or its import. × usual: times as fast as what is usually "
    "written instead, named in each part, or so many times less memory. Both are medians over rounds in which the two "
    "took turns. of limit: share of the speed at which the bytes that must move, or the products that must be formed, "
    "would take all of one core's measured bandwidth or arithmetic. Times are processor time of all threads."
)

_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))

_PANELS = (
    (VECTOR, "a step of one session [s]", "sessions at once"),
    (VECTOR_BY_TRACKS, "a step of one session, 1,024 at once [s]", "tracks"),
    (GRADIENT, "a gradient step, 64 transitions [s]", "tracks"),
    (DECISION, "a decision, per state [s]", "tracks"),
)


def result_table(results: Sequence[Measured]) -> Table:
    """Lay all results out for the terminal, a part per group."""
    table = Table(title_justify="left")
    table.add_column("what")
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for group, found in groupby(results, key=lambda one: one.task.group):
        table.add_row(Text(group.title, style="bold"), Text(group.size))
        for one in found:
            reason = f" (left out: {one.task.reason})" if one.task.reason else ""
            table.add_row(f"  {one.task.what}{reason}", *cells(one, results))
        table.add_section()
    return table


def cells(one: Measured, results: Iterable[Measured]) -> list[str]:
    """Return the columns of one result, as text."""
    task = one.task
    size = f"{task.size:,}" if task.group.size else ""
    if not one.costs:
        return [size]
    goal = ["", ""] if task.goal is None else [shown(task.goal, task.group), "met" if one.met else "missed"]
    return [
        size,
        shown(one.median, task.group),
        shown(min(one.costs), task.group),
        *(three_digits(ratio) if (ratio := ratio_to(role, one, results)) else "" for role in ("floor", "usual")),
        "" if task.limit is None else f"{task.limit / one.median:.2%}",
        *goal,
    ]


def ratio_to(role: str, one: Measured, results: Iterable[Measured]) -> float | None:
    """Return how many times as fast a result is as the one of another role in its race, if there is one."""
    place = (one.task.group, one.task.size)
    for other in results:
        if other.task.role == role and (other.task.group, other.task.size) == place and other.costs:
            return None if other is one else times_as_fast(one, other)
    return None


def shown(cost: float, group: Group) -> str:
    """Return a cost as text, in the unit of its group.

    >>> shown(2.5e-7, Group("a step", "/s")), shown(2.5e-4, Group("a decision", "s")), shown(7.6e6, Group("held", "B"))
    ('4,000,000/s', '250 µs', '7.6 MB')
    """
    if group.unit == "/s":
        return f"{three_digits(1 / cost)}/s"
    if group.unit == "B":
        return f"{cost / 1e6:.1f} MB"
    scale, unit = next((one for one in _TIMES if cost >= one[0]), _TIMES[-1])
    return f"{cost / scale:.3g} {unit}"


def three_digits(value: float) -> str:
    """Return three digits of a positive number as text.

    >>> three_digits(5_361_234), three_digits(59.6182), three_digits(0.0087512)
    ('5,360,000', '59.6', '0.00875')
    """
    digits = 2 - math.floor(math.log10(value))
    return f"{round(value, digits):,.{max(digits, 0)}f}"


def verdict(results: Iterable[Measured]) -> str:
    """Say how many goals are met, and which are not."""
    judged = [one for one in results if one.task.goal is not None and one.costs]
    missed = [_named(one) for one in judged if not one.met]
    return f"{len(judged) - len(missed)} of {len(judged)} goals met. Missed: {'; '.join(missed) or 'none'}."


def _named(one: Measured) -> str:
    """Return what was measured, with its size where it has one, and its cost."""
    group = one.task.group
    size = f" ({one.task.size:,} {group.size})" if group.size else ""
    return f"{one.task.what}{size}: {shown(one.median, group)}"


def plain_rows(results: Iterable[Measured]) -> list[dict[str, Any]]:
    """Return all results as plain values for JSON, every single measurement included."""
    return [
        {
            "group": one.task.group.title,
            "what": one.task.what,
            "size": one.task.size,
            "role": one.task.role,
            "unit": "bytes" if one.task.group.unit == "B" else "seconds",
            "costs": one.costs,
            "limit": one.task.limit,
            "goal": one.task.goal,
            "reason": one.task.reason,
        }
        for one in results
    ]


def draw_growth(results: Sequence[Measured], path: Path) -> None:
    """Draw how costs grow with sessions and tracks, and below them the least that this machine allows."""
    with figure(path, n_panels=len(_PANELS), size=(9.0, 5.0)) as panels:
        for axes, (group, cost, size) in zip(panels, _PANELS, strict=True):
            found = [one for one in results if one.task.group == group]
            growth_plot(axes, _costs(found), cost, size)
            _draw_limit(axes, found)
            axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)


def _costs(found: Iterable[Measured]) -> pd.DataFrame:
    rows = [(one.task.what, one.task.size, cost) for one in found for cost in one.costs]
    return pd.DataFrame(rows, columns=["method", "size", "cost"])


def _draw_limit(axes: Axes, found: Sequence[Measured]) -> None:
    """Draw the limit of the first series."""
    first = found[0].task.what
    limits = {one.task.size: one.task.limit for one in found if one.task.limit and one.task.what == first}
    if limits:
        label = f"limit of this machine, {first}"
        axes.plot(*zip(*limits.items(), strict=True), color=FAINT, linewidth=1, label=label)
