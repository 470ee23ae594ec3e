"""All that training depends on at one moment: put back, it goes on as if nothing had happened.

Weights, optimiser, replay, the state of every generator, the sessions being played, and SB3's counters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from spotify_gym.algorithms.base import TrackDQN
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


def restore_snapshot(model: TrackDQN, env: SessionVecEnv, snapshot: Tensors) -> None:
    """Bring `model` and `env`, made from the same settings, to the moment of `snapshot`.

    Raises:
        RunError: the snapshot belongs to other settings.
    """
    try:
        load_weights(model, snapshot.part("weights"))
        _restore_optimizer(model.policy.optimizer, snapshot.part("optimizer"))
        _restore_replay(model, snapshot)
        _restore_sessions(env, snapshot)
        model._last_obs = snapshot.arrays["observations"]
        model._played = snapshot.arrays.get("played")
        model.ep_info_buffer = deque(snapshot.facts["episodes"], maxlen=model._stats_window_size)
        model.ep_success_buffer = deque(maxlen=model._stats_window_size)  # of environments with a goal; ours have none
        for name in _COUNTERS:
            setattr(model, name, snapshot.facts[name])
        _restore_generators(model, snapshot)
    except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
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
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, array in arrays.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = torch.from_numpy(array.copy())
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _replay(model: TrackDQN) -> Arrays:
    buffer = _buffer(model)
    held = {name: getattr(buffer, name) for name in _REPLAY}
    return {name: array[: buffer.size()] for name, array in held.items() if array is not None}


def _restore_replay(model: TrackDQN, snapshot: Tensors) -> None:
    buffer = _buffer(model)
    for name, rows in snapshot.part("replay").items():
        if name == "played":  # as wide as the sessions were long
            buffer.played = np.empty((buffer.buffer_size, *rows.shape[1:]), rows.dtype)
        getattr(buffer, name)[: len(rows)] = rows
    buffer.pos, buffer.full = snapshot.facts["replay"]["pos"], snapshot.facts["replay"]["full"]


def _buffer(model: TrackDQN) -> PlayedReplayBuffer:
    assert isinstance(model.replay_buffer, PlayedReplayBuffer)  # set up in the constructor
    return model.replay_buffer


def _restore_sessions(env: SessionVecEnv, snapshot: Tensors) -> None:
    """Wind the stream of sessions, a function of the seeds, to where it was, then set the sessions themselves."""
    begun = snapshot.arrays["begun"]
    if begun.max() > 1 + snapshot.facts["num_timesteps"]:
        raise ValueError("more sessions than steps")
    env.reset_to(snapshot.facts["seeds"], begun)
    env.returns[:], env.lengths[:] = snapshot.arrays["returns"], snapshot.arrays["lengths"]
    sessions = env.env.sessions
    sessions.put(np.arange(env.num_envs), _filled(sessions, snapshot.part("sessions")))


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
            parts[name] = flat[prefix + name].copy()
    return type(like)(**parts)
