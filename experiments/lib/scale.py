"""The scale that learners are measured on: what those who do not learn earn in the same held-out sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from experiments.lib.cases import TASK_SETTINGS, Case, CaseT
from experiments.lib.results import FIXED, PLANNER, with_skill
from experiments.lib.runner import Work, check_cases, run_cases
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


def on_scale(scale: Sequence[Case], cases: Sequence[CaseT], work: Work[CaseT], out: Path, jobs: int) -> pd.DataFrame:
    """Do cases with work of their own, and those of the scale; return the rows of all, with `skill`.

    What cannot be done is said before the scale, which may take minutes, is worked out.

    Args:
        scale: of every task, as from :func:`scale_of`.
        cases: what is to be measured on it.
        work: what to do with each of these.
        out: folder of the results, as in :func:`~experiments.lib.runner.run_cases`, which lists the errors.
        jobs: processes.
    """
    check_cases(cases)
    rows = [run_cases(scale, out, jobs=jobs), run_cases(cases, out, jobs=jobs, work=work)]
    return with_skill(pd.concat(rows, ignore_index=True))
