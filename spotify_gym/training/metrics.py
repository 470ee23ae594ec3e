"""What sessions were like, beside what they earned: pure functions of the tracks played.

Tracks come as (n_sessions, T) indices, -1 after the end of a session.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def repeat_rate(repeats: NDArray[np.bool_], tracks: Ints) -> Floats:
    """Return the share of plays whose recording was played before in the session, (n_sessions,).

    Args:
        repeats: (n_sessions, T) whether each play was a repeat.
        tracks: (n_sessions, T).
    """
    counts = tracks >= 0
    return np.asarray((repeats & counts).sum(axis=1) / counts.sum(axis=1))


def catalogue_coverage(tracks: Ints, n_tracks: int) -> float:
    """Return the share of the catalogue that was played in any of the sessions, in [0, 1]."""
    return len(np.unique(tracks[tracks >= 0])) / n_tracks


def intra_list_diversity(tracks: Ints, units: NDArray[np.float32]) -> Floats:
    """Return 1 less the mean cosine of two plays of a session, (n_sessions,); NaN for a session of one play.

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


def novelty(tracks: Ints, popularity: NDArray[np.float32]) -> Floats:
    """Return the mean self-information of the tracks played [bits], (n_sessions,).

    A track of popularity p out of 100 carries -log2((p + 1) / 101) bits: none for the most popular, 6.7 for an unknown
    one (Vargas and Castells 2011, with popularity standing in for the share of listeners). Tracks of unknown popularity
    are left out; NaN where nothing else was played.

    Args:
        tracks: (n_sessions, T).
        popularity: (n_tracks,) in [0, 100], NaN where unknown.
    """
    bits = np.where(tracks >= 0, -np.log2((popularity[tracks].astype(np.float64) + 1) / 101), np.nan)
    known = np.isfinite(bits)
    n_known = known.sum(axis=1)
    return np.asarray(np.where(known, bits, 0).sum(axis=1) / np.where(n_known, n_known, np.nan))
