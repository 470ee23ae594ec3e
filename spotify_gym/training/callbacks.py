"""Training callbacks: logs, weight snapshots, checkpoints and the progress bar.

None of them draws random numbers, so that the final weights do not depend on what is recorded.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common import callbacks as sb3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import ResultsWriter
from tqdm import tqdm

from spotify_gym.algorithms.base import TrackDQN
from spotify_gym.training.artifacts import last_returns, save_results, weights_of
from spotify_gym.training.checkpoint import Stopped, checkpoints
from spotify_gym.training.config import TrainConfig
from spotify_gym.training.run_folder import RunFolder
from spotify_gym.training.tensors import Tensors, write_tensors


@contextmanager
def recorded(model: BaseAlgorithm, config: TrainConfig, folder: RunFolder) -> Iterator[list[BaseCallback]]:
    """Yield the callbacks that record a training in its folder; on exit write the results, also after Ctrl-C."""
    snapshots = [
        OnTheWay([share * config.total_steps], partial(_keep_weights, folder.weights_file(share)))
        for share in config.snapshots
    ]
    with (
        folder.writing(),
        closing(configure(str(folder.path), ["csv", *["tensorboard"] * config.tensorboard])) as logger,
        closing(MonitorCallback(folder.path / "monitor.csv")) as monitor,
        ExitStack() as stack,
    ):
        model.set_logger(logger)
        callbacks: list[BaseCallback] = [monitor, *snapshots]
        if isinstance(model, TrackDQN):  # the only algorithms that can resume from a checkpoint
            keeps = checkpoints(folder.checkpoint_file, config.checkpoint_seconds)
            callbacks.insert(0, stack.enter_context(keeps))
        stopped = None
        try:
            yield callbacks
        except Stopped as ctrl_c:
            stopped = ctrl_c
        save_results(folder, config, model, stopped is not None)
        if stopped:
            raise stopped


def _keep_weights(file: Path, model: BaseAlgorithm) -> None:
    if not file.exists():  # a resumed training may already have it
        write_tensors(file, Tensors(weights_of(model), {"steps": model.num_timesteps}))


class MonitorCallback(BaseCallback):
    """Write a row per finished session in the format of SB3's `Monitor`, for `load_results` and RL Zoo's plots.

    Args:
        file: `monitor.csv`; a resumed training appends to it.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self._writer: ResultsWriter | None = None

    def _on_training_start(self) -> None:
        begins = self.model.num_timesteps == 0 or not self._file.exists()
        (spec,) = self.training_env.get_attr("spec", indices=0)
        self._writer = ResultsWriter(str(self._file), {"t_start": time.time(), "env_id": spec.id}, (), begins)

    def _on_step(self) -> bool:
        assert self._writer is not None  # training has started
        for info in self.locals["infos"]:
            if "episode" in info:
                self._writer.write_row(info["episode"])
        return True

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


class OnTheWay(BaseCallback):
    """Call a function with the model once it has passed given steps.

    The call comes between two rollouts, when all transitions are stored and all updates are done.

    Args:
        steps: environment steps, ascending.
        look: function called with the model; it must not draw from the model's random generators.
    """

    def __init__(self, steps: Iterable[float], look: Callable[[Any], object]) -> None:
        super().__init__()
        self._steps = deque(steps)
        self._look = look

    def _on_rollout_start(self) -> None:
        n_left = len(self._steps)
        while self._steps and self.model.num_timesteps >= self._steps[0]:
            self._steps.popleft()
        if len(self._steps) < n_left:
            self._look(self.model)

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self._on_rollout_start()


class ProgressBarCallback(sb3.ProgressBarCallback):
    """SB3's progress bar on stderr, with the mean return; disabled if stderr is not a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.pbar = tqdm(disable=True)  # until training starts

    def _on_training_start(self) -> None:
        left = self.locals["total_timesteps"] - self.model.num_timesteps
        self.pbar = tqdm(total=left, unit=" steps", disable=None)

    def _on_rollout_start(self) -> None:
        if earned := last_returns(self.model):
            self.pbar.set_description(f"return {np.mean(earned):.2f}", refresh=False)

    def close(self) -> None:
        """Close the bar and leave it on screen as it is, also after an aborted training."""
        self.pbar.close()
