"""The command `spotify-gym train`."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import tyro

from spotify_gym.cli.command import Command, parse
from spotify_gym.training import ConfigError, Run, RunFolder, TrainConfig, resume, train
from spotify_gym.training.artifacts import idle_in_words, returns_in_words
from spotify_gym.training.checkpoint import Stopped


@dataclass(frozen=True)
class _Early:
    """The option that is parsed before all others, as it sets their defaults."""

    settings: Path | None = None


@dataclass(frozen=True)
class Train(Command):
    """Train a learner and save it in a run folder. Ctrl-C saves the training so far, and --resume continues it."""

    config: tyro.conf.OmitArgPrefixes[TrainConfig]
    """Settings of the training. Some defaults depend on the environment."""
    settings: Path | None = None
    """A JSON file of settings, such as config.json of another run; other options override it."""
    out: Path | None = None
    """Folder of the run; None: a new one under runs/."""
    resume: Path | None = None
    """Continue the interrupted run in this folder, with its own settings."""
    trust: bool = False
    """Import code that these settings name as module:Class."""

    @classmethod
    def parse(cls, arguments: Sequence[str] | None, prog: str) -> Self:
        """Parse the options; the settings in the file of `--settings` are the defaults of the others."""
        early, _ = parse(_Early, arguments, prog, add_help=False, return_unknown_args=True)
        default = None if early.settings is None else cls(_read_settings(early.settings), early.settings)
        command: Self = parse(cls, arguments, prog, default=default)
        return command

    def run(self) -> None:
        """Train, and print where the result is."""
        path = self.resume or self.out or _new_folder(self.config)
        if self.resume is not None and RunFolder.open(path).is_finished:
            print(f"{path} is already finished")
            return
        try:
            run = self._train(path)
        except Stopped:
            print(f"saved in {path}; go on with --resume {shlex.quote(str(path))}", file=sys.stderr)
            raise
        print(", ".join(filter(None, [f"{path}: {run.model.num_timesteps} steps", returns_in_words(run.model)])))
        for said in filter(None, [idle_in_words(run.model), _rounded_up(run)]):
            print(said, file=sys.stderr)

    def _train(self, path: Path) -> Run:
        if self.resume is None:
            return train(self.config, path, progress=True)
        if self != Train(TrainConfig(), resume=self.resume, trust=self.trust):
            raise ConfigError("--resume uses the settings of the run; leave out all other options")
        return resume(path, progress=True, trust=self.trust)


def _rounded_up(run: Run) -> str:
    """Return a remark if an on-policy learner has played far more than it was asked for, else ""."""
    asked, rollout = run.config.total_steps, getattr(run.model, "rollout_buffer", None)
    if rollout is None or run.model.num_timesteps < 1.5 * asked:
        return ""
    size = f"{rollout.buffer_size} steps of {rollout.n_envs} sessions"
    return f"{asked} steps were requested, but a rollout is {size}; shorten it by --arguments n_steps=..."


def _read_settings(path: Path) -> TrainConfig:
    try:
        plain = json.loads(path.read_bytes())
        settled = asdict(TrainConfig.from_json(plain))
        return TrainConfig.template(**{**settled, "state": plain.get("state", "auto")})  # perhaps of another --env
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _new_folder(config: TrainConfig) -> Path:
    now = time.strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{config.env}-{config.algorithm}-{config.policy}-seed{config.seed}-{now}"
