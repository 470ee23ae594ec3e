"""Suites of `experiments.compare`: methods, tasks, numbers of seeds and training lengths."""

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
"""Networks and numbers of candidates, by the tracks that they choose from."""
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
"""Algorithms over a whole catalogue with their policies; "mlp" is SB3's own."""
FAMILY = tuple(ENVS)
SMALL = "builtin:1000"
"""Catalogue for networks with one output per track, which suit small catalogues only."""
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
"""Arguments of QR-DQN (Dabney et al. 2018): those of the Q-learners, with few quantiles, since each quantile is an
output per track. It is not told which tracks were played, and gets the lowest reward for repeats."""


def quick(catalogue: str) -> Iterator[Case]:
    """Yield the learners with three short runs in Taste and Playlist, and one that sees the last responses only."""
    task = TrainConfig(catalogue=catalogue, env="SpotifyTaste-v0", steps=6_000)
    yield from _learners(task, n_seeds=3)
    yield from Case("Double DQN, told nothing", replace(task, algorithm="double", state="mean")).seeded(3)
    yield from _learners(TrainConfig(catalogue=catalogue, env="SpotifyPlaylist-v0", steps=6_000), n_seeds=3)


def main(catalogue: str) -> Iterator[Case]:
    """Yield all learners with ten seeds on the whole family."""
    for env in FAMILY:
        steps = 40_000 if env == "SpotifySatiation-v0" else 20_000  # planning takes longer to learn
        task = TrainConfig(catalogue=catalogue, env=env, steps=steps)
        yield from _learners(task, n_seeds=10)
        if env == "SpotifySatiation-v0":  # where planning pays
            yield from Case("Search in a learned model", replace(task, algorithm="model")).seeded(10)
        small = replace(task, catalogue=SMALL, policy="mlp", steps=40_000)
        yield from scale_of(small, references=REFERENCES)
        yield from Case("DQN, per track", small).seeded(10)
        if env == "SpotifySession-v0":  # the only one without forbidden tracks, which QR-DQN cannot mask
            yield from Case("QRDQN, per track", replace(small, algorithm="qrdqn", arguments=QUANTILES)).seeded(10)


def networks(catalogue: str) -> Iterator[Case]:
    """Yield Double DQN with three seeds, with the exact maximum and with maxima over few candidates."""
    task = TrainConfig(catalogue=catalogue, env="SpotifyPlaylist-v0", algorithm="double", steps=20_000)
    yield from scale_of(task, references=REFERENCES)
    for method, (policy, candidates) in NETWORKS.items():
        yield from Case(method, replace(task, policy=policy, candidates=candidates)).seeded(3)
    yield from Case("all tracks, dense encoder", replace(task, encoder="dense")).seeded(3)


def full(catalogue: str) -> Iterator[Case]:
    """Yield the main suite with ten times the sessions, and Double DQN with three other states."""
    for case in main(catalogue):
        yield replace(case, n_sessions=1000)
    for env in FAMILY:
        for state in ("decayed", "mean+decayed", "history"):
            config = TrainConfig(catalogue=catalogue, env=env, algorithm="double", state=state)
            yield from Case(f"Double DQN, {state}", config, n_sessions=1000).seeded(10)


def rivals(catalogue: str) -> Iterator[Case]:
    """Yield SB3's algorithms and ours with three seeds, with the same steps, parallel sessions and state for all."""
    for env in ("SpotifyPlaylist-v0", "SpotifySatiation-v0", "SpotifyTaste-v0"):
        task = TrainConfig(catalogue=catalogue, env=env, steps=40_000, n_envs=16)
        task = replace(task, state=f"{task.state}+place")
        yield from scale_of(task, references=REFERENCES)
        for method, (algorithm, policy) in RIVALS.items():
            if algorithm == "model" and env == "SpotifyTaste-v0":
                continue  # replanning after each response takes hours, and its plans do not explore a taste
            yield from Case(method, replace(task, algorithm=algorithm, policy=policy)).seeded(3)
        small = replace(task, catalogue=SMALL, policy="mlp")
        yield from scale_of(small)
        yield from Case("MaskablePPO, per track", replace(small, algorithm="maskable_ppo")).seeded(3)
        yield from Case("DQN, per track", small).seeded(3)


def overestimation(catalogue: str) -> Iterator[Case]:
    """Yield the four DQN variants with ten seeds and one output per track, to compare their value bias."""
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
    """Yield the references, the four DQN variants, and DQN with γ = 0."""
    yield from scale_of(task, references=REFERENCES)
    for method, algorithm in LEARNERS.items():
        yield from Case(method, replace(task, algorithm=algorithm)).seeded(n_seeds)
    yield from Case("DQN, γ = 0", replace(task, gamma=0.0)).seeded(n_seeds)


def learner_name(config: TrainConfig) -> str:
    """Return the display name of a learner: algorithm, network and discount.

    >>> learner_name(TrainConfig(algorithm="double", gamma=0.5))
    'Double DQN, γ = 0.5'
    """
    name = config.learner.title
    network = ", per track" if config.policy == "mlp" else ""
    return f"{name}{network}, γ = {config.gamma:g}" if config.is_q_learner else name
