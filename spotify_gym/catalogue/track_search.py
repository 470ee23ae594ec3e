"""Track search by typed text: words of title and artist, tolerant of misspellings, ids and links."""

from __future__ import annotations

from functools import cached_property, reduce
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.catalogue import Catalogue
from spotify_gym.catalogue.report import CatalogueError
from spotify_gym.catalogue.tracks import folded

if TYPE_CHECKING:
    import pyarrow as pa

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_MOST_WORDS = 8
_SPELLINGS = 5  # tried for a word that may be misspelt
_ALIKE = 75  # least similarity of two spellings of a word, in percent (`rapidfuzz.fuzz.ratio`)


class TrackSearch:
    """Text search in a catalogue; make it once and reuse it, as the constructor reads all titles and artists.

    Args:
        catalogue: the tracks to search; by id where they have no titles.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        self._catalogue = catalogue
        self._titles = folded((catalogue.names or catalogue.track_ids).arrow)
        artists = catalogue.artists.arrow if catalogue.artists is not None else [""] * len(catalogue)
        each = pc.split_pattern(pa.array(artists, pa.large_string()), ";")
        folded_each = type(each).from_arrays(each.offsets, folded(each.flatten()))
        line, blank, empty = pa.array(["\n", " ", ""], pa.large_string())
        joined = pc.binary_join(folded_each, line)
        self._texts = pc.binary_join_element_wise(self._titles, joined, blank)
        self._artists = pc.binary_join_element_wise(line, joined, line, empty)  # one line per artist

    def find(self, text: str, most: int = 12) -> Ints:
        """Return the tracks that match a text, best first, at most ``most``; one version of each song.

        An id, URI or link matches its track. Otherwise every word must occur in title or artist, in any order; if no
        track has them all, similarly spelt words match, too. Tracks by an artist of exactly this name come first, then
        exact titles, then titles that begin with the text, then the others; each by popularity.
        """
        try:
            return np.array([self._catalogue.index_of(text.strip())])
        except CatalogueError:
            pass
        query = _folded(text)
        words = query.split()[:_MOST_WORDS]
        if not words:
            return np.zeros(0, np.int64)
        found = self._with_all([[word] for word in words])
        if not len(found):
            found = self._with_all([self._spellings(word) for word in words])
        return self._catalogue.one_of_each_song(found[self._order(found, query)])[:most]

    def named(self, name: str) -> Ints:
        """Return the tracks with this title, or "Title — Artist", ignoring case, accents and punctuation."""
        title, _, artist = map(_folded, name.partition(" — "))
        found = np.flatnonzero(self._mask(self._titles, "equal", title))
        if not artist and not len(found):
            return np.flatnonzero(self._mask(self._texts, "equal", _folded(name)))
        return found[self._mask(self._artists.take(found), "match_substring", artist)] if artist else found

    def _with_all(self, words: list[list[str]]) -> Ints:
        """Return the tracks whose texts contain each word in at least one of its spellings."""
        found = np.arange(len(self._texts))
        for n_sought, spellings in enumerate(sorted(words, key=lambda word: -len(word[0]))):  # long ones are rare
            texts = self._texts.take(found) if n_sought else self._texts
            found = found[reduce(np.logical_or, (self._mask(texts, "match_substring", word) for word in spellings))]
        return found

    def _spellings(self, word: str) -> list[str]:
        from rapidfuzz import fuzz, process

        near = process.extract(word, self._vocabulary, scorer=fuzz.ratio, score_cutoff=_ALIKE, limit=_SPELLINGS)
        return [word, *(other for other, _, _ in near)]

    def _order(self, found: Ints, query: str) -> NDArray[np.intp]:
        titles, known = self._titles.take(found), self._catalogue.known_popularity[found]
        by_artist = self._mask(self._artists.take(found), "match_substring", f"\n{query}\n")
        exact, begins = (self._mask(titles, how, query) for how in ("equal", "starts_with"))
        return np.lexsort((found, -known, ~begins, ~exact, ~by_artist))

    def _mask(self, texts: pa.Array, function: str, text: str) -> Bools:
        import pyarrow.compute as pc

        matched = getattr(pc, function)(texts, text)
        return np.asarray(matched.to_numpy(zero_copy_only=False), dtype=np.bool_)

    @cached_property
    def _vocabulary(self) -> list[str]:
        import pyarrow.compute as pc

        words: list[str] = pc.unique(pc.list_flatten(pc.utf8_split_whitespace(self._texts))).to_pylist()
        return words


def _folded(text: str) -> str:
    import pyarrow as pa

    return str(folded(pa.array([text.encode(errors="replace").decode()], pa.large_string()))[0])
