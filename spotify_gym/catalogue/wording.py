"""Invented titles and artists: plausible, and nobody's."""

from __future__ import annotations

from itertools import product

from spotify_gym.catalogue.tracks import TextColumn


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_COLOURS = _words(
    """
    Amber Bitter Blue Borrowed Broken Burning Cold Crooked Distant Electric Empty Faded Fallen Gentle Golden
    Hidden Hollow Honest Late Little Lonely Lost Lucky Midnight Neon Northern Old Open Paper Pale Quiet Restless
    Second Secret Silver Slow Small Southern Static Strange Summer Tender Velvet Wandering Wild Winter Yellow
    Young
    """
)
_THINGS = _words(
    """
    Alley Anchor Bridge Candle Carousel City Compass Corner Country Daylight Dream Echo Engine Evening Feather
    Fever Fire Garden Ghost Harbour Heart Highway Holiday Horizon House Island Kingdom Lantern Letter Light
    Machine Mirror Moon Morning Mountain Ocean Orchard Parade Photograph Planet Promise Radio Rain River Road
    Satellite Shadow Signal Sky Sleep Snow Sparrow Station Stranger Street Sunday Thunder Tide Train Valley
    Water Window Wolf Year
    """
)
_ENDINGS = ("", " Again", " Blues", " Tonight", " at Dawn", " (Demo)", ", Pt. 2", " for Two")
_FIRST = _words(
    """
    Ada Alva Bruno Cleo Dario Edda Elio Enzo Fable Fern Gala Hugo Ida Ines Iris Ivo Jonah Juno Kaia Kit Lars
    Leda Linus Lola Luca Mabel Mara Milo Mina Nadia Nico Nora Odin Olive Otis Pia Quinn Rafa Remy Rosa Rufus
    Sana Silas Tova Uma Vera Wren Yara Zeno Zola
    """
)
_LAST_BEGINNINGS = _words(
    """
    Ald Ash Bar Birch Black Bram Bright Carl Crane Dun East Elm Fair Fen Frost Gard Glen Grey Hal Hart Hazel Hol
    Kel Kings Lang Lind Long Mar Mill Moor Nor Oak Pem Ray Red Rose Sand Sel Stan Thorn Wal West Whit Wind
    """
)
_LAST_ENDINGS = [
    "bell",
    "berg",
    "brook",
    "burn",
    "by",
    "combe",
    "croft",
    "den",
    "field",
    "ford",
    "gate",
    "ham",
    "hurst",
    "ley",
    "low",
    "man",
    "mere",
    "more",
    "son",
    "stead",
]

_N_ARTISTS = len(_FIRST) * len(_LAST_BEGINNINGS) * len(_LAST_ENDINGS)
_STRIDE = 7919  # prime, so that neighbouring numbers get names that do not look alike and none comes twice


def invent_titles() -> TextColumn:
    """Invent some 24,000 song titles, each different."""
    return TextColumn.of(f"{colour} {thing}{ending}" for colour, thing, ending in product(_COLOURS, _THINGS, _ENDINGS))


def invent_artists(n_artists: int) -> TextColumn:
    """Invent ``n_artists`` names, each different."""
    return TextColumn.of(_artist(number) for number in range(n_artists))


def _artist(number: int) -> str:
    generation, place = divmod(number, _N_ARTISTS)
    rest, first = divmod(place * _STRIDE % _N_ARTISTS, len(_FIRST))
    beginning, ending = divmod(rest, len(_LAST_ENDINGS))
    name = f"{_FIRST[first]} {_LAST_BEGINNINGS[beginning]}{_LAST_ENDINGS[ending]}"
    return f"{name} {generation + 1}" if generation else name
