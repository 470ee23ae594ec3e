"""Plot style: one light look of all figures, and one colour for each algorithm wherever it appears."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
"""Learners in colours that the colour-blind tell apart (Okabe and Ito, 2008), references in greys."""

_SPARE = ("#56B4E9", "#8C6D31", "#6A51A3", "#B10026", "#1B7837", "#CC79A7")

_REFERENCES = frozenset(POLICIES)

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
    """How one method is drawn."""

    colour: str
    marker: str
    dashes: Any
    reference: bool
    """Whether it is a policy that does not learn."""


def styles(methods: Iterable[str]) -> dict[str, PlotStyle]:
    """Give each method its style: the colour of its algorithm, and for each variant of one its own dashes and marker.

    The algorithm is the name up to the first comma: "DQN" and "DQN, γ = 0" share a colour. Names that are none of the
    project's take spare colours in order of appearance.
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
        found[method] = PlotStyle(colours[algorithm], marker, dashes, algorithm in _REFERENCES)
    return found


@contextmanager
def figure(path: Path, n_panels: int = 1, size: tuple[float, float] = (7.0, 4.0)) -> Iterator[Sequence[Axes]]:
    """Open a figure to draw on; it stands at `path`, whole, when the block ends well.

    Args:
        path: File to write, its ending the format: png, svg or pdf. Missing folders are made.
        n_panels: Axes, two in a row.
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
    """Write below the whole figure what its marks stand for."""
    canvas = axes.get_figure(root=True)
    assert isinstance(canvas, Figure)
    canvas.supxlabel(text, x=0.01, ha="left", fontsize=8, color=FAINT)
