"""Gradient steps and decisions over whole catalogues, beside Stable-Baselines3's DQN and a sort of all cosines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
import stable_baselines3 as sb3
import torch
from numpy.typing import NDArray
from sklearn.metrics.pairwise import cosine_similarity

from experiments.speed.measuring import Group, Task, Work, done_often
from experiments.speed.setting import Setting, goal_at
from spotify_gym.algorithms import DoubleDQN
from spotify_gym.catalogue import Catalogue

GRADIENT = Group("a gradient step, 64 transitions", "/s", "tracks")
DECISION = Group("a decision: the 10 best tracks of all, per state", "s", "tracks")

GRADIENT_GOAL, ONE_STATE_GOAL, BATCH_GOAL = 1 / 100, 1e-3, 0.3e-3
"""Seconds, at the real catalogue's size."""

BATCH = 64
OURS, DENSE = "Double DQN, CataloguePolicy", "DQN, MlpPolicy (SB3)"
_FIRST, _STRICT = "SpotifySession-v0", "SpotifyPlaylist-v0"
_N_COLLECTED = 512  # transitions to replay
_TOP = 10

Model = TypeVar("Model", bound=sb3.DQN)


def races(setting: Setting) -> Iterator[list[Task]]:
    """Yield what is to race each other."""
    for n_tracks in setting.sizes:
        catalogue = setting.sized(n_tracks)
        model = _model(DoubleDQN, "CataloguePolicy", _FIRST, catalogue, setting, gamma=0.9)
        yield [*_gradient_steps(setting, catalogue, model), _stock(setting, catalogue)]
        yield _decisions(setting, catalogue, model)


def _gradient_steps(setting: Setting, catalogue: Catalogue, model: DoubleDQN) -> list[Task]:
    n = len(catalogue)
    strict = _model(DoubleDQN, "CataloguePolicy", _STRICT, catalogue, setting, gamma=0.9)
    limit, goal = _scanning(setting, catalogue, BATCH), goal_at(n, GRADIENT_GOAL)

    def task(what: str, learner: DoubleDQN) -> Task:
        sample = setting.repeating_on_device(_learning(learner))
        return Task(GRADIENT, what, n, sample, limit=limit, goal=goal)

    return [task(OURS, model), task(f"{OURS}, no repeats", strict)]


def _stock(setting: Setting, catalogue: Catalogue) -> Task:
    n = len(catalogue)
    needed = dense_memory(n)
    if needed > setting.memory_limit:
        reason = f"needs {needed / 1e6:,.0f} MB, and --memory-limit-mb is {setting.memory_limit / 1e6:,.0f}"
        return Task(GRADIENT, DENSE, n, None, "usual", reason=reason)
    model = _model(sb3.DQN, "MlpPolicy", _FIRST, catalogue, setting)
    return Task(GRADIENT, DENSE, n, setting.repeating_on_device(_learning(model)), "usual")


def dense_memory(n_tracks: int, width: int = 64) -> int:
    """Return about how many bytes a gradient step of SB3's DQN takes with one output per track.

    The head's weights are held five times (online, target, gradient, Adam's two moments), an output for each of 64
    states and each track three times (online, target, gradient).
    """
    return 4 * n_tracks * (5 * (width + 1) + 3 * BATCH)


def _model(
    kind: type[Model], policy: str, env_id: str, catalogue: Catalogue, setting: Setting, **options: Any
) -> Model:
    """Return a learner at SB3's defaults that has played at random and can replay what it played."""
    model = kind(
        policy,
        gym.make(env_id, catalogue=catalogue),
        buffer_size=_N_COLLECTED,
        learning_starts=_N_COLLECTED,
        batch_size=BATCH,
        seed=setting.seed,
        device=setting.device,
        **options,
    )
    return model.learn(_N_COLLECTED)


def _learning(model: sb3.DQN) -> Work:
    return lambda n: model.train(gradient_steps=n, batch_size=BATCH)


def _decisions(setting: Setting, catalogue: Catalogue, model: DoubleDQN) -> list[Task]:
    n = len(catalogue)
    states, _ = gym.make_vec(_FIRST, BATCH, catalogue=catalogue).reset(seed=setting.seed)

    predict = partial(model.predict, states[0], deterministic=True)
    usual = done_often(partial(_sorted, catalogue, states[:1]))

    def task(what: str, n_states: int, work: Work, seconds: float) -> Task:
        sample = setting.repeating_on_device(work, n_states)
        limit = _scanning(setting, catalogue, n_states)
        per_state = None if limit is None else limit / n_states
        return Task(DECISION, what, n, sample, limit=per_state, goal=goal_at(n, seconds))

    return [
        task("one state", 1, _choosing(model, states[:1]), ONE_STATE_GOAL),
        task(f"{BATCH} states at once", BATCH, _choosing(model, states), BATCH_GOAL),
        task("one state, predict (the best one)", 1, done_often(predict), ONE_STATE_GOAL),
        Task(DECISION, "cosine_similarity and argsort", n, setting.repeating(usual), "usual"),
    ]


def _choosing(model: DoubleDQN, states: NDArray[np.float32]) -> Work:
    model.policy.set_training_mode(False)
    tensor, _ = model.policy.obs_to_tensor(states)
    k = min(_TOP, int(model.action_space.n))  # type: ignore[attr-defined]
    return done_often(torch.no_grad()(lambda: model.q_net.top_k(tensor, k)))


def _sorted(catalogue: Catalogue, state: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the best tracks as they are usually found."""
    return np.argsort(cosine_similarity(catalogue.features, state)[:, 0])[::-1][:_TOP]


def _scanning(setting: Setting, catalogue: Catalogue, n_states: int) -> float | None:
    """Return the least time to compare states with all tracks [s]: read the features once, multiply them with each.

    None on a GPU, whose limits are not measured here.
    """
    if setting.device != "cpu":
        return None
    table = catalogue.features
    reading = setting.machine.moving(table.nbytes, within=table.nbytes)
    return max(reading, setting.machine.computing(2 * n_states * table.size))
