"""The action space: one track of the whole catalogue, its features travelling with it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue
from spotify_gym.session.dynamics import SessionDynamics


class TrackSpace(Discrete):
    """`Discrete(n_tracks)` that knows what each action sounds like.

    A learner that reads `features` can value tracks that it has never played. Two spaces are equal only if their
    catalogues are, so that a model refuses another catalogue instead of loading silently. A pickled space keeps the
    identity and leaves the features behind: `features` and `recordings` are None until a catalogue is bound again.

    Attributes:
        features: (n_tracks, d) scaled features, or None.
        recordings: (n_tracks,) the smallest index that is the same recording, or the same song; or None.
        feature_names: (d,) what the features measure.
        fingerprint: identity of the catalogue's content; counts in equality.
        coordinates: identity of feature names and scaling; equal where two catalogues measure tracks alike.
        forbids_repeats: whether of those that are the same only one may play, and once, in a session.
    """

    features: NDArray[np.float32] | None
    recordings: NDArray[np.int64] | None
    forbids_repeats: bool = False  # of spaces pickled before they said so

    def __init__(
        self,
        catalogue: Catalogue,
        seed: int | np.random.Generator | None = None,
        *,
        forbids_repeats: bool = False,
        first_versions: NDArray[np.int64] | None = None,
    ) -> None:
        super().__init__(len(catalogue), seed=seed)
        self.features = catalogue.features
        self.recordings = catalogue.recordings if first_versions is None else first_versions
        self.feature_names = catalogue.feature_names
        self.fingerprint = catalogue.fingerprint
        self.coordinates = catalogue.coordinates
        self.forbids_repeats = forbids_repeats

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrackSpace) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"TrackSpace({self.n}, fingerprint={self.fingerprint[:12]!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "features": None, "recordings": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> TrackSpace:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._np_random = copy.deepcopy(self._np_random, memo)
        return twin


class BlockBox(Box):
    """`Box` that knows which of its numbers are vectors in the space of the features.

    Equal to any `Box` of the same bounds.

    Attributes:
        blocks: where each such vector stands, d numbers each; numbers outside them are something else.
    """

    blocks: tuple[slice, ...]

    def __init__(self, low: NDArray[np.float32], high: NDArray[np.float32], blocks: tuple[slice, ...]) -> None:
        super().__init__(low, high, dtype=np.float32)
        self.blocks = blocks


def spaces_of(dynamics: SessionDynamics) -> tuple[Space[NDArray[np.float32]], TrackSpace]:
    """Return the observation and the action space of one session."""
    observations: Any = BlockBox(*dynamics.observer.bounds, dynamics.observer.vectors)
    return observations, TrackSpace(
        dynamics.catalogue, forbids_repeats=not dynamics.repeats, first_versions=dynamics.first_versions
    )
