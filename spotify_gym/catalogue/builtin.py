"""The built-in catalogue: synthetic tracks with the distribution of real ones.

The features of an artist vary around those of its genre, and the features of a track around those of its artist. The
parameters were measured on real tracks, and are described in ``builtin.json``.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.report import CatalogueError
from spotify_gym.catalogue.scaling import Scaling, check_kind
from spotify_gym.catalogue.tracks import TextColumn, Tracks

MAX_TRACKS = 10_000_000
TRACKS_PER_ARTIST = 8
_ARTIST_SHARE = 0.1  # of the variance within a genre, that between artists
_SECOND_GENRE_SHARE = 0.15  # of the artists
_STRIDE = 7919  # prime, so that consecutive numbers get dissimilar names, and no name repeats

_REAL = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
_GENRES, _SHARES, _MEAN_SCORES = (np.array(column) for column in zip(*_REAL["genres"], strict=True))
_KNOTS, _QUANTILES = _REAL["knots"], np.array(_REAL["quantiles"])  # (n_knots,), (d, n_knots)
_FIRST_NAMES: list[str] = _REAL["first_names"]
_LAST_NAMES = list(map("".join, product(_REAL["last_beginnings"], _REAL["last_endings"])))


def invent_tracks(n_tracks: int, seed: int) -> Tracks:
    """Generate ``n_tracks`` tracks, the same ones for the same ``n_tracks`` and ``seed``.

    Raises:
        CatalogueError: if ``n_tracks`` is not a whole number between 1 and ten million.
    """
    if not isinstance(n_tracks, (int, np.integer)) or isinstance(n_tracks, bool) or not 1 <= n_tracks <= MAX_TRACKS:
        raise CatalogueError(f"n_tracks={n_tracks!r} is not between 1 and {MAX_TRACKS:,}.")
    rng = np.random.default_rng(seed)
    n_artists = -(-n_tracks // TRACKS_PER_ARTIST)
    genre = rng.choice(len(_GENRES), size=n_artists, p=_SHARES / sum(_SHARES.tolist()))  # (n_artists,)
    original = _draw_originals(rng, n_tracks)
    artist = (n_artists * rng.random(n_tracks) ** 1.5).astype(np.int64)[original]  # some artists have many tracks
    titles = invent_titles()
    return Tracks(
        features=_draw_features(rng, genre, artist)[original],
        track_ids=TextColumn.of(f"builtin-{seed}-{number:07d}" for number in range(n_tracks)),
        names=titles.take(rng.integers(len(titles), size=n_tracks)[original]),
        artists=TextColumn.of(map(invent_artist, range(n_artists))).take(artist),
        genres=_with_second_genre(rng, genre)[artist],
        genre_names=tuple(_GENRES.tolist()),
        popularity=_draw_popularity(rng, n_artists, artist),
    )


def builtin_scaling(kind: str) -> Scaling:
    """Return the scaling of built-in catalogues: fixed, so that those of every size and seed are comparable."""
    if check_kind(kind) == "standard":
        return Scaling("standard", np.array(_REAL["means"]), np.array(_REAL["deviations"]))
    return Scaling("minmax", _QUANTILES[:, 0], _QUANTILES[:, -1] - _QUANTILES[:, 0])


def invent_titles() -> TextColumn:
    """Return some 24,000 invented song titles, all different."""
    words = product(_REAL["colours"], _REAL["things"], _REAL["endings"])
    return TextColumn.of(f"{colour} {thing}{ending}" for colour, thing, ending in words)


def invent_artist(number: int) -> str:
    """Return an invented name of an artist, a different one for each number."""
    n_names = len(_FIRST_NAMES) * len(_LAST_NAMES)
    generation, place = divmod(number, n_names)
    last, first = divmod(place * _STRIDE % n_names, len(_FIRST_NAMES))
    name = f"{_FIRST_NAMES[first]} {_LAST_NAMES[last]}"
    return f"{name} {generation + 1}" if generation else name


def _draw_originals(rng: np.random.Generator, n_tracks: int) -> NDArray[np.int64]:
    """Draw for each track (n_tracks,) the index of the track that it is a version of; for most, its own."""
    original = np.arange(n_tracks)
    is_version = rng.random(n_tracks) < _REAL["equal"]
    first_takes = np.flatnonzero(~is_version)
    if len(first_takes):
        original[is_version] = rng.choice(first_takes, size=np.count_nonzero(is_version))
    return original


def _draw_features(
    rng: np.random.Generator, genre: NDArray[np.int64], artist: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Draw the raw features (n_tracks, d) of tracks by their artists, given the genre (n_artists,) of each artist."""
    spread = np.linalg.cholesky(np.array(_REAL["covariance"])).T
    style = rng.standard_normal((len(genre), len(spread))) @ spread * np.sqrt(_ARTIST_SHARE)
    own = rng.standard_normal((len(artist), len(spread))) @ spread * np.sqrt(1 - _ARTIST_SHARE)
    scores = (_MEAN_SCORES[genre] + style)[artist] + own
    columns = zip(scores.T, _QUANTILES, strict=True)
    return np.stack([np.interp(column, _KNOTS, quantiles) for column, quantiles in columns], axis=1)


def _with_second_genre(rng: np.random.Generator, genre: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return a mask (n_artists, n_genres) of each artist's genre and, for some, the one most similar to it."""
    apart = np.linalg.norm(_MEAN_SCORES[:, None] - _MEAN_SCORES, axis=2)
    nearest = (apart + np.diag(np.full(len(apart), np.inf))).argmin(axis=1)
    marks: NDArray[np.bool_] = genre[:, None] == np.arange(len(apart))
    both = np.flatnonzero(rng.random(len(genre)) < _SECOND_GENRE_SHARE)
    marks[both, nearest[genre[both]]] = True
    return marks


def _draw_popularity(rng: np.random.Generator, n_artists: int, artist: NDArray[np.int64]) -> NDArray[np.float32]:
    """Draw popularities (n_tracks,) in [0, 100]: half of their variance is the artist's fame."""
    fame = rng.standard_normal(n_artists)
    scores = (fame[artist] + rng.standard_normal(len(artist))) / np.sqrt(2)
    return np.asarray(np.interp(scores, _KNOTS, _REAL["popularity"]).round(), dtype=np.float32)
