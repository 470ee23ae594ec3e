"""Wrappers of single environments, and the functions they share with the vector wrappers."""

from __future__ import annotations

from typing import Any, Literal
from weakref import WeakKeyDictionary

import gymnasium as gym
import numpy as np
from gymnasium.error import InvalidAction
from gymnasium.spaces import Box, Dict, Space
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue
from spotify_gym.search.points import NearestIndex, points_of
from spotify_gym.search.pruned import InnerProductIndex
from spotify_gym.session import SessionDynamics, SessionState

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Coordinates = Literal["unit", "unit+raw"]

_places: WeakKeyDictionary[Catalogue, dict[str, NearestIndex]] = WeakKeyDictionary()


class NearestUnplayed(gym.ActionWrapper[Any, Any, Any], RecordConstructorArgs):
    """Replace a track that may not be played again by its nearest unplayed neighbour by cosine.

    Learners that do not support action masks (SB3's DQN, PPO and A2C, QRDQN, CleanRL, tianshou, RLlib) then never lose
    reward to a repeat. The neighbour is exact; `info["track"]` is the track played. Where repeats are allowed, nothing
    changes.

    Args:
        env: a single environment of this package, wrapped or not, whose actions are tracks.

    Raises:
        TypeError: another kind of environment.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._inner = inner_env(env, type(self))

    def action(self, action: Any) -> Any:
        """Return the track to play; an invalid action is refused as by the environment."""
        return nearest_unplayed(self._inner, np.array([self._inner.track_of(action)]))[0]


class ProtoAction(gym.ActionWrapper[Any, Any, Any], RecordConstructorArgs):
    """Take actions that are points in feature space, and play the best track for each that may be played.

    With it, continuous learners (PPO, SAC, TD3) work unchanged over any number of tracks. After Dulac-Arnold et al.
    (2015, https://arxiv.org/abs/1512.07679), with the exact nearest track and k = 1: no critic chooses among several.

    | `coordinates` | action | plays the track with the largest |
    |---|---|---|
    | `"unit"` | `Box(-1, 1, (d,))`, the direction p of the track wanted | p·u, its unit features u |
    | `"unit+raw"` | `Box` of 2d numbers q, as wide as the catalogue | q·z − ‖z‖²/2, z = (1.5 u, x/3): nearest to q |

    The second also sets the length of the feature vector x, which matters where a track moves the vibe for later ones.
    Points outside the box are used unchanged. Of equally good tracks the first is played; if everything was played,
    any.

    Args:
        env: a single environment of this package, wrapped or not, whose actions are tracks.
        coordinates: "unit" or "unit+raw".

    Raises:
        TypeError: another kind of environment.
        ValueError: other coordinates.
    """

    def __init__(self, env: gym.Env[Any, Any], coordinates: Coordinates = "unit") -> None:
        RecordConstructorArgs.__init__(self, coordinates=coordinates)
        super().__init__(env)
        self._inner = inner_env(env, type(self))
        self._proto = ProtoActions(self._inner.dynamics, coordinates)
        self.action_space = self._proto.space

    def action(self, action: Any) -> Any:
        """Return the track to play."""
        return self._proto.tracks(self._inner.sessions, np.asarray(action)[None])[0]


class MaskObservation(gym.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """Add the mask of the tracks that may be played to the observation, for learners that expect it there.

    Observations become `Dict(observation=..., action_mask=Box(0, 1, (N,), int8))`, where 1 is allowed. As it has one
    number per track, it is for small catalogues.

    Args:
        env: a single environment of this package, wrapped or not, whose actions are tracks.

    Raises:
        TypeError: another kind of environment.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._inner = inner_env(env, type(self))
        self.observation_space = masked_space(env.observation_space, self._inner)

    def observation(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Add the mask."""
        return masked(observation, self._inner)


def inner_env(env: Any, wrapper: type) -> Any:
    """Return the innermost environment, single or vector, after checking that it belongs to this package.

    Raises:
        TypeError: another kind of environment.
    """
    inner = env.unwrapped
    if not isinstance(getattr(inner, "dynamics", None), SessionDynamics):
        raise TypeError(
            f"{wrapper.__name__} needs a listening session of this package; got {env}. Vector environments made with "
            "vectorization_mode hide their sessions: leave it out, or wrap the single ones"
        )
    return inner


def nearest_unplayed(env: Any, tracks: Ints) -> Ints:
    """Return the tracks, (B,), with each one that may not be played replaced by its nearest unplayed neighbour.

    Nearness is by cosine, ties go to the first track. If a session has played everything, its track is kept.
    """
    dynamics, sessions = env.dynamics, env.sessions
    if dynamics.repeats:
        return tracks
    versions = dynamics.first_versions[tracks]
    rows = np.flatnonzero((sessions.played == versions[:, None]).any(axis=1))
    if not len(rows):
        return tracks
    queries = dynamics.catalogue.unit_features[tracks[rows]]
    values, nearest = dynamics.catalogue.index(dynamics.same).largest(queries, 1, sessions.played[rows])
    replaced = tracks.copy()
    replaced[rows] = np.where(np.isfinite(values[:, 0]), nearest[:, 0], tracks[rows])
    return replaced


class ProtoActions:
    """Mapping from proto-actions, points in feature space, to the best tracks that may be played.

    Args:
        dynamics: dynamics of the sessions.
        coordinates, most_blocks: see :class:`~spotify_gym.wrappers.vector.ProtoAction`.

    Raises:
        ValueError: unknown coordinates.
    """

    def __init__(self, dynamics: SessionDynamics, coordinates: Coordinates, most_blocks: int | None = None) -> None:
        self.dynamics, self._most_blocks = dynamics, most_blocks
        width = dynamics.catalogue.features.shape[1]
        if coordinates == "unit":
            self._index: InnerProductIndex | NearestIndex = dynamics.catalogue.index(dynamics.same)
            self.space: Box[Any] = Box(-1.0, 1.0, (width,), np.float32)
        elif coordinates == "unit+raw":
            self._index = _index_of_places(dynamics)
            points = points_of(dynamics.catalogue.features, dynamics.catalogue.unit_features)
            low, high = points.min(axis=0), points.max(axis=0)
            self.space = Box(low, np.maximum(high, np.nextafter(low, np.float32(np.inf))), dtype=np.float32)
        else:
            raise ValueError(f"coordinates={coordinates!r} is not known; choose 'unit' or 'unit+raw'")

    def tracks(self, sessions: SessionState, actions: Any) -> Ints:
        """Return the best track for each session, (B,).

        Args:
            sessions: B sessions.
            actions: proto-actions, (B, width).

        Raises:
            gymnasium.error.InvalidAction: the shape is wrong, or a number is not finite.
        """
        points = np.asarray(actions, np.float32)
        expected = (len(sessions), *self.space.shape)
        if points.shape != expected or not np.isfinite(points).all():
            raise InvalidAction(f"proto-actions must be finite numbers, {expected}; got {points.shape}: {actions!r}")
        return self.largest(points, 1, None if self.dynamics.repeats else sessions.played)[1][:, 0]

    def largest(self, points: Floats, k: int, played: Ints | None) -> tuple[Floats, Ints]:
        """Return the scores and the indices of the k best unplayed tracks for each point, (B, k) each."""
        return self._index.largest(points, k, played, self._most_blocks)


def masked_space(observations: Space[Any], env: Any) -> Dict:
    """Return the space of observations with an action mask over the tracks of `env`."""
    return Dict({"observation": observations, "action_mask": Box(0, 1, (len(env.catalogue),), np.int8)})


def masked(observations: Any, env: Any) -> dict[str, Any]:
    """Return observations of `env` together with its action mask or masks."""
    return {"observation": observations, "action_mask": env.action_masks().astype(np.int8)}


def _index_of_places(dynamics: SessionDynamics) -> NearestIndex:
    catalogue = dynamics.catalogue
    indices = _places.setdefault(catalogue, {})
    if dynamics.same not in indices:
        tracks = np.flatnonzero(catalogue.recordings == np.arange(len(catalogue)))
        points = points_of(catalogue.features[tracks], catalogue.unit_features[tracks])
        indices[dynamics.same] = NearestIndex(points, tracks, dynamics.first_versions[tracks])
    return indices[dynamics.same]
