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
    return units_at(vectors, np.arange(len(vectors)))


@compiled
def units_at(features: Floats, tracks: Ints) -> Floats:
    """Return the unit features, (B, d), of tracks, (B,), among features (N, d); a zero vector stays zero."""
    n_features = features.shape[1]
    units = np.empty((len(tracks), n_features), np.float32)
    for b in range(len(tracks)):
        if n_features == _FEATURES:
            _write_unit(features, tracks[b], units, b, _FEATURES)
        else:
            _write_unit(features, tracks[b], units, b, n_features)
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
    recordings: Ints,
    tracks: Ints,
    vibe: Floats,
    seed_vibe: Floats,
    played: Ints,
    time: Ints,
    history_length: int,
) -> tuple[Ints, Floats, Floats, Bools, bool]:
    """Look up one track per session and compare it with its vibe, its seed vibe and what it has played.

    Args:
        features: (N, d) scaled features.
        recordings: (N,) the recording of each track.
        tracks: (B,) the tracks to look at.
        vibe: (B, d).
        seed_vibe: (B, d).
        played: (B, L) recordings played, padded with -1.
        time: (B,) tracks recommended so far.
        history_length: H; the first H + time places of `played` are in use.

    Returns:
        Recordings of the tracks (B,), cosine to the vibe (B,), cosine to the seed vibe (B,), whether the recording was
        played before (B,), and whether any was.
    """
    n_batch, n_features = vibe.shape
    recording = np.empty(n_batch, np.int64)
    cosine, fit = np.empty(n_batch, np.float32), np.empty(n_batch, np.float32)
    for b in range(n_batch):  # first of all and by itself, so that the waits for memory overlap
        recording[b] = recordings[tracks[b]]
        cosine[b], fit[b] = features[tracks[b], 0], features[tracks[b], n_features - 1]
    repeat = np.empty(n_batch, np.bool_)
    any_repeat = False
    for b in range(n_batch):
        if n_features == _FEATURES:
            cosine[b], fit[b] = _likeness(features, tracks[b], vibe, seed_vibe, b, _FEATURES)
        else:
            cosine[b], fit[b] = _likeness(features, tracks[b], vibe, seed_vibe, b, n_features)
        found = False
        for place in range(history_length + time[b]):
            found |= played[b, place] == recording[b]
        repeat[b] = found
        any_repeat |= found
    return recording, cosine, fit, repeat, any_repeat


@compiled
def move(
    features: Floats,
    recording: Ints,
    tracks: Ints,
    completed: Bools,
    time: Ints,
    played: Ints,
    history: Ints,
    window: Floats,
    vibe: Floats,
) -> bool:
    """Note one track per session as played and let those completed out enter history, window and vibe, in place.

    Args:
        features: (N, d).
        recording: (B,) the recordings of the tracks.
        tracks: (B,) the tracks played.
        completed: (B,) which of them enter the history.
        time: (B,) tracks recommended before; counted up.
        played: (B, L) recordings played, with room for one more.
        history: (B, H) tracks heard, the oldest first.
        window: (B, H, d) their features.
        vibe: (B, d) the mean of the window.

    Returns:
        Whether `played` is now full in some session.
    """
    n_batch, length, n_features = window.shape
    full = False
    for b in range(n_batch):
        played[b, length + time[b]] = recording[b]
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
    recordings: Ints,
    tracks: Ints,
    repeats: bool,
    time: Ints,
    played: Ints,
    history: Ints,
    window: Floats,
    vibe: Floats,
    seed_vibe: Floats,
) -> tuple[Floats, Floats, Bools, Bools, bool, bool]:
    """Look, then move: in one call, where no listener responds in between, because calls cost more than loops.

    The arguments are those of :func:`look` and :func:`move`, and whether a track completed before is completed again.

    Returns:
        Cosines to the vibe and to the seed vibe, repeat and completed, (B,) each; whether any track repeats; whether
        `played` is now full in some session.
    """
    recording, cosine, fit, repeat, any_repeat = look(
        features, recordings, tracks, vibe, seed_vibe, played, time, history.shape[1]
    )
    completed = np.logical_or(~repeat, repeats)
    full = move(features, recording, tracks, completed, time, played, history, window, vibe)
    return cosine, fit, repeat, completed, any_repeat, full


@compiled
def note(logged: Ints, answers: NDArray[np.int8], tracks: Ints, completed: Bools, refused: Bools, place: Ints) -> None:
    """Write one track per session into its log, and what came of it, in place.

    Args:
        logged: (B, L) the tracks of the log, see :func:`told`.
        answers: (B, L) its answers.
        tracks: (B,) the tracks.
        completed: (B,) which were heard out.
        refused: (B,) which nobody was asked about.
        place: (B,) where to write.
    """
    for b in range(len(tracks)):
        logged[b, place[b]] = tracks[b]
        answers[b, place[b]] = 0 if refused[b] else (1 if completed[b] else -1)


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


@compiled
def regression(features: Floats, tracks: Ints, answers: NDArray[np.int8]) -> tuple[Floats, Floats]:
    """Return Σ u uᵀ, (B, d, d), and Σ y u, (B, d), over the tracks of unit features u that were answered y, 1 or -1.

    The arguments are those of :func:`told`.
    """
    d = features.shape[1]
    gram, moment = np.zeros((len(tracks), d, d), np.float32), np.zeros((len(tracks), d), np.float32)
    for b in range(len(tracks)):
        for place in range(tracks.shape[1]):
            track, answer = tracks[b, place], np.float32(answers[b, place])
            if track < 0:
                break
            if answer == 0:
                continue
            square = np.float32(0)
            for j in range(d):
                square += features[track, j] * features[track, j]
            length = max(np.sqrt(square), TINY)
            for j in range(d):
                scaled = features[track, j] / length
                moment[b, j] += answer * scaled
                for k in range(d):
                    gram[b, j, k] += scaled * (features[track, k] / length)
    return gram, moment
