"""Steps of the environments: one session, and many at once, beside CartPole and the naive form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from experiments.speed.machine import Machine
from experiments.speed.measuring import Group, Task, Work
from experiments.speed.naive import naive_spec
from experiments.speed.setting import Setting
from spotify_gym import ENVS
from spotify_gym.catalogue import Catalogue

SINGLE = Group("steps of one session, through gym.make", "/s")
VECTOR = Group("steps of single sessions, B at once, through gym.make_vec", "/s", "B")
VECTOR_BY_TRACKS = Group("the same with B = 1,024, by tracks", "/s", "tracks")

SINGLE_GOAL = 1 / 100_000
"""Seconds a step of the first environment."""
VECTOR_GOAL = 1 / 5_000_000
"""The same for GOAL_BATCH sessions at once; the others of the family may take three times as long."""
GOAL_BATCH = 1024

FLOOR, NAIVE = "CartPole-v1 (Gymnasium)", "the naive form of SpotifySession-v0"
SAME_STEP = "SpotifySession-v0, restarting in the same step"
_FIRST = "SpotifySession-v0"
_DISTINCT_ACTIONS = 2**16


def races(setting: Setting) -> Iterator[list[Task]]:
    """Yield what is to race each other."""
    yield _single(setting)
    for n_sessions in setting.effort.batches:
        yield _vector(setting, n_sessions)
    for n_tracks in setting.sizes:
        yield [_by_tracks(setting, setting.sized(n_tracks))]


def playing(env: gym.Env[Any, Any], n_actions: int, seed: int) -> Work:
    """Return what takes n random steps in one environment, and begins again where a session ends."""
    drawn = np.random.default_rng(seed).integers(n_actions, size=_DISTINCT_ACTIONS)
    actions = cycle(drawn.tolist())
    env.reset(seed=seed)

    def play(n: int) -> None:
        step = env.step
        for action in islice(actions, n):
            _, _, terminated, truncated, _ = step(action)
            if terminated or truncated:
                env.reset()

    return play


def playing_all(env: gym.vector.VectorEnv[Any, Any, Any], n_actions: int, seed: int) -> Work:
    """Return what takes n random steps in all sessions of a vector environment, which restarts them itself."""
    n_rows = max(64, _DISTINCT_ACTIONS // env.num_envs)
    actions = cycle(np.random.default_rng(seed).integers(n_actions, size=(n_rows, env.num_envs)))
    env.reset(seed=seed)

    def play(n: int) -> None:
        step = env.step
        for row in islice(actions, n):
            step(row)

    return play


def _single(setting: Setting) -> list[Task]:
    catalogue, seed = setting.catalogue, setting.seed

    def task(env: gym.Env[Any, Any], what: str, n_actions: int, **more: Any) -> Task:
        return Task(SINGLE, what, 1, setting.repeating(playing(env, n_actions, seed)), **more)

    limit = _limit(setting.machine, _vector_env(_FIRST, catalogue, 1), catalogue)
    ours = [
        task(
            gym.make(env_id, catalogue=catalogue),
            env_id,
            len(catalogue),
            limit=limit,
            goal=SINGLE_GOAL if env_id == _FIRST else None,
        )
        for env_id in ENVS
    ]
    naive = task(gym.make(naive_spec(catalogue)), NAIVE, len(catalogue), role="usual")
    return [*ours, task(gym.make("CartPole-v1"), FLOOR, 2, role="floor"), naive]


def _vector(setting: Setting, n_sessions: int) -> list[Task]:
    catalogue = setting.catalogue

    def task(env: gym.vector.VectorEnv[Any, Any, Any], what: str, n_actions: int, **more: Any) -> Task:
        play = playing_all(env, n_actions, setting.seed)
        return Task(VECTOR, what, n_sessions, setting.repeating(play, n_sessions), **more)

    def ours(env_id: str, what: str, **options: Any) -> Task:
        env = _vector_env(env_id, catalogue, n_sessions, **options)
        factor = 1 if env_id == _FIRST else 3
        goal = factor * VECTOR_GOAL if n_sessions == GOAL_BATCH else None
        return task(env, what, len(catalogue), limit=_limit(setting.machine, env, catalogue), goal=goal)

    own = [*(ours(env_id, env_id) for env_id in ENVS), ours(_FIRST, SAME_STEP, autoreset_mode="SameStep")]
    cart_poles = gym.make_vec("CartPole-v1", n_sessions, vectorization_mode="vector_entry_point")
    floor = task(cart_poles, FLOOR, 2, role="floor")
    if n_sessions > GOAL_BATCH:  # the naive form takes a second a step, and no session of it gets faster
        return [*own, floor]
    naive = gym.make_vec(naive_spec(catalogue), n_sessions, vectorization_mode="sync")
    return [*own, floor, task(naive, f"{NAIVE}, SyncVectorEnv", len(catalogue), role="usual")]


def _by_tracks(setting: Setting, catalogue: Catalogue) -> Task:
    env = _vector_env(_FIRST, catalogue, GOAL_BATCH)
    limit = _limit(setting.machine, env, catalogue)
    play = playing_all(env, len(catalogue), setting.seed)
    return Task(VECTOR_BY_TRACKS, _FIRST, len(catalogue), setting.repeating(play, GOAL_BATCH), limit=limit)


def _vector_env(
    env_id: str | EnvSpec, catalogue: Catalogue, n_sessions: int, **options: Any
) -> gym.vector.VectorEnv[Any, Any, Any]:
    return gym.make_vec(env_id, n_sessions, catalogue=catalogue, **options)


def _limit(machine: Machine, env: gym.vector.VectorEnv[Any, Any, Any], catalogue: Catalogue) -> float:
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
