"""Play and train for long: memory stays flat, numbers stay right.

python -m experiments.trust.soak                # a million vector steps of each environment, then five minutes
python -m experiments.trust.soak --minutes 60
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from experiments.trust.memory import resident
from experiments.trust.scratch import scratch
from spotify_gym import ENVS
from spotify_gym.cli.command import Command, run_command
from spotify_gym.session import SpotifyVectorEnv
from spotify_gym.training import TrainConfig, train

_PROG = "python -m experiments.trust.soak"
_BLOCK = 200  # steps between two looks at memory and vibe
_ROUNDING = 2e-5  # of float32, over a few operations, relative to the largest term
_DRIFT = 1e-5  # most that a running mean may be off


class DriftError(ValueError):
    """Something did not stay as it was."""


@dataclass
class Gauge:
    """Watches the memory of this process."""

    readings: list[float] = field(default_factory=list)
    """[MiB]"""

    def read(self) -> None:
        """Take a reading."""
        self.readings.append(resident())

    def check(self, what: str, allowed: float) -> str:
        """Say how much memory there was.

        Raises:
            DriftError: the last tenth of the readings is that much above the second tenth [MiB], or there are too few.
        """
        tenth = len(self.readings) // 10
        if tenth < 1:
            raise DriftError(f"{what}: too short to tell")
        early, late = max(self.readings[tenth : 2 * tenth]), max(self.readings[-tenth:])
        told = f"{early:.1f} MiB after warming up, {late:.1f} MiB at the end"
        if late - early > allowed:
            raise DriftError(f"{what}: {told}")
        return told


@dataclass(frozen=True)
class Soak(Command):
    """Play at random in every environment, then train, and watch memory, means, rewards and observations."""

    steps: int = 1_000_000
    """Vector steps of each environment."""
    sessions: int = 16
    """Sessions of a vector step."""
    minutes: float = 5.0
    """How long to train [min]."""
    mebibytes: float = 8.0
    """Most that memory may grow after warming up [MiB]."""
    catalogue: str = "builtin:20000"
    """What can be played."""

    def run(self) -> None:
        """Print what memory was taken; stop where something drifts."""
        if self.steps < 10 * _BLOCK or self.sessions < 1 or self.minutes <= 0:
            raise ValueError(f"--steps must be at least {10 * _BLOCK}, --sessions and --minutes more than nothing")
        for env_id in ENVS:
            print(f"{env_id}: {self._play(env_id)}", flush=True)
        print(f"training: {self._train()}", flush=True)

    def _play(self, env_id: str) -> str:
        env = gym.make_vec(env_id, num_envs=self.sessions, catalogue=self.catalogue, autoreset_mode="SameStep")
        assert isinstance(env, SpotifyVectorEnv)
        rng, gauge, drift, began = np.random.default_rng(0), Gauge(), 0.0, time.monotonic()
        env.reset(seed=0)
        for _ in range(self.steps // _BLOCK):
            for tracks in rng.integers(len(env.catalogue), size=(_BLOCK, self.sessions)):
                check_step(env, env.step(tracks))
            drift = max(drift, drift_of(env))
            gauge.read()
        memory = gauge.check(env_id, self.mebibytes)
        return (
            f"{self.steps:,} steps of {self.sessions} in {time.monotonic() - began:.0f} s, drift {drift:.1e}; {memory}"
        )

    def _train(self) -> str:
        config = TrainConfig(
            catalogue=self.catalogue,
            env="SpotifyPlaylist-v0",
            algorithm="double",
            steps=10**9,
            buffer_size=20_000,  # full when the memory has warmed up
            exploration_initial_eps=0.2,
            checkpoint_seconds=5,
        )
        gauge = Gauge()
        with scratch() as folder:
            run = train(config, folder / "run", callbacks=[_Timer(60 * self.minutes, gauge)])
        if not all(weights.isfinite().all() for weights in run.model.policy.state_dict().values()):
            raise DriftError("training: a weight is not finite")
        memory = gauge.check("training", self.mebibytes)
        return f"{run.model.num_timesteps:,} steps, {run.model._n_updates:,} updates in {self.minutes:g} min; {memory}"


def check_step(env: SpotifyVectorEnv, stepped: tuple[Any, ...]) -> None:
    """Raise `DriftError` unless a step gave observations in their space and rewards in their bounds."""
    observations, rewards, *_, info = stepped
    if not env.observation_space.contains(observations):
        raise DriftError(f"observations that are not in {env.observation_space}: {observations}")
    if "final_obs" in info and not env.observation_space.contains(info["final_obs"]):
        raise DriftError(f"last observations that are not in {env.observation_space}: {info['final_obs']}")
    low, high = env.dynamics.reward_bounds
    slack = _ROUNDING * (1 + max(abs(low), abs(high)))
    if not (low - slack <= rewards.min() and rewards.max() <= high + slack):  # NaN is in no bounds
        raise DriftError(f"rewards out of {low:.3f} to {high:.3f}: {rewards}")


def drift_of(env: SpotifyVectorEnv) -> float:
    """Return by how much the running mean is off the mean of the history, computed anew.

    Raises:
        DriftError: by more than 1e-5.
    """
    history = env.catalogue.features[env.sessions.history].astype(np.float64)  # (B, H, d)
    off = float(np.abs(env.sessions.vibe - history.mean(axis=1)).max())
    if off > _DRIFT:
        raise DriftError(f"the running mean is off by {off:.1e}")
    return off


class _Timer(BaseCallback):
    """Ends a training when its time is up, and reads the gauge on the way."""

    def __init__(self, seconds: float, gauge: Gauge) -> None:
        super().__init__()
        self._ends = time.monotonic() + seconds
        self._gauge = gauge

    def _on_step(self) -> bool:
        self._gauge.read()
        return time.monotonic() < self._ends


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(run_command(Soak, _PROG))
