"""From an action and the sessions as they stand to the tracks that are played; what the wrappers have in common."""

from __future__ import annotations

from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
from gymnasium.error import InvalidAction
from gymnasium.spaces import Box, Dict, Space
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue
from spotify_gym.search.points import NearestIndex, points_of
from spotify_gym.search.pruned import InnerProductIndex
from spotify_gym.session import SessionDynamics, SessionState

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Coordinates = Literal["unit", "unit+raw"]

_places: WeakKeyDictionary[Catalogue, dict[str, NearestIndex]] = WeakKeyDictionary()


def dynamics_of(env: Any, wrapper: type) -> SessionDynamics:
    """Return the dynamics of an environment of this package, wrapped or not.

    Raises:
        TypeError: it is another kind of environment.
    """
    dynamics = getattr(env.unwrapped, "dynamics", None)
    if not isinstance(dynamics, SessionDynamics):
        raise TypeError(
            f"{wrapper.__name__} needs a listening session of this package; got {env}. Vector environments made with "
            "vectorization_mode hide their sessions: leave it out, or wrap the single ones"
        )
    return dynamics


def nearest_unplayed(dynamics: SessionDynamics, sessions: SessionState, tracks: Ints) -> Ints:
    """Return the tracks (B,), each that may not be played now replaced by its nearest neighbour that may.

    Nearest is by cosine; of equally near ones the first. Where everything was played, the track stays.
    """
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
    """Points in the space of the features, each of which stands for the best track that may be played.

    Args:
        dynamics: of the sessions.
        coordinates, most_blocks: see :class:`~spotify_gym.wrappers.vector.ProtoAction`.

    Raises:
        ValueError: other coordinates.
    """

    def __init__(self, dynamics: SessionDynamics, coordinates: Coordinates, most_blocks: int | None = None) -> None:
        self.dynamics, self._most_blocks = dynamics, most_blocks
        width = dynamics.catalogue.features.shape[1]
        if coordinates == "unit":
            self._index: InnerProductIndex | NearestIndex = dynamics.catalogue.index(dynamics.same)
            self.space: Box[Any] = Box(-1.0, 1.0, (width,), np.float32)
        elif coordinates == "unit+raw":
            self._index = _index_of_places(dynamics)
            self.space = _box_around(points_of(dynamics.catalogue.features, dynamics.catalogue.unit_features))
        else:
            raise ValueError(f"coordinates={coordinates!r} is not known; choose 'unit' or 'unit+raw'")

    def tracks(self, sessions: SessionState, actions: Any) -> Ints:
        """Return the best track for each session, (B,).

        Args:
            sessions: B of them.
            actions: (B, width).

        Raises:
            gymnasium.error.InvalidAction: not B points, or one that is not finite.
        """
        points = np.asarray(actions, np.float32)
        expected = (len(sessions), *self.space.shape)
        if points.shape != expected or not np.isfinite(points).all():
            raise InvalidAction(f"proto-actions must be finite numbers, {expected}; got {points.shape}: {actions!r}")
        return self.largest(points, 1, None if self.dynamics.repeats else sessions.played)[1][:, 0]

    def largest(self, points: Floats, k: int, played: Ints | None) -> tuple[Floats, Ints]:
        """Return the k best tracks for each point, (B, k), after how good they are, (B, k), none of those played."""
        return self._index.largest(points, k, played, self._most_blocks)


def with_mask_space(observations: Space[Any], n_tracks: int) -> Dict:
    """Return the space of observations with a mask of the tracks."""
    return Dict({"observation": observations, "action_mask": Box(0, 1, (n_tracks,), np.int8)})


def _index_of_places(dynamics: SessionDynamics) -> NearestIndex:
    catalogue = dynamics.catalogue
    indices = _places.setdefault(catalogue, {})
    if dynamics.same not in indices:
        tracks = np.flatnonzero(catalogue.recordings == np.arange(len(catalogue)))
        points = points_of(catalogue.features[tracks], catalogue.unit_features[tracks])
        indices[dynamics.same] = NearestIndex(points, tracks, dynamics.first_versions[tracks])
    return indices[dynamics.same]


def _box_around(points: Floats) -> Box:
    low, high = points.min(axis=0), points.max(axis=0)
    return Box(low, np.maximum(high, np.nextafter(low, np.float32(np.inf))), dtype=np.float32)
