"""The inner loops of a session, compiled by Numba: draw the start, compare tracks with the vibe, update the state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.catalogue import TINY
from spotify_gym.compiled import compiled
from spotify_gym.listeners.listener import ask, meet
from spotify_gym.session.state import Bools, Floats, Ints, Ints32
from spotify_gym.session.streams import Keys, chances, distinct, uniforms

Given = tuple[Floats, Ints | Ints32, bool]

_FEATURES, _LENGTH = 9, 5  # the usual d and H, for which loops are specialised
_LANES = 8  # partial sums in a NumPy reduction
_LINE = 64  # bytes


def in_lines(features: Floats, versions: Ints) -> tuple[Floats, Ints32]:
    """Return features, (N, d), and versions, (N,), as views of one table whose rows start on cache lines."""
    (n_tracks, d), numbers = features.shape, _LINE // 4
    width = -(-(d + 1) // numbers) * numbers
    room = np.empty((n_tracks + 1) * width, np.float32)
    lines = room[-room.ctypes.data % _LINE // 4 :][: n_tracks * width].reshape(n_tracks, width)
    lines[:, :d], lines.view(np.int32)[:, -1] = features, versions
    return lines, lines.view(np.int32)[:, -1]


@compiled
def unit(vectors: Floats) -> Floats:
    """Return each row of (B, d) scaled to length 1; a zero vector stays zero."""
    units = np.empty(vectors.shape, np.float32)
    for b in range(len(vectors)):
        _write_unit(vectors, b, units, b, vectors.shape[1])
    return units


@compiled(inline="always")
def _write_unit(features: Floats, track: int, units: Floats, b: int, n_features: int) -> None:
    """Write the unit features of a track to row b of `units`."""
    square = 0.0
    for j in range(n_features):
        square += features[track, j] * features[track, j]
    length = max(np.sqrt(np.float32(square)), TINY)
    for j in range(n_features):
        units[b, j] = features[track, j] / length


@compiled(inline="always")
def _touch(features: Floats, tracks: Ints, n_features: int, kept: Floats) -> None:
    """Read the features of some tracks ahead of use, so that the memory latencies overlap.

    A sum of them goes to the first element of `kept`, an array that is overwritten later, so that the compiler does not
    remove the loads.
    """
    total = np.float32(0)
    for track in tracks:
        total += features[track, 0] + features[track, n_features - 1]
    kept[:1] = total


@compiled
def pool_units(features: Floats, tracks: Ints, n_features: int) -> Floats:
    """Return the unit features, (B, P, d), of tracks, (B, P); up to d = 128, squares are summed in NumPy's order."""
    n_batch, n_pool = tracks.shape
    units = np.empty((n_batch, n_pool, n_features), np.float32)
    sums, whole = np.empty(_LANES, np.float32), n_features // _LANES * _LANES
    _touch(features, tracks.ravel(), n_features, units.ravel())
    for b in range(n_batch):
        for p in range(n_pool):
            sums[:] = 0
            for j in range(0, whole, _LANES):
                for lane in range(_LANES):
                    x = features[tracks[b, p], j + lane]
                    sums[lane] += x * x
            square = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
            for j in range(whole, n_features):
                square += features[tracks[b, p], j] * features[tracks[b, p], j]
            length = max(np.sqrt(square), TINY)
            for j in range(n_features):
                units[b, p, j] = features[tracks[b, p], j] / length
    return units


@compiled
def draw(
    features: Floats,
    history: Ints | None,
    keys: Keys,
    n_tracks: int,
    n_pool: int,
    n_features: int,
    n_uniforms: int,
    certain: bool,
) -> tuple[Ints, Floats, Floats]:
    """Return the pool of starting tracks for sessions with these keys, (n,), and the input of their listeners.

    These are the pool, (n, P), which is `history` where given; its unit features, (n, P, n_features); and uniform
    numbers, (n, n_uniforms).
    """
    before = np.full(len(keys), -1)
    if history is None:
        pool = distinct(uniforms(keys, before, n_pool), n_tracks)
        dealt = chances(keys, before, n_uniforms, n_pool, certain)
    else:
        pool, dealt = history, chances(keys, before, n_uniforms, 0, certain)
    return pool, pool_units(features, pool, n_features), dealt


@compiled
def begin(
    given: Given,
    keys: Keys,
    pool: Ints,
    rows: NDArray[np.intp],
    key: Keys,
    seed_vibe: Floats,
    time: Ints,
    played: Ints32,
    history: Ints,
    window: Floats,
    vibe: Floats,
    logged: Ints32 | None,
    answers: NDArray[np.int8] | None,
    listener: Any,
    mind: Any,
    units: Floats,
    chance: Floats,
) -> None:
    """Begin the sessions in `rows`, (n,), in place, from their pools of tracks, (n, P).

    `listener`, `mind`, `units` and `chance` go to :func:`~spotify_gym.listeners.listener.meet`, which chooses the
    starting tracks in the pool; without a listener they are its first H. The other arguments are those of :func:`move`.
    `played` and `logged` are padded with -1, `answers` with 0.
    """
    features, versions, _ = given
    (length, n_features), places = window.shape[1:], np.empty((len(rows), history.shape[1]), np.intp)
    if listener is None:
        places[:] = np.arange(length)
        if len(rows) > 0:  # a listener who chooses has read the whole pool already
            _touch(features, pool.ravel(), n_features, vibe[rows[0]])
    else:
        meet(listener, mind, rows, units, chance, places)
    for i, b in enumerate(rows):
        key[b], time[b], played[b] = keys[i], 0, -1
        if logged is not None and answers is not None:
            logged[b], answers[b] = -1, 0
        for h in range(length):
            track = pool[i, places[i, h]]
            history[b, h], played[b, h] = track, versions[track]
            if logged is not None:
                logged[b, h] = track
            for j in range(n_features):
                window[b, h, j] = features[track, j]
        for j in range(n_features):
            total = np.float32(0)
            for h in range(length):
                total += window[b, h, j]
            vibe[b, j] = seed_vibe[b, j] = total / np.float32(length)


@compiled(inline="always")
def _products(
    features: Floats, track: int, vectors: Floats, b: int, n_features: int
) -> tuple[np.float32, np.float32, np.float32]:
    """Return x·v, x·x and v·v of the track's features x and vector v of session b; faster for constant `n_features`."""
    dot = square = other = np.float32(0)
    for j in range(n_features):
        x, v = features[track, j], vectors[b, j]
        dot += x * v
        square += x * x
        other += v * v
    return dot, square, other


@compiled(error_model="numpy")  # lengths are never 0, and checking for it takes as long as the rest
def _cosines(features: Floats, tracks: Ints, vectors: Floats, numbers: Floats, row: int) -> None:
    """Write the cosines of tracks to vectors, (B, d), to a row of `numbers`; rows 3 and 4 are scratch space."""
    for b in range(len(tracks)):
        if vectors.shape[1] == _FEATURES:
            products = _products(features, tracks[b], vectors, b, _FEATURES)
        else:
            products = _products(features, tracks[b], vectors, b, vectors.shape[1])
        numbers[row, b], numbers[3, b], numbers[4, b] = products
    cosine, square, other = numbers[row], numbers[3], numbers[4]
    for b in range(len(tracks)):  # a loop of its own, so that square roots and divisions are vectorised
        cosine[b] = cosine[b] / max(np.sqrt(square[b]), TINY) / max(np.sqrt(other[b]), TINY)


@compiled(inline="always")
def _enter(features: Floats, track: int, window: Floats, vibe: Floats, b: int, length: int, n_features: int) -> None:
    """Append a track to the window of session b and update its vibe; faster for constant `length` and `n_features`."""
    for j in range(n_features):
        total = np.float32(0)
        for h in range(length - 1):
            x = window[b, h + 1, j]
            window[b, h, j] = x
            total += x
        newest = features[track, j]
        window[b, length - 1, j] = newest
        vibe[b, j] = (total + newest) / np.float32(length)


@compiled
def look(
    given: Given,
    tracks: Ints,
    played: Ints32,
    vibe: Floats,
    seed_vibe: Floats | None,
    numbers: Floats,
    flags: Bools,
    units: Floats | None,
) -> None:
    """Compare one track per session with its vibe, its seed vibe and the tracks it has played.

    Writes the cosines to vibe and seed vibe to rows 1 and 2 of `numbers` (the other rows are scratch space); to `flags`
    whether the track was played before, whether it is allowed, and False; and to `units`, (B, d), if given, the unit
    features. If `seed_vibe`, (B, d), is None, row 2 repeats row 1. The other arguments are those of :func:`move`.
    """
    features, versions, repeats = given
    _touch(features, tracks, vibe.shape[1], numbers[0])
    _cosines(features, tracks, vibe, numbers, 1)
    numbers[2] = numbers[1]
    if seed_vibe is not None:
        _cosines(features, tracks, seed_vibe, numbers, 2)
    if units is not None:
        for b in range(len(tracks)):
            _write_unit(features, tracks[b], units, b, vibe.shape[1])
    for b in range(len(tracks)):
        version, found = versions[tracks[b]], False
        for place in range(played.shape[1]):  # no early exit, so that comparisons are vectorised
            found |= played[b, place] == version
        flags[0, b], flags[1, b], flags[2, b] = found, repeats or not found, False


@compiled
def move(
    given: Given,
    tracks: Ints,
    earning: Floats,
    numbers: Floats,
    flags: Bools,
    time: Ints,
    played: Ints32,
    history: Ints,
    window: Floats,
    vibe: Floats,
    logged: Ints32 | None,
    answers: NDArray[np.int8] | None,
) -> bool:
    """Compute the reward of each track, record it as played and append completed tracks to the window, in place.

    Args:
        given: scaled features, (N, d); the first version of each track, (N,); whether repeats are legal.
        tracks: (B,) the tracks played.
        earning: (3, 5 + n) for each row of `numbers` that is a term: its weight, the offset subtracted before
            weighting, and its weighted value for a repeat that is refused.
        numbers: (5 + n, B) as in :class:`~spotify_gym.session.state.StepResult`. On input, rows 1 and 2 hold the two
            cosines and the last n rows the other terms, unweighted; on output, all rows are final.
        flags: (3, B) whether the tracks were played before, whether they enter the history, and one not used here.
        time: (B,) number of tracks recommended before; incremented.
        played: (B, L) versions played; the first H + time entries are in use, and at least one more is free.
        history: (B, H) tracks heard, the oldest first.
        window: (B, H, d) their features.
        vibe: (B, d) the mean of the window.
        logged: (B, L) tracks of the log, see :func:`~spotify_gym.session.estimation.told`; None if no log is kept.
        answers: (B, L) answers of the log, or None.

    Returns:
        Whether `played` is now full in some session.
    """
    features, versions, repeats = given
    (n_batch, length, n_features), full, repeat, completed = window.shape, False, flags[0], flags[1]
    numbers[3], numbers[4], numbers[0] = numbers[1], numbers[2], 0
    for row in range(3, len(numbers)):
        weight, shift, lowest = earning[0, row], earning[1, row], earning[2, row]
        if weight == 0:
            numbers[row] = 0
            continue
        for b in range(n_batch):
            numbers[row, b] = lowest if repeat[b] and not repeats else weight * (numbers[row, b] - shift)
            numbers[0, b] += numbers[row, b]
    for b in range(n_batch):
        place = length + time[b]
        played[b, place] = versions[tracks[b]]
        if logged is not None and answers is not None:
            logged[b, place] = tracks[b]
            answers[b, place] = 0 if repeat[b] and not repeats else (1 if completed[b] else -1)
        time[b] += 1
        full |= place + 1 >= played.shape[1]
        if not completed[b]:
            continue
        for h in range(length - 1):
            history[b, h] = history[b, h + 1]
        history[b, length - 1] = tracks[b]
        if length == _LENGTH and n_features == _FEATURES:
            _enter(features, tracks[b], window, vibe, b, _LENGTH, _FEATURES)
        else:
            _enter(features, tracks[b], window, vibe, b, length, n_features)
    return full


@compiled
def play(
    given: Given,
    tracks: Ints,
    earning: Floats,
    numbers: Floats,
    flags: Bools,
    time: Ints,
    played: Ints32,
    history: Ints,
    window: Floats,
    vibe: Floats,
    logged: Ints32 | None,
    answers: NDArray[np.int8] | None,
    seed_vibe: Floats | None,
    seen: Floats | None,
    key: Any,
    certain: bool,
    listener: Any,
    mind: Any,
    n_uniforms: int,
) -> bool:
    """Perform a whole step, from :func:`look` to the observation, in one call: calls cost more than the loops.

    `seen`, if given, gets the vibes and, beside them, the seed vibes, if `seed_vibe` is given. `key` and `certain` are
    those of :func:`~spotify_gym.session.streams.chances`, `listener` and `mind` those of
    :func:`~spotify_gym.listeners.listener.answer`; without a listener every track is completed. The other arguments
    are those of :func:`look` and :func:`move`.

    Returns:
        Whether `played` is now full in some session.
    """
    state = played, vibe, seed_vibe
    if listener is None:
        look(given, tracks, *state, numbers, flags, None)
    else:
        units = np.empty((len(tracks), vibe.shape[1]), np.float32)
        look(given, tracks, *state, numbers, flags, units)
        dealt = chances(key, time, n_uniforms, 0, certain)
        term = numbers[-1]  # the row of the listener's term; scratch space if that is not rewarded
        ask(listener, mind, units, numbers[1], dealt, term, flags[1:])
    window_after = time, played, history, window, vibe
    full = move(given, tracks, earning, numbers, flags, *window_after, logged, answers)
    if seen is not None:
        for b in range(len(tracks)):
            for j in range(vibe.shape[1]):
                seen[b, j] = vibe[b, j]
                if seed_vibe is not None:
                    seen[b, vibe.shape[1] + j] = seed_vibe[b, j]
    return full


@compiled
def blank(tracks: Ints, numbers: Floats, flags: Bools, rows: NDArray[np.intp]) -> None:
    """Reset tracks, (B,), and the numbers and flags of a step to those of no step, in the sessions `rows`, in place."""
    for b in rows:
        tracks[b], numbers[:, b], flags[:, b] = -1, 0, False


@compiled
def beside(first: Floats, second: Floats) -> Floats:
    """Concatenate the rows of two arrays, (B, k) and (B, l); faster than NumPy for short rows."""
    (n_batch, k), n_more = first.shape, second.shape[1]
    if len(second) != n_batch:
        raise ValueError("a block of the state must have a row for each session")
    both = np.empty((n_batch, k + n_more), np.float32)
    for b in range(n_batch):
        for j in range(k):
            both[b, j] = first[b, j]
        for j in range(n_more):
            both[b, k + j] = second[b, j]
    return both
