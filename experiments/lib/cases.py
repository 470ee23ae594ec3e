"""A case: one method on one task, trained once and evaluated on the held-out sessions."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from spotify_gym.catalogue import Catalogue
from spotify_gym.policies import POLICIES
from spotify_gym.registry import resolve
from spotify_gym.training import TrainConfig, train
from spotify_gym.training.learners import catalogue_of, sessions_of

TASK_SETTINGS = ("catalogue", "max_tracks", "env", "scaling", "history_length", "repeats", "reward_baseline")
"""The settings that decide what can be earned; the others are about learning."""


@dataclass(frozen=True)
class Case:
    """What one row of work is; equal cases give equal results."""

    method: str
    """Name of the method in tables and plots."""
    config: TrainConfig
    """The task (env, catalogue, state), and for a learner how it learns."""
    reference: str | None = None
    """Name of the reference policy that plays instead of a learner."""
    n_sessions: int = 200
    """Held-out sessions to play."""

    @property
    def task(self) -> str:
        """Which problem this is: env and catalogue; all methods of a task face the same sessions."""
        size = "" if self.config.max_tracks is None else f", {self.config.max_tracks:,} tracks"
        return f"{self.config.env} ({self.config.catalogue.rsplit('/', 1)[-1]}{size})"

    @property
    def name(self) -> str:
        """What to call it in a message."""
        seed = "" if self.reference else f", seed {self.config.seed}"
        return f"{self.method} on {self.task}{seed}"

    @property
    def key(self) -> str:
        """Name of its file: a hash of all that makes a difference to it, so that a changed case is run again."""
        parts = asdict(self)
        if self.reference is not None:
            parts["config"] = {name: parts["config"][name] for name in TASK_SETTINGS}
        plain = json.dumps(parts, sort_keys=True)
        return hashlib.blake2b(plain.encode(), digest_size=8).hexdigest()

    def check(self) -> None:
        """Make the environment of the case once, so that a mistake is told before the work begins.

        Raises:
            CatalogueError: the catalogue cannot be read.
            ValueError: the environment does not know one of the settings, or there is no session to play.
        """
        if self.n_sessions < 1:
            raise ValueError(f"n_sessions={self.n_sessions} must be at least 1")
        sessions_of(self.config, catalogue_of(self.config), n_envs=1)

    def player(self, catalogue: Catalogue) -> Any:
        """Train the learner, or name the reference: whoever is to play from the `catalogue` of the case."""
        if self.reference is not None:
            return resolve("policy", self.reference, POLICIES)
        return train(self.config, catalogue=catalogue).model

    @property
    def labels(self) -> dict[str, Any]:
        """Columns that tell its rows from others'."""
        config, learns = self.config, self.reference is None
        return {
            "method": self.method,
            "env": self.task,
            "env_id": config.env,
            "catalogue": config.catalogue,
            "algorithm": config.algorithm if learns else self.reference,
            "head": config.policy if learns else "",
            "state": config.state,
            "gamma": config.gamma if learns else float("nan"),
            "seed": config.seed if learns else 0,
        }


CaseT = TypeVar("CaseT", bound=Case)
