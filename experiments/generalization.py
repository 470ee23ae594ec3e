"""Does what was learned hold elsewhere: in new sessions, on tracks never seen, on another catalogue; not retrained.

`python -m experiments.generalization --catalogue TABLE --other OTHER_TABLE`
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pandas as pd
import tyro

from experiments.lib.aggregation import aggregates
from experiments.lib.cases import Case
from experiments.lib.execute import rows_of
from experiments.lib.plot_style import figure
from experiments.lib.plots import SKILL_MARKS, interval_plot
from experiments.lib.runner import keep_rows
from experiments.lib.scale import on_scale, scale_of
from experiments.lib.suites import seeds
from experiments.lib.tables import interval_text
from spotify_gym.catalogue import Catalogue, as_catalogue
from spotify_gym.cli.command import Command, run_command
from spotify_gym.cli.printing import show_table
from spotify_gym.training import TrainConfig, evaluate, train
from spotify_gym.training.learners import catalogue_of

LEARNED, UNSEEN, OTHER = "tracks learned from", "tracks never seen", "another catalogue"
"""Where the held-out sessions are played."""

HERE, ELSEWHERE = "trained there", "trained elsewhere"
"""Where the learners that play in a place have learned."""

_COLUMNS: dict[str, Literal["left", "right"]] = {
    "new sessions on": "left",
    "tracks": "right",
    "learner": "left",
    "skill": "right",
    "95 % interval": "right",
    "lowest run": "right",
    "runs": "right",
    "nearest": "right",
}


@dataclass(frozen=True)
class Generalization(Command):
    """Train on a part of the tracks and play where nothing was learned, beside learners that were trained there.

    Skill is measured in each place on that place's own fixed list and planner. A second call goes on where the first
    one stopped.
    """

    config: tyro.conf.OmitArgPrefixes[TrainConfig] = field(
        default_factory=lambda: TrainConfig(env="SpotifyPlaylist-v0", algorithm="double", steps=20_000)
    )
    other: str | None = None
    """Another catalogue to play from, scaled as the one that was learned from."""
    test_fraction: float = 0.2
    """Share of the tracks that is kept from the learner; where artists are known none stands on both sides."""
    n_seeds: int = 10
    """Training runs."""
    n_sessions: int = 100
    """Held-out sessions in each place."""
    out: Path = Path("results/generalization")
    """Folder of the results."""
    jobs: int = 2
    """Processes, one training each."""

    def run(self) -> None:
        """Train, play everywhere, print a table, draw."""
        if self.config.policy == "mlp":
            raise ValueError(
                "policy='mlp' has one output per track and plays only from the tracks it was trained on; "
                "take policy='catalogue'"
            )
        places = self._prepared()
        runs = list(self._runs(places))
        scale = [case for path in places.values() for case in scale_of(self._trained_on(path), self.n_sessions)]
        results = on_scale(scale, runs, train_and_travel, self.out, self.jobs)
        results["place"] = results["catalogue"].map({path: name for name, path in places.items()})
        keep_rows(self.out / "generalization.parquet", results)
        title = f"{self.config.env}: {self.config.algorithm}, γ = {self.config.gamma:g}, {self.n_sessions} sessions"
        found = skills(results)
        show_table(title, _COLUMNS, _lines(found))
        draw(found, self.config.env, self.out / "generalization.png")
        print(f"every session: {self.out / 'generalization.parquet'}\npicture: {self.out / 'generalization.png'}")

    def _prepared(self) -> dict[str, str]:
        """Divide the catalogue, and write each place to a file that all processes share; name of place to path."""
        learned, unseen = catalogue_of(self.config).split(self.test_fraction, seed=0)
        catalogues = {LEARNED: learned, UNSEEN: unseen}
        if self.other is not None:
            catalogues[OTHER] = as_catalogue(self.other, scaling=learned.scaling)
        self.out.mkdir(parents=True, exist_ok=True)
        return {name: self._written(catalogue) for name, catalogue in catalogues.items()}

    def _written(self, catalogue: Catalogue) -> str:
        path = self.out / f"{catalogue.fingerprint[:12]}.arrow"
        if not path.exists():
            catalogue.save(path)
        return str(path)

    def _runs(self, places: dict[str, str]) -> Iterator[TravelCase]:
        """Learn from the first place and play in all of them; for comparison learn in each of the others too."""
        home, *abroad = places.values()
        for path, plays_from in ((home, tuple(places.values())), *((path, (path,)) for path in abroad)):
            case = TravelCase(HERE, self._trained_on(path), None, self.n_sessions, plays_from)
            yield from seeds(case, self.n_seeds)

    def _trained_on(self, path: str) -> TrainConfig:
        return replace(self.config, catalogue=path, max_tracks=None)


@dataclass(frozen=True)
class TravelCase(Case):
    """A training run whose model then plays from several catalogues."""

    plays_from: tuple[str, ...] = ()
    """Prepared catalogues, measured alike."""


def train_and_travel(case: TravelCase) -> pd.DataFrame:
    """Train once and return a row per held-out session of each place."""
    model = train(case.config).model
    rows = []
    for path in case.plays_from:
        method = HERE if path == case.config.catalogue else ELSEWHERE
        there = replace(case, method=method, config=replace(case.config, catalogue=path))
        catalogue = catalogue_of(there.config)
        played = evaluate(model, there.config.env, case.n_sessions, catalogue=catalogue, **there.config.env_options)
        rows.append(rows_of(there, catalogue, played))
    return pd.concat(rows, ignore_index=True)


def skills(results: pd.DataFrame) -> pd.DataFrame:
    """Aggregate the learners of each place.

    Returns:
        `place, learner, estimate, low, high, n_runs, lowest` (run), `nearest` (skill of the policy), `n_tracks`.
    """
    frames = []
    for place, rows in results.groupby("place", sort=False):
        learners = rows[rows["method"].isin((HERE, ELSEWHERE))]
        found = aggregates(learners).rename(columns={"method": "learner"})
        lowest = learners.groupby(["method", "seed"])["skill"].mean().groupby("method").min()
        found["lowest"] = lowest.loc[found["learner"]].to_numpy()
        nearest = rows.loc[rows["method"] == "nearest", "skill"].mean()
        frames.append(found.assign(place=place, nearest=nearest, n_tracks=int(rows["n_tracks"].max())))
    return pd.concat(frames, ignore_index=True)


def draw(found: pd.DataFrame, title: str, path: Path) -> None:
    """Draw the skill in each place."""
    with figure(path, size=(8.0, 3.6)) as (axes,):
        names = found["place"] + ", " + found["learner"]
        interval_plot(axes, found.assign(method=names), marks=SKILL_MARKS)
        axes.set_title(title, loc="right")


def _lines(found: pd.DataFrame) -> Iterator[list[str]]:
    for row in found.to_dict("records"):
        interval = interval_text(row["low"], row["high"])
        numbers = (
            f"{row['estimate']:.3f}",
            interval,
            f"{row['lowest']:.3f}",
            f"{row['n_runs']}",
            f"{row['nearest']:.3f}",
        )
        yield [row["place"], f"{row['n_tracks']:,}", row["learner"], *numbers]


if __name__ == "__main__":
    sys.exit(run_command(Generalization, "python -m experiments.generalization"))
