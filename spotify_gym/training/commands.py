"""The commands around a run: train, evaluate, recommend, compare."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import numpy as np
import tyro
from rich.console import Console

from spotify_gym.policies import POLICIES
from spotify_gym.training.callbacks import Stopped
from spotify_gym.training.command_line import Command
from spotify_gym.training.config import EVALUATION_SEED, TrainConfig
from spotify_gym.training.errors import ConfigError
from spotify_gym.training.leaderboard import (
    QUICK,
    Leaderboard,
    example_session,
    play_leaderboard,
    skills_of,
    write_sessions,
)
from spotify_gym.training.loading import load_run
from spotify_gym.training.printing import printable, show_table
from spotify_gym.training.recommendation import find_tracks, recommend
from spotify_gym.training.run_folder import RunFolder
from spotify_gym.training.trainer import Run, resume, train


@dataclass(frozen=True)
class TrainCommand(Command):
    """Train a learner and keep it in a run folder. Ctrl-C saves what there is, and --resume goes on from there."""

    config: tyro.conf.OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)
    settings: Path | None = None
    """A JSON file of settings, such as config.json of another run; options given beside it go before it."""
    out: Path | None = None
    """Folder of the run; None: a new one under runs/."""
    resume: Path | None = None
    """Go on with the interrupted run in this folder, with its own settings."""

    @classmethod
    def parse(cls, arguments: Sequence[str] | None, prog: str, default: Self | None = None) -> Self:
        """Read the options; what `--settings` holds are the defaults of the rest."""
        early = argparse.ArgumentParser(prog, add_help=False, allow_abbrev=False)
        early.add_argument("--settings", type=Path, nargs="?")
        settings = early.parse_known_args(arguments)[0].settings
        if settings is not None:
            default = cls(_read_settings(settings), settings)
        return super().parse(arguments, prog, default)

    def run(self) -> None:
        """Train, and say where the result is."""
        path = self.resume or self.out or _new_folder(self.config)
        if self.resume is not None and RunFolder.open(path).is_finished:
            print(f"{path} is finished already")
            return
        try:
            run = self._train(path)
        except Stopped:
            print(f"saved in {path}; go on with --resume {path}", file=sys.stderr)
            raise
        earned = f", mean return of the last 100 sessions {run.curve[-1].mean_return:.2f}" if run.curve else ""
        print(f"{path}: {run.model.num_timesteps} steps{earned}")

    def _train(self, path: Path) -> Run:
        if self.resume is None:
            return train(self.config, path, progress=True)
        if self != TrainCommand(resume=self.resume):
            raise ConfigError("--resume goes on with the settings of the run; leave all other options out")
        return resume(path, progress=True)


@dataclass(frozen=True)
class EvaluateCommand(Command):
    """Let a trained model and the reference policies play the same held-out sessions."""

    path: tyro.conf.Positional[Path]
    """Folder of the run."""
    catalogue: str | None = None
    """Play from another catalogue than the one trained on; scaled as that one was."""
    sessions: int = 1000
    """How many held-out sessions."""
    seed: int = EVALUATION_SEED
    """Of the first session."""
    planner: bool = False
    """Let the planner play too: it sets skill 1, and takes seconds for each session. Done once, its result is kept."""
    out: Path | None = None
    """CSV file with a row per player and session; None: evaluation.csv in the folder of the run."""
    trust: bool = False
    """Load model.zip where the safe weights are missing; that can run any code that is in it."""

    def run(self) -> None:
        """Print the table and one example session, and keep every session in a file."""
        run = load_run(self.path, self.catalogue, trust=self.trust)
        (name,) = _names([self.path])
        leaderboard = _play({name: run}, self.sessions, self.seed, self.planner)
        out = self.out or self.path / "evaluation.csv"
        write_sessions(out, leaderboard)
        _show(leaderboard, run)
        print(f"\nOne of these sessions, played by {name}:\n")
        print(printable(example_session(run, self.seed)))
        print(f"\nevery session: {out}")


@dataclass(frozen=True)
class CompareCommand(Command):
    """Let several trained models and the reference policies play the same held-out sessions.

    To train many seeds of many learners and learn how sure a difference is: python -m experiments.compare
    """

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of the runs, all of one environment and one catalogue."""
    sessions: int = 1000
    """How many held-out sessions."""
    seed: int = EVALUATION_SEED
    """Of the first session."""
    planner: bool = False
    """Let the planner play too: it sets skill 1, and takes seconds for each session. Done once, its result is kept."""
    out: Path | None = None
    """CSV file with a row per player and session; None: none."""

    def run(self) -> None:
        """Print one table for all."""
        runs = dict(zip(_names(self.paths), map(load_run, self.paths), strict=True))
        leaderboard = _play(runs, self.sessions, self.seed, self.planner)
        if self.out is not None:
            write_sessions(self.out, leaderboard)
        _show(leaderboard, next(iter(runs.values())))


@dataclass(frozen=True)
class RecommendCommand(Command):
    """Print what a trained model would play next."""

    path: tyro.conf.Positional[Path]
    """Folder of the run."""
    history: tuple[str, ...]
    """The last tracks heard, the oldest first, by id or title: one text with commas, or one text each."""
    top: int = 10
    """How many tracks."""
    catalogue: str | None = None
    """Recommend from another catalogue than the one trained on; scaled as that one was."""
    trust: bool = False
    """Load model.zip where the safe weights are missing; that can run any code that is in it."""

    def run(self) -> None:
        """Print the tracks, the best first."""
        run = load_run(self.path, self.catalogue, trust=self.trust)
        heard = find_tracks(run.catalogue, self.history)
        if len(heard) != run.config.history_length:
            raise ValueError(f"--history has {len(heard)} tracks; this model needs {run.config.history_length}")
        show_table(
            "after " + ", ".join(run.catalogue.label(track) for track in heard),
            {"": "right", "track": "left", "id": "left", "similarity": "right", "value": "right"},
            (
                (str(place), one.label, one.track_id, f"{one.similarity:+.3f}", f"{one.value:.3f}")
                for place, one in enumerate(recommend(run, heard, self.top), start=1)
            ),
        )


def _read_settings(path: Path) -> TrainConfig:
    try:
        return TrainConfig.from_json(json.loads(path.read_bytes()))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _new_folder(config: TrainConfig) -> Path:
    now = time.strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{config.env}-{config.algorithm}-{config.policy}-seed{config.seed}-{now}"


def _names(paths: Sequence[Path]) -> list[str]:
    """Call each run by the name of its folder, or by the whole path where that could be mistaken for another."""
    names = [path.resolve().name for path in paths]
    clear = len({*names, *POLICIES}) == len(names) + len(POLICIES)
    return names if clear else [str(path) for path in paths]


def _play(runs: Mapping[str, Run], n_sessions: int, seed: int, planner: bool) -> Leaderboard:
    """Let all play, telling on stderr who does."""
    references = (*QUICK, "planner") if planner else QUICK
    with Console(stderr=True).status("") as status:
        return play_leaderboard(runs, n_sessions, seed, references, lambda name: status.update(f"{name} plays ..."))


def _show(leaderboard: Leaderboard, run: Run) -> None:
    """Print who earned what, the highest return first."""
    columns: dict[str, Literal["left", "right"]] = {"player": "left"}
    skills = skills_of(leaderboard)
    rows = []
    for name in sorted(leaderboard, key=lambda name: -leaderboard[name].returns.mean()):
        measures = leaderboard[name].measures()
        margin = 1.96 * measures["return"].std() / np.sqrt(len(measures["return"]))
        row = {
            "return": f"{measures['return'].mean():.2f} ± {margin:.2f}",
            "skill": f"{skills[name]:.3f}" if name in skills else "",
            "length": f"{measures['length'].mean():.1f}",
            "repeats": f"{100 * measures['repeat_rate'].mean():.1f} %",
            "coverage": f"{100 * leaderboard[name].coverage:.2f} %",
            "diversity": f"{np.nanmean(measures['diversity']):.3f}",
            "novelty": f"{np.nanmean(measures['novelty']):.2f}" if "novelty" in measures else "",
        }
        columns |= dict.fromkeys(row, "right")
        rows.append([name, *row.values()])
    n = len(next(iter(leaderboard.values())).seeds)
    show_table(f"{run.config.env} on {run.catalogue.source}: {n} held-out sessions", columns, rows)
    top = "planner" if "planner" in leaderboard else "nearest"
    print(f"return: mean and 95 % interval over sessions; skill: 0 is the best fixed list, 1 is {top}")
