"""Training from settings, with or without a run folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from spotify_gym.algorithms.mixture_policy import MixturePolicy, StdSchedule
from spotify_gym.catalogue import Catalogue
from spotify_gym.training.artifacts import Run
from spotify_gym.training.callbacks import ProgressBarCallback, recorded
from spotify_gym.training.config import TrainConfig
from spotify_gym.training.learners import learner_of
from spotify_gym.training.run_folder import RunFolder
from spotify_gym.training.tensors import RunError
from spotify_gym.training.vec_adapter import catalogue_of, sessions_of

_ROWS = 200  # approximate number of rows in a training log


def train(
    config: TrainConfig,
    out: str | Path | None = None,
    *,
    catalogue: Catalogue | None = None,
    callbacks: Sequence[BaseCallback] = (),
    progress: bool = False,
) -> Run:
    """Train a model.

    Args:
        config: the settings.
        out: folder to save the run in; None: do not save it.
        catalogue: tracks to play, instead of the catalogue named by the settings.
        callbacks: SB3 callbacks, in addition to those of the training itself.
        progress: show a progress bar on stderr.

    Raises:
        KeyboardInterrupt: Ctrl-C, after the training so far was saved in `out`.
        CatalogueError: the catalogue cannot be read.
        RunError: there is a run in `out` already, or the folder cannot be written to.
        ConfigError: the environment does not accept one of the settings.
    """
    return _train(config, None if out is None else RunFolder(Path(out)), catalogue, callbacks, progress)


def resume(
    path: str | Path,
    *,
    catalogue: Catalogue | None = None,
    callbacks: Sequence[BaseCallback] = (),
    progress: bool = False,
    trust: bool = False,
) -> Run:
    """Continue an interrupted training, to the same weights as without the interruption.

    The arguments are those of `train`; `trust` imports code that the settings in the folder name as `module:Class`.

    Raises:
        RunError: `path` has no run, the run is finished, or its catalogue has changed.
        KeyboardInterrupt: Ctrl-C, after the training so far was saved.
    """
    folder = RunFolder.open(Path(path), trust)
    if not folder.config.is_q_learner:
        raise RunError(
            f"{path} cannot resume: algorithm={folder.config.algorithm!r} has no checkpoints; start again in another "
            "folder"
        )
    return _train(folder.config, folder, catalogue, callbacks, progress, begins=False)


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one torch thread: several times faster for networks this small, and bit for bit reproducible."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@one_thread()
def _train(
    config: TrainConfig,
    folder: RunFolder | None,
    catalogue: Catalogue | None,
    callbacks: Sequence[BaseCallback],
    progress: bool,
    begins: bool = True,
) -> Run:
    catalogue = catalogue_of(config) if catalogue is None else catalogue
    sessions = sessions_of(config, catalogue, config.n_envs)
    model = learner_of(config, sessions)
    with ExitStack() as stack:
        if folder is not None:  # after the model, which raises on invalid settings
            stack.enter_context(folder.lock())
            config = folder.begin(config, catalogue) if begins else folder.reopen(catalogue)
            callbacks = [*stack.enter_context(recorded(model, config, folder)), *callbacks]
        if progress:
            callbacks = [*callbacks, stack.enter_context(closing(ProgressBarCallback()))]
        if isinstance(model.policy, MixturePolicy):
            callbacks = [StdSchedule(), *callbacks]
        n_sessions = config.total_steps // config.session_length
        by_sessions = not isinstance(model, OnPolicyAlgorithm)  # whose log interval counts rollouts
        interval = max(config.n_envs, n_sessions // _ROWS) if by_sessions else 1
        model.learn(config.total_steps, [*callbacks], log_interval=interval)
    return Run(model, config, catalogue, None if folder is None else folder.path)
