"""Steps of the environments: one session, and many at once, beside CartPole and the naive form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from experiments.speed.machine import Machine
from experiments.speed.measuring import Group, Task, Work
from experiments.speed.naive import naive_spec
from experiments.speed.setting import Setting
from spotify_gym import ENVS
from spotify_gym.catalogue import Catalogue

VectorEnv: TypeAlias = gym.vector.VectorEnv[Any, Any, Any]

SINGLE = Group("steps of one session, through gym.make", "/s")
VECTOR = Group("steps of single sessions, B at once, through gym.make_vec", "/s", "B")
VECTOR_BY_TRACKS = Group("the same with B = 1,024, by tracks", "/s", "tracks")

SINGLE_GOAL = 1 / 100_000
"""Seconds a step of the first environment."""
VECTOR_GOAL = 1 / 5_000_000
"""The same for GOAL_BATCH sessions at once; the others of the family may take three times as long."""
GOAL_BATCH = 1024

FLOOR, NAIVE = "CartPole-v1 (Gymnasium)", "naive SpotifySession-v0"
SAME_STEP = "SpotifySession-v0, same-step restart"
_FIRST = "SpotifySession-v0"
_DISTINCT_ACTIONS = 2**16


def races(setting: Setting) -> Iterator[list[Task]]:
    """Yield what is to race each other."""
    yield _single(setting)
    for n_sessions in setting.effort.batches:
        yield _vector(setting, n_sessions)
    for n_tracks in setting.sizes:
        yield [_by_tracks(setting, setting.sized(n_tracks))]


def playing(env: gym.Env[Any, Any], seed: int) -> Work:
    """Return what takes n random steps in one environment, and begins again where a session ends."""
    drawn = _random_actions(env.action_space, (_DISTINCT_ACTIONS,), seed)
    actions = cycle(drawn.tolist())
    env.reset(seed=seed)

    def play(n: int) -> None:
        step = env.step
        for action in islice(actions, n):
            _, _, terminated, truncated, _ = step(action)
            if terminated or truncated:
                env.reset()

    return play


def playing_all(env: VectorEnv, seed: int) -> Work:
    """Return what takes n random steps in all sessions of a vector environment, which restarts them itself."""
    n_rows = max(64, _DISTINCT_ACTIONS // env.num_envs)
    actions = cycle(_random_actions(env.single_action_space, (n_rows, env.num_envs), seed))
    env.reset(seed=seed)

    def play(n: int) -> None:
        step = env.step
        for row in islice(actions, n):
            step(row)

    return play


def _random_actions(space: gym.Space[Any], shape: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    assert isinstance(space, gym.spaces.Discrete)
    return np.random.default_rng(seed).integers(space.n, size=shape)


def _single(setting: Setting) -> list[Task]:
    catalogue = setting.catalogue
    limit = _limit(setting.machine, _sessions(_FIRST, catalogue, 1), catalogue)

    def sample(env: gym.Env[Any, Any]) -> Callable[[], float]:
        return setting.repeating(playing(env, setting.seed))

    def ours(env_id: str) -> Task:
        goal = SINGLE_GOAL if env_id == _FIRST else None
        return Task(SINGLE, env_id, 1, sample(gym.make(env_id, catalogue=catalogue)), limit=limit, goal=goal)

    return [
        *map(ours, ENVS),
        Task(SINGLE, FLOOR, 1, sample(gym.make("CartPole-v1")), "floor"),
        Task(SINGLE, NAIVE, 1, sample(gym.make(naive_spec(catalogue))), "usual"),
    ]


def _vector(setting: Setting, n: int) -> list[Task]:
    catalogue = setting.catalogue

    def sample(env: VectorEnv) -> Callable[[], float]:
        return setting.repeating(playing_all(env, setting.seed), n)

    def ours(env_id: str, env: VectorEnv, what: str) -> Task:
        goal = VECTOR_GOAL * (1 if env_id == _FIRST else 3) if n == GOAL_BATCH else None
        return Task(VECTOR, what, n, sample(env), limit=_limit(setting.machine, env, catalogue), goal=goal)

    cart_poles = gym.make_vec("CartPole-v1", n, vectorization_mode="vector_entry_point")
    tasks = [
        *(ours(env_id, _sessions(env_id, catalogue, n), env_id) for env_id in ENVS),
        ours(_FIRST, _sessions(_FIRST, catalogue, n, autoreset_mode="SameStep"), SAME_STEP),
        Task(VECTOR, FLOOR, n, sample(cart_poles), "floor"),
    ]
    if n > GOAL_BATCH:  # the naive form would take seconds a step, and no session of it gets faster
        return tasks
    naive = gym.make_vec(naive_spec(catalogue), n, vectorization_mode="sync")
    return [*tasks, Task(VECTOR, f"{NAIVE} in SyncVectorEnv", n, sample(naive), "usual")]


def _by_tracks(setting: Setting, catalogue: Catalogue) -> Task:
    env = _sessions(_FIRST, catalogue, GOAL_BATCH)
    limit = _limit(setting.machine, env, catalogue)
    sample = setting.repeating(playing_all(env, setting.seed), GOAL_BATCH)
    return Task(VECTOR_BY_TRACKS, _FIRST, len(catalogue), sample, limit=limit)


def _sessions(env_id: str, catalogue: Catalogue, n: int, autoreset_mode: str = "NextStep") -> VectorEnv:
    return gym.make_vec(env_id, n, catalogue=catalogue, autoreset_mode=autoreset_mode)


def _limit(machine: Machine, env: VectorEnv, catalogue: Catalogue) -> float:
    """Return the least time of a step of one session [s]: what goes in, what is kept, what comes out.

    In goes the track's number, and from somewhere in the catalogue its features; kept are the vibe (read and written)
    and the window (the oldest features read, the newest written); out comes what `step` returns.
    """
    env.reset(seed=0)
    actions = np.zeros(env.num_envs, np.int64)
    observations, rewards, terminated, truncated, info = env.step(actions)
    returned = _n_bytes([observations, rewards, terminated, truncated, *info.values()])
    features = env.num_envs * catalogue.features[0].nbytes
    near = actions.nbytes + 4 * features + returned
    gathering = machine.moving(features, within=catalogue.features.nbytes)
    return (gathering + machine.moving(near, within=near)) / env.num_envs


def _n_bytes(arrays: Iterable[NDArray[Any]]) -> int:
    return sum(array.nbytes for array in arrays)
