"""From settings to the algorithm that learns, and its network."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any, TypeVar

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import BasePolicy

from spotify_gym.algorithms import DQN, NETWORKS, BindingError
from spotify_gym.algorithms.policies import MlpPolicy
from spotify_gym.registry import resolve
from spotify_gym.training.config import ConfigError, TrainConfig
from spotify_gym.training.vec_adapter import SessionVecEnv

T = TypeVar("T")

_SHARES = {"gamma", "gae_lambda", "tau"}  # arguments whose range SB3 does not look at


def learner_of(config: TrainConfig, env: SessionVecEnv, **changes: Any) -> BaseAlgorithm:
    """Return an algorithm that has learned nothing yet.

    Args:
        config: its settings.
        env: where it learns.
        **changes: arguments of the algorithm that replace those of the settings.

    Raises:
        ConfigError: the device is not there, one's own algorithm or policy is not to be had, or an argument is bad.
        MemoryError: the networks are too large.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device='cuda' is not to be had here; use 'cpu'")
    algorithm, policy = algorithm_of(config), _policy_of(config)
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
        if "can't allocate memory" in str(error):  # PyTorch has no name for it
            raise MemoryError(str(error)) from error
        raise
    env.seed(config.first_seed)  # the algorithm gave them its own seed, and runs of adjacent ones would share sessions
    model.set_logger(Logger(folder=None, output_formats=[]))  # the one that SB3 makes leaves an empty folder behind
    return model


def algorithm_of(config: TrainConfig) -> Any:
    """Return the class of the learner.

    Raises:
        ConfigError: it is one's own, and cannot be imported, or is none.
    """
    return _imported("algorithm", config.learner.path, DQN if config.is_q_learner else BaseAlgorithm)


def _policy_of(config: TrainConfig) -> str | type[BasePolicy]:
    known = NETWORKS if config.is_q_learner else config.learner.policies
    base: Any = MlpPolicy if config.is_q_learner else BasePolicy
    path = known.get(config.policy, config.policy)
    return _imported("policy", path, base) if ":" in path else path


def _imported(setting: str, path: str, base: type[T]) -> type[T]:
    try:
        kind: Any = resolve(setting, path, {})
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise ConfigError(f"{setting}={path!r} is no class derived from {base.__module__}.{base.__name__}")
    return kind


def _arguments_of(config: TrainConfig, algorithm: Any, policy: Any) -> dict[str, Any]:
    if config.is_q_learner:
        kind = algorithm.policy_aliases[policy] if isinstance(policy, str) else policy
        return _q_arguments_of(config) | {"policy_kwargs": _policy_arguments(config, kind)}
    preset = config.learner.arguments.get(config.policy, {})
    arguments = {**preset, **config.other_arguments}
    known = inspect.signature(algorithm).parameters
    if unknown := sorted(set(arguments) - set(known)):
        raise ConfigError(
            f"{unknown[0]!r} is no argument of algorithm={config.algorithm!r}; choose from {', '.join(known)}"
        )
    for name in _SHARES & set(config.other_arguments):
        if not isinstance(arguments[name], (int, float)) or not 0 <= arguments[name] <= 1:
            raise ConfigError(f"arguments: {name}={arguments[name]!r} must be from 0 to 1")
    rates = arguments.get("learning_rate")
    if isinstance(rates, (tuple, list)):
        arguments["learning_rate"] = partial(_falling, *rates)
    return {"seed": config.seed, "device": config.device, **arguments}


def _q_arguments_of(config: TrainConfig) -> dict[str, Any]:
    train_freq, gradient_steps = config.update_cycle
    settings = config.q_settings
    for ours in ("updates_per_step", "learning_rate_end"):
        del settings[ours]
    return {
        **settings,
        "learning_rate": partial(_falling, config.learning_rate, config.learning_rate_end),
        "train_freq": train_freq,
        "gradient_steps": gradient_steps,
        # Counted in environment steps; SB3 warns where a step of all sessions is more than that.
        "target_update_interval": max(config.target_update_interval, config.n_envs),
        "seed": config.seed,
        "device": config.device,
    }


def _policy_arguments(config: TrainConfig, policy: Any) -> dict[str, Any]:
    offered = {"n_candidates": config.candidates, "encoder": config.encoder}
    known = getattr(policy, "network_options", {})
    return {"net_arch": list(config.hidden)} | {name: value for name, value in offered.items() if name in known}


def _falling(first: float, last: float, remaining: float) -> float:
    """Return the step size when a share `remaining` of the training, in [0, 1], lies ahead."""
    return float(first * (last / first) ** (1 - remaining))
