"""The same seed gives the same result, in this process and in another, for any degree of parallelism.

That sessions and evaluations do not depend on the batch size is tested in `tests/session/test_vector_env.py` and
`tests/training/test_evaluation.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from experiments.lib.cases import COSTS, Case, run_cases, scale_of
from spotify_gym import ENVS, Catalogue
from spotify_gym.policies import POLICIES
from spotify_gym.training import TrainConfig, evaluate, train

ROOT = Path(__file__).parents[2]
CONFIG = TrainConfig(
    catalogue="builtin:300", env="SpotifyPlaylist-v0", algorithm="double", steps=640, n_envs=8, learning_starts=64
)


def digest(*arrays: Any) -> str:
    content = hashlib.blake2b(digest_size=8)
    for array in arrays:
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


def catalogue() -> str:
    made = Catalogue.builtin(500, seed=3)
    train_part, _ = made.split(test_fraction=0.3, seed=1)
    return f"{made.fingerprint} {made.rescaled('minmax').fingerprint} {train_part.fingerprint}"


def env() -> str:
    seen = []
    for env_id in ENVS:
        one: Any = gym.make(env_id, catalogue="builtin:300")
        seen.append(one.reset(seed=5)[0])
        for track in range(10, 28):
            seen += one.step(track)[:2]
    return digest(*seen)


def vector_env() -> str:
    seen = []
    for env_id in ENVS:
        many: Any = gym.make_vec(env_id, num_envs=7, catalogue="builtin:300")
        seen.append(many.reset(seed=5)[0])
        for tracks in np.random.default_rng(0).integers(300, size=(60, 7)):
            seen += many.step(tracks)[:4]
    return digest(*seen)


def training() -> str:
    return digest(*(weights.numpy() for weights in train(CONFIG).model.policy.state_dict().values()))


def evaluation() -> str:
    played = [evaluate(POLICIES[name], CONFIG.env, 20, catalogue="builtin:300") for name in ("random", "planner")]
    return digest(*(one.returns for one in played), *(one.tracks for one in played))


def comparison(jobs: int = 1) -> str:
    cases = [*scale_of(CONFIG, 5), Case("learner", CONFIG, n_sessions=5)]
    with tempfile.TemporaryDirectory() as folder:
        rows = run_cases(cases, Path(folder), jobs=jobs)
    return hashlib.blake2b(rows.drop(columns=COSTS).to_csv().encode(), digest_size=8).hexdigest()


PARTS: tuple[Callable[[], str], ...] = (catalogue, env, vector_env, training, evaluation, comparison)


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, str]:
    """The results for the same seeds in another process, with another hash seed and two threads."""
    told = subprocess.run(
        [sys.executable, "-m", "tests.robustness.test_same_seed"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return dict(json.loads(told.splitlines()[-1]))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_same_seed__gives_the_same_in_two_processes(part, elsewhere: dict[str, str]) -> None:
    assert part() == elsewhere[part.__name__]


def test_comparison__is_the_same_however_many_work_at_it(elsewhere: dict[str, str]) -> None:
    assert comparison(jobs=2) == elsewhere["comparison"]


if __name__ == "__main__":
    print(json.dumps({part.__name__: part() for part in PARTS}))
