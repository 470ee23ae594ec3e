"""The commands `spotify-gym evaluate` and `compare`: a leaderboard of models and reference policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import tyro
from rich.console import Console

from spotify_gym.catalogue.report import printable
from spotify_gym.cli.command import Command, check_out, show_table
from spotify_gym.cli.page import markdown_table
from spotify_gym.policies import BEST_SEEN, POLICIES
from spotify_gym.training import EVALUATION_SEED, Run, RunFolder, load_run
from spotify_gym.training.artifacts import write_card
from spotify_gym.training.leaderboard import (
    QUICK,
    Leaderboard,
    example_session,
    play_leaderboard,
    skills_of,
    write_sessions,
)


@dataclass(frozen=True, kw_only=True)
class _Comparison(Command):
    sessions: int = 1000
    """Number of held-out sessions."""
    seed: int = EVALUATION_SEED
    """Seed of the first session."""
    planner: bool = False
    """Also run the planner, which sets skill 1 and takes seconds per session, and references that take minutes. Their
    results are kept for later calls."""
    out: Path | None = None
    """CSV file to write, a row per policy and session; by default evaluate writes evaluation.csv in the run folder."""
    trust: bool = False
    """Import code that a run names as module:Class, load model.zip if weights are missing; both can run any code."""

    def play(self, runs: Mapping[str, Run], out: Path | None) -> str:
        """Evaluate all policies, write every session to `out`, print the table, and return it as Markdown."""
        if out is not None:
            check_out(out, ".csv")
        references = tuple(POLICIES) if self.planner else QUICK
        with Console(stderr=True).status("") as status:
            leaderboard = play_leaderboard(
                runs, self.sessions, self.seed, references, lambda name: status.update(f"{name} plays ...")
            )
        if out is not None:
            write_sessions(out, leaderboard)
        title, table, legend = _told(leaderboard, next(iter(runs.values())))
        columns: dict[str, Literal["left", "right"]] = {**dict.fromkeys(map(str, table), "right"), "policy": "left"}
        show_table(title, columns, table.itertuples(index=False))
        print(legend)
        return f"{title}.\n\n{markdown_table(table)}\n\n{legend}."


@dataclass(frozen=True, kw_only=True)
class Evaluate(_Comparison):
    """Score a trained model and the reference policies on the same held-out sessions."""

    path: tyro.conf.Positional[Path]
    """Folder of the run."""
    catalogue: str | None = None
    """Play from a catalogue other than the one trained on, with the scaling of that one."""

    def run(self) -> None:
        """Print the table and one example session, and write every session to a file."""
        run = load_run(self.path, self.catalogue, trust=self.trust)
        (name,) = _names([self.path])
        out = self.out or self.path / "evaluation.csv"
        numbers = self.play({name: run}, out)
        if self.out is None and self.catalogue is None:
            write_card(RunFolder(self.path), run.config, run.model.num_timesteps, numbers)
        print(f"\nOne of these sessions, played by {name}:\n")
        print(printable(example_session(run, self.seed)))
        print(f"\nevery session: {out}")


@dataclass(frozen=True, kw_only=True)
class Compare(_Comparison):
    """Score several trained models and the reference policies on the same held-out sessions.

    To train many seeds of many learners and learn how sure a difference is, in a checkout: python -m
    experiments.compare
    """

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of the runs, all with the same environment and catalogue."""

    def run(self) -> None:
        """Print one table of all runs."""
        loaded = (load_run(path, trust=self.trust) for path in self.paths)
        self.play(dict(zip(_names(self.paths), loaded, strict=True)), self.out)


def _names(paths: Sequence[Path]) -> list[str]:
    """Return a name for each run: its folder's name, or the whole paths if these names are not unique."""
    names = [path.resolve().name for path in paths]
    clear = len({*names, *POLICIES}) == len(names) + len(POLICIES)
    return names if clear else [str(path) for path in paths]


def _told(leaderboard: Leaderboard, run: Run) -> tuple[str, pd.DataFrame, str]:
    """Return a title, the leaderboard as a table of texts, highest return first, and a legend of its columns."""
    n = len(next(iter(leaderboard.values())).seeds)
    title = f"{run.config.env} on {run.catalogue.source}: {n} held-out sessions"
    top = "planner" if "planner" in leaderboard else "nearest"
    legend = "return: mean and 95 % interval over sessions; skill: "
    if skills_of(leaderboard):
        legend += f"0 is the best fixed list, 1 is {top}"
    else:
        legend += f"none, as {top} does not earn more than fixed"
        legend += "" if top == "planner" else "; with --planner, the planner is 1"
    best = BEST_SEEN.get(run.config.env)
    if best in leaderboard:
        legend += f"; of what is seen: 1 is {best}, which sees only what a model sees"
    rows = sorted(_measured(leaderboard, best), key=lambda row: -leaderboard[row["policy"]].returns.mean())
    return title, pd.DataFrame(rows), legend


def _measured(leaderboard: Leaderboard, best: str | None) -> Iterator[dict[str, str]]:
    skills = skills_of(leaderboard)
    seen = {} if best is None else skills_of(leaderboard, best)
    for name, evaluation in leaderboard.items():
        measures = evaluation.measures()
        margin = 1.96 * measures["return"].std() / np.sqrt(len(measures["return"]))
        yield {
            "policy": name,
            "return": f"{measures['return'].mean():.2f} ± {margin:.2f}",
            "skill": f"{skills[name]:.3f}" if name in skills else "",
            **({"of what is seen": f"{seen[name]:.3f}"} if seen else {}),
            "length": f"{measures['length'].mean():.1f}",
            "repeats": f"{100 * measures['repeat_rate'].mean():.1f} %",
            "coverage": f"{100 * evaluation.coverage:.2f} %",
            "diversity": f"{np.nanmean(measures['diversity']):.3f}",
            "novelty": f"{np.nanmean(measures['novelty']):.2f}" if "novelty" in measures else "",
        }
