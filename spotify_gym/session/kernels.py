"""The inner loops of a session, compiled by Numba: draw the start, look at the tracks, let them enter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.catalogue import TINY
from spotify_gym.compiled import compiled

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_FEATURES, _LENGTH = 9, 5  # d and H as most catalogues and sessions have them
_LANES = 8  # sums that NumPy keeps at once


@compiled
def unit(vectors: Floats) -> Floats:
    """Bring each row of (B, d) to length 1; a zero vector stays zero."""
    units = np.empty(vectors.shape, np.float32)
    for b in range(len(vectors)):
        _write_unit(vectors, b, units, b, vectors.shape[1])
    return units


@compiled(inline="always")
def _write_unit(features: Floats, track: int, units: Floats, b: int, n_features: int) -> None:
    """Write the unit features of a track; faster if `n_features` is a constant."""
    square = 0.0
    for j in range(n_features):
        square += features[track, j] * features[track, j]
    length = max(np.sqrt(np.float32(square)), TINY)
    for j in range(n_features):
        units[b, j] = features[track, j] / length


@compiled
def pool_units(features: Floats, tracks: Ints) -> Floats:
    """Return the unit features, (B, P, d), of tracks, (B, P); squares sum up as in NumPy, up to 128."""
    (n_batch, n_pool), n_features = tracks.shape, features.shape[1]
    units = np.empty((n_batch, n_pool, n_features), np.float32)
    sums, whole = np.empty(_LANES, np.float32), n_features // _LANES * _LANES
    for b in range(n_batch):  # first of all and by itself, so that the waits for memory overlap
        for p in range(n_pool):
            units[b, p, 0] = features[tracks[b, p], 0]
            units[b, p, n_features - 1] = features[tracks[b, p], n_features - 1]
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
def begin(features: Floats, recordings: Ints, history: Ints, room: int) -> tuple[Ints, Floats, Floats]:
    """Look up the tracks that sessions begin with, (B, H).

    Returns:
        What was played, (B, room), padded with -1; the window, (B, H, d); and its mean, the vibe, (B, d).
    """
    (n_batch, length), n_features = history.shape, features.shape[1]
    played = np.full((n_batch, room), -1, np.int64)
    window, vibe = np.empty((n_batch, length, n_features), np.float32), np.empty((n_batch, n_features), np.float32)
    for b in range(n_batch):  # first of all and by itself, so that the waits for memory overlap
        for h in range(length):
            played[b, h] = recordings[history[b, h]]
            window[b, h, 0] = features[history[b, h], 0]
            window[b, h, n_features - 1] = features[history[b, h], n_features - 1]
    for b in range(n_batch):
        for j in range(n_features):
            total = np.float32(0)
            for h in range(length):
                window[b, h, j] = features[history[b, h], j]
                total += window[b, h, j]
            vibe[b, j] = total / np.float32(length)
    return played, window, vibe


@compiled
def distinct(uniform: NDArray[np.float64], n_tracks: int) -> Ints:
    """Turn (B, k) uniform numbers into (B, k) distinct track indices, every ordered choice equally likely.

    The first k swaps of a Fisher-Yates shuffle of range(n_tracks), traced back instead of carried out.
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


@compiled(inline="always")
def _likeness(
    features: Floats, track: int, vibe: Floats, seed_vibe: Floats, b: int, n_features: int
) -> tuple[np.float32, np.float32]:
    """Return the cosines of a track to vibe and seed vibe of session b; faster if `n_features` is a constant."""
    flow_dot = fit_dot = square = flow_square = fit_square = np.float32(0)
    for j in range(n_features):
        x, v, s = features[track, j], vibe[b, j], seed_vibe[b, j]
        flow_dot += x * v
        fit_dot += x * s
        square += x * x
        flow_square += v * v
        fit_square += s * s
    length = max(np.sqrt(square), TINY)
    return flow_dot / length / max(np.sqrt(flow_square), TINY), fit_dot / length / max(np.sqrt(fit_square), TINY)


@compiled
def _cosines(
    features: Floats, tracks: Ints, vibe: Floats, seed_vibe: Floats | None, cosine: Floats, seed_cosine: Floats
) -> None:
    other, n_features = vibe, features.shape[1]
    if seed_vibe is not None:
        other = seed_vibe
    for b in range(len(tracks)):
        if n_features == _FEATURES:
            cosine[b], seed_cosine[b] = _likeness(features, tracks[b], vibe, other, b, _FEATURES)
        else:
            cosine[b], seed_cosine[b] = _likeness(features, tracks[b], vibe, other, b, n_features)


@compiled
def _units(features: Floats, tracks: Ints, units: Floats) -> None:
    n_features = features.shape[1]
    for b in range(len(tracks)):
        if n_features == _FEATURES:
            _write_unit(features, tracks[b], units, b, _FEATURES)
        else:
            _write_unit(features, tracks[b], units, b, n_features)


@compiled(inline="always")
def _enter(features: Floats, track: int, window: Floats, vibe: Floats, b: int, length: int, n_features: int) -> None:
    """Let a track enter window and vibe of session b; faster if `length` and `n_features` are constants."""
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
    features: Floats,
    versions: Ints,
    tracks: Ints,
    earning: Floats,
    repeats: bool,
    time: Ints,
    played: Ints,
    history: Ints,
    vibe: Floats,
    seed_vibe: Floats | None,
    numbers: Floats,
    version: Ints,
    repeat: Bools,
    units: Floats | None,
) -> bool:
    """Look up one track per session and compare it with its vibe, its seed vibe and what it has played.

    Args:
        features: (N, d) scaled features.
        versions: (N,) the first version of each track.
        tracks: (B,) the tracks to look at.
        earning: (5,) b, the weights of "flow" and "fit", and what each of them is where a track is refused.
        repeats: whether a track played before is not refused.
        time: (B,) tracks recommended so far.
        played: (B, L) versions played, of which the first H + time places are in use.
        history: (B, H).
        vibe: (B, d).
        seed_vibe: (B, d); None where nobody asks for it, and the vibe stands for it.
        numbers: (5, B) out: the weighted "flow" and "fit", their sum, the cosines to the vibe and to the seed vibe.
        version: (B,) out: the first versions of the tracks.
        repeat: (B,) out: whether the track was played before.
        units: (B, d) out: unit features of the tracks; None where nobody asks for them.

    Returns:
        Whether any track is refused.
    """
    flow, fit, total, cosine, seed_cosine = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    for b in range(len(tracks)):  # first of all and by itself, so that the waits for memory overlap
        version[b] = versions[tracks[b]]
        cosine[b], flow[b] = features[tracks[b], 0], features[tracks[b], features.shape[1] - 1]
    _cosines(features, tracks, vibe, seed_vibe, cosine, seed_cosine)
    if units is not None:
        _units(features, tracks, units)
    shift, flow_weight, fit_weight = earning[0], earning[1], earning[2]
    for b in range(len(tracks)):
        flow[b], fit[b] = flow_weight * (cosine[b] - shift), fit_weight * (seed_cosine[b] - shift)
        total[b] = flow[b] + fit[b]
    any_refused = False
    for b in range(len(tracks)):
        found = False
        for place in range(history.shape[1] + time[b]):
            found |= played[b, place] == version[b]
        repeat[b] = found
        if found and not repeats:
            any_refused, flow[b], fit[b], total[b] = True, earning[3], earning[4], earning[3] + earning[4]
    return any_refused


@compiled
def move(
    features: Floats,
    version: Ints,
    tracks: Ints,
    repeats: bool,
    repeat: Bools,
    completed: Bools,
    time: Ints,
    played: Ints,
    history: Ints,
    window: Floats,
    vibe: Floats,
    logged: Ints | None,
    answers: NDArray[np.int8] | None,
) -> bool:
    """Note one track per session as played and let those completed enter history, window and vibe, in place.

    Args:
        features: (N, d).
        version: (B,) the first versions of the tracks.
        tracks: (B,) the tracks played.
        repeats: whether a track played before is not refused.
        repeat: (B,) which of them were.
        completed: (B,) which of them enter the history.
        time: (B,) tracks recommended before; counted up.
        played: (B, L) versions played, with room for one more.
        history: (B, H) tracks heard, the oldest first.
        window: (B, H, d) their features.
        vibe: (B, d) the mean of the window.
        logged: (B, L) the tracks of the log, see :func:`told`; None where none is kept.
        answers: (B, L) its answers, or None.

    Returns:
        Whether `played` is now full in some session.
    """
    n_batch, length, n_features = window.shape
    if logged is not None and answers is not None:
        for b in range(n_batch):
            logged[b, length + time[b]] = tracks[b]
            answers[b, length + time[b]] = 0 if repeat[b] and not repeats else (1 if completed[b] else -1)
    full = False
    for b in range(n_batch):
        played[b, length + time[b]] = version[b]
        time[b] += 1
        full |= length + time[b] >= played.shape[1]
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
    features: Floats,
    versions: Ints,
    tracks: Ints,
    earning: Floats,
    repeats: bool,
    time: Ints,
    played: Ints,
    history: Ints,
    window: Floats,
    vibe: Floats,
    seed_vibe: Floats | None,
    numbers: Floats,
    flags: Bools,
) -> bool:
    """Look, then move: in one call, where no listener responds in between, because calls cost more than loops.

    The arguments are those of :func:`look` and :func:`move`; `flags`, (3, B), out, are repeat, completed and left.

    Returns:
        Whether `played` is now full in some session.
    """
    version, repeat, completed = np.empty(len(tracks), np.int64), flags[0], flags[1]
    state = time, played, history, vibe, seed_vibe
    look(features, versions, tracks, earning, repeats, *state, numbers, version, repeat, None)
    for b in range(len(tracks)):
        completed[b], flags[2, b] = repeats or not repeat[b], False
    state_after = time, played, history, window, vibe
    return move(features, version, tracks, repeats, repeat, completed, *state_after, None, None)


@compiled
def told(features: Floats, tracks: Ints, answers: NDArray[np.int8], n_start: int) -> tuple[Floats, Floats]:
    """Sum up what sessions have told: unit features by what came of the tracks, one track after the other.

    Args:
        features: (N, d).
        tracks: (B, L) the starting tracks, then those recommended, padded with -1.
        answers: (B, L) 1 heard out, -1 skipped, 0 nobody was asked.
        n_start: starting tracks.

    Returns:
        Mean unit features of the start, of the tracks heard out and of those skipped, 0 where there are none,
        (B, 3, d); how many were heard out and skipped, and how much patience that has cost, (B, 3): a skip costs one,
        and a track heard out gives one back.
    """
    means = np.zeros((len(tracks), 3, features.shape[1]), np.float32)
    counts = np.zeros((len(tracks), 3), np.float32)
    for b in range(len(tracks)):
        for place in range(tracks.shape[1]):
            track, answer = tracks[b, place], answers[b, place]
            if track < 0:
                break
            if place >= n_start and answer == 0:
                continue
            square = np.float32(0)
            for j in range(features.shape[1]):
                square += features[track, j] * features[track, j]
            length = max(np.sqrt(square), TINY)
            kind = 0 if place < n_start else (1 if answer > 0 else 2)
            for j in range(features.shape[1]):
                means[b, kind, j] += features[track, j] / length
            if kind > 0:
                counts[b, kind - 1] += 1
                counts[b, 2] = max(counts[b, 2] - answer, 0)
        for kind in range(3):
            n = np.float32(n_start) if kind == 0 else max(counts[b, kind - 1], np.float32(1))
            for j in range(features.shape[1]):
                means[b, kind, j] /= n
    return means, counts
