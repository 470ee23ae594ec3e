"""From settings to a trained model, with or without a run folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from stable_baselines3.common.callbacks import BaseCallback

from spotify_gym.algorithms import DQN
from spotify_gym.catalogue import Catalogue
from spotify_gym.catalogue.sources import located
from spotify_gym.training.artifacts import earlier_curve, keep_checkpoint, keep_results
from spotify_gym.training.callbacks import CheckpointCallback, CurveCallback, ProgressCallback, Stopped, interruptible
from spotify_gym.training.checkpoint import restore_snapshot
from spotify_gym.training.config import TrainConfig
from spotify_gym.training.errors import RunError
from spotify_gym.training.learners import catalogue_of, learner_of, sessions_of
from spotify_gym.training.learning_curve import CurvePoint
from spotify_gym.training.run_folder import RunFolder
from spotify_gym.training.tensors import Tensors, read_tensors
from spotify_gym.training.vec_adapter import SessionVecEnv


@dataclass(frozen=True)
class Run:
    """A model and how it came about."""

    model: DQN
    config: TrainConfig
    catalogue: Catalogue
    curve: tuple[CurvePoint, ...]
    path: Path | None = None
    """Its folder, where it has one."""


def train(
    config: TrainConfig,
    out: Path | None = None,
    *,
    catalogue: Catalogue | None = None,
    callbacks: Sequence[BaseCallback] = (),
    progress: bool = False,
) -> Run:
    """Train a model.

    Args:
        config: what is learned from what, and how.
        out: folder that the run is kept in; None keeps nothing.
        catalogue: what can be played, instead of what the settings name.
        callbacks: SB3's, called beside those of the training itself.
        progress: show a progress bar on stderr.

    Raises:
        KeyboardInterrupt: Ctrl-C, after what there is has been saved in `out`.
        CatalogueError: the catalogue cannot be read.
        RunError: there is a run in `out` already, or the folder cannot be written to.
        ConfigError: the environment does not know one of the settings.
    """
    catalogue = catalogue_of(config) if catalogue is None else catalogue
    config = _located(config)
    env = sessions_of(config, catalogue, config.n_envs)  # before the folder: a setting may yet be refused
    if out is None:
        return _learn(config, env, callbacks=callbacks, progress=progress)
    folder = RunFolder(out)
    with folder.lock():
        folder.begin(config, catalogue)
        return _learn(config, env, folder, None, callbacks, progress)


def resume(
    path: Path, *, catalogue: Catalogue | None = None, callbacks: Sequence[BaseCallback] = (), progress: bool = False
) -> Run:
    """Go on with a training that was interrupted, and end with the weights that it would have ended with.

    Raises:
        RunError: `path` holds no run, or one that is finished, or its catalogue has changed.
        KeyboardInterrupt: Ctrl-C, after what there is has been saved.
    """
    folder = RunFolder.open(path)
    with folder.lock():
        if folder.is_finished:
            raise RunError(f"{path} is finished; there is nothing to resume")
        config = folder.config
        catalogue = catalogue_of(config) if catalogue is None else catalogue
        folder.check_catalogue(catalogue)
        snapshot = read_tensors(folder.checkpoint_file) if folder.checkpoint_file.exists() else None
        env = sessions_of(config, catalogue, config.n_envs)
        return _learn(config, env, folder, snapshot, callbacks, progress)


def _learn(
    config: TrainConfig,
    env: SessionVecEnv,
    folder: RunFolder | None = None,
    snapshot: Tensors | None = None,
    callbacks: Sequence[BaseCallback] = (),
    progress: bool = False,
) -> Run:
    with one_thread(), ExitStack() as stack:
        model = learner_of(config, env, **_logs(config, folder))
        env.seed(config.first_seed)
        curve = CurveCallback(config.total_steps, () if snapshot is None else earlier_curve(snapshot))
        if snapshot is not None:
            restore_snapshot(model, env, snapshot, config.total_steps)
        every = [curve, *callbacks]
        if progress:
            every.append(stack.enter_context(ProgressCallback(config.total_steps)))
        if folder is not None:
            every.append(stack.enter_context(_kept(folder, config, model, env, curve.points)))
        steps_left = config.total_steps - model.num_timesteps
        model.learn(steps_left, every, log_interval=100, reset_num_timesteps=snapshot is None)
    return Run(model, config, env.env.catalogue, tuple(curve.points), None if folder is None else folder.path)


@contextmanager
def _kept(
    folder: RunFolder, config: TrainConfig, model: DQN, env: SessionVecEnv, curve: Sequence[CurvePoint]
) -> Iterator[BaseCallback]:
    """Give the callback that saves on the way, and keep the results in the end, also where Ctrl-C is the end."""
    save = partial(keep_checkpoint, folder, model, env, curve)
    with interruptible() as stop:
        try:
            yield CheckpointCallback(save, config.checkpoint_seconds, stop)
        except Stopped:
            keep_results(folder, model, curve)
            raise
        keep_results(folder, model, curve)
        folder.checkpoint_file.unlink(missing_ok=True)


def _located(config: TrainConfig) -> TrainConfig:
    """Name a catalogue that is a file so that it is found from any folder."""
    file = located(config.catalogue)
    return replace(config, catalogue=str(file)) if file.is_file() else config


def _logs(config: TrainConfig, folder: RunFolder | None) -> dict[str, str]:
    return {"tensorboard_log": str(folder.path / "tensorboard")} if folder is not None and config.tensorboard else {}


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: several times faster for networks this small, and bit for bit the same every time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
