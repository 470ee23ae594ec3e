"""Suites of `experiments.compare`, as data: which methods meet on which tasks, with how many seeds and how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from experiments.lib.cases import Case, scale_of
from spotify_gym import ENVS
from spotify_gym.algorithms import ALGORITHMS, Q_LEARNERS
from spotify_gym.policies import POLICIES
from spotify_gym.training import TrainConfig

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
    "Recurrent PPO": ("recurrent_ppo", "mlp"),
    "A2C": ("a2c", "mlp"),
    "SAC": ("sac", "mlp"),
    "TD3": ("td3", "mlp"),
}
"""Learners over a whole catalogue and their policies, "mlp" being SB3's own."""
FAMILY = tuple(ENVS)
SMALL = "builtin:1000"
"""Where one output per track is honest."""
QUANTILES = (
    "learning_rate=[1e-2, 3e-4]",
    "learning_starts=1280",
    "batch_size=64",
    "tau=0.02",
    "gamma=0.9",
    "train_freq=1",
    "gradient_steps=4",
    "target_update_interval=64",
    "exploration_fraction=0.1",
    "exploration_final_eps=0.2",
    "max_grad_norm=10.0",
    'policy_kwargs={"net_arch": [64], "n_quantiles": 10}',
)
"""Arguments of QR-DQN (Dabney et al. 2018) that are the usual ones of Q-learners, with few quantiles: each is an output
per track. It is told nothing of the tracks played, and what it repeats costs it the lowest reward."""


def quick(catalogue: str) -> Iterator[Case]:
    """Give the learners three seeds and some seconds each where learning pays, and one that is not told the answers."""
    task = TrainConfig(catalogue=catalogue, env="SpotifyTaste-v0", steps=6_000)
    yield from _learners(task, n_seeds=3)
    yield from Case("Double DQN, told nothing", replace(task, algorithm="double", state="mean")).seeded(3)
    yield from _learners(TrainConfig(catalogue=catalogue, env="SpotifyPlaylist-v0", steps=6_000), n_seeds=3)


def main(catalogue: str) -> Iterator[Case]:
    """Give everything ten seeds on the whole family."""
    for env in FAMILY:
        steps = 40_000 if env == "SpotifySatiation-v0" else 20_000  # planning takes longer to learn
        task = TrainConfig(catalogue=catalogue, env=env, steps=steps)
        yield from _learners(task, n_seeds=10)
        if env == "SpotifySatiation-v0":  # where plans count
            yield from Case("Search in a learned model", replace(task, algorithm="model")).seeded(10)
        small = replace(task, catalogue=SMALL, policy="mlp", steps=40_000)
        yield from scale_of(small, references=REFERENCES)
        yield from Case("DQN, per track", small).seeded(10)
        if env == "SpotifySession-v0":  # the only one where nothing is forbidden, which it could not be told
            yield from Case("QRDQN, per track", replace(small, algorithm="qrdqn", arguments=QUANTILES)).seeded(10)


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
        task = TrainConfig(catalogue=catalogue, env=env, steps=40_000, n_envs=16)
        task = replace(task, state=f"{task.state}+place")
        yield from scale_of(task, references=REFERENCES)
        for method, (algorithm, policy) in RIVALS.items():
            if algorithm == "model" and env == "SpotifyTaste-v0":
                continue  # a plan for each surprise takes hours, and none of them is to find out a taste
            yield from Case(method, replace(task, algorithm=algorithm, policy=policy)).seeded(3)
        small = replace(task, catalogue=SMALL, policy="mlp")
        yield from scale_of(small)
        yield from Case("MaskablePPO, per track", replace(small, algorithm="maskable_ppo")).seeded(3)
        yield from Case("DQN, per track", small).seeded(3)


def overestimation(catalogue: str) -> Iterator[Case]:
    """Give the four learners ten seeds with one output per track: what Double and Dueling change, by the value bias."""
    for env in FAMILY:
        task = TrainConfig(catalogue=SMALL, env=env, policy="mlp", steps=40_000)
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


def learner_name(config: TrainConfig) -> str:
    """Name a learner by what tells it from others.

    >>> learner_name(TrainConfig(algorithm="double", gamma=0.5))
    'Double DQN, γ = 0.5'
    """
    name = config.learner.title
    network = ", per track" if config.policy == "mlp" else ""
    return f"{name}{network}, γ = {config.gamma:g}" if config.is_q_learner else name
