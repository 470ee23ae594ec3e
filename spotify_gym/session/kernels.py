"""The inner loops of a session, compiled by Numba: draw the start, look at the tracks, let them enter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.catalogue import TINY
from spotify_gym.compiled import compiled

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@compiled
def unit(vectors: Floats) -> Floats:
    """Bring each row of (B, d) to length 1; a zero vector stays zero."""
    units = np.empty_like(vectors)
    for b in range(len(vectors)):
        square = 0.0
        for x in vectors[b]:
            square += x * x
        length = max(np.sqrt(np.float32(square)), TINY)
        for j in range(vectors.shape[1]):
            units[b, j] = vectors[b, j] / length
    return units


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
) -> tuple[Floats, Ints, Floats, Floats, Bools, bool]:
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
        Features of the tracks (B, d), their recordings (B,), cosine to the vibe (B,), cosine to the seed vibe (B,),
        whether the recording was played before (B,), and whether any was.
    """
    n_batch, n_features = vibe.shape
    looked, recording = np.empty((n_batch, n_features), np.float32), np.empty(n_batch, np.int64)
    for b in range(n_batch):  # first of all and by itself, so that the waits for memory overlap
        recording[b] = recordings[tracks[b]]
        for j in range(n_features):
            looked[b, j] = features[tracks[b], j]
    cosine, fit = np.empty(n_batch, np.float32), np.empty(n_batch, np.float32)
    repeat = np.zeros(n_batch, np.bool_)
    any_repeat = False
    for b in range(n_batch):
        flow_dot = fit_dot = square = flow_square = fit_square = np.float32(0)
        for j in range(n_features):
            x, v, s = looked[b, j], vibe[b, j], seed_vibe[b, j]
            flow_dot += x * v
            fit_dot += x * s
            square += x * x
            flow_square += v * v
            fit_square += s * s
        length = max(np.sqrt(square), TINY)
        cosine[b] = flow_dot / length / max(np.sqrt(flow_square), TINY)
        fit[b] = fit_dot / length / max(np.sqrt(fit_square), TINY)
        for place in range(history_length + time[b]):
            if played[b, place] == recording[b]:
                repeat[b] = any_repeat = True
                break
    return looked, recording, cosine, fit, repeat, any_repeat


@compiled
def move(
    looked: Floats,
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
        looked: (B, d) features of the tracks.
        recording: (B,) their recordings.
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
        for j in range(n_features):
            total = np.float32(0)
            for h in range(length - 1):
                window[b, h, j] = window[b, h + 1, j]
                total += window[b, h, j]
            window[b, length - 1, j] = looked[b, j]
            vibe[b, j] = (total + looked[b, j]) / np.float32(length)
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
    looked, recording, cosine, fit, repeat, any_repeat = look(
        features, recordings, tracks, vibe, seed_vibe, played, time, history.shape[1]
    )
    completed = np.logical_or(~repeat, repeats)
    full = move(looked, recording, tracks, completed, time, played, history, window, vibe)
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
