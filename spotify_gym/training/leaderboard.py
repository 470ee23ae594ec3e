"""Leaderboard of trained models and reference policies on the same held-out sessions."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import pandas as pd

from spotify_gym.catalogue import Catalogue
from spotify_gym.catalogue.files import replacing
from spotify_gym.policies import POLICIES
from spotify_gym.registry import resolve
from spotify_gym.session import SessionDynamics
from spotify_gym.training.artifacts import Run
from spotify_gym.training.evaluation import Evaluation, Policy, PolicyFactory, evaluate
from spotify_gym.training.tensors import RunError, Tensors, read_tensors, write_tensors
from spotify_gym.training.trainer import one_thread

QUICK = tuple(name for name, policy in POLICIES.items() if policy.is_quick)
"""Reference policies that take at most a minute; the planner takes seconds per session."""

Leaderboard = dict[str, Evaluation]
"""Results by policy name."""


@dataclass(frozen=True)
class HeldOut:
    """A fixed set of held-out sessions, the same for every policy."""

    env_id: str
    """Id of the environment."""
    env_options: dict[str, Any]
    """Options of the environment, as plain values."""
    catalogue: Catalogue
    """Catalogue to play from."""
    n_sessions: int
    """Number of sessions."""
    seed: int
    """Seed of the first session."""

    @property
    def dynamics(self) -> SessionDynamics:
        """Dynamics of the sessions."""
        env: Any = gym.make(self.env_id, catalogue=self.catalogue, **self.env_options)
        dynamics: SessionDynamics = env.unwrapped.dynamics
        return dynamics

    def played_by(self, policy: Policy | PolicyFactory) -> Evaluation:
        """Evaluate a policy on these sessions."""
        options = {"catalogue": self.catalogue, **self.env_options}
        return evaluate(policy, self.env_id, self.n_sessions, self.seed, **options)

    def played_by_reference(self, name: str, shelf: Path | None = None) -> Evaluation:
        """Evaluate a reference policy, which may take minutes, or load its cached result.

        Args:
            name: one of `POLICIES`, or a user-defined `module:Class`.
            shelf: folder of cached results; None disables the cache.
        """
        policy = resolve("policy", name, POLICIES)
        if shelf is None:
            return self.played_by(policy)
        file = shelf / f"{name}-{self._key}.safetensors"
        try:
            arrays, facts = read_tensors(file)
            kept: dict[str, Any] = {**arrays, **facts}
            return Evaluation(self.catalogue, **kept)
        except (RunError, TypeError):  # not there yet, or damaged
            evaluation = self.played_by(policy)
        with suppress(OSError):  # if the folder is read-only, only the cache is lost
            shelf.mkdir(exist_ok=True)
            write_tensors(file, Tensors(evaluation.arrays, {"seconds": evaluation.seconds}))
        return evaluation

    @property
    def _key(self) -> str:
        """Cache key, which depends on these sessions and on the version of this package."""
        version = importlib.metadata.version("spotify_gym")
        sessions = [self.env_id, self.env_options, self.catalogue.fingerprint, self.n_sessions, self.seed, version]
        return hashlib.blake2b(json.dumps(sessions, sort_keys=True).encode(), digest_size=8).hexdigest()


def play_leaderboard(
    runs: Mapping[str, Run],
    n_sessions: int,
    seed: int,
    references: Sequence[str] = QUICK,
    tell: Callable[[str], None] = lambda name: None,
) -> Leaderboard:
    """Evaluate trained models and reference policies on the same held-out sessions.

    Args:
        runs: models by name, all of one environment and one catalogue.
        n_sessions: number of sessions.
        seed: seed of the first session.
        references: names of reference policies; those that the environment does not support are left out.
        tell: called with the name of each policy before its evaluation.

    Raises:
        ValueError: there are no runs, or they differ in environment, options or catalogue.
    """
    first = _only_task(runs)
    shelf = None if first.path is None else first.path / "references"
    sessions = HeldOut(first.config.env, first.config.env_options, first.catalogue, n_sessions, seed)
    leaderboard = {}
    with one_thread():
        for name, run in runs.items():
            tell(name)
            leaderboard[name] = sessions.played_by(run.model)
        for name in references:
            if POLICIES[name].lacks(sessions.dynamics) is None:
                tell(name)
                leaderboard[name] = sessions.played_by_reference(name, shelf)
    return leaderboard


def skills_of(leaderboard: Leaderboard, top: str | None = None) -> dict[str, float]:
    """Return the skill of each policy: 0 for the best fixed list, 1 for `top`.

    Args:
        leaderboard: results by policy name.
        top: the policy with skill 1; None for "planner" if it is on the leaderboard, else "nearest".

    Returns:
        Skill by name; empty if "fixed" or `top` is missing, or if `top` does not earn more than "fixed".
    """
    top = top or ("planner" if "planner" in leaderboard else "nearest")
    if not {"fixed", top} <= leaderboard.keys():
        return {}
    means = {name: evaluation.returns.mean() for name, evaluation in leaderboard.items()}
    low, high = means["fixed"], means[top]
    return {name: float((mean - low) / (high - low)) for name, mean in means.items()} if high > low else {}


def write_sessions(path: Path, leaderboard: Leaderboard) -> None:
    """Write a CSV file with one row per policy and session."""
    rows = pd.concat(
        pd.DataFrame({"policy": name, "seed": evaluation.seeds, **evaluation.measures()})
        for name, evaluation in leaderboard.items()
    )
    with replacing(path) as file:
        file.write(rows.to_csv(index=False, na_rep="nan", lineterminator="\n").encode())


def example_session(run: Run, seed: int) -> str:
    """Play one session with a model and return its text rendering, track by track."""
    options = {"catalogue": run.catalogue, **run.config.env_options}
    tracks = evaluate(run.model, run.config.env, 1, seed, **options).tracks[0]
    env = gym.make(run.config.env, render_mode="ansi", **options)
    env.reset(seed=seed)
    for track in tracks[tracks >= 0]:
        env.step(track)
    told = env.render()
    assert isinstance(told, str)  # that is what "ansi" means
    return told


def _only_task(runs: Mapping[str, Run]) -> Run:
    """Return the first run after checking that all runs share environment, options and catalogue."""
    if not runs:
        raise ValueError("no runs to compare")
    first, *others = runs.values()
    for other in others:
        ours, theirs = ((run.config.env, run.catalogue.fingerprint, run.config.env_options) for run in (first, other))
        if theirs != ours:
            raise ValueError(
                f"{other.path} and {first.path} were trained in different environments or on different catalogues; "
                "they cannot be compared"
            )
    return first
