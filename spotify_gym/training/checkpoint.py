"""Crash-safe checkpoints, from which a training resumes as if it had not been interrupted.

A checkpoint holds the complete state of a training: networks, optimiser, replay buffer, the sessions in progress, the
state of every random generator, SB3's counters and its logs. A resumed training ends with the same weights and logs.
A checkpoint is taken between two rollouts, when all transitions are stored and all updates are done.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import CSVOutputFormat

from spotify_gym.algorithms.base import TrackDQN
from spotify_gym.algorithms.replay import NOTHING, PlayedReplayBuffer
from spotify_gym.listeners import BatchState
from spotify_gym.training.artifacts import load_weights, weights_of
from spotify_gym.training.tensors import Arrays, RunError, Tensors, prefixed, read_tensors, write_tensors
from spotify_gym.training.vec_adapter import SessionVecEnv

_COUNTERS = (
    "num_timesteps",
    "_episode_num",
    "_n_calls",
    "_n_updates",
    "_current_progress_remaining",
    "exploration_rate",
)
_ADAM = {"step", "exp_avg", "exp_avg_sq"}
_MINUS_ONE = {"played", "log.tracks", "log.answers"}  # arrays in which -1 is a valid value
_PADDING = {"played": NOTHING, "log.tracks": NOTHING, "log.answers": 0}  # of session arrays that may be wider
_REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts", "played")
_LOGS = ("progress.csv", "monitor.csv")


class Stopped(KeyboardInterrupt):
    """Ctrl-C, raised after everything has been saved."""


@contextmanager
def checkpoints(file: Path, interval: float) -> Iterator[BaseCallback]:
    """Yield the callback that saves and restores checkpoints; it must run before all other callbacks.

    If `file` exists, the callback resumes from it; the file need not be trusted. It saves to `file` every `interval`
    [s], and before it raises `Stopped` for Ctrl-C. The logs must be in the same folder. If the block ends without an
    error, by which time the results must be saved, the checkpoint is deleted.

    Raises:
        Stopped: by the callback, after saving.
        RunError: by the callback, if the checkpoint belongs to other settings or holds values that no training could
            produce, or if a weight is not finite.
    """
    with interruptible() as stop:
        yield _CheckpointCallback(file, interval, stop)
    file.unlink(missing_ok=True)


class _CheckpointCallback(BaseCallback):
    model: TrackDQN

    def __init__(self, file: Path, interval: float, stop: Callable[[], bool]) -> None:
        super().__init__()
        self._file = file
        self._interval = interval
        self._stop = stop
        self._last = 0.0

    def _on_training_start(self) -> None:
        if self._file.exists():
            _restore(self.model, self._file)
        self._last = time.monotonic()

    def _on_rollout_start(self) -> None:
        stop = self._stop()
        if stop or time.monotonic() - self._last >= self._interval:
            _save(self.model, self._file)
            self._last = time.monotonic()
        if stop:
            raise Stopped

    def _on_step(self) -> bool:
        return True


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Defer Ctrl-C: yield a function that returns whether it was pressed. A second Ctrl-C takes effect at once."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set  # Python delivers signals to the main thread only
        return

    def note(_signal: int, _frame: FrameType | None) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, earlier)

    earlier = signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, earlier)


def _save(model: TrackDQN, file: Path) -> None:
    """Write the checkpoint, replacing the previous one."""
    buffer, env = _buffer(model), _env(model)
    replay = {name: getattr(buffer, name) for name in _REPLAY}
    logs = {name: file.with_name(name).read_bytes() for name in _LOGS if file.with_name(name).exists()}
    arrays = {
        **prefixed("weights", weights_of(model)),
        **prefixed("optimizer", _optimizer(model.policy.optimizer)),
        **prefixed("replay", {name: array[: buffer.size()] for name, array in replay.items() if array is not None}),
        **prefixed("sessions", _sessions(env.env.sessions)),
        **prefixed("logs", {name: np.frombuffer(text, np.uint8) for name, text in logs.items()}),
        **_counts(env),
        "torch": torch.get_rng_state().numpy(),
        "observations": np.asarray(model._last_obs),
    }
    if model._played is not None:
        arrays["played"] = model._played
    write_tensors(file, Tensors(arrays, _facts(model, env)))


def _facts(model: TrackDQN, env: SessionVecEnv) -> dict[str, Any]:
    assert model.ep_info_buffer is not None  # learning has begun
    # SB3 draws its batches from NumPy's global stream.
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002
    legacy["state"]["key"] = legacy["state"]["key"].tolist()
    logged = {name: value for name, value in model.logger.name_to_value.items() if isinstance(value, (int, float))}
    return {
        **{name: getattr(model, name) for name in _COUNTERS},
        "episodes": list(model.ep_info_buffer),
        "replay": {"pos": _buffer(model).pos, "full": _buffer(model).full},
        "numpy": legacy,
        "exploration": model.rng.bit_generator.state,
        "logged": [(name, value, model.logger.name_to_excluded[name]) for name, value in logged.items()],
        "seconds": {"training": time.time() - model.start_time / 1e9, "sessions": time.time() - env.created},
    }


def _restore(model: TrackDQN, file: Path) -> None:
    """Restore the model and its environment, made from the same settings, to the state of the checkpoint."""
    saved = read_tensors(file)
    try:
        if not 0 <= saved.facts["num_timesteps"] <= model._total_timesteps:
            raise ValueError(f"step {saved.facts['num_timesteps']} of {model._total_timesteps}")
        load_weights(model, saved.part("weights"))
        _restore_optimizer(model.policy.optimizer, saved.part("optimizer"))
        _restore_replay(_buffer(model), saved)
        _restore_sessions(_env(model), saved)
        _fill({"observations": model._last_obs}, saved.arrays)
        model._played = saved.arrays.get("played")
        if model._played is not None:
            _check_played(model._played, (model.n_envs,), model.action_space)
        episodes = [{name: float(one[name]) for name in ("r", "l", "t")} for one in saved.facts["episodes"]]
        model.ep_info_buffer = deque(episodes, maxlen=model._stats_window_size)
        for name in _COUNTERS:
            setattr(model, name, type(getattr(model, name))(saved.facts[name]))
        _restore_logs(model, saved, file)
        torch.set_rng_state(torch.from_numpy(saved.arrays["torch"].copy()))
        np.random.set_state(saved.facts["numpy"])  # noqa: NPY002
        model.rng.bit_generator.state = saved.facts["exploration"]
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise RunError(f"the checkpoint does not match the settings beside it: {error}") from error


def _optimizer(optimizer: torch.optim.Optimizer) -> Arrays:
    """Return the optimiser's state of each parameter; its hyperparameters come from the settings."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": value.cpu().numpy() for i, memory in state.items() for name, value in memory.items()}


def _restore_optimizer(optimizer: torch.optim.Optimizer, arrays: Arrays) -> None:
    parameters = [parameter.detach().cpu().numpy() for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, array in arrays.items():
        number, name = key.split(".", 1)
        like = np.asarray(np.float32(0)) if name == "step" else parameters[int(number)]
        _check_like(like, array)
        state.setdefault(int(number), {})[name] = torch.from_numpy(array.copy())
    for memory in state.values():
        if memory.keys() != _ADAM or min(memory["step"].min(), memory["exp_avg_sq"].min()) < 0:
            raise ValueError("an invalid state of the optimiser")
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _restore_replay(buffer: PlayedReplayBuffer, saved: Tensors) -> None:
    rows = saved.part("replay")
    buffer.pos, buffer.full = int(saved.facts["replay"]["pos"]), bool(saved.facts["replay"]["full"])
    if not 0 <= buffer.pos < buffer.buffer_size:
        raise ValueError(f"place {buffer.pos} of {buffer.buffer_size} in the replay buffer")
    if {len(array) for array in rows.values()} != {buffer.size()}:
        raise ValueError(f"a replay buffer that does not hold {buffer.size()} steps")  # else rows stay uninitialised
    if (played := rows.pop("played", None)) is not None:  # its width is the longest session so far
        _check_played(played, (len(played), buffer.n_envs), buffer.action_space)
        buffer.played = np.empty((buffer.buffer_size, *played.shape[1:]), played.dtype)
        buffer.played[: len(played)] = played
    _fill({name: getattr(buffer, name)[: buffer.size()] for name in rows}, rows)
    _check_tracks(buffer.actions[: buffer.size()], buffer.action_space)


def _restore_sessions(env: SessionVecEnv, saved: Tensors) -> None:
    sessions, room = env.env.sessions, saved.arrays["sessions.played"].shape[1]
    if saved.arrays["begun"].max() > 1 + saved.facts["num_timesteps"]:
        raise ValueError("more sessions than steps")
    sessions.grow(room)  # the arrays are as wide as the longest session required
    _fill(_counts(env), saved.arrays)
    kept, more = saved.part("sessions"), sessions.played.shape[1] - room  # columns missing in the saved arrays
    for name, padding in _PADDING.items():
        if name in kept and kept[name].dtype == np.int64:  # older checkpoints store tracks as int64
            kept[name] = kept[name].astype(np.int32)
        if name in kept and more > 0:
            kept[name] = np.pad(kept[name], ((0, 0), (0, more)), constant_values=padding)
    _fill(_sessions(sessions), kept)
    room -= sessions.history.shape[1]
    if (sessions.time >= room).any():  # compiled loops write at these indices without bounds checks
        raise ValueError(f"more than the {room} tracks that there is room for")
    _check_tracks(sessions.played, env.action_space, NOTHING)
    if sessions.log is not None:
        _check_tracks(sessions.log.tracks, env.action_space, NOTHING)
    _check_tracks(sessions.history, env.action_space)


def _restore_logs(model: TrackDQN, saved: Tensors, file: Path) -> None:
    """Restore the log files, the logged values and the clocks that the logs refer to."""
    logs = {name: array.tobytes() for name, array in saved.part("logs").items()}
    for log in model.logger.output_formats:
        if isinstance(log, CSVOutputFormat) and (text := logs.get("progress.csv", b"").decode()):
            log.file.write(text)  # SB3 has truncated the file
            log.file.flush()
            log.keys = text.partition("\n")[0].split(",")
    if "monitor.csv" in logs:
        file.with_name("monitor.csv").write_bytes(logs["monitor.csv"])
    for name, value, excluded in saved.facts.get("logged", ()):
        model.logger.record(str(name), value, tuple(excluded))
    seconds = {name: float(value) for name, value in saved.facts.get("seconds", {}).items()}
    model.start_time = time.time_ns() - int(1e9 * seconds.get("training", 0))
    _env(model).created = time.time() - seconds.get("sessions", 0)


def _buffer(model: TrackDQN) -> PlayedReplayBuffer:
    assert isinstance(model.replay_buffer, PlayedReplayBuffer)  # set up in the constructor
    return model.replay_buffer


def _env(model: TrackDQN) -> SessionVecEnv:
    assert isinstance(model.env, SessionVecEnv)  # what `train` makes
    return model.env


def _counts(env: SessionVecEnv) -> Arrays:
    """Return the counters of the sessions in each slot, (B,) each, as views of the arrays in use."""
    assert env.env.keys is not None  # set by `reset`
    return {"returns": env.returns, "lengths": env.lengths, "begun": env.env.keys.begun.view(np.int64)}


def _sessions(state: BatchState, prefix: str = "") -> Arrays:
    """Return all arrays of a batch state and of its nested states by dotted name, without copying."""
    arrays: Arrays = {}
    for field in fields(state):
        value = getattr(state, field.name)
        if isinstance(value, BatchState):
            arrays |= _sessions(value, f"{prefix}{field.name}.")
        elif value is not None:
            arrays[prefix + field.name] = value
    return arrays


def _fill(arrays: dict[str, Any], saved: Arrays) -> None:
    """Overwrite arrays in place with the saved arrays of the same names."""
    for name, array in arrays.items():
        _check_like(array, saved[name], NOTHING if name in _MINUS_ONE else 0)
        array[...] = saved[name]


def _check_like(value: NDArray[Any], array: NDArray[Any], least: int = 0) -> None:
    """Check that `array` has the shape and dtype of `value`, is finite, and has no integer below `least`."""
    if array.dtype != value.dtype or array.shape != value.shape:
        raise ValueError(f"{array.dtype} {array.shape} instead of {value.dtype} {value.shape}")
    if not np.isfinite(array).all() or (array.dtype.kind == "i" and (array < least).any()):
        raise ValueError("invalid numbers")


def _check_tracks(tracks: NDArray[Any], space: gym.Space[Any], least: int = 0) -> None:
    if tracks.size and not least <= tracks.min() <= tracks.max() < space.n:  # type: ignore[attr-defined]
        raise ValueError("tracks that are not in the catalogue")


def _check_played(played: NDArray[Any], shape: tuple[int, ...], space: gym.Space[Any]) -> None:
    """Check that `played` holds a padded row of tracks for each index of `shape`."""
    if played.dtype != np.int32 or played.shape[:-1] != shape:
        raise ValueError(f"{played.dtype} {played.shape} instead of rows of tracks for {shape}")
    _check_tracks(played, space, NOTHING)
