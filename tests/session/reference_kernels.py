"""Reference implementation of the loops in :mod:`spotify_gym.session.kernels` and `streams`, in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotify_gym.session.kernels import Given, unit
from spotify_gym.session.streams import Keys

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


def mix(x: Keys) -> Keys:
    """Return a bijective hash of 64-bit words."""
    x = (x ^ (x >> _S30)) * _M1
    x = (x ^ (x >> _S27)) * _M2
    return x ^ (x >> _S31)


def uniforms(keys: Keys, time: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Draw (B, n) numbers in [0, 1) for sessions `keys` (B,) at `time` (B,)."""
    at_time = mix(keys + _GOLDEN * (time.astype(np.uint64) + np.uint64(1)))
    counters = _GOLDEN * np.arange(1, n + 1, dtype=np.uint64)
    words = mix(at_time[:, None] + counters)
    return (words >> _S11).astype(np.float64) * 2.0**-53


def look(
    given: Given,
    tracks: Ints,
    played: Ints,
    vibe: Floats,
    seed_vibe: Floats,
    numbers: Floats,
    flags: Bools,
    units: Floats,
) -> None:
    features, versions, repeats = given
    units[:] = unit(features[tracks])
    numbers[1], numbers[2] = np.vecdot(units, unit(vibe)), np.vecdot(units, unit(seed_vibe))
    repeat = (played == versions[tracks, None]).any(1)
    flags[0], flags[1], flags[2] = repeat, repeats | ~repeat, False


def move(
    given: Given,
    tracks: Ints,
    earning: Floats,
    numbers: Floats,
    flags: Bools,
    time: Ints,
    played: Ints,
    history: Ints,
    window: Floats,
    vibe: Floats,
    logged: Ints,
    answers: NDArray[np.int8],
) -> bool:
    (features, versions, repeats), (repeat, completed, _) = given, flags
    weight, shift, lowest = earning[:, 3:, None]
    refused = repeat & (not repeats)
    numbers[3:] = np.where(refused, lowest, weight * (np.concatenate([numbers[1:3], numbers[5:]]) - shift))
    numbers[0] = numbers[3:].sum(axis=0)
    sessions, place = np.arange(len(time)), history.shape[1] + time
    played[sessions, place], logged[sessions, place] = versions[tracks], tracks
    answers[sessions, place] = np.where(refused, 0, np.where(completed, 1, -1))
    time += 1
    rows = np.flatnonzero(completed)
    history[rows, :-1] = history[rows, 1:]
    history[rows, -1] = tracks[rows]
    window[rows, :-1] = window[rows, 1:]
    window[rows, -1] = features[tracks[rows]]
    vibe[rows] = window[rows].mean(axis=1)
    return bool(place.max() + 1 >= played.shape[1])


def distinct(uniform: NDArray[np.float64], n_tracks: int) -> Ints:
    first = np.arange(uniform.shape[1])
    swap = first + (uniform * (n_tracks - first)).astype(np.int64)  # step j swaps places j and swap[:, j]
    drawn = swap.copy()
    for j in first:
        for earlier in range(j - 1, -1, -1):
            drawn[drawn[:, j] == swap[:, earlier], j] = earlier
    return drawn
