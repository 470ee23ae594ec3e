"""What is known of skips in listening sessions: counted in any log, and as measured on public ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.skips.log import Bools, SkipLog

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Facts:
    """Shares of plays that are skipped, each in [0, 1], NaN where there is no such play."""

    by_position: Floats
    """(T,) at each position of the session."""
    by_previous: Floats
    """(2,) after a track heard out, and after a skip."""
    by_recent: Floats
    """(4,) with 0, 1, 2 and 3 skips among the last three plays, where there were three."""
    session_sd: float
    """Standard deviation of the share between sessions."""

    def values(self) -> Floats:
        """All numbers in a row: (T + 7,)."""
        return np.concatenate([self.by_position, self.by_previous, self.by_recent, [self.session_sd]])

    def names(self) -> list[str]:
        """Name what stands at each place of :meth:`values`."""
        return [
            *(f"skip rate at position {i}" for i in range(1, len(self.by_position) + 1)),
            "skip rate after a track heard out",
            "skip rate after a skip",
            *(f"skip rate with {k} skips among the last three" for k in range(4)),
            "standard deviation between sessions",
        ]

    def tolerances(self) -> Floats:
        """How far a population may be from each of :meth:`values` and still count as reproducing it."""
        return np.repeat([0.03, 0.05], [len(self.by_position) + 2, 5])


MEASURED = Facts(
    by_position=np.array([0.38, 0.47, 0.51] + 17 * [0.53]),
    by_previous=np.array([0.279, 0.750]),
    by_recent=np.array([0.20, 0.45, 0.60, 0.80]),
    session_sd=0.254,
)
"""Measured on 5,955 public listening sessions (100,000 plays); a skip: moved on within about 10 to 15 seconds."""


def facts_of(log: SkipLog) -> Facts:
    """Count the facts in a log."""
    skipped, played = log.skipped, log.played
    recent = skipped[:, :-3].astype(int) + skipped[:, 1:-2] + skipped[:, 2:-1]
    return Facts(
        by_position=np.array([_rate(s, p) for s, p in zip(skipped.T, played.T, strict=True)]),
        by_previous=np.array([_rate(skipped[:, 1:], played[:, 1:] & (skipped[:, :-1] == v)) for v in (False, True)]),
        by_recent=np.array([_rate(skipped[:, 3:], played[:, 3:] & (recent == k)) for k in range(4)]),
        session_sd=float(np.std(skipped.sum(axis=1) / played.sum(axis=1))),
    )


def _rate(skipped: Bools, where: Bools) -> float:
    return float(skipped[where].mean()) if where.any() else np.nan
