"""Reward terms: their bounds, the value of a played track, and the expected value of any track."""

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

_VIBES = 100_000  # size of the sample of vibes, less if it would need more than
_NUMBERS = 20_000_000  # features: for long histories or many features, more would take gigabytes
_AT_ONCE = 4096  # rows
_KNOWN: WeakKeyDictionary[Catalogue, dict[int, float]] = WeakKeyDictionary()


class Look(NamedTuple):
    """One track in each of B sessions, before the state is updated."""

    tracks: Ints
    """(B,)"""
    cosine: Floats
    """(B,) cosine to the vibe, in [-1, 1]."""
    fit: Floats
    """(B,) cosine to the seed vibe, in [-1, 1]."""
    repeat: Bools
    """(B,) whether the track, or another version of it, was played before."""
    response: Mapping[str, Floats]
    """The terms of the listener, (B,) each; 0 for refused repeats, about which the listener is not asked."""


@dataclass(frozen=True)
class RewardTerm:
    """One term of the reward, before its weight.

    Attributes:
        bounds: its lowest and highest value.
        value: function from B sessions, before the step, and the :class:`Look` at their tracks to values, (B,). None if
            the compiled loop computes it.
        expected: function from B sessions and M tracks to expected values, (B, M). None if `direction` gives them.
        direction: for a term that is u · direction + constant in the unit features u of a track: function from B
            sessions to directions, (B, d).
        constant: the constant of such a term.
    """

    bounds: tuple[float, float]
    value: Callable[[SessionState, Look], Floats] | None
    expected: Callable[[SessionState, Ints | slice], Floats] | None = None
    direction: Callable[[SessionState], Floats] | None = None
    constant: float = 0.0


def expected_cosine(catalogue: Catalogue, history_length: int) -> float:
    """Return the expected cosine of a random track to the mean of `history_length` distinct random tracks.

    The two are independent, so the result is the dot product of the exact mean of the unit features and the mean of
    the unit vibe, estimated from a fixed sample.
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
    """Split range(total) into short (start, stop) pairs, so that many processes can do this in little memory."""
    return [(start, min(start + _AT_ONCE, total)) for start in range(0, total, _AT_ONCE)]


def _mean(parts: Iterable[Floats], n_rows: int) -> Floats:
    """Return the mean of rows that come in parts, bit-identical to that of all rows at once."""
    total = reduce(lambda above, rows: np.concatenate([above, rows]).sum(axis=0, keepdims=True), parts)
    mean: Floats = total.sum(axis=0) / np.float32(n_rows)
    return mean
