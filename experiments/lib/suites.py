"""Suites of `experiments.compare`, as data: which methods meet on which tasks, with how many seeds and how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sb3_contrib import QRDQN

from experiments.lib.cases import Case, scale_of
from spotify_gym import ENVS
from spotify_gym.algorithms import ALGORITHMS, Q_LEARNERS, learner_named
from spotify_gym.catalogue import Catalogue
from spotify_gym.policies import POLICIES
from spotify_gym.training import TrainConfig
from spotify_gym.training.learners import arguments_of, sessions_of, silent_logger
from spotify_gym.training.trainer import one_thread

REFERENCES = tuple(POLICIES)
LEARNERS = {ALGORITHMS[name].title: name for name in Q_LEARNERS}
NETWORKS: dict[str, tuple[str, int | None]] = {
    "all tracks": ("catalogue", None),
    "2⌈log₂ N⌉ random tracks": ("sampled", None),
    "512 random tracks": ("sampled", 512),
    "4,096 random tracks": ("sampled", 4096),
    "512 nearest tracks": ("shortlist", 512),
    "action head, 512 random": ("action_head", 512),
}
"""Networks by what they choose from."""
RIVALS = {
    "Double DQN": ("double", "catalogue"),
    "Search in a learned model": ("model", "catalogue"),
    "PPO, mixture": ("ppo", "catalogue"),
    "PPO": ("ppo", "mlp"),
    "A2C": ("a2c", "mlp"),
    "SAC": ("sac", "mlp"),
    "TD3": ("td3", "mlp"),
}
"""Learners over a whole catalogue and their policies, "mlp" being SB3's own."""
FAMILY = tuple(ENVS)
STATES = {
    "SpotifySatiation-v0": "mean+history",
    "SpotifySkip-v0": "mean+responses",
    "SpotifyLogged-v0": "mean+responses",
    "SpotifyTaste-v0": "taste",
}
"""What learners see where the vibe is not enough: what leaves the window, or what the listener has told."""
SMALL = "builtin:1000"
"""Where one output per track is honest."""


@dataclass(frozen=True)
class QuantileCase(Case):
    """A run of QR-DQN (Dabney et al. 2018), as sb3-contrib ships it, with the settings of the case that it knows.

    Its output layer has `n_quantiles` numbers per track, so that it is for small catalogues; it is told nothing of the
    tracks played, and what it repeats costs it the lowest reward.
    """

    n_quantiles: int = 10
    """Of the return of each track."""

    def policy(self, catalogue: Catalogue) -> Any:
        """Train the learner."""
        config = self.config
        env = sessions_of(config, catalogue, config.n_envs)
        env.seed(config.first_seed)
        network = {"net_arch": list(config.hidden), "n_quantiles": self.n_quantiles}
        with one_thread():
            model = QRDQN("MlpPolicy", env, policy_kwargs=network, **arguments_of(config))
            model.set_logger(silent_logger())
            return model.learn(config.total_steps)


def quick(catalogue: str) -> Iterator[Case]:
    """Give the learners three seeds and some seconds each where learning pays, and one that is not told the answers."""
    task = TrainConfig(catalogue=catalogue, env="SpotifyTaste-v0", state="mean+taste", steps=6_000)
    yield from _learners(task, n_seeds=3)
    yield from Case("Double DQN, told nothing", replace(task, algorithm="double", state="mean")).seeded(3)


def main(catalogue: str) -> Iterator[Case]:
    """Give everything ten seeds on the whole family."""
    for env in FAMILY:
        steps = 40_000 if env == "SpotifySatiation-v0" else 20_000  # planning takes longer to learn
        task = TrainConfig(catalogue=catalogue, env=env, steps=steps, state=STATES.get(env, "mean"))
        yield from _learners(task, n_seeds=10)
        yield from _per_track(replace(task, steps=40_000), n_seeds=10)
        if env == "SpotifySession-v0":  # the only one where nothing is forbidden, which it could not be told
            small = replace(task, catalogue=SMALL, policy="mlp", steps=40_000)
            yield from QuantileCase("QRDQN, per track", small).seeded(10)


def networks(catalogue: str) -> Iterator[Case]:
    """Give Double DQN three seeds with the exact maximum, then with few candidates: what the catalogue is worth."""
    task = TrainConfig(catalogue=catalogue, env="SpotifyPlaylist-v0", algorithm="double", steps=20_000)
    yield from scale_of(task, references=REFERENCES)
    for method, (policy, candidates) in NETWORKS.items():
        yield from Case(method, replace(task, policy=policy, candidates=candidates)).seeded(3)
    yield from Case("all tracks, dense encoder", replace(task, encoder="dense")).seeded(3)


def full(catalogue: str) -> Iterator[Case]:
    """Go through the main suite with ten times the sessions, and through every state option for Double DQN."""
    for case in main(catalogue):
        yield replace(case, n_sessions=1000)
    for env in FAMILY:
        for state in ("decayed", "mean+decayed", "history"):
            config = TrainConfig(catalogue=catalogue, env=env, algorithm="double", state=state)
            yield from Case(f"Double DQN, {state}", config, n_sessions=1000).seeded(10)


def rivals(catalogue: str) -> Iterator[Case]:
    """Give other people's learners three seeds beside ours: the same steps, sessions at once and state for all."""
    for env in ("SpotifyPlaylist-v0", "SpotifySatiation-v0", "SpotifyTaste-v0"):
        state = f"{STATES.get(env, 'mean')}+place"
        task = TrainConfig(catalogue=catalogue, env=env, steps=40_000, state=state, n_envs=16)
        yield from scale_of(task)
        for method, (algorithm, policy) in RIVALS.items():
            yield from Case(method, replace(task, algorithm=algorithm, policy=policy)).seeded(3)
        small = replace(task, catalogue=SMALL, policy="mlp")
        yield from scale_of(small)
        yield from Case("MaskablePPO, per track", replace(small, algorithm="maskable_ppo")).seeded(3)
        yield from Case("DQN, per track", small).seeded(3)


def overestimation(catalogue: str) -> Iterator[Case]:
    """Give the four learners ten seeds with one output per track: what Double and Dueling change, by the value bias."""
    for env in FAMILY:
        task = TrainConfig(catalogue=SMALL, env=env, policy="mlp", steps=40_000, state=STATES.get(env, "mean"))
        yield from scale_of(task)
        for method, algorithm in LEARNERS.items():
            yield from Case(f"{method}, per track", replace(task, algorithm=algorithm)).seeded(10)


SUITES: dict[str, Callable[[str], Iterator[Case]]] = {
    "quick": quick,
    "main": main,
    "networks": networks,
    "rivals": rivals,
    "overestimation": overestimation,
    "full": full,
}


def _learners(task: TrainConfig, n_seeds: int) -> Iterator[Case]:
    """Give the references, the four learners, and the one that looks no step ahead."""
    yield from scale_of(task, references=REFERENCES)
    for method, algorithm in LEARNERS.items():
        yield from Case(method, replace(task, algorithm=algorithm)).seeded(n_seeds)
    yield from Case("DQN, γ = 0", replace(task, gamma=0.0)).seeded(n_seeds)


def _per_track(task: TrainConfig, n_seeds: int) -> Iterator[Case]:
    """Give the references and the learner with one output per track, on a small catalogue."""
    task = replace(task, catalogue=SMALL, policy="mlp")
    yield from scale_of(task, references=REFERENCES)
    yield from Case("DQN, per track", task).seeded(n_seeds)


def learner_name(config: TrainConfig) -> str:
    """Name a learner by what tells it from others.

    >>> learner_name(TrainConfig(algorithm="double", gamma=0.5))
    'Double DQN, γ = 0.5'
    """
    name = learner_named(config.algorithm).title
    network = ", per track" if config.policy == "mlp" else ""
    return f"{name}{network}, γ = {config.gamma:g}" if config.is_q_learner else name
