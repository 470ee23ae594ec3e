"""Random numbers as a pure function of a session's key, the same for one session as for a batch.

Every session has a 64-bit key; its n-th number at time t is a hash of (key, t, n). So a session has the same course
whether it runs alone or in a batch of a thousand, and a planner can look ahead without changing its random state.
The hash is SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators").
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gymnasium.utils import seeding
from numpy.typing import NDArray

from spotify_gym.compiled import compiled

Keys = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@compiled
def _mix(x: np.uint64) -> np.uint64:
    """Return a hash of a 64-bit word; a bijection."""
    x = (x ^ (x >> _S30)) * _M1
    x = (x ^ (x >> _S27)) * _M2
    return x ^ (x >> _S31)


@compiled(inline="always")
def _uniform(at_time: np.uint64, n: int) -> float:
    return (_mix(at_time + _GOLDEN * np.uint64(n + 1)) >> _S11) * 2.0**-53


@compiled
def uniforms(keys: Keys, time: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Draw (B, n) numbers in [0, 1) for sessions `keys` (B,) at `time` (B,)."""
    drawn = np.empty((len(keys), n), np.float64)
    for b in range(len(keys)):
        at_time = _mix(keys[b] + _GOLDEN * (np.uint64(time[b]) + np.uint64(1)))
        for j in range(n):
            drawn[b, j] = _uniform(at_time, j)
    return drawn


@compiled
def distinct(uniform: NDArray[np.float64], n_tracks: int) -> NDArray[np.int64]:
    """Turn (B, k) uniform numbers into (B, k) distinct track indices, every ordered choice equally likely.

    These are the first k swaps of a Fisher-Yates shuffle of range(n_tracks), without an array of that length.
    """
    n_batch, k = uniform.shape
    drawn = np.empty((n_batch, k), np.int64)
    swap = np.empty(k, np.int64)
    for b in range(n_batch):
        for j in range(k):
            swap[j] = place = j + int(uniform[b, j] * (n_tracks - j))
            for earlier in range(j - 1, -1, -1):
                if place == swap[earlier]:
                    place = earlier
            drawn[b, j] = place
    return drawn


@compiled
def chances(
    keys: Keys, time: NDArray[np.int64], n: int, n_before: int = 0, certain: bool = False
) -> NDArray[np.float32]:
    """Draw (B, n) float32 numbers in [0, 1): those of :func:`uniforms` after the first `n_before`, never rounded to 1.

    If `certain`, all of them are 1/2.
    """
    drawn = np.empty((len(keys), n), np.float32)
    for b in range(len(keys)):
        at_time = _mix(keys[b] + _GOLDEN * (np.uint64(time[b]) + np.uint64(1)))
        for j in range(n):
            drawn[b, j] = 0.5 if certain else _uniform(at_time, n_before + j) * (1 - 2.0**-24)
    return drawn


@compiled
def _next_keys(roots: Keys, begun: NDArray[np.uint64], slots: NDArray[np.intp]) -> Keys:
    keys = np.empty(len(slots), np.uint64)
    for i, slot in enumerate(slots):
        begun[slot] += np.uint64(1)
        keys[i] = _mix(roots[slot] + _GOLDEN * begun[slot])
    return keys


class KeyStream:
    """The keys of the successive sessions in each of B slots; slot i of seed s equals a lone slot of seed s + i."""

    def __init__(self, generators: list[np.random.Generator]) -> None:
        self._roots = np.array([g.integers(2**64, dtype=np.uint64) for g in generators], dtype=np.uint64)
        self.begun = np.zeros(len(generators), dtype=np.uint64)
        """(B,) number of keys drawn from each slot; set it to continue from there."""

    @classmethod
    def seeded(cls, seeds: int | Sequence[int | None] | None, n_slots: int) -> KeyStream:
        """Seed the slots with `seeds`, `seeds` + 1, ... as Gymnasium's vector envs do, or with one seed each.

        None draws a seed from the operating system.

        Raises:
            ValueError: `seeds` is neither a whole number nor a list of one for each slot.
        """
        if seeds is None or isinstance(seeds, (int, np.integer)):
            seeds = [None if seeds is None else int(seeds) + slot for slot in range(n_slots)]
        if np.ndim(seeds) != 1:  # type: ignore[arg-type]  # whatever they are
            raise ValueError(f"seed={seeds!r} must be a whole number, or a list of one for each of {n_slots} sessions")
        if len(seeds) != n_slots:
            raise ValueError(f"{len(seeds)} seeds for {n_slots} sessions; give one seed, or one for each")
        return cls([seeding.np_random(seed)[0] for seed in seeds])

    def next(self, slots: NDArray[np.intp]) -> Keys:
        """Return the key of the next session in each of the given slots."""
        return _next_keys(self._roots, self.begun, slots)
