"""What happened in one session, kept for showing it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue


@dataclass(frozen=True)
class Play:
    """One recommended track, and what came of it."""

    track: int
    reward: float
    cosine: float
    """To the vibe before the track, in [-1, 1]."""
    listened: bool


@dataclass
class Trace:
    """The course of one session."""

    catalogue: Catalogue
    history: NDArray[np.int64]
    """(H,) the tracks heard before it."""
    vibe: NDArray[np.float32]
    """(d,) as it is now."""
    plays: list[Play] = field(default_factory=list)

    def add(self, play: Play, vibe: NDArray[np.float32]) -> None:
        """Note a play and the vibe after it."""
        self.plays.append(play)
        self.vibe = vibe
