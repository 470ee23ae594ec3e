"""The figures: their content, and that they are written atomically."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread

from experiments.lib.plots import (
    SKILL_MARKS,
    bar_plot,
    figure,
    growth_plot,
    improvement_plot,
    interval_plot,
    learning_curves,
    profile_plot,
    styles,
)

METHODS = pd.DataFrame(
    {
        "method": ["DQN", "Double DQN", "planner", "random"],
        "estimate": [0.8, 0.9, 1.0, -15.0],
        "low": [0.7, 0.85, np.nan, np.nan],
        "high": [0.85, 0.92, np.nan, np.nan],
        "n_runs": [10, 10, 1, 1],
    }
)
CURVES = METHODS.loc[METHODS.index.repeat(3)].assign(step=[0, 1_000, 2_000] * 4, threshold=[0.1, 0.5, 0.9] * 4)
PAIRS = METHODS.assign(other="nearest", estimate=0.3, low=0.1, high=0.5)
COSTS = pd.DataFrame({"method": "DQN", "size": [10, 100, 1000] * 2, "cost": [3, 30, 300, 3, 30, 300]})


@pytest.fixture
def axes() -> Axes:
    return Figure().subplots()


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def legend(axes: Axes) -> list[str]:
    shown = axes.get_legend()
    assert shown is not None
    return [text.get_text() for text in shown.get_texts()]


def test_styles__keep_an_algorithms_colour_whoever_else_is_drawn() -> None:
    alone, among = styles(["Double DQN"]), styles(["random", "DQN", "Double DQN"])
    assert alone["Double DQN"] == among["Double DQN"]
    assert among["random"].reference
    assert not among["DQN"].reference


def test_styles__tell_the_variants_of_an_algorithm_apart() -> None:
    found = styles(["DQN, γ = 0", "DQN", "DQN, small"])
    assert len({style.colour for style in found.values()}) == 1
    assert len({(style.marker, style.dashes) for style in found.values()}) == 3
    assert found["DQN"] == styles(["DQN"])["DQN"]


def test_styles__give_strangers_colours_of_their_own() -> None:
    assert len({style.colour for style in styles(["mine", "yours", "DQN"]).values()}) == 3


@pytest.mark.parametrize(
    ("draw", "data"),
    [
        (learning_curves, CURVES),
        (profile_plot, CURVES),
        (interval_plot, METHODS),
        (improvement_plot, PAIRS),
    ],
)
def test_plot__draws_a_picture(draw, data, tmp_path: Path) -> None:
    path = tmp_path / "new" / "figure.png"
    with figure(path) as (axes,):
        draw(axes, data)
    picture = imread(path)
    assert picture.shape[:2] == (640, 1120)
    assert picture[..., :3].std() > 0.01


def test_figure__has_as_many_panels_as_asked_for(tmp_path: Path) -> None:
    with figure(tmp_path / "figure.svg", n_panels=3) as panels:
        assert len(panels) == 3
    assert (tmp_path / "figure.svg").read_text().startswith("<?xml")


def test_figure__leaves_the_old_file_where_drawing_fails(tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    path.write_text("old")
    with pytest.raises(KeyError), figure(path) as (axes,):
        profile_plot(axes, METHODS)
    assert [file.name for file in tmp_path.iterdir()] == ["figure.png"]
    assert path.read_text() == "old"


def test_learning_curves__name_axes_runs_and_levels(axes: Axes) -> None:
    learning_curves(axes, CURVES, levels={"nearest": 0.94})
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("environment steps", "skill")
    assert legend(axes)[0] == "DQN  (n = 10)"
    assert texts(axes) == ["nearest"]


def test_interval_plot__puts_the_best_on_top_with_runs_and_number(axes: Axes) -> None:
    interval_plot(axes, METHODS, marks=SKILL_MARKS)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["random  (n = 1)", "DQN  (n = 10)", "Double DQN  (n = 10)", "planner  (n = 1)"]
    assert texts(axes) == ["fixed list", "planner", "-15.000", "0.800", "0.900", "1.000"]
    assert axes.get_xlim()[0] < -15


def test_interval_plot__keeps_the_hopeless_from_pressing_the_others_together(axes: Axes) -> None:
    interval_plot(axes, METHODS, floor=0.0)
    assert axes.get_xlim()[0] > 0.5
    assert "-15.000" in texts(axes)


def test_growth_plot__tells_the_exponent(axes: Axes) -> None:
    growth_plot(axes, COSTS, "time [ms]")
    assert legend(axes) == ["DQN: grows as size$^{1.00}$"]
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_ylabel()) == ("log", "log", "time [ms]")


def test_bar_plot__puts_the_largest_on_top(axes: Axes) -> None:
    bar_plot(axes, pd.Series({"γ": 0.2, "learning rate": 0.5}), "importance")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["γ", "learning rate"]
    assert texts(axes) == ["0.2", "0.5"]
