"""Construction of the learning algorithm and its network from the settings."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger

from spotify_gym.algorithms import BindingError
from spotify_gym.training.config import ConfigError, TrainConfig
from spotify_gym.training.vec_adapter import SessionVecEnv

_SHARES = "gamma", "gae_lambda", "tau"  # SB3 does not check these ranges
_COUNTS = "n_steps", "n_epochs", "batch_size", "train_freq", "policy_delay", "target_update_interval"
_MOST = 10**6
_OURS = {"policy", "env", "seed", "device", "_init_setup_model"}  # set elsewhere, so not allowed as arguments


def learner_of(config: TrainConfig, env: SessionVecEnv, **changes: Any) -> BaseAlgorithm:
    """Return the untrained algorithm.

    Args:
        config: the settings.
        env: the training environment.
        **changes: constructor arguments that override those from the settings.

    Raises:
        ConfigError: the device is not available, a user-defined class cannot be imported, or an argument is invalid.
        MemoryError: the networks are too large.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device='cuda' is not available here; use 'cpu'")
    algorithm, policy = config.classes
    arguments = _arguments_of(config, algorithm, policy) | changes
    try:
        model: BaseAlgorithm = algorithm(policy, env, **arguments)
    except BindingError as error:
        raise ConfigError(str(error)) from error
    except (AssertionError, TypeError, ValueError) as error:
        if not config.arguments:
            raise
        said = " ".join(str(error).split())
        raise ConfigError(f"algorithm={config.algorithm!r} cannot use arguments={config.arguments}: {said}") from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error):  # PyTorch raises no MemoryError
            raise MemoryError(str(error)) from error
        raise
    env.seed(config.first_seed)  # with the algorithm's own seed, runs of adjacent seeds would share sessions
    model.set_logger(Logger(folder=None, output_formats=[]))  # SB3's default logger would leave an empty folder
    return model


def _arguments_of(config: TrainConfig, algorithm: type[Any], policy: type[Any]) -> dict[str, Any]:
    if config.is_q_learner:
        return _q_arguments_of(config, policy)
    preset = config.learner.arguments.get(config.policy, {})
    arguments = {**preset, **config.other_arguments}
    known = [name for name in inspect.signature(algorithm).parameters if name not in _OURS]
    if unknown := sorted(set(arguments) - set(known)):
        raise ConfigError(
            f"{unknown[0]!r} is not an argument of algorithm={config.algorithm!r}; choose from {', '.join(known)}"
        )
    for name, value in config.other_arguments.items():
        if name in _SHARES and not (isinstance(value, (int, float)) and 0 <= value <= 1):
            allowed = "from 0 to 1"
        elif name in _COUNTS and not (type(value) is int and 1 <= value <= _MOST):
            allowed = f"from 1 to {_MOST}, and whole"
        else:
            continue
        raise ConfigError(f"algorithm={config.algorithm!r} cannot use arguments: {name}={value!r} must be {allowed}")
    rates = arguments.get("learning_rate")
    if isinstance(rates, (tuple, list)):
        arguments["learning_rate"] = partial(_falling, *rates)
    return {"seed": config.seed, "device": config.device, **arguments}


def _q_arguments_of(config: TrainConfig, policy: type[Any]) -> dict[str, Any]:
    settings = config.q_settings
    for ours in ("updates_per_step", "learning_rate_end"):
        del settings[ours]
    train_freq, gradient_steps = config.update_cycle
    network = {"n_candidates": config.candidates, "encoder": config.encoder}
    known = {name: value for name, value in network.items() if name in policy.network_options}
    return {
        **settings,
        "learning_rate": partial(_falling, config.learning_rate, config.learning_rate_end),
        "train_freq": train_freq,
        "gradient_steps": gradient_steps,
        # In environment steps; SB3 warns if it is less than the number of environments.
        "target_update_interval": max(config.target_update_interval, config.n_envs),
        "policy_kwargs": {"net_arch": list(config.hidden), **known},
        "seed": config.seed,
        "device": config.device,
    }


def _falling(first: float, last: float, remaining: float) -> float:
    """Return the learning rate when a share `remaining` of the training, in [0, 1], is left."""
    return float(first * (last / first) ** (1 - remaining))
