"""Groups of tracks: the same recording, the same song, or linked by artists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.tracks import TextColumn, folded

if TYPE_CHECKING:
    import pyarrow as pa

Ints = NDArray[np.int64]

ROWS_AT_ONCE = 4096  # per chunk: processes share a mapped catalogue, so their temporary arrays must stay small

_GUESTS = (
    r"[(\[]\s*(?:feat|ft|featuring|with)\b[^)\]]*[)\]]"  # "(feat. Dido)", "[with Diplo]"
    r"|\s(?:- )?(?:feat|ft|featuring)\b.*?(\s[-(\[]|$)"  # "feat. Dido", up to another part
    r"| - with\b.*"
)
_PART_ENDS = r"\s?[()\[\]/;,]\s?| [-–—] |$"
_BESIDE = r"(?:\d{4}|digital(?:ly)?|original|explicit|version|edition|mix)"
_EDITION = (
    r"(?:remaster(?:ed)?|mono|stereo|deluxe|bonus track|\d{4} (?:version|mix)"
    r"|(?:single|album|radio) (?:version|edit|mix))"
)


def first_equal_rows(features: NDArray[Any]) -> Ints:
    """Return for each row of (n, d) the index of the first row with equal values, (n,); ``result[i] <= i``.

    Albums and compilations list one recording under several ids, with exactly equal audio features.
    """
    parts = [slice(start, start + ROWS_AT_ONCE) for start in range(0, max(1, len(features)), ROWS_AT_ONCE)]
    keys = np.concatenate([_hashes(_words(features[part])) for part in parts])
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    result = first[inverse].astype(np.int64)
    if all(np.array_equal(_words(features[result[part]]), _words(features[part])) for part in parts):
        return result
    rows = _words(features)  # different rows have one hash, as crafted data can: compare the rows themselves
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def _words(features: NDArray[Any]) -> NDArray[np.uint32]:
    return np.ascontiguousarray(features + 0.0).view(np.uint32)  # −0.0 becomes 0.0: equal values have equal bytes


def _hashes(words: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each row of (n, k); sorting hashes is faster and takes less memory than sorting rows."""
    keys = np.zeros(len(words), np.uint64)
    for column in words.T:
        keys = (keys ^ column) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    return keys


def first_of_songs(recordings: Ints, names: TextColumn, artists: TextColumn) -> Ints:
    """Return for each track (n,) the index of the first track that is the same song.

    Tracks are the same song if they are the same recording, or have equal title and first artist. Titles and artists
    are compared without case, accents, punctuation, guests ("feat. X", "(with Y)") and editions ("2011 Remaster",
    "Mono", "Radio Edit", "Deluxe" and the like). Live, acoustic and instrumental versions, remixes, demos and covers
    are different songs. A track without title or artist is compared by recording only.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    titles, players = song_titles(names.arrow), folded(pc.replace_substring_regex(artists.arrow, ";.*", ""))
    known = pc.indices_nonzero(pc.and_(pc.not_equal(titles, ""), pc.not_equal(players, "")))
    both = pc.binary_join_element_wise(titles, players, pa.scalar("\n", titles.type)).take(known)
    groups = _linked(recordings, known.to_numpy(), both.dictionary_encode().indices.to_numpy())
    return np.unique(groups, return_index=True)[1][groups]


def song_titles(titles: pa.Array) -> pa.Array:
    """Return folded titles without guests and editions: "Stan (feat. Dido) - Live / 2011 Remaster" is "stan live"."""
    import pyarrow.compute as pc

    alone = pc.replace_substring_regex(pc.utf8_lower(titles), _GUESTS, r"\1")
    parts = pc.replace_substring_regex(alone, _PART_ENDS, "||")
    edition = rf"\|(?:{_BESIDE} )*{_EDITION}(?: {_BESIDE}| {_EDITION})*\|"
    return folded(pc.replace_substring(pc.replace_substring_regex(parts, edition, ""), "|", " "))


def related_groups(recordings: Ints, artists: TextColumn | None) -> Ints:
    """Return the group number (n_tracks,) of each track; a group is linked by common artists or recordings.

    Links are transitive: ``"A;B"`` links the tracks of A with those of B. An empty artist links nothing.
    """
    import pyarrow.compute as pc

    if artists is None:
        return _linked(recordings, recordings[:0], recordings[:0])
    each = pc.split_pattern(artists.arrow, ";")
    tracks, names = pc.list_parent_indices(each).to_numpy(), pc.utf8_trim_whitespace(pc.list_flatten(each))
    is_known = pc.not_equal(names, "").to_numpy(zero_copy_only=False)
    return _linked(recordings, tracks[is_known], names.dictionary_encode().indices.to_numpy()[is_known])


def _linked(recordings: Ints, tracks: Ints, marks: Ints) -> Ints:
    """Return the group number (n_tracks,) of each track, linked by recording, or by the marks (k,) of ``tracks``."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_tracks = len(recordings)
    row = np.concatenate([np.arange(n_tracks), tracks])
    column = np.concatenate([recordings, n_tracks + marks.astype(np.int64)])
    size = n_tracks + int(marks.max(initial=-1)) + 1
    graph = coo_array((np.ones(len(row), dtype=np.bool_), (row, column)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1][:n_tracks], dtype=np.int64)


def split_groups(groups: Ints, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Return a mask (n_tracks,) of whole groups, drawn at random, that fit in ``fraction`` of the tracks."""
    sizes = np.bincount(groups)
    room = round(fraction * len(groups))
    chosen = np.zeros(len(sizes), dtype=np.bool_)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        if sizes[group] <= room:
            chosen[group] = True
            room -= sizes[group]
    return chosen[groups]
