"""From settings to the objects that learn: the environment, the algorithm, its network."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import BasePolicy

from spotify_gym.algorithms import ALGORITHMS, DQN, NETWORKS, BindingError, learner_named
from spotify_gym.algorithms.policies import MlpPolicy
from spotify_gym.catalogue import Catalogue, as_catalogue
from spotify_gym.registry import resolve
from spotify_gym.session import SpotifyVectorEnv
from spotify_gym.training.config import ConfigError, TrainConfig
from spotify_gym.training.vec_adapter import SessionVecEnv
from spotify_gym.wrappers.vector import ProtoAction

T = TypeVar("T")

_BLOCKS = 64  # of 64 tracks, that training by points looks at for each; evaluation is exact
_SHARES = {"gamma", "gae_lambda", "tau"}  # arguments whose range SB3 does not look at
_SAMPLE_SEED = 0  # one sample for all runs, so that they can be compared


def catalogue_of(config: TrainConfig) -> Catalogue:
    """Return the catalogue that the settings name.

    Raises:
        CatalogueError: it cannot be read.
    """
    catalogue = as_catalogue(config.catalogue, scaling=config.scaling)
    if config.max_tracks is None or config.max_tracks >= len(catalogue):
        return catalogue
    sample = np.random.default_rng(_SAMPLE_SEED).choice(len(catalogue), config.max_tracks, replace=False)
    return catalogue.take(np.sort(sample))


def sessions_of(
    config: TrainConfig, catalogue: Catalogue, n_envs: int, *, whole: bool = True, **options: Any
) -> SessionVecEnv:
    """Return an environment of `n_envs` sessions in which SB3 can learn; further options go before the settings'.

    Where no `whole` session is going to be played, a few songs will do.

    Raises:
        ConfigError: it does not know one of the settings, or the catalogue does not allow it.
    """
    try:
        options = {**config.env_options, **options}
        if not whole and len(catalogue) < config.history_length + config.session_length:
            options["max_episode_steps"] = -1
        env = gym.make_vec(config.env, num_envs=n_envs, autoreset_mode="SameStep", catalogue=catalogue, **options)
    except ValueError as error:
        raise ConfigError(f"{config.env}: {error}") from error
    assert isinstance(env, SpotifyVectorEnv)  # all ids of this package make one
    acting = ProtoAction(env, "unit+raw", _BLOCKS) if learner_named(config.algorithm).points else env
    return SessionVecEnv(acting, truncates="place" not in config.state.split("+"))


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
        with _uncompiled():
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


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Make an optimiser without PyTorch's compiler, which takes a second to import, and nothing of it is used."""
    add: Any = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    add.__dynamo_disable = add  # where PyTorch keeps what it makes of this function by means of the compiler
    try:
        yield
    finally:
        del add.__dynamo_disable


def algorithm_of(config: TrainConfig) -> Any:
    """Return the class of the learner.

    Raises:
        ConfigError: it is one's own, and cannot be imported, or is none.
    """
    learner = learner_named(config.algorithm)
    return _imported("algorithm", learner.path, BaseAlgorithm if learner.policies else DQN)


def _policy_of(config: TrainConfig) -> str | type[BasePolicy]:
    if config.is_q_learner:
        path = NETWORKS.get(config.policy, config.policy)
        return _imported("policy", path, MlpPolicy) if ":" in path else path
    path = ALGORITHMS[config.algorithm].policies[config.policy]
    own: Any = BasePolicy
    return _imported("policy", path, own) if ":" in path else path


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
    preset = learner_named(config.algorithm).arguments.get(config.policy, {})
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
    return {
        "learning_rate": partial(_falling, config.learning_rate, config.learning_rate_end),
        "buffer_size": config.buffer_size,
        "learning_starts": config.learning_starts,
        "batch_size": config.batch_size,
        "tau": config.tau,
        "gamma": config.gamma,
        "train_freq": train_freq,
        "gradient_steps": gradient_steps,
        "n_steps": config.n_steps,
        # Counted in environment steps; SB3 warns where a step of all sessions is more than that.
        "target_update_interval": max(config.target_update_interval, config.n_envs),
        "exploration_fraction": config.exploration_fraction,
        "exploration_initial_eps": config.exploration_initial_eps,
        "exploration_final_eps": config.exploration_final_eps,
        "max_grad_norm": config.max_grad_norm,
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
