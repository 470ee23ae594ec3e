"""The start view: choose five tracks, or draw them from a mood, a genre or at random."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from spotify_gym.app.listening import has_hidden_taste
from spotify_gym.app.markup import empty_place, small_line
from spotify_gym.app.user_session import UserSession
from spotify_gym.app.widgets import show_map, track_line, user_button
from spotify_gym.catalogue import Catalogue

Ints = NDArray[np.int64]

_PLAY = ":material/play_arrow:"
_PAUSE = "50ms"  # in typing, until the search begins
_KNOWN_SHARE = 0.1  # of a genre or a mood, the most popular, that a start is drawn from
_FAR_SHARE = 0.02  # of the catalogue, those furthest in its direction, that make a mood


def show_start(user: UserSession) -> None:
    """Show the ways to start a session: in one click, or from chosen tracks."""
    _show_moods(user)
    st.html(small_line("or give it tracks of your own"))
    ways = ["Search", "Pick on the map", *(["Pick a genre"] if user.app_state.genres else [])]
    way = st.segmented_control(
        "How do you want to start?", ways, default="Search", required=True, key="way", label_visibility="collapsed"
    )
    if way == "Pick a genre":
        genre = st.selectbox("Genre", user.app_state.genres, key="genre")
        st.caption("The start is a new random choice of its better known tracks.")
        user_button(user, "Start listening", "begin-genre", _drawn(user, genre_start, genre), icon=_PLAY, primary=True)
        return
    choosing, chosen = st.columns([3, 2], gap="large")
    with choosing:
        if way == "Search":
            _show_search(user)
        else:
            tab = st.session_state["tab"]
            show_map(user, None, lambda track: user.click(f"pick-{track}", partial(user.choose, track), tab))
    with chosen, st.container(key="chosen"):
        _show_chosen(user)


def _show_moods(user: UserSession) -> None:
    """Show buttons that start a session in one click."""
    st.html(small_line("start at once with something"))
    with st.container(horizontal=True):
        for place, (mood, direction) in enumerate(user.app_state.pca_map.moods.items()):
            begin = _drawn(user, mood_start, direction)
            user_button(user, mood.capitalize(), f"begin-mood-{place}", begin, icon=_PLAY)
        surprise, die = _drawn(user, surprise_start), ":material/casino:"
        user_button(user, "Surprise me", "begin-surprise", surprise, icon=die, primary=True)
        if has_hidden_taste(user.app_state.dynamics):
            user_button(
                user, "A listener with a taste to find out", "begin-listener", user.meet, icon=":material/hearing:"
            )


def _drawn(user: UserSession, draw: Callable[..., Ints], *arguments: Any) -> Callable[[], None]:
    """Return an action that begins a session from a newly drawn start."""
    app = user.app_state
    tracks = partial(draw, app.catalogue, *arguments, app.dynamics.history_length)
    return lambda: user.begin(tracks(secrets.randbits(32)))


def _show_search(user: UserSession) -> None:
    catalogue = user.app_state.catalogue
    named = "title or artist" if catalogue.names is not None else "track id (this catalogue has no titles)"
    text = st.text_input(f"Search by {named}", key="search", placeholder="Type to search", live=_PAUSE).strip()
    found = user.app_state.search.find(text) if text else user.app_state.well_known
    known = "Or take some of the invented hits:" if catalogue.synthetic else "Or take some that many people know:"
    if text:
        st.caption("The best matches:" if len(found) else "Nothing found. Try fewer or other words.")
    elif len(found):
        st.caption(known)
    for place, track in enumerate(found.tolist()):
        key, add, added = f"add-{place}", partial(user.choose, track), user.has(track)
        label, icon = ("Added", ":material/check:") if added else ("Add", ":material/add:")
        track_line(user, track, place + 1, label, key, add, icon=icon, disabled=added or user.is_full)


def _show_chosen(user: UserSession) -> None:
    wanted = user.app_state.dynamics.history_length
    st.caption(f"Your start: {len(user.chosen)} of {wanted} tracks")
    for place, track in enumerate(user.chosen):
        remove = partial(user.drop, place)
        track_line(user, track, place + 1, "Remove", f"drop-{place}", remove, icon=":material/close:")
    for place in range(len(user.chosen), wanted):
        st.html(empty_place(f"Track {place + 1}"))
    user_button(user, "Start listening", "begin", user.begin, icon=_PLAY, primary=True, disabled=not user.is_full)


def mood_start(catalogue: Catalogue, direction: NDArray[np.float64], n_tracks: int, seed: int) -> Ints:
    """Draw `n_tracks` songs from those furthest in a direction, (d,), of feature space.

    The more popular ones of these are preferred where popularity is known.
    """
    far = np.argsort(-(catalogue.unit_features @ direction.astype(np.float32)), kind="stable")
    return _draw(catalogue, far[: max(20 * n_tracks, int(_FAR_SHARE * len(far)))], n_tracks, seed)


def genre_start(catalogue: Catalogue, genre: str, n_tracks: int, seed: int) -> Ints:
    """Draw `n_tracks` songs of a genre, from its most popular tenth if popularity is known.

    Raises:
        ValueError: the catalogue does not know the genre, or has too few tracks of it.
    """
    if catalogue.genres is None or genre not in catalogue.genre_names:
        raise ValueError(f"this catalogue has no genre {genre!r}")
    member = np.flatnonzero(catalogue.genres[:, catalogue.genre_names.index(genre)])
    return _draw(catalogue, member, n_tracks, seed)


def surprise_start(catalogue: Catalogue, n_tracks: int, seed: int) -> Ints:
    """Draw one track and its nearest neighbours among a few hundred others: a coherent start.

    Five independent tracks would average out to a vibe near the mean.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(catalogue), size=min(len(catalogue), 400))
    pool = catalogue.one_of_each_song(np.concatenate([drawn, np.arange(min(len(catalogue), 4 * n_tracks))]))
    likeness = catalogue.unit_features[pool] @ catalogue.unit_features[pool[0]]
    return pool[np.argsort(-likeness, kind="stable")[:n_tracks]]


def _draw(catalogue: Catalogue, tracks: Ints, n_tracks: int, seed: int) -> Ints:
    """Draw songs from the most popular tenth of some tracks.

    Raises:
        ValueError: there are too few.
    """
    known = tracks[np.argsort(-catalogue.known_popularity[tracks], kind="stable")]
    pool = catalogue.one_of_each_song(known[: max(4 * n_tracks, int(_KNOWN_SHARE * len(known)))])
    if len(pool) < n_tracks:
        raise ValueError(f"only {len(pool)} different tracks to draw from, but a session starts from {n_tracks}")
    return np.random.default_rng(seed).choice(pool, n_tracks, replace=False)
