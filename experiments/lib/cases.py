"""Case: one method on one task, trained once and measured in the held-out sessions. Runs in a process of its own."""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import pandas as pd

from spotify_gym.algorithms import DQN
from spotify_gym.catalogue import Catalogue
from spotify_gym.listeners import as_listener
from spotify_gym.policies import BEST_SEEN, POLICIES, ReferencePolicy
from spotify_gym.registry import resolve
from spotify_gym.training import TrainConfig, evaluate, train
from spotify_gym.training.evaluation import Evaluation, value_bias
from spotify_gym.training.vec_adapter import catalogue_of, sessions_of

TASK_SETTINGS = (
    "catalogue",
    "max_tracks",
    "env",
    "scaling",
    "history_length",
    "repeats",
    "reward_baseline",
    "reward",
    "listener",
)
"""The settings that decide what can be earned; the others are about learning."""

SCALE = ("fixed", *dict.fromkeys(BEST_SEEN.values()), "nearest", "planner")
"""The ends of the scale of skill, 0 and 1, between them who needs no learning, and where a listener hides something,
the 1 of the scale of what can be seen."""

COSTS = ["train_seconds", "play_seconds", "peak_memory_mb"]
"""Columns that differ from run to run of the same case."""


@dataclass(frozen=True)
class Case:
    """What one row of work is; equal cases give equal results.

    A subclass says otherwise how its policy comes about (`policy`) or what is measured of it (`measured`).
    """

    method: str
    """Name of the method in tables and plots."""
    config: TrainConfig
    """The task (env, catalogue, state), and for a learner how it learns."""
    reference: str | None = None
    """Name of the reference policy that plays instead of a learner."""
    n_sessions: int = 100
    """Held-out sessions to play."""

    @property
    def task(self) -> str:
        """Which problem this is: all that decides what can be earned; all methods of a task face the same sessions."""
        config, usual = self.config, TrainConfig()
        changed = [name for name in TASK_SETTINGS if getattr(config, name) != getattr(usual, name)]
        unusual = [f"{name}={_short(getattr(config, name))}" for name in changed if name not in ("catalogue", "env")]
        return f"{config.env} ({', '.join([Path(config.catalogue).name, *unusual])})"

    @property
    def name(self) -> str:
        """What to call it in a message."""
        seed = "" if self.reference else f" (seed {self.config.seed})"
        return f"{self.method}{seed} on {self.task}"

    @property
    def key(self) -> str:
        """Name of its file: a hash of all that makes a difference to it, so that a changed case is run again."""
        parts = {"kind": type(self).__name__, **asdict(self)}
        if self.reference is not None:
            parts["config"] = {name: parts["config"][name] for name in TASK_SETTINGS}
        return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()

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
            "policy": config.policy if learns else "",
            "state": config.state,
            "gamma": config.gamma if learns else float("nan"),
            "seed": config.seed if learns else 0,
            "steps": config.total_steps if learns else 0,
        }

    def seeded(self, n_seeds: int) -> Iterator[Self]:
        """Give it that many training seeds, from its own on; one is enough for what does not learn.

        Raises:
            ValueError: fewer than one.
        """
        if n_seeds < 1:
            raise ValueError(f"n_seeds={n_seeds} must be at least 1")
        for seed in range(1 if self.reference else n_seeds):
            yield replace(self, config=replace(self.config, seed=self.config.seed + seed))

    def heard_by(self, listener: str | None) -> Self:
        """Let a listener, by name or JSON file, take the place of that of `SpotifyLogged-v0`; elsewhere, do nothing."""
        if listener is None or self.config.env != "SpotifyLogged-v0":
            return self
        return replace(self, config=replace(self.config, listener=listener))

    def check(self) -> None:
        """Make the environment of the case once, so that a mistake is told before the work begins.

        Raises:
            CatalogueError: the catalogue cannot be read.
            ValueError: the environment does not know one of the settings, or there is no session to play.
        """
        if self.n_sessions < 1:
            raise ValueError(f"n_sessions={self.n_sessions} must be at least 1")
        sessions_of(self.config, catalogue_of(self.config), n_envs=1)

    def run(self) -> pd.DataFrame:
        """Do it, and return a row for each session; what the case cost stands in each."""
        catalogue, began = catalogue_of(self.config), time.perf_counter()
        policy = self.policy(catalogue)
        trained = time.perf_counter()
        rows = self.measured(policy, catalogue)
        costs = [trained - began, time.perf_counter() - trained, _peak_memory_mb()]
        return rows.assign(**dict(zip(COSTS, costs, strict=True)))

    def policy(self, catalogue: Catalogue) -> Any:
        """Train the learner, or return the factory of the reference policy."""
        if self.reference is not None:
            return resolve("policy", self.reference, POLICIES)
        return train(self.config, catalogue=catalogue).model

    def measured(self, policy: Any, catalogue: Catalogue) -> pd.DataFrame:
        """Let a policy, or one that is still to be made, play; return the measures of each session, with the labels."""
        env_id, options = self.config.env, {"catalogue": catalogue, **self.config.env_options}
        rows = self.rows_of(evaluate(policy, env_id, self.n_sessions, **options))
        if isinstance(policy, DQN) and policy.gamma < 1:
            rows["value_bias"] = value_bias(policy, env_id, min(64, self.n_sessions), **options).mean()
        return rows

    def rows_of(self, played: Evaluation) -> pd.DataFrame:
        """Return a row of measures for each session played."""
        rows = pd.DataFrame({"session": played.seeds, **played.measures(), "coverage": played.coverage})
        catalogue = played.catalogue
        return rows.assign(**self.labels, n_tracks=len(catalogue), fingerprint=catalogue.fingerprint)


def scale_of(config: TrainConfig, n_sessions: int = 100, references: Sequence[str] = SCALE) -> list[Case]:
    """Return a case per reference policy on the task of a learner.

    How somebody learns, and what they see, makes no difference to those who do not: their cases are the same for all
    such settings, and are done once. Policies that know only what is seen play where a listener hides something.
    """
    listener = as_listener(config.env_options.get("listener", gym.spec(config.env).kwargs.get("listener")))
    references = [name for name in references if POLICIES.get(name, ReferencePolicy).suits(listener)]
    task = replace(TrainConfig(), **{name: getattr(config, name) for name in TASK_SETTINGS})
    return [Case(name, task, name, n_sessions) for name in references]


def _short(value: object) -> str:
    """Return a value as it is, and one as long as a listener's by a digest."""
    text = str(value)
    return text if len(text) <= 60 else hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def _peak_memory_mb() -> float:
    """Largest resident memory of this process so far [MB]; one that did several cases remembers the largest."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
