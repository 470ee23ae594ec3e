"""Settings of a training run as a frozen dataclass, for JSON files, the command line and programs."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from operator import mul
from typing import Annotated, Any, Literal, NamedTuple, Self, Union, get_args, get_origin, get_type_hints

import gymnasium as gym
import numpy as np
from tyro.conf import arg

from spotify_gym.algorithms import ALGORITHMS, NETWORKS, Learner, learner_named
from spotify_gym.listeners import as_listener
from spotify_gym.registry import pairs_of

EVALUATION_SEED = 1_000_000_000
"""First seed of the held-out sessions; the seeds of training sessions are smaller."""

BEST_STATES = {
    "SpotifySatiation-v0": "mean+history",
    "SpotifySkip-v0": "mean+responses",
    "SpotifyLogged-v0": "mean+responses",
    "SpotifyTaste-v0": "belief",
}
"""Default states of environments in which the vibe is not enough."""

FEW_CANDIDATES = ("sampled", "shortlist", "action_head")
"""Networks that evaluate only a few candidate tracks at a time."""

_MOST_LAYERS = 16
_MOST_WEIGHTS = 2**24


class ConfigError(ValueError):
    """A setting is not allowed; the message names it, what is allowed and what to do."""


class Between(NamedTuple):
    """Allowed range of a number, both ends included."""

    low: float
    high: float


Share = Annotated[float, Between(0, 1)]
Count = Annotated[int, Between(1, 1e9)]


def _choice(registry: Iterable[str]) -> str:
    return f"{{{','.join(registry)},module:Class}}"


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run. On one machine, equal settings give equal weights.

    Raises:
        ConfigError: a setting is not one of those allowed.
    """

    catalogue: str = "builtin"
    """Tracks to play: "builtin", "builtin:26000" (that many tracks), a CSV or Parquet table, or a prepared .arrow."""
    max_tracks: Count | None = None
    """Use only a random sample of this many tracks, the same in every run."""
    env: str = "SpotifySession-v0"
    """Id of the environment."""
    scaling: Literal["standard", "minmax"] = "standard"
    """How a table's features are scaled."""
    state: str = "auto"
    """The observation: mean, decayed, history, genres, place, responses, answered, taste, ucb or belief, several joined
    as in mean+responses, or module:Class; "auto": what suits learners in that environment, else mean."""
    history_length: Annotated[int, Between(1, 1000)] = 5
    """Number of last tracks whose mean is the vibe."""
    repeats: bool | None = None
    """Whether a recording may play twice in a session; None: the default of the environment."""
    reward_baseline: Annotated[float, Between(-1, 1)] | None = None
    """Constant subtracted from each cosine; None: the mean cosine of random play."""
    reward: tuple[str, ...] = ()
    """Weights of the reward terms, such as flow=0.5 fit=0.5; empty: the default of the environment."""
    listener: str | None = None
    """The listener: a name, a JSON file of a listener or module:Class; None: the default of the environment."""
    algorithm: Annotated[str, arg(metavar=_choice(ALGORITHMS))] = "dqn"
    """The learning algorithm."""
    arguments: tuple[str, ...] = ()
    """Arguments of an algorithm that is not a Q-learner, such as n_plans=256 of model; empty: its defaults. Settings of
    networks, replay, exploration and gradients below are for Q-learners only."""
    policy: Annotated[str, arg(metavar=_choice(NETWORKS))] = "catalogue"
    """The network: "mlp" has one output per track, for small catalogues; "catalogue" takes the features of every track
    as input. The others evaluate a few candidates at a time, to measure what the exact maximum is worth."""
    encoder: Literal["mixture", "attention", "dense"] = "mixture"
    """How networks with features as input encode an observation: as a mixture of its vectors, by attention over them
    (made for the state "answered"), or as plain numbers."""
    candidates: Annotated[int, Between(1, 10**7)] | None = None
    """Number of candidate tracks of sampled, shortlist and action_head; None: 2⌈log₂ N⌉ of N tracks."""
    hidden: tuple[Annotated[int, Between(1, 65_536)], ...] = (64,)
    """Width of each hidden layer."""
    episodes: Count = 2000
    """Sessions to train for, each counted at full length."""
    steps: Annotated[int, Between(1, 1e12)] | None = None
    """Environment steps to train for, instead of `episodes`."""
    n_envs: Annotated[int, Between(1, 65_536)] = 64
    """Parallel sessions."""
    updates_per_step: Annotated[float, Between(0.001, 1000)] = 1 / 16
    """Gradient steps per environment step."""
    gamma: Share = 0.9
    """Discount factor, in [0, 1]; 0 learns only the next reward."""
    learning_rate: Annotated[float, Between(1e-12, 1e3)] = 1e-2
    """Initial step size of Adam."""
    learning_rate_end: Annotated[float, Between(1e-12, 1e3)] = 3e-4
    """Final step size of Adam; it falls geometrically, and is constant if both are equal."""
    batch_size: Annotated[int, Between(1, 1e6)] = 64
    """Transitions per gradient step."""
    buffer_size: Count = 50_000
    """Transitions in the replay buffer."""
    learning_starts: Annotated[int, Between(0, 1e9)] = 1280
    """Environment steps of random play before learning starts."""
    n_steps: Annotated[int, Between(1, 1000)] = 1
    """Rewards summed before the value of the target network (n-step returns)."""
    tau: Share = 0.02
    """Polyak update rate of the target network, in [0, 1]; 1 copies the online network."""
    target_update_interval: Count = 1
    """Environment steps between updates of the target network."""
    exploration_fraction: Share = 0.1
    """Fraction of the training over which epsilon falls."""
    exploration_initial_eps: Share = 1.0
    """Initial probability of a random track."""
    exploration_final_eps: Share = 0.2
    """Final probability of a random track."""
    max_grad_norm: Annotated[float, Between(1e-12, 1e12)] = 10.0
    """Largest gradient norm; longer gradients are clipped."""
    seed: int = 0
    """Seed of everything random."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Device of the networks."""
    checkpoint_seconds: Annotated[float, Between(0, 1e9)] = 30.0
    """Time between two checkpoints [s]; a crash loses at most this much."""
    snapshots: tuple[Share, ...] = ()
    """Fractions of the training, from 0 to 1, at which to keep the weights too, such as 0 .01 .1 1."""
    tensorboard: bool = False
    """Also log for TensorBoard, into the run folder."""

    def __post_init__(self) -> None:
        for name, kind in _fields().items():
            if isinstance(value := getattr(self, name), (list, np.generic)):
                object.__setattr__(self, name, tuple(value) if isinstance(value, list) else value.item())
            _check(name, getattr(self, name), kind)
        if self.env not in env_ids():
            raise ConfigError(
                f"env={self.env!r} is not an environment of this package; choose from {', '.join(env_ids())}"
            )
        if self.state == "auto":
            object.__setattr__(self, "state", BEST_STATES.get(self.env, "mean"))
        self._check_network()
        if not 0 <= self.first_seed <= EVALUATION_SEED - self.n_envs:
            most = EVALUATION_SEED // self.n_envs - 1
            raise ConfigError(f"seed={self.seed} must be from 0 to {most}: larger ones are kept for evaluation")
        if self.listener is not None:
            object.__setattr__(self, "listener", _listener_text(self.listener))
        _weights(self.reward)

    @classmethod
    def template(cls, **settings: Any) -> Self:
        """Return settings to be overridden, in which defaults that depend on the environment stay unresolved.

        Pass the result through `dataclasses.replace`, which resolves them, before use.
        """
        config = cls(**settings)
        object.__setattr__(config, "state", settings.get("state", "auto"))
        return config

    def _check_network(self) -> None:
        for name, registry in (("algorithm", ALGORITHMS), ("policy", NETWORKS)):
            if (value := getattr(self, name)) not in registry and ":" not in value:
                known = ", ".join(map(repr, registry))
                raise ConfigError(f"{name}={value!r} is not one of {known}, nor your own as 'module:Class'")
        if not self.is_q_learner:
            self._check_others()
        elif self.arguments:
            raise ConfigError(
                f"arguments={self.arguments} is for algorithms other than Q-learners; algorithm={self.algorithm!r} has "
                "settings of its own, such as learning_rate"
            )
        if len(self.hidden) > _MOST_LAYERS or sum(map(mul, self.hidden, self.hidden[1:])) > _MOST_WEIGHTS:
            raise ConfigError(
                f"hidden={str(self.hidden)[:80]} must be at most {_MOST_LAYERS} layers, "
                f"with at most {_MOST_WEIGHTS:,} weights between them"
            )
        if self.policy in FEW_CANDIDATES and self.algorithm.startswith("dueling"):
            raise ConfigError(f"policy={self.policy!r} has no dueling form; choose algorithm='dqn' or 'double'")
        if self.candidates is not None and self.policy not in FEW_CANDIDATES:
            raise ConfigError(f"candidates={self.candidates} is for policy {' or '.join(map(repr, FEW_CANDIDATES))}")

    def _check_others(self) -> None:
        """Check the settings of an algorithm that is not a Q-learner."""
        policies = self.learner.policies
        if self.policy not in policies:
            known = " or ".join(map(repr, policies))
            raise ConfigError(f"algorithm={self.algorithm!r} has no policy={self.policy!r}; choose {known}")
        own = {"candidates", "hidden", *self.q_settings}
        for field in dataclasses.fields(self):
            if field.name in own and getattr(self, field.name) != field.default:
                raise ConfigError(
                    f"{field.name}={getattr(self, field.name)} is a setting of Q-learners; "
                    f"algorithm={self.algorithm!r} takes its own as arguments, NAME=VALUE"
                )
        _ = self.other_arguments

    @property
    def learner(self) -> Learner:
        """Registry entry of the algorithm."""
        return learner_named(self.algorithm)

    @property
    def is_q_learner(self) -> bool:
        """Whether the algorithm is a Q-learner, built in or user-defined."""
        return not self.learner.policies

    @property
    def classes(self) -> tuple[type[Any], type[Any]]:
        """The algorithm and its policy, imported.

        Raises:
            ConfigError: a user-defined class cannot be imported or has the wrong base class.
        """
        try:
            return self.learner.classes(self.policy)
        except ValueError as error:
            raise ConfigError(str(error)) from error

    @property
    def q_settings(self) -> dict[str, Any]:
        """Settings of gradients, replay and exploration; SB3's names but for `updates_per_step` and learning rates."""
        names = [field.name for field in dataclasses.fields(self)]
        own = names[names.index("updates_per_step") : names.index("max_grad_norm") + 1]
        return {name: getattr(self, name) for name in own}

    @property
    def other_arguments(self) -> dict[str, Any]:
        """Constructor arguments of an algorithm that is not a Q-learner."""
        try:
            return {name: json.loads(value) for name, value in pairs_of(self.arguments).items()}
        except ValueError as error:
            raise ConfigError(f"arguments={str(self.arguments)[:80]} must be NAME=NUMBER, each once") from error

    @property
    def total_steps(self) -> int:
        """Environment steps to train for."""
        return self.episodes * self.session_length if self.steps is None else self.steps

    @property
    def session_length(self) -> int:
        """Number of tracks in a session that the listener does not leave."""
        length = gym.spec(self.env).max_episode_steps
        assert length is not None  # every environment of this package is truncated by its registration
        return length

    @property
    def update_cycle(self) -> tuple[int, int]:
        """Steps of the vector environment between two rounds of updates, and gradient steps per round."""
        per_round = Fraction(self.updates_per_step).limit_denominator(1000) * self.n_envs
        return per_round.denominator, per_round.numerator

    @property
    def first_seed(self) -> int:
        """Seed of the first of the parallel sessions; runs with different seeds share no session."""
        return self.seed * self.n_envs

    @property
    def env_options(self) -> dict[str, Any]:
        """Options of the environment, without the catalogue."""
        options = {"state": self.state, "history_length": self.history_length, "reward_baseline": self.reward_baseline}
        given = {
            "repeats": self.repeats,
            "reward": _weights(self.reward) or None,
            "listener": _listener_values(self.listener),
        }
        return options | {name: value for name, value in given.items() if value is not None}

    @property
    def own_code(self) -> list[str]:
        """Names of the form `module:Class` in these settings, whose import can execute arbitrary code."""
        listener = _listener_values(self.listener)
        named = listener["listener"] if isinstance(listener, dict) else listener
        names = (self.algorithm, self.policy, self.state, named, *_weights(self.reward))
        return [name for name in names if name is not None and ":" in name]

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain values, readable by `from_json`."""
        return {**dataclasses.asdict(self), "listener": _listener_values(self.listener)}

    @classmethod
    def from_json(cls, plain: Any) -> Self:
        """Return the settings from the plain values of `to_json`.

        Raises:
            ConfigError: `plain` is not a mapping, has an unknown name, or a setting that is not allowed.
        """
        if not isinstance(plain, Mapping):
            raise ConfigError(f"a configuration is a mapping of names to settings, not {type(plain).__name__}")
        if unknown := sorted(set(plain) - set(_fields()), key=str):
            raise ConfigError(f"unknown setting {unknown[0]!r}; choose from {', '.join(_fields())}")
        settings: dict[str, Any] = dict(plain)
        settings.setdefault("encoder", "dense")  # older files do not name the encoder
        listener = settings.get("listener")
        if isinstance(listener, Mapping):
            settings["listener"] = json.dumps(dict(listener))
        elif str(listener).endswith(".json"):  # an untrusted configuration must not read local files
            raise ConfigError(f"listener={listener!r} is a file; a configuration holds its values")
        return cls(**settings)


def env_ids() -> list[str]:
    """Return the ids registered with this package's environments, without those that fix a catalogue."""
    ours = ((name, spec) for name, spec in gym.registry.items() if "SpotifyVectorEnv" in str(spec.vector_entry_point))
    return sorted(name for name, spec in ours if "catalogue" not in spec.kwargs)


def _weights(reward: Iterable[str]) -> dict[str, float]:
    """Parse the weights of the reward terms."""
    try:
        return {term: float(weight) for term, weight in pairs_of(reward).items()}
    except ValueError as error:
        raise ConfigError(f"reward={str(reward)[:80]} must be TERM=WEIGHT, such as flow=0.5, each once") from error


def _listener_text(listener: str) -> str:
    """Return a listener's name, or its values as JSON, so that the settings do not depend on a file."""
    try:
        if listener.endswith(".json"):
            return json.dumps(as_listener(listener).to_dict())  # type: ignore[union-attr]  # a file gives a listener
        if not listener.startswith("{"):
            return listener
        values = json.loads(listener)
        if not isinstance(values.get("listener"), str):
            raise ValueError("the listener's name is missing")
        return json.dumps(values)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"listener={listener[:80]!r} is neither a name nor the values of a listener: {error}"
        ) from None


def _listener_values(listener: str | None) -> Any:
    return json.loads(listener) if listener is not None and listener.startswith("{") else listener


@cache
def _fields() -> dict[str, Any]:
    return get_type_hints(TrainConfig, include_extras=True)


def _check(name: str, value: Any, kind: Any) -> None:
    shown, (described, fits) = repr(value)[:80], _read_type(kind)
    if not fits(value):
        raise ConfigError(f"{name}={shown} is not {described}")
    numbers = value if isinstance(value, tuple) else (value,)
    for low, high in _ranges(kind):
        if not all(low <= number <= high for number in numbers if number is not None):  # NaN is in no range
            raise ConfigError(f"{name}={shown} must be from {low:g} to {high:g}")


def _ranges(kind: Any) -> list[Between]:
    """Return all ranges in a type, however nested."""
    if isinstance(kind, Between):
        return [kind]
    return [found for part in get_args(kind) for found in _ranges(part)]


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", types.NoneType: "None"}


def _read_type(kind: Any) -> tuple[str, Callable[[Any], bool]]:
    """Return a type's name for messages and a predicate that tells whether a value is of that type.

    Integers are accepted as floats.
    """
    parts = get_args(kind)
    if get_origin(kind) is Annotated:
        return _read_type(parts[0])
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(repr, parts)), lambda value: value in parts
    if get_origin(kind) in (Union, types.UnionType):
        names, tests = zip(*map(_read_type, parts), strict=True)
        return " or ".join(names), lambda value: any(fits(value) for fits in tests)
    if get_origin(kind) is tuple:
        name, fits = _read_type(parts[0])
        return f"a list of {name.removeprefix('a ')}s", lambda value: isinstance(value, tuple) and all(map(fits, value))
    classes = (int, float) if kind is float else kind
    return _NAMES[kind], lambda value: isinstance(value, classes) and (kind is bool or not isinstance(value, bool))
