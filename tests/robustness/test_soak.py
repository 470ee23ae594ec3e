"""Long playing and training: memory stays flat, and numbers stay correct.

`make test` does so for seconds; `make soak` for a million vector steps of each environment and five minutes of
training, or as many as SOAK_STEPS and SOAK_MINUTES say.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.callbacks import BaseCallback

from spotify_gym import ENVS
from spotify_gym.training import TrainConfig, train
from tests.robustness.limits import memory

STEPS = int(os.environ.get("SOAK_STEPS", "1_000_000"))
MINUTES = float(os.environ.get("SOAK_MINUTES", "5"))
GROWTH = 8.0  # most that memory may grow after warming up [MiB]
BLOCK = 200  # steps between two checks of memory and vibe
ROUNDING = 2e-5  # of float32, over a few operations, relative to the largest term
DRIFT = 1e-5  # most that a running mean may be off


@pytest.mark.parametrize(
    ("steps", "sessions", "growth", "catalogue"),
    [(2000, 2, 500.0, "builtin:300"), pytest.param(STEPS, 16, GROWTH, "builtin:20000", marks=pytest.mark.soak)],
    ids=["short", "long"],
)
@pytest.mark.parametrize("env_id", ENVS)
def test_play__stays_within_memory_and_bounds(
    env_id: str, steps: int, sessions: int, growth: float, catalogue: str
) -> None:
    env: Any = gym.make_vec(env_id, num_envs=sessions, catalogue=catalogue, autoreset_mode="SameStep")
    rng, readings = np.random.default_rng(0), []
    env.reset(seed=0)
    for _ in range(steps // BLOCK):
        for tracks in rng.integers(len(env.catalogue), size=(BLOCK, sessions)):
            check_step(env, env.step(tracks))
        check_vibe(env)
        readings.append(memory())
    check_flat(readings, growth)


@pytest.mark.parametrize(
    ("minutes", "growth", "catalogue", "buffer_size"),
    [(0.04, 500.0, "builtin:300", 100), pytest.param(MINUTES, GROWTH, "builtin:20000", 20_000, marks=pytest.mark.soak)],
    ids=["short", "long"],
)
def test_training__stays_within_memory_and_finite(
    minutes: float, growth: float, catalogue: str, buffer_size: int, tmp_path: Path
) -> None:
    config = TrainConfig(
        catalogue=catalogue,
        env="SpotifyPlaylist-v0",
        algorithm="double",
        steps=10**9,
        buffer_size=buffer_size,
        exploration_initial_eps=0.2,
        checkpoint_seconds=5,
    )
    timer = Timer(60 * minutes, warm_at=buffer_size)
    run = train(config, tmp_path / "run", callbacks=[timer])
    assert all(weights.isfinite().all() for weights in run.model.policy.state_dict().values())
    check_flat(timer.readings, growth)


class Timer(BaseCallback):
    """Ends a training when its time is up, and reads the memory once the replay buffer is full."""

    def __init__(self, seconds: float, warm_at: int) -> None:
        super().__init__()
        self.ends, self.warm_at, self.readings = time.monotonic() + seconds, warm_at, list[float]()

    def _on_step(self) -> bool:
        if self.num_timesteps > self.warm_at:
            self.readings.append(memory())
        return time.monotonic() < self.ends


def check_flat(readings: list[float], growth: float) -> None:
    """Raise `AssertionError` if the last tenth of the readings is above the second tenth by ``growth`` [MiB]."""
    tenth = len(readings) // 10
    assert tenth, "too short to tell"
    early, late = max(readings[tenth : 2 * tenth]), max(readings[-tenth:])
    print(told := f"{early:.1f} MiB after warming up, {late:.1f} MiB at the end")
    assert late - early <= growth, told


def check_step(env: Any, stepped: tuple[Any, ...]) -> None:
    """Raise `AssertionError` unless a step gave observations in their space and rewards in their bounds."""
    observations, rewards, *_, info = stepped
    assert env.observation_space.contains(observations)
    assert env.observation_space.contains(info.get("final_obs", observations))
    low, high = env.dynamics.reward_bounds
    slack = ROUNDING * (1 + max(abs(low), abs(high)))
    assert low - slack <= rewards.min()  # NaN is in no bounds
    assert rewards.max() <= high + slack


def check_vibe(env: Any) -> None:
    """Raise `AssertionError` if the running mean differs from the mean of the history."""
    history = env.catalogue.features[env.sessions.history].astype(np.float64)  # (B, H, d)
    assert np.abs(env.sessions.vibe - history.mean(axis=1)).max() <= DRIFT


def test_check_flat__notices_what_grows() -> None:
    check_flat([90.0, *[100.0] * 19], growth=8)
    with pytest.raises(AssertionError, match=r"103\.0 MiB after warming up, 119\.0 MiB at the end"):
        check_flat([float(reading) for reading in range(100, 120)], growth=8)


def test_checks__notice_numbers_that_are_none_and_means_that_drift() -> None:
    env: Any = gym.make_vec("SpotifySession-v0", num_envs=2, catalogue="builtin:300", autoreset_mode="SameStep")
    observations, _ = env.reset(seed=0)
    rewards = np.zeros(2, np.float32)
    check_step(env, (observations, rewards, {}))
    check_vibe(env)
    for wrong in ((observations, rewards * np.nan, {}), (observations * np.nan, rewards, {})):
        with pytest.raises(AssertionError):
            check_step(env, wrong)
    env.sessions.vibe[0, 0] += 1e-3
    with pytest.raises(AssertionError):
        check_vibe(env)
