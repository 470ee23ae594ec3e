"""What happened in one session, kept for showing it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue


class Play(NamedTuple):
    """One recommended track, and what came of it."""

    track: int
    reward: float
    cosine: float
    """To the vibe before the track, in [-1, 1]."""
    heard: bool


@dataclass
class Trace:
    """The course of one session."""

    catalogue: Catalogue
    history: NDArray[np.int64]
    """(H,) the tracks heard before it."""
    vibe: NDArray[np.float32]
    """(d,) of the session, a view that moves with it."""
    plays: list[Play] = field(default_factory=list)
    """What was recommended, in order."""
