"""Evaluation of policies and trained models on the same held-out sessions."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue
from spotify_gym.policies import ReferencePolicy
from spotify_gym.session import SessionDynamics, SpotifyVectorEnv
from spotify_gym.session.options import check_whole
from spotify_gym.training.config import EVALUATION_SEED
from spotify_gym.wrappers.single import ProtoActions

NOTHING = -1
"""Padding of `Evaluation.tracks` after the end of a session."""

_MOST_SESSIONS = 10_000_000
_AT_ONCE = 64  # sessions in parallel: 64 rows of scores over 211,871 tracks are 54 MB


Choose = Callable[[Any, Any, NDArray[np.bool_], dict[str, Any]], tuple[NDArray[np.int64], Any]]
"""Maps observations, state, `episode_start` and `info` to tracks and the new state."""


class Policy(Protocol):
    """Anything that chooses tracks: a trained model or a reference policy."""

    @property
    def predict(self) -> Callable[..., tuple[Any, Any]]:
        """The `predict` of Stable-Baselines3: from observations (B, k) to tracks (B,) and a state."""


PolicyFactory = Callable[[Any], Policy]
"""Makes a policy for the given environment."""


@dataclass(frozen=True)
class Evaluation:
    """Results of one policy in n sessions of at most T tracks."""

    catalogue: Catalogue
    seeds: NDArray[np.int64]
    """(n,) the seed of each session."""
    tracks: NDArray[np.int64]
    """(n, T) the tracks recommended, -1 after the end."""
    rewards: NDArray[np.float64]
    """(n, T) the reward of each, 0 after the end."""
    repeats: NDArray[np.bool_]
    """(n, T) whether the track, or another version of it, was played in the session before."""
    seconds: float
    """Wall-clock time of the evaluation [s]."""

    @property
    def returns(self) -> NDArray[np.float64]:
        """(n,) sum of the rewards of each session."""
        return np.asarray(self.rewards.sum(axis=1))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) number of tracks recommended in each session."""
        return np.asarray((self.tracks != NOTHING).sum(axis=1))

    @property
    def coverage(self) -> float:
        """Share of the catalogue that was played in at least one session, in [0, 1]."""
        return len(np.unique(self.tracks[self.tracks != NOTHING])) / len(self.catalogue)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name: `seeds`, `tracks`, `rewards` and `repeats`."""
        return {"seeds": self.seeds, "tracks": self.tracks, "rewards": self.rewards, "repeats": self.repeats}

    def measures(self) -> dict[str, NDArray[Any]]:
        """Return the measures of each session, (n,) each, by name; novelty only if popularity is known."""
        measures = {
            "return": self.returns,
            "length": self.lengths,
            "repeat_rate": repeat_rate(self.repeats, self.tracks),
            "diversity": intra_list_diversity(self.tracks, self.catalogue.unit_features),
        }
        if self.catalogue.popularity is not None:
            measures["novelty"] = novelty(self.tracks, self.catalogue.popularity)
        return measures


def evaluate(
    policy: Policy | PolicyFactory,
    env_id: str,
    n_sessions: int = 1000,
    seed: int = EVALUATION_SEED,
    **env_options: Any,
) -> Evaluation:
    """Evaluate a policy on held-out sessions, which no learner trained on.

    Session i is the first session with seed `seed` + i, for every policy and however many are played at once. Where
    repeats are forbidden, a learner of this package gets the tracks played so far and never repeats; one that takes
    `action_masks` (sb3-contrib) gets the masks. A learner trained in SB3's `VecNormalize` gets normalised observations.
    A learner trained with `NearestUnplayed` would repeat here: evaluate it with SB3's `evaluate_policy`, in an
    environment with that wrapper, seeded with `EVALUATION_SEED`.

    Args:
        policy: a trained model, or a function that makes a policy for an environment: `NearestPolicy`, or
            `lambda env: PlannerPolicy(env, ...)`.
        env_id: id of the environment.
        n_sessions: number of sessions.
        seed: seed of the first session; training uses seeds below `EVALUATION_SEED`.
        **env_options: options of the environment: `catalogue`, `state`, ...

    Raises:
        TypeError: `policy` is not a policy, or a reference policy that belongs to another environment.
        ValueError: no sessions, too many or endless ones, a negative seed, or an unknown option.
    """
    check_sessions(n_sessions)
    check_whole("seed", seed)
    if not 0 <= seed <= 2**63 - 1 - n_sessions:
        raise ValueError(f"seed={seed} must be from 0 to {2**63 - 1 - n_sessions}")
    began = time.perf_counter()
    n_batches = math.ceil(n_sessions / _AT_ONCE)
    env = gym.make_vec(env_id, num_envs=math.ceil(n_sessions / n_batches), autoreset_mode="SameStep", **env_options)
    assert isinstance(env, SpotifyVectorEnv)  # all ids of this package make one
    if env.max_episode_steps is None:
        given = env_options.get("max_episode_steps")
        raise ValueError(f"max_episode_steps={given}: sessions must end; give their length")
    with _choosing(policy, env, seed) as choose:
        batches = [_play(choose, env, seed + batch * env.num_envs) for batch in range(n_batches)]
    tracks, rewards, repeats = (np.concatenate(parts)[:n_sessions] for parts in zip(*batches, strict=True))
    seeds = seed + np.arange(n_sessions)
    return Evaluation(env.catalogue, seeds, tracks, rewards, repeats, time.perf_counter() - began)


def check_sessions(n_sessions: int) -> None:
    """Raise `ValueError` unless `n_sessions` is an integer in the allowed range."""
    check_whole("n_sessions", n_sessions)
    if n_sessions < 1:
        raise ValueError(f"n_sessions={n_sessions} must be at least 1")
    if n_sessions > _MOST_SESSIONS:
        raise ValueError(f"n_sessions={n_sessions} must be at most {_MOST_SESSIONS:,}")


def value_bias(
    model: Any, env_id: str, n_sessions: int = 64, seed: int = EVALUATION_SEED, **env_options: Any
) -> NDArray[np.float64]:
    """Return a Q-learner's value estimate at the start of held-out sessions minus its actual return, (n_sessions,).

    Both are discounted by the learner's γ. A learner's values do not end where a session is truncated, so sessions are
    extended here until less than 1 % of the discount weight remains. A positive bias is overestimation, as caused by
    the maximum over noisy values (van Hasselt, Guez and Silver 2016).

    Args:
        model: a Q-learner of this package, with γ below 1.
        env_id: id of the environment.
        n_sessions: number of sessions, played in parallel.
        seed: seed of the first session.
        **env_options: options of the environment: `catalogue`, `state`, ...

    Raises:
        ValueError: γ is not below 1; or as in :func:`evaluate`.
    """
    import torch

    if not model.gamma < 1:
        raise ValueError(f"gamma={model.gamma} must be below 1 for the expected return to be finite")
    length = math.ceil(math.log(0.01) / math.log(model.gamma)) if model.gamma > 0 else 1
    one: Any = gym.make_vec(env_id, num_envs=1, **env_options)
    dynamics: SessionDynamics = one.dynamics
    if not dynamics.repeats:
        length = min(length, len(np.unique(dynamics.first_versions)) - dynamics.history_length)
    options = {**env_options, "max_episode_steps": length}
    earned = evaluate(model, env_id, n_sessions, seed, **options).rewards @ model.gamma ** np.arange(length)
    env = gym.make_vec(env_id, num_envs=n_sessions, **options)
    observations, info = env.reset(seed=seed)
    played = torch.as_tensor(info["played"].astype(np.int64)) if "played" in info else None
    with torch.no_grad():
        expected = model.q_net.best(torch.as_tensor(_normalized_for(model)(observations)), played).values[:, 0].numpy()
    bias: NDArray[np.float64] = expected - earned
    return bias


def proto_actions_of(model: Any, dynamics: SessionDynamics) -> ProtoActions:
    """Return the mapping from a model's proto-actions, points in feature space, to tracks.

    Raises:
        ValueError: the model's action space does not hold such points.
    """
    width = dynamics.catalogue.features.shape[1]
    proto = ProtoActions(dynamics, "unit" if model.action_space.shape == (width,) else "unit+raw")
    if model.action_space != proto.space:
        raise ValueError(
            f"the actions of this {type(model).__name__}, {model.action_space}, are not those of ProtoAction over "
            "these tracks; if a wrapper changed them, use SB3's evaluate_policy in an environment wrapped likewise"
        )
    return proto


class _Pointing:
    """Policy that plays the best tracks for a model's proto-actions, as :class:`~spotify_gym.wrappers.ProtoAction`."""

    def __init__(self, model: Any, env: SpotifyVectorEnv) -> None:
        self._model, self._env, self._proto = model, env, proto_actions_of(model, env.dynamics)

    def predict(self, observation: Any, state: Any, episode_start: Any, deterministic: bool = True) -> tuple[Any, Any]:
        """Return the tracks, (B,), and the state."""
        points, state = self._model.predict(observation, state, episode_start, deterministic)
        return self._proto.tracks(self._env.sessions, points), state


@contextmanager
def _choosing(policy: Policy | PolicyFactory, env: SpotifyVectorEnv, seed: int) -> Iterator[Choose]:
    """Yield a function that chooses a track for each session of `env`."""
    if isinstance(policy, ReferencePolicy):
        raise TypeError(
            f"this {type(policy).__name__} was made for another environment; pass the class, "
            "or a function that makes the policy for a given environment"
        )
    if isinstance(policy, type) or not hasattr(policy, "predict"):
        if not callable(policy):
            raise TypeError(
                f"policy={repr(policy)[:80]} is not a policy: give a model, or the class of a reference policy"
            )
        made = policy(env)
        if not hasattr(made, "predict"):
            raise TypeError(f"{policy!r} made {made!r}, which is not a policy; it is called once, with the environment")
        yield _choose_by(made, env)
        return
    with _bound(policy, env, seed) as bound:
        choose, normalized = _choose_by(bound, env), _normalized_for(policy)
        yield lambda observations, *rest: choose(normalized(observations), *rest)


def _normalized_for(model: Any) -> Callable[[Any], Any]:
    """Return a function that normalises observations by the model's SB3 `VecNormalize`, if it has one."""
    normalizer = getattr(model, "get_vec_normalize_env", lambda: None)()
    return (lambda observations: observations) if normalizer is None else normalizer.normalize_obs


@contextmanager
def _bound(model: Any, env: SpotifyVectorEnv, seed: int) -> Iterator[Policy]:
    """Bind a model to the catalogue of `env`, if it supports that, with PyTorch seeded; restore both on exit."""
    offered = (env.single_observation_space, env.single_action_space)
    policy: Any = getattr(model, "policy", None)
    points = isinstance(getattr(model, "action_space", None), Box)
    if points or not hasattr(policy, "bind"):
        if offered != (model.observation_space, offered[1] if points else model.action_space):
            raise ValueError(f"this {type(model).__name__} was trained on another catalogue or another state")
        yield _Pointing(model, env) if points else model
        return
    import torch  # imported here because reference policies do not need it

    from spotify_gym.algorithms.compatibility import Spaces

    own = Spaces.of(policy)
    policy.check_spaces(own, Spaces(*offered))
    policy.bind(*offered)
    try:
        with torch.random.fork_rng(devices=()):  # so that random candidates are the same in every evaluation
            torch.manual_seed(seed)
            yield policy
    finally:
        policy.bind(*own)


def _choose_by(policy: Policy, env: SpotifyVectorEnv) -> Choose:
    """Return a function that calls `predict` with `played` or `action_masks` if repeats are forbidden."""
    known = inspect.signature(policy.predict).parameters
    if not env.dynamics.repeats and "played" in known:
        return lambda obs, state, starts, info: policy.predict(obs, state, starts, True, played=info["played"])
    if not env.dynamics.repeats and "action_masks" in known:
        return lambda obs, state, starts, _: policy.predict(obs, state, starts, True, action_masks=env.action_masks())
    return lambda obs, state, starts, _: policy.predict(obs, state, starts, True)


def _play(choose: Choose, env: SpotifyVectorEnv, seed: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Play one session per slot to its end; return tracks, rewards and repeats, (B, T) each."""
    length = env.max_episode_steps
    assert length is not None  # all ids of this package have one
    shape = (env.num_envs, length)
    tracks, rewards, repeats = np.full(shape, NOTHING, np.int64), np.zeros(shape), np.zeros(shape, np.bool_)
    observations, info = env.reset(seed=seed)
    playing, starts, state = np.ones(env.num_envs, np.bool_), np.ones(env.num_envs, np.bool_), None
    for t in range(length):
        actions, state = choose(observations, state, starts, info)
        observations, reward, terminated, truncated, info = env.step(actions)
        tracks[playing, t], rewards[playing, t] = actions[playing], reward[playing]
        repeats[playing, t] = info["repeat"][playing]
        starts = terminated | truncated
        playing &= ~starts
        if not playing.any():
            break
    return tracks, rewards, repeats


# Measures of sessions beside the return: pure functions of the tracks (n_sessions, T), -1 after the end.


def repeat_rate(repeats: NDArray[np.bool_], tracks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of plays of which a version had already been played in the session, (n_sessions,).

    Args:
        repeats: (n_sessions, T) whether each play was a repeat.
        tracks: (n_sessions, T).
    """
    counts = tracks >= 0
    return np.asarray((repeats & counts).sum(axis=1) / counts.sum(axis=1))


def intra_list_diversity(tracks: NDArray[np.int64], units: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return 1 minus the mean cosine of all pairs of plays in a session, (n_sessions,); NaN for one play.

    Ziegler et al. 2005, "Improving recommendation lists through topic diversification".

    Args:
        tracks: (n_sessions, T).
        units: (n_tracks, d) unit features.
    """
    counts = tracks >= 0
    n = counts.sum(axis=1)
    played = np.where(counts[..., None], units[tracks], 0).astype(np.float64)
    total = np.square(played.sum(axis=1)).sum(axis=1)  # all ordered pairs, each play with itself included
    own = np.square(played).sum(axis=(1, 2))
    pairs = np.where(n > 1, n * (n - 1), np.nan)
    return np.asarray(1 - (total - own) / pairs)


def novelty(tracks: NDArray[np.int64], popularity: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean self-information of the tracks played [bits], (n_sessions,).

    A track of popularity p out of 100 carries -log2((p + 1) / 101) bits: none for the most popular, 6.7 for an unknown
    one (Vargas and Castells 2011, with popularity standing in for the share of listeners). Tracks of unknown popularity
    are left out; NaN if no other track was played.

    Args:
        tracks: (n_sessions, T).
        popularity: (n_tracks,) in [0, 100], NaN where unknown.
    """
    bits = np.where(tracks >= 0, -np.log2((popularity[tracks].astype(np.float64) + 1) / 101), np.nan)
    known = np.isfinite(bits)
    n_known = known.sum(axis=1)
    return np.asarray(np.where(known, bits, 0).sum(axis=1) / np.where(n_known, n_known, np.nan))
