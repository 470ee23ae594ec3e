"""Reward terms: how high one can be, what a track earned in it, what tracks are expected to earn in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from spotify_gym.catalogue import Catalogue, units_of
from spotify_gym.session.kernels import unit
from spotify_gym.session.state import Bools, Floats, Ints, SessionState
from spotify_gym.session.streams import distinct

_VIBES = 100_000  # vibes, or fewer:
_NUMBERS = 20_000_000  # looked up for them; where histories or tracks are long, more would take gigabytes
_AT_ONCE = 4096
_KNOWN: WeakKeyDictionary[Catalogue, dict[int, float]] = WeakKeyDictionary()


class Look(NamedTuple):
    """One track in each of B sessions, before anything moves."""

    tracks: Ints
    """(B,)"""
    cosine: Floats
    """(B,) to the vibe, in [-1, 1]."""
    fit: Floats
    """(B,) cosine to the seed vibe, in [-1, 1]."""
    repeat: Bools
    """(B,) whether the recording was played before."""
    response: Mapping[str, Floats]
    """The listener's own terms, (B,) each; 0 where nobody was asked."""


@dataclass(frozen=True)
class RewardTerm:
    """One term of the reward, before its weight.

    Attributes:
        bounds: its lowest and highest value.
        value: what tracks earn: from B sessions, as they are before the step, and a look at the tracks to (B,). None
            where the compiled loop says it.
        expected: what tracks would be expected to earn: from B sessions and M tracks to (B, M); None where `direction`
            says it.
        direction: of a term that is u · direction + constant for a track of unit features u: from B sessions to (B, d).
        constant: what is added to that.
    """

    bounds: tuple[float, float]
    value: Callable[[SessionState, Look], Floats] | None
    expected: Callable[[SessionState, Ints | slice], Floats] | None = None
    direction: Callable[[SessionState], Floats] | None = None
    constant: float = 0.0


def expected_cosine(catalogue: Catalogue, history_length: int) -> float:
    """Return the expected cosine of a random track to the mean of `history_length` distinct random tracks.

    The two are independent, so that this is the product of two means: that of the unit features, exact, and that of
    the unit vibe, over a fixed sample.
    """
    by_length = _KNOWN.setdefault(catalogue, {})
    if history_length not in by_length:
        n_tracks, d = catalogue.features.shape
        n_vibes = min(_VIBES, 1 + _NUMBERS // (history_length * d))
        rng = np.random.default_rng(0)
        draws = (distinct(rng.random((stop - start, history_length)), n_tracks) for start, stop in _parts(n_vibes))
        vibes = (unit(catalogue.features[drawn].mean(axis=1)) for drawn in draws)
        tracks = (units_of(catalogue.features[start:stop]) for start, stop in _parts(n_tracks))
        by_length[history_length] = float(_mean(tracks, n_tracks) @ _mean(vibes, n_vibes))
    return by_length[history_length]


def _parts(total: int) -> list[tuple[int, int]]:
    """Cut range(total) into short ones: what many processes compute of one catalogue should take them no memory."""
    return [(start, min(start + _AT_ONCE, total)) for start in range(0, total, _AT_ONCE)]


def _mean(parts: Iterable[Floats], n_rows: int) -> Floats:
    """Return the mean of rows that come in parts, to the last bit as if they came at once."""
    total = reduce(lambda above, rows: np.concatenate([above, rows]).sum(axis=0, keepdims=True), parts)
    mean: Floats = total.sum(axis=0) / np.float32(n_rows)
    return mean
