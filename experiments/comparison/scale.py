"""The scale that learners are measured on: what those who do not learn earn in the same held-out sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from experiments.comparison.cases import TASK_SETTINGS, Case
from experiments.comparison.results import FIXED, PLANNER
from spotify_gym.training import TrainConfig

SCALE = (FIXED, "nearest", PLANNER)
"""The ends of the scale, and between them who needs no learning."""


def scale_of(config: TrainConfig, n_sessions: int, references: Sequence[str] = SCALE) -> list[Case]:
    """Return a case per reference policy on the task of a learner.

    How somebody learns, and what they see, makes no difference to those who do not: their cases are the same for all
    such settings, and are played once.
    """
    task = task_of(config)
    return [Case(name, task, name, n_sessions) for name in references]


def task_of(config: TrainConfig) -> TrainConfig:
    """Return the settings that decide what can be earned, all others at their defaults."""
    return replace(TrainConfig(), **{name: getattr(config, name) for name in TASK_SETTINGS})
