"""Training and evaluation of learners: train, resume, evaluate, load, recommend.

Public names are imported on first use, so that code without networks does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spotify_gym.training.artifacts import Run, load_run
    from spotify_gym.training.config import EVALUATION_SEED, ConfigError, TrainConfig
    from spotify_gym.training.evaluation import Evaluation, evaluate
    from spotify_gym.training.recommendation import Suggestion, find_tracks, recommend
    from spotify_gym.training.run_folder import RunFolder
    from spotify_gym.training.tensors import RunError
    from spotify_gym.training.trainer import resume, train
    from spotify_gym.training.vec_adapter import SessionVecEnv

__all__ = [
    "EVALUATION_SEED",
    "ConfigError",
    "Evaluation",
    "Run",
    "RunError",
    "RunFolder",
    "SessionVecEnv",
    "Suggestion",
    "TrainConfig",
    "evaluate",
    "find_tracks",
    "load_run",
    "recommend",
    "resume",
    "train",
]

_HOMES = {
    "artifacts": ("Run", "load_run"),
    "config": ("EVALUATION_SEED", "ConfigError", "TrainConfig"),
    "evaluation": ("Evaluation", "evaluate"),
    "recommendation": ("Suggestion", "find_tracks", "recommend"),
    "run_folder": ("RunFolder",),
    "tensors": ("RunError",),
    "trainer": ("resume", "train"),
    "vec_adapter": ("SessionVecEnv",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
