"""What goes on beside the learning: the learning curve, checkpoints, Ctrl-C, the progress bar.

All of it happens between two rollouts, when every transition is stored and every update finished; nothing here draws a
random number, so that a run ends with the same weights whatever is recorded of it.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3 import DQN
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from spotify_gym.training.learning_curve import CurvePoint

_POINTS = 200  # of a learning curve


class Stopped(KeyboardInterrupt):
    """Ctrl-C, put off until everything was saved."""


class CurveCallback(BaseCallback):
    """Record the learning curve.

    Args:
        total_steps: environment steps of the whole training.
        earlier: the points of the part before an interruption.
    """

    def __init__(self, total_steps: int, earlier: Iterable[CurvePoint] = ()) -> None:
        super().__init__()
        self.points = list(earlier)
        self._interval = max(1, total_steps // _POINTS)
        self._seconds_before = self.points[-1].seconds if self.points else 0.0
        self._began = time.perf_counter()

    def _on_training_start(self) -> None:
        self._began = time.perf_counter()

    def _on_rollout_start(self) -> None:
        step, sessions = self.points[-1][:2] if self.points else (-self._interval, 0)
        if self.num_timesteps >= step + self._interval and self.model._episode_num > sessions:
            self._record()

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        if not self.points or self.points[-1].step < self.num_timesteps:
            self._record()

    def _record(self) -> None:
        model = self.model
        assert isinstance(model, DQN)
        if math.isnan(mean := mean_return(model)):
            return
        seconds = self._seconds_before + time.perf_counter() - self._began
        self.points.append(CurvePoint(model.num_timesteps, model._episode_num, seconds, mean, model.exploration_rate))


class CheckpointCallback(BaseCallback):
    """Save at intervals, and before giving way to Ctrl-C.

    Args:
        save: writes the checkpoint.
        interval: time between two checkpoints [s].
        stop: says whether the user wants to stop.
    """

    def __init__(self, save: Callable[[], None], interval: float, stop: Callable[[], bool]) -> None:
        super().__init__()
        self._save = save
        self._interval = interval
        self._stop = stop
        self._last = time.monotonic()

    def _on_rollout_start(self) -> None:
        stop = self._stop()
        if stop or time.monotonic() - self._last >= self._interval:
            self._save()
            self._last = time.monotonic()
        if stop:
            raise Stopped

    def _on_step(self) -> bool:
        return True


class ProgressCallback(BaseCallback):
    """Show on stderr how far the training is, how long it will take, and what the learner earns."""

    def __init__(self, total_steps: int) -> None:
        super().__init__()
        self._total_steps = total_steps
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps, time left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("begins", total=total_steps)

    def __enter__(self) -> ProgressCallback:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def _on_rollout_start(self) -> None:
        mean = mean_return(self.model)
        told = "return  ..." if math.isnan(mean) else f"return {mean:5.2f}"
        self._bar.update(self._task, completed=self.num_timesteps, description=told)

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self._on_rollout_start()


def mean_return(model: BaseAlgorithm) -> float:
    """Return the mean return of the last 100 sessions, exploration included; NaN before the first has ended."""
    returns = [episode["r"] for episode in model.ep_info_buffer or ()]
    return sum(returns) / len(returns) if returns else math.nan


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Put Ctrl-C off: the function given says whether it was pressed. Pressed again it takes effect at once."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set  # Python delivers signals to the main thread only
        return

    def note(_signal: int, _frame: FrameType | None) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, earlier)

    earlier = signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, earlier)
