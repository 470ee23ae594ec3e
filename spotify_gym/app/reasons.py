"""Why this track: which features it shares with the vibe, and where it leads away from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spotify_gym.app.distribution import Profile
from spotify_gym.app.words import listed

_NOTABLE = 0.1  # of similarity, for a shared feature to be named
_APART = 0.8  # standard deviations, for a difference to be named


@dataclass(frozen=True)
class Reason:
    """Why a track stands where it stands."""

    similarity: float
    """Cosine of the track to the vibe, in [-1, 1]."""
    shares: NDArray[np.float64]
    """(d,) what each feature adds to the similarity; they sum to it."""
    shared: tuple[str, ...]
    """Words for what track and vibe have in common, the weightiest first."""
    different: tuple[str, ...]
    """Words for where the track leads, the largest difference first."""

    def __str__(self) -> str:
        """Say it in one sentence."""
        alike = (
            f"{listed(self.shared).capitalize()}, like your vibe" if self.shared else "Little in common with your vibe"
        )
        return f"{alike}; {listed(self.different)}." if self.different else f"{alike}."


def explain(profile: Profile, vibe: ArrayLike, track: ArrayLike) -> Reason:
    """Compare the features of a track with the vibe, both scaled and (d,)."""
    v, x = np.asarray(vibe, np.float64), np.asarray(track, np.float64)
    lengths = np.linalg.norm(v) * np.linalg.norm(x)
    shares = v * x / lengths if lengths > 0 else np.zeros(len(v))
    ours, theirs = profile.standing(v), profile.standing(x)
    shared = [j for j in np.argsort(-shares, kind="stable")[:3] if shares[j] > _NOTABLE and ours[j] * theirs[j] > 0]
    return Reason(
        float(shares.sum()),
        shares,
        tuple(profile.words[j].high if theirs[j] > 0 else profile.words[j].low for j in shared),
        tuple(_comparatives(profile, theirs - ours, emphatic=[j for j in shared if abs(theirs[j]) > abs(ours[j])])),
    )


def differences(profile: Profile, base: ArrayLike, other: ArrayLike) -> Sequence[str]:
    """Say in words what `other` has more or less of than `base`, both scaled and (d,); nothing where they are close."""
    return _comparatives(profile, profile.standing(other) - profile.standing(base))


def _comparatives(profile: Profile, apart: NDArray[np.float32], emphatic: Sequence[int] = ()) -> Sequence[str]:
    """Put the two largest differences, (d,) in standard deviations, into words; "even louder" where both are loud."""
    largest = np.argsort(-np.abs(apart), kind="stable")[:2]
    return [
        ("even " if j in emphatic else "") + (profile.words[j].more if apart[j] > 0 else profile.words[j].less)
        for j in largest
        if abs(apart[j]) > _APART
    ]
