"""The suites, as data: which methods meet on which tasks, with how many seeds and how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

from experiments.lib.cases import Case, CaseT
from experiments.lib.scale import scale_of
from experiments.lib.stock import QuantileCase
from spotify_gym.policies import POLICIES
from spotify_gym.training import TrainConfig

REFERENCES = tuple(POLICIES)
LEARNERS = {"DQN": "dqn", "Double DQN": "double", "Dueling DQN": "dueling", "Dueling Double DQN": "dueling_double"}
NETWORKS: dict[str, tuple[Literal["catalogue", "sampled", "shortlist", "action_head"], int | None]] = {
    "all tracks": ("catalogue", None),
    "2⌈log₂ N⌉ random tracks": ("sampled", None),
    "512 random tracks": ("sampled", 512),
    "4,096 random tracks": ("sampled", 4096),
    "512 nearest tracks": ("shortlist", 512),
    "action head, 512 random": ("action_head", 512),
}
"""Networks by what they choose from."""
FAMILY = ("SpotifySession-v0", "SpotifyPlaylist-v0", "SpotifySatiation-v0", "SpotifySkip-v0")
SMALL = "builtin:1000"
"""Where one output per track is honest."""


def quick(catalogue: str) -> Iterator[Case]:
    """Give the four learners three seeds and some seconds each on one task, and one output per track on a small one."""
    task = TrainConfig(catalogue=catalogue, env="SpotifyPlaylist-v0", episodes=600)
    yield from _references(task, 100)
    yield from _learners(task, n_seeds=3, n_sessions=100)
    yield from seeds(Case("DQN, γ = 0", replace(task, gamma=0.0), n_sessions=100), 3)
    small = replace(task, catalogue=SMALL, policy="mlp", episodes=1000)
    yield from _references(small, 100)
    yield from seeds(Case("DQN, per track", small, n_sessions=100), 3)


def main(catalogue: str) -> Iterator[Case]:
    """Give everything ten seeds on the whole family."""
    for env in FAMILY:
        task = TrainConfig(catalogue=catalogue, env=env, steps=20_000)
        if env == "SpotifySatiation-v0":  # planning takes longer to learn, and what leaves the window matters to it
            task = replace(task, steps=40_000, state="mean+history")
        yield from _references(task, 100)
        yield from _learners(task, n_seeds=10, n_sessions=100)
        yield from seeds(Case("DQN, γ = 0", replace(task, gamma=0.0), n_sessions=100), 10)
        small = replace(task, catalogue=SMALL, policy="mlp", steps=40_000)
        yield from _references(small, 100)
        yield from seeds(Case("DQN, per track", small, n_sessions=100), 10)
        if env == "SpotifySession-v0":  # the only one where nothing is forbidden, which it could not be told
            yield from seeds(QuantileCase("QRDQN, per track", small, n_sessions=100), 10)


def networks(catalogue: str) -> Iterator[Case]:
    """Give Double DQN three seeds with the exact maximum, then with few candidates: what the catalogue is worth."""
    task = TrainConfig(catalogue=catalogue, env="SpotifyPlaylist-v0", algorithm="double", steps=20_000)
    yield from _references(task, 100)
    for method, (policy, candidates) in NETWORKS.items():
        yield from seeds(Case(method, replace(task, policy=policy, candidates=candidates), n_sessions=100), 3)


def full(catalogue: str) -> Iterator[Case]:
    """Go through the main suite with ten times the sessions, and through every state option for Double DQN."""
    for case in main(catalogue):
        yield replace(case, n_sessions=1000)
    for env in FAMILY:
        for state in ("decayed", "mean+decayed", "history"):
            config = TrainConfig(catalogue=catalogue, env=env, algorithm="double", state=state)
            yield from seeds(Case(f"Double DQN, {state}", config, n_sessions=1000), 10)


SUITES: dict[str, Callable[[str], Iterator[Case]]] = {"quick": quick, "main": main, "networks": networks, "full": full}


def suite_named(name: str) -> Callable[[str], Iterator[Case]]:
    """Return a suite.

    Raises:
        ValueError: there is none of that name.
    """
    if name == "heads":
        raise ValueError("--suite heads is now: --suite networks")
    if name not in SUITES:
        raise ValueError(f"suite={name!r} is not known; choose from {', '.join(SUITES)}")
    return SUITES[name]


def _references(task: TrainConfig, n_sessions: int) -> list[Case]:
    return scale_of(task, n_sessions, REFERENCES)


def _learners(task: TrainConfig, n_seeds: int, n_sessions: int) -> Iterator[Case]:
    for method, algorithm in LEARNERS.items():
        config = TrainConfig.from_json({**task.to_json(), "algorithm": algorithm})
        yield from seeds(Case(method, config, n_sessions=n_sessions), n_seeds)


def learner_name(config: TrainConfig) -> str:
    """Name a learner by what tells it from others.

    >>> learner_name(TrainConfig(algorithm="double", gamma=0.5))
    'Double DQN, γ = 0.5'
    """
    name = next(name for name, algorithm in LEARNERS.items() if algorithm == config.algorithm)
    head = ", per track" if config.policy == "mlp" else ""
    return f"{name}{head}, γ = {config.gamma:g}"


def seeds(case: CaseT, n_seeds: int) -> Iterator[CaseT]:
    """Give a case that many training seeds, from its own on.

    Raises:
        ValueError: fewer than one.
    """
    if n_seeds < 1:
        raise ValueError(f"n_seeds={n_seeds} must be at least 1")
    for seed in range(n_seeds):
        yield replace(case, config=replace(case.config, seed=case.config.seed + seed))
