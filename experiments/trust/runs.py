"""Run folders to be damaged or forged, and what must be true of a model that is still made from one."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from experiments.trust.damage import Rng, damaged
from spotify_gym import CatalogueError
from spotify_gym.algorithms import BindingError
from spotify_gym.training import ConfigError, Run, RunError, TrainConfig, evaluate, load_run, resume, train
from spotify_gym.training.tensors import Tensors, read_tensors, write_tensors

REFUSALS = (RunError, ConfigError, BindingError, CatalogueError)
"""What a run folder may be refused with."""
CONFIG = TrainConfig(
    catalogue="builtin:60",
    env="SpotifySkip-v0",
    policy="mlp",
    hidden=(8,),
    steps=120,
    n_envs=4,
    learning_starts=40,
    checkpoint_seconds=0,
)
_LEFT_AT = 80  # steps; two thirds of a training
_FORGED = 0.5  # of files of tensors are forged, checksums right
WRONG: tuple[Any, ...] = (None, -1, 10**9, 2.5, "x", [], {}, True, [1] * 700, float("nan"), -(2**70))
"""Values that a fact of a checkpoint must not have, most of them."""

Files = dict[str, bytes]


class RunSpecimen:
    """A small run, finished or left in the middle as by a power cut."""

    def try_damaged(self, rng: Rng, scratch: Path) -> str:
        """Spoil one file of a run and use it: "valid" or "refused"; anything else that happens is raised."""
        begun = rng.random() < 0.5
        files = interrupted() if begun else finished()
        folder = scratch / "run"
        shutil.rmtree(folder, ignore_errors=True)
        write_files(folder, files)
        # Another number of steps or tracks is as good a setting as any, and may take hours.
        victims = [name for name in files if not begun or name != "config.json"]
        _spoil(folder / str(rng.choice(victims)), rng)
        try:
            run = resume(folder) if begun else load_run(folder)
        except REFUSALS:
            return "refused"
        check(run)
        return "valid"


def check(run: Run) -> None:
    """Raise `AssertionError` unless the model holds numbers only, and plays."""
    for name, weights in run.model.policy.state_dict().items():
        assert weights.isfinite().all(), f"{name} is not finite"
    returns = evaluate(run.model, run.config.env, 2, catalogue=run.catalogue, **run.config.env_options).returns
    assert np.isfinite(returns).all(), f"returns {returns}"


def write_files(folder: Path, files: Files) -> None:
    """Write a run folder."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


@cache
def finished() -> Files:
    """Return the files of a run that came to its end."""
    return _files(lambda folder: train(CONFIG, folder))


@cache
def interrupted() -> Files:
    """Return the files of a run that was left with a checkpoint behind it."""

    def leave(folder: Path) -> None:
        try:
            train(CONFIG, folder, callbacks=[_Leave()])
        except InterruptedError:
            return

    return _files(leave)


def forged(tensors: Tensors, rng: Rng) -> Tensors:
    """Change one array or one fact to what it must not be; the checksum will be right."""
    arrays, facts = dict(tensors.arrays), copy.deepcopy(tensors.facts)
    if rng.random() < 0.5:
        name = str(rng.choice(sorted(facts)))
        inner = facts[name]
        target, key = (inner, str(rng.choice(sorted(inner)))) if isinstance(inner, dict) else (facts, name)
        target[key] = WRONG[rng.integers(len(WRONG))]
        return Tensors(arrays, facts)
    name = str(rng.choice(sorted(arrays)))
    arrays[name] = np.ascontiguousarray(_WAYS[rng.integers(len(_WAYS))](arrays[name]))
    if rng.random() < 0.1:
        del arrays[name]
    return Tensors(arrays, facts)


def _spoil(file: Path, rng: Rng) -> None:
    if file.suffix == ".safetensors" and rng.random() < _FORGED:
        write_tensors(file, forged(read_tensors(file), rng))
    else:
        file.write_bytes(damaged(file.read_bytes(), rng))


def _files(make: Callable[[Path], object]) -> Files:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        make(folder)
        return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.stat().st_size}


class _Leave(BaseCallback):
    """End a training as a power cut does, with a checkpoint behind it."""

    def _on_step(self) -> bool:
        if self.num_timesteps >= _LEFT_AT:
            raise InterruptedError
        return True


_WAYS: tuple[Callable[[Any], Any], ...] = (
    lambda array: array[:0] if array.ndim else array[None],
    lambda array: np.concatenate([array, array]) if array.ndim else array[None],
    lambda array: array[..., None],
    lambda array: array.astype(np.float64),
    lambda array: np.full_like(array, 10**6) if array.dtype.kind in "if" else ~array,
    lambda array: np.full_like(array, -1) if array.dtype.kind in "if" else array,
    lambda array: array * np.nan if array.dtype.kind == "f" else array,
)
