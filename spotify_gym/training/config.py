"""All that decides what a training run ends with, as one value that a file, a command line and a program can write."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from operator import mul
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

import gymnasium as gym

from spotify_gym.training.errors import ConfigError

EVALUATION_SEED = 1_000_000_000
"""Held-out sessions have seeds from here on; those that a learner trains on lie below."""

_RANGES: dict[str, tuple[float, float]] = {
    "max_tracks": (1, 1e9),
    "history_length": (1, 1000),
    "reward_baseline": (-1, 1),
    "episodes": (1, 1e9),
    "steps": (1, 1e12),
    "n_envs": (1, 65_536),
    "updates_per_step": (0.001, 1000),
    "gamma": (0, 1),
    "learning_rate": (1e-12, 1e3),
    "learning_rate_end": (1e-12, 1e3),
    "batch_size": (1, 1_000_000),
    "buffer_size": (1, 1e9),
    "learning_starts": (0, 1e9),
    "n_steps": (1, 1000),
    "tau": (0, 1),
    "target_update_interval": (1, 1e9),
    "exploration_fraction": (0, 1),
    "exploration_initial_eps": (0, 1),
    "exploration_final_eps": (0, 1),
    "max_grad_norm": (1e-12, 1e12),
    "checkpoint_seconds": (0, 1e9),
    "candidates": (1, 10**7),
}

FEW_CANDIDATES = ("sampled", "shortlist", "action_head")
"""Heads that look at few tracks at a time."""

_MOST_LAYERS = 16
_MOST_WEIGHTS = 2**24

_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple[int, ...]: "a list of whole numbers",
    types.NoneType: "None",
}


@dataclass(frozen=True)
class TrainConfig:
    """What is learned from what, and how. Equal settings end with equal weights on one machine.

    Raises:
        ConfigError: a setting is not one of those allowed.
    """

    catalogue: str = "builtin"
    """What can be played: "builtin", "builtin:26000" (that many tracks), a CSV or Parquet table, a prepared .arrow."""
    max_tracks: int | None = None
    """Keep a random sample of this many tracks, the same in every run."""
    env: str = "SpotifySession-v0"
    """Id of the environment."""
    scaling: Literal["standard", "minmax"] = "standard"
    """How a table's features are scaled."""
    state: str = "mean"
    """What the agent sees: mean, decayed, mean+decayed, mean+genres, history or mean+history."""
    history_length: int = 5
    """Tracks whose mean is the vibe."""
    repeats: bool | None = None
    """Whether a recording may play twice in a session; None: as the environment has it."""
    reward_baseline: float | None = None
    """Constant taken from each cosine; None: what random play earns."""
    algorithm: Literal["dqn", "double", "dueling", "dueling_double"] = "dqn"
    """The learner."""
    policy: Literal["mlp", "catalogue", "sampled", "shortlist", "action_head"] = "catalogue"
    """The head: "mlp" has one output per track, for small catalogues; "catalogue" hears the features of every track.
    The others do so for few candidates at a time, and show what the exact maximum is worth."""
    candidates: int | None = None
    """Tracks that sampled, shortlist and action_head choose from; None: 2⌈log₂ N⌉ of N."""
    hidden: tuple[int, ...] = (64,)
    """Width of each hidden layer."""
    episodes: int = 2000
    """Sessions to train for, counted at full length."""
    steps: int | None = None
    """Environment steps to train for, instead of `episodes`."""
    n_envs: int = 64
    """Sessions played at once."""
    updates_per_step: float = 1 / 16
    """Gradient steps per environment step."""
    gamma: float = 0.9
    """Discount, in [0, 1]; 0 learns the next reward alone."""
    learning_rate: float = 1e-2
    """Step size of Adam at first."""
    learning_rate_end: float = 3e-4
    """Step size of Adam at last; it falls geometrically, and is constant where the two are equal."""
    batch_size: int = 64
    """Transitions in a gradient step."""
    buffer_size: int = 50_000
    """Transitions kept for replay."""
    learning_starts: int = 1280
    """Environment steps of random play before learning begins."""
    n_steps: int = 1
    """Rewards summed before the target network takes over."""
    tau: float = 0.02
    """How far the target network moves at an update, in [0, 1]; 1 copies the online network."""
    target_update_interval: int = 1
    """Environment steps between updates of the target network."""
    exploration_fraction: float = 0.1
    """Part of the training over which exploration falls."""
    exploration_initial_eps: float = 1.0
    """Probability of a random track at first."""
    exploration_final_eps: float = 0.2
    """Probability of a random track in the end."""
    max_grad_norm: float = 10.0
    """Longest gradient that is taken as it is."""
    seed: int = 0
    """Decides all that is random."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the networks live."""
    checkpoint_seconds: float = 30.0
    """Time between two checkpoints, the most that can be lost [s]."""
    tensorboard: bool = False
    """Log for TensorBoard too, into the run folder."""

    def __post_init__(self) -> None:
        for field, kind in _fields().items():
            value = getattr(self, field)
            if not _fits(value, kind):
                raise ConfigError(f"{field}={value!r} is not {_described(kind)}")
            low, high = _RANGES.get(field, (None, None))
            if low is not None and value is not None and not low <= value <= high:  # NaN is in no range
                raise ConfigError(f"{field}={value!r} must be from {low:g} to {high:g}")
        if self.env not in env_ids():
            raise ConfigError(f"env={self.env!r} is no environment of this package; choose from {', '.join(env_ids())}")
        if not all(1 <= width <= 65_536 for width in self.hidden):
            raise ConfigError(f"hidden={str(self.hidden)[:80]} must be widths from 1 to 65536")
        if len(self.hidden) > _MOST_LAYERS or sum(map(mul, self.hidden, self.hidden[1:])) > _MOST_WEIGHTS:
            raise ConfigError(
                f"hidden={str(self.hidden)[:80]} must be at most {_MOST_LAYERS} layers, "
                f"with at most {_MOST_WEIGHTS:,} weights between them"
            )
        if self.policy in FEW_CANDIDATES and self.algorithm.startswith("dueling"):
            raise ConfigError(f"policy={self.policy!r} has no dueling form; choose algorithm='dqn' or 'double'")
        if self.candidates is not None and self.policy not in FEW_CANDIDATES:
            raise ConfigError(f"candidates={self.candidates} is for policy {' or '.join(map(repr, FEW_CANDIDATES))}")
        if not 0 <= self.first_seed <= EVALUATION_SEED - self.n_envs:
            most = EVALUATION_SEED // self.n_envs - 1
            raise ConfigError(f"seed={self.seed} must be from 0 to {most}: larger ones are kept for evaluation")

    @property
    def total_steps(self) -> int:
        """Environment steps to train for."""
        if self.steps is not None:
            return self.steps
        length = gym.spec(self.env).max_episode_steps
        assert length is not None  # every environment of this package is truncated by its registration
        return self.episodes * length

    @property
    def update_cycle(self) -> tuple[int, int]:
        """Steps of all sessions between two rounds of learning, and the gradient steps of a round."""
        per_round = Fraction(self.updates_per_step).limit_denominator(1000) * self.n_envs
        return per_round.denominator, per_round.numerator

    @property
    def first_seed(self) -> int:
        """Seed of the first of the sessions played at once; runs with different seeds share none."""
        return self.seed * self.n_envs

    @property
    def env_options(self) -> dict[str, Any]:
        """The options of the environment, but for the catalogue."""
        options = {"state": self.state, "history_length": self.history_length, "reward_baseline": self.reward_baseline}
        return options if self.repeats is None else {**options, "repeats": self.repeats}

    def to_json(self) -> dict[str, Any]:
        """Return plain values that `from_json` reads."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, plain: Any) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ConfigError: not a mapping, an unknown name, or a setting that is not allowed.
        """
        if not isinstance(plain, Mapping):
            raise ConfigError(f"a configuration is a mapping of names to settings, not {type(plain).__name__}")
        if unknown := sorted(set(plain) - set(_fields()), key=str):
            raise ConfigError(f"unknown setting {unknown[0]!r}; choose from {', '.join(_fields())}")
        settings: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in plain.items()}
        return cls(**settings)


def env_ids() -> list[str]:
    """Return the ids that are registered with the environments of this package."""
    return sorted(name for name, spec in gym.registry.items() if "SpotifyVectorEnv" in str(spec.vector_entry_point))


def _fields() -> dict[str, Any]:
    return get_type_hints(TrainConfig)


def _fits(value: Any, kind: Any) -> bool:
    """Say whether a value is of a type as the fields above have it; a whole number will do for a float."""
    if get_origin(kind) in (Union, types.UnionType):
        return any(_fits(value, one) for one in get_args(kind))
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_fits(one, get_args(kind)[0]) for one in value)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _described(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(repr, get_args(kind)))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(map(_described, get_args(kind)))
    return _NAMES[kind]
