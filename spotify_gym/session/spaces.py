"""Observation and action spaces; the action space carries the catalogue."""

from __future__ import annotations

import copy
from typing import Any, Literal

import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue, CatalogueError, held
from spotify_gym.session.dynamics import SessionDynamics


class TrackSpace(Discrete):
    """`Discrete(n_tracks)` with the audio features of each action.

    A learner that reads `features` can value tracks that it has never played. Two track spaces are equal only if their
    catalogues are, so a model refuses another catalogue instead of loading silently; a plain `Discrete` with as many
    actions, which has no catalogue, equals each of them. A pickled space keeps the fingerprint but not the catalogue:
    when the catalogue is first needed, one with the same fingerprint is looked up among those loaded in the process;
    the built-in one is generated again.

    Attributes:
        feature_names: (d,) names of the features.
        fingerprint: hash of the catalogue's content; part of equality.
        coordinates: hash of feature names and scaling; equal if two catalogues measure tracks the same way.
        forbids_repeats: whether a track may play only once per session, in one of its versions.
        same: which tracks are versions of each other: those of one recording, or of one song.
    """

    _catalogue: Catalogue | None = None  # None in an unpickled space, until the first access
    forbids_repeats: bool = False  # default of spaces that were pickled without this attribute
    same: Literal["recording", "song"] = "recording"

    def __init__(
        self,
        catalogue: Catalogue,
        seed: int | np.random.Generator | None = None,
        *,
        forbids_repeats: bool = False,
        same: Literal["recording", "song"] = "recording",
    ) -> None:
        super().__init__(len(catalogue), seed=seed)
        self._catalogue, self.same = catalogue, same
        self.feature_names = catalogue.feature_names
        self.fingerprint = catalogue.fingerprint
        self.coordinates = catalogue.coordinates
        self.forbids_repeats = forbids_repeats

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue whose tracks are the actions.

        Raises:
            CatalogueError: the space was unpickled, and its catalogue is not loaded in this process.
        """
        if self._catalogue is None:
            self._catalogue = held(self.fingerprint) or _invented(self)
        if self._catalogue is None:
            raise CatalogueError(
                f"{self} was loaded from a file without its catalogue; load the "
                "model with `env=`, `bind` it to the action space of an environment, or load the catalogue first"
            )
        return self._catalogue

    @property
    def features(self) -> NDArray[np.float32]:
        """The scaled features, (n_tracks, d)."""
        return self.catalogue.features

    @property
    def recordings(self) -> NDArray[np.int64]:
        """For each track, (n_tracks,), the first track of the same recording, or of the same song."""
        return self.catalogue.songs if self.same == "song" else self.catalogue.recordings

    def sample(self, mask: Any = None, probability: Any = None) -> Any:
        """Draw a track, of those that `mask`, (n_tracks,) bool or int8, allows, or by `probability`, (n_tracks,)."""
        if isinstance(mask, np.ndarray) and mask.dtype == np.bool_:
            mask = mask.astype(np.int8)
        return super().sample(mask, probability)

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, TrackSpace) else super().__eq__(other)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"TrackSpace({self.n}, fingerprint={self.fingerprint[:12]!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_catalogue"}

    def __copy__(self) -> TrackSpace:
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> TrackSpace:
        twin = copy.copy(self)
        twin._np_random = copy.deepcopy(self._np_random, memo)
        return twin


def _invented(space: TrackSpace) -> Catalogue | None:
    """Return the built-in catalogue with the fingerprint of the space, or None if the space has another catalogue."""
    for scaling in ("standard", "minmax"):
        if Catalogue.builtin(1, scaling=scaling).coordinates == space.coordinates:
            made = Catalogue.builtin(int(space.n), scaling=scaling)
            return made if made.fingerprint == space.fingerprint else None
    return None


class BlockBox(Box):
    """`Box` that knows which of its entries are vectors in the space of the features.

    Equal to any `Box` of the same bounds.

    Attributes:
        blocks: slice of each such vector, of d entries; the other entries are of another kind.
    """

    blocks: tuple[slice, ...]

    def __init__(self, low: NDArray[np.float32], high: NDArray[np.float32], blocks: tuple[slice, ...]) -> None:
        super().__init__(low, high, dtype=np.float32)
        self.blocks = blocks


def spaces_of(dynamics: SessionDynamics) -> tuple[Space[NDArray[np.float32]], TrackSpace]:
    """Return the observation and the action space of one session."""
    observations: Any = BlockBox(*dynamics.observer.bounds, dynamics.observer.vectors)
    return observations, TrackSpace(dynamics.catalogue, forbids_repeats=not dynamics.repeats, same=dynamics.same)
