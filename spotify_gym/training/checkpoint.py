"""All that training depends on at one moment: put back, it goes on as if nothing had happened.

Weights, optimiser, replay, the state of every generator, the sessions being played, and SB3's counters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from spotify_gym.algorithms.base import TrackDQN
from spotify_gym.algorithms.played import NOTHING
from spotify_gym.algorithms.replay import PlayedReplayBuffer
from spotify_gym.listeners import BatchState
from spotify_gym.training.errors import RunError
from spotify_gym.training.tensors import Tensors, prefixed
from spotify_gym.training.vec_adapter import SessionVecEnv

Arrays = dict[str, NDArray[Any]]
S = TypeVar("S", bound=BatchState)

_COUNTERS = (
    "num_timesteps",
    "_episode_num",
    "_n_calls",
    "_n_updates",
    "_current_progress_remaining",
    "exploration_rate",
)
_ADAM = {"step", "exp_avg", "exp_avg_sq"}
_REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts", "played")


def take_snapshot(model: TrackDQN, env: SessionVecEnv) -> Tensors:
    """Take down the state of `model`, which is learning in `env` and stands between two rollouts."""
    arrays = {
        **prefixed("weights", weights_of(model)),
        **prefixed("optimizer", _optimizer(model.policy.optimizer)),
        **prefixed("replay", _replay(model)),
        **prefixed("sessions", _flat(env.env.sessions)),
        "returns": env.returns,
        "lengths": env.lengths,
        "begun": env.begun,
        "torch": torch.get_rng_state().numpy(),
        "observations": np.asarray(model._last_obs),
    }
    if model._played is not None:
        arrays["played"] = model._played
    return Tensors(arrays, _facts(model, env))


def restore_snapshot(model: TrackDQN, env: SessionVecEnv, snapshot: Tensors, total_steps: int) -> None:
    """Bring `model` and `env`, made from the same settings, to the moment of `snapshot`, which may be a stranger's.

    Raises:
        RunError: the snapshot belongs to other settings, or holds what no training could have led to.
    """
    try:
        if not 0 <= snapshot.facts["num_timesteps"] <= total_steps:
            raise ValueError(f"step {snapshot.facts['num_timesteps']} of {total_steps}")
        load_weights(model, snapshot.part("weights"))
        _restore_optimizer(model.policy.optimizer, snapshot.part("optimizer"))
        _restore_replay(model, snapshot)
        _restore_sessions(env, snapshot)
        model._last_obs = _like(env.env.dynamics.observe(env.env.sessions), snapshot.arrays["observations"])
        model._played = snapshot.arrays.get("played")
        if model._played is not None:
            _check_played(model._played, (env.num_envs,), env.action_space)
        episodes = [{name: float(one[name]) for name in ("r", "l", "t")} for one in snapshot.facts["episodes"]]
        model.ep_info_buffer = deque(episodes, maxlen=model._stats_window_size)
        model.ep_success_buffer = deque(maxlen=model._stats_window_size)  # of environments with a goal; ours have none
        for name in _COUNTERS:
            setattr(model, name, type(getattr(model, name))(snapshot.facts[name]))
        _restore_generators(model, snapshot)
    except (
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RuntimeError,
        gym.error.Error,
    ) as error:
        raise RunError(f"the checkpoint does not belong to the settings beside it: {error}") from error


def weights_of(model: TrackDQN) -> Arrays:
    """Return the weights of the online and of the target network by name."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in model.policy.state_dict().items()}


def load_weights(model: TrackDQN, weights: Mapping[str, NDArray[Any]]) -> None:
    """Put weights into a model.

    Raises:
        RunError: they are those of another network, or are not finite.
    """
    if bad := [name for name, array in weights.items() if not np.isfinite(array).all()]:
        raise RunError(f"the weights {bad[0]} are not all finite numbers")
    try:
        model.policy.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    except RuntimeError as error:
        raise RunError(f"the weights are those of another network: {' '.join(str(error).split())}") from error


def _facts(model: TrackDQN, env: SessionVecEnv) -> dict[str, Any]:
    assert model.ep_info_buffer is not None  # learning has begun
    # SB3 draws its batches from NumPy's global stream.
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002
    legacy["state"]["key"] = legacy["state"]["key"].tolist()
    return {
        **{name: getattr(model, name) for name in _COUNTERS},
        "episodes": list(model.ep_info_buffer),
        "replay": {"pos": _buffer(model).pos, "full": _buffer(model).full},
        "seeds": env.seeded,
        "numpy": legacy,
        "exploration": model.rng.bit_generator.state,
    }


def _restore_generators(model: TrackDQN, snapshot: Tensors) -> None:
    torch.set_rng_state(torch.from_numpy(snapshot.arrays["torch"].copy()))
    np.random.set_state(snapshot.facts["numpy"])  # noqa: NPY002
    model.rng.bit_generator.state = snapshot.facts["exploration"]


def _optimizer(optimizer: torch.optim.Optimizer) -> Arrays:
    """Return what the optimiser remembers of each parameter; its settings come from the configuration."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": value.cpu().numpy() for i, memory in state.items() for name, value in memory.items()}


def _restore_optimizer(optimizer: torch.optim.Optimizer, arrays: Arrays) -> None:
    parameters = [parameter.detach().cpu().numpy() for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, array in arrays.items():
        number, name = key.split(".", 1)
        like = np.float32(0) if name == "step" else parameters[int(number)]
        state.setdefault(int(number), {})[name] = torch.from_numpy(_like(np.asarray(like), array).copy())
    for memory in state.values():
        if memory.keys() != _ADAM or min(memory["step"].min(), memory["exp_avg_sq"].min()) < 0:
            raise ValueError("a memory of the optimiser that cannot be")
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _replay(model: TrackDQN) -> Arrays:
    buffer = _buffer(model)
    held = {name: getattr(buffer, name) for name in _REPLAY}
    return {name: array[: buffer.size()] for name, array in held.items() if array is not None}


def _restore_replay(model: TrackDQN, snapshot: Tensors) -> None:
    buffer = _buffer(model)
    for name, rows in snapshot.part("replay").items():
        if name == "played":  # as wide as the sessions were long
            _check_played(rows, (len(rows), buffer.n_envs), model.action_space)
            buffer.played = np.empty((buffer.buffer_size, *rows.shape[1:]), rows.dtype)
            buffer.played[: len(rows)] = rows
        else:
            held = getattr(buffer, name)[: len(rows)]
            held[:] = _like(held, rows)
    buffer.pos, buffer.full = int(snapshot.facts["replay"]["pos"]), bool(snapshot.facts["replay"]["full"])
    if not 0 <= buffer.pos < buffer.buffer_size:
        raise ValueError(f"place {buffer.pos} of {buffer.buffer_size} in the replay buffer")
    if {len(rows) for rows in snapshot.part("replay").values()} != {buffer.size()}:
        raise ValueError(f"a replay buffer that does not hold {buffer.size()} steps")  # but what was in memory before
    _check_tracks(buffer.actions[: buffer.size()], model.action_space)


def _buffer(model: TrackDQN) -> PlayedReplayBuffer:
    assert isinstance(model.replay_buffer, PlayedReplayBuffer)  # set up in the constructor
    return model.replay_buffer


def _restore_sessions(env: SessionVecEnv, snapshot: Tensors) -> None:
    """Wind the stream of sessions, a function of the seeds, to where it was, then set the sessions themselves."""
    begun = snapshot.arrays["begun"]
    if begun.max() > 1 + snapshot.facts["num_timesteps"]:
        raise ValueError("more sessions than steps")
    env.reset_to(snapshot.facts["seeds"], begun)
    env.returns[:], env.lengths[:] = (
        _like(held, snapshot.arrays[name]) for name, held in (("returns", env.returns), ("lengths", env.lengths))
    )
    sessions = env.env.sessions
    restored = _filled(sessions, snapshot.part("sessions"))
    room = restored.played.shape[1] - restored.history.shape[1]
    if (restored.time >= room).any():  # compiled loops write there, and look at no bounds
        raise ValueError(f"more tracks than the {room} that there is room for")
    for tracks in restored.played, restored.history:
        _check_tracks(tracks, env.action_space)
    sessions.put(np.arange(env.num_envs), restored)


def _flat(state: BatchState, prefix: str = "") -> Arrays:
    """Return all arrays of a batch state, those of the states inside it too, by dotted name."""
    flat: Arrays = {}
    for field in fields(state):
        value = getattr(state, field.name)
        if isinstance(value, BatchState):
            flat |= _flat(value, f"{prefix}{field.name}.")
        elif value is not None:
            flat[prefix + field.name] = value
    return flat


def _filled(like: S, flat: Arrays, prefix: str = "") -> S:
    """Return a batch state of the kind of `like` with the arrays of `flat`."""
    parts = {field.name: getattr(like, field.name) for field in fields(like)}
    for name, value in parts.items():
        if isinstance(value, BatchState):
            parts[name] = _filled(value, flat, f"{prefix}{name}.")
        elif value is not None:
            # The room for played tracks grows with the longest session.
            parts[name] = _like(value, flat[prefix + name], may_grow=name == "played").copy()
    return type(like)(**parts)


def _like(value: NDArray[Any], array: NDArray[Any], may_grow: bool = False) -> NDArray[Any]:
    """Return `array` if it has the shape and type of `value`, and no infinite or negative whole number in it."""
    axes = 1 if may_grow else value.ndim
    if array.dtype != value.dtype or array.ndim != value.ndim or array.shape[:axes] != value.shape[:axes]:
        raise ValueError(f"{array.dtype} {array.shape} where {value.dtype} {value.shape} should be")
    if not np.isfinite(array).all() or (array.dtype.kind == "i" and (array < 0).any()):
        raise ValueError("numbers that cannot be")
    return array


def _check_tracks(tracks: NDArray[Any], space: gym.Space[Any], least: int = 0) -> None:
    if tracks.size and not least <= tracks.min() <= tracks.max() < space.n:  # type: ignore[attr-defined]
        raise ValueError("tracks that are not in the catalogue")


def _check_played(played: NDArray[Any], shape: tuple[int, ...], space: gym.Space[Any]) -> None:
    """See that there is a padded row of tracks for each place of `shape`."""
    if played.dtype != np.int32 or played.shape[:-1] != shape:
        raise ValueError(f"{played.dtype} {played.shape} where rows of tracks for {shape} should be")
    _check_tracks(played, space, NOTHING)
