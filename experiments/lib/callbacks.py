"""Looking at a learner while it learns."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback


class AtEvenDistances(BaseCallback):
    """Calls `look` with the model at even distances on the way, the last time at the end.

    It does so between two rollouts, when every transition is stored and every update finished.

    Args:
        total_steps: environment steps of the whole training.
        n_points: how often to look.
        look: what to do; it must not draw random numbers from the model.
    """

    def __init__(self, total_steps: int, n_points: int, look: Callable[[Any], None]) -> None:
        super().__init__()
        self._steps = deque(np.linspace(0, total_steps, n_points + 1)[1:-1])
        self._look = look

    def _on_rollout_start(self) -> None:
        if self._steps and self.num_timesteps >= self._steps[0]:
            self._steps.popleft()
            self._look(self.model)

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self._look(self.model)
