"""Run folders to damage or forge, and checks of a model that is loaded from one all the same."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import strategies as st

from spotify_gym import CatalogueError
from spotify_gym.algorithms import BindingError
from spotify_gym.training import ConfigError, Run, RunError, TrainConfig, evaluate, load_run, resume, train
from spotify_gym.training.tensors import Tensors, read_tensors, write_tensors
from tests.robustness.mutations import mutated
from tests.training.test_trainer import Kill, Killed

REFUSALS = (RunError, ConfigError, BindingError, CatalogueError)
"""The errors with which a run folder may be refused."""
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
_WRONG = st.sampled_from((None, -1, 10**9, 2.5, "x", [], {}, True, [1] * 700, float("nan"), -(2**70)))
_WAYS: tuple[Callable[[Any], Any], ...] = (
    lambda array: array[:0] if array.ndim else array[None],
    lambda array: np.concatenate([array, array]) if array.ndim else array[None],
    lambda array: array[..., None],
    lambda array: array.astype(np.float64),
    lambda array: np.full_like(array, 10**6) if array.dtype.kind in "if" else ~array,
    lambda array: np.full_like(array, -1) if array.dtype.kind in "if" else array,
    lambda array: array * np.nan if array.dtype.kind == "f" else array,
)


def use_mutated(draw: st.DrawFn, scratch: Path) -> str:
    """Damage one file of a run and use the run; return "valid" or "refused", and raise any other outcome."""
    begun, folder = draw(st.booleans()), scratch / "run"
    shutil.rmtree(folder, ignore_errors=True)
    files = write_interrupted(folder) if begun else write_finished(folder)
    # Not the settings of an unfinished run: another number of steps or tracks is valid, and may take hours.
    file = folder / draw(st.sampled_from([name for name in files if not begun or name != "config.json"]))
    if file.suffix == ".safetensors" and draw(st.booleans()):
        write_tensors(file, draw(_forged(read_tensors(file))))
    else:
        file.write_bytes(draw(mutated(file.read_bytes())))
    try:
        run = resume(folder) if begun else load_run(folder)
    except REFUSALS:
        return "refused"
    check(run)
    return "valid"


def check(run: Run) -> None:
    """Raise `AssertionError` unless all weights are finite numbers and the model plays."""
    for name, weights in run.model.policy.state_dict().items():
        assert weights.isfinite().all(), f"{name} is not finite"
    returns = evaluate(run.model, run.config.env, 2, catalogue=run.catalogue, **run.config.env_options).returns
    assert np.isfinite(returns).all(), f"returns {returns}"


def write_finished(folder: Path) -> list[str]:
    """Write a finished run, and return the names of its files."""
    return _write(folder, _files(finished=True))


def write_interrupted(folder: Path) -> list[str]:
    """Write a run that was interrupted, as by a power cut, after a checkpoint, and return the names of its files."""
    return _write(folder, _files(finished=False))


def _write(folder: Path, files: dict[str, bytes]) -> list[str]:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return list(files)


@cache
def _files(*, finished: bool) -> dict[str, bytes]:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        with suppress(Killed):
            train(CONFIG, folder, callbacks=() if finished else [Kill(_LEFT_AT)])
        return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.stat().st_size}


@st.composite
def _forged(draw: st.DrawFn, tensors: Tensors) -> Tensors:
    """Draw tensors with one array or one fact changed to an invalid value; the checksum will be valid."""
    arrays, facts = dict(tensors.arrays), copy.deepcopy(tensors.facts)
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(facts)))
        inner = facts[name]
        target, key = (inner, draw(st.sampled_from(sorted(inner)))) if isinstance(inner, dict) else (facts, name)
        target[key] = draw(_WRONG)
    else:
        name = draw(st.sampled_from(sorted(arrays)))
        arrays[name] = np.ascontiguousarray(draw(st.sampled_from(_WAYS))(arrays[name]))
        if draw(st.integers(1, 10)) == 10:
            del arrays[name]
    return Tensors(arrays, facts)
