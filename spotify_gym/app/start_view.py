"""The first view: five tracks to start from."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from spotify_gym.app.map_view import show_map
from spotify_gym.app.markup import empty_place, small_line
from spotify_gym.app.session_starts import genre_start, mood_start, surprise_start, well_known
from spotify_gym.app.user_session import UserSession
from spotify_gym.app.widgets import track_line, user_button

_PLAY = ":material/play_arrow:"
_PAUSE = "50ms"  # in typing, until the search begins


def show_start(user: UserSession) -> None:
    """Show the ways into a session: at once, or from tracks of one's own choice."""
    _show_moods(user)
    st.html(small_line("or give it tracks of your own"))
    ways = ["Search", "Pick on the map", *(["Pick a genre"] if user.app_state.genres else [])]
    way = st.segmented_control(
        "How do you want to start?", ways, default="Search", required=True, key="way", label_visibility="collapsed"
    )
    if way == "Pick a genre":
        _show_genres(user)
        return
    choosing, chosen = st.columns([3, 2], gap="large")
    with choosing:
        if way == "Search":
            _show_search(user)
        else:
            show_map(
                user,
                None,
                lambda track: user.click(f"pick-{track}", partial(user.choose, track), st.session_state["tab"]),
            )
    with chosen, st.container(key="chosen"):
        _show_chosen(user)


def _show_moods(user: UserSession) -> None:
    """Show buttons that start a session in one click."""
    catalogue, wanted = user.app_state.catalogue, user.app_state.dynamics.history_length
    st.html(small_line("start at once with something"))
    with st.container(horizontal=True):
        for place, (mood, direction) in enumerate(user.app_state.pca_map.moods.items()):
            begin = partial(_begin, user, mood_start, catalogue, direction, wanted)
            user_button(user, mood.capitalize(), f"begin-mood-{place}", begin, icon=_PLAY)
        surprise = partial(_begin, user, surprise_start, catalogue, wanted)
        user_button(user, "Surprise me", "begin-surprise", surprise, icon=":material/casino:", primary=True)


def _begin(user: UserSession, draw: Callable[..., NDArray[np.int64]], *arguments: Any) -> None:
    """Begin with a start that is drawn anew each time."""
    user.begin(draw(*arguments, secrets.randbits(32)))


def _show_search(user: UserSession) -> None:
    catalogue = user.app_state.catalogue
    named = "title or artist" if catalogue.names is not None else "track id (this catalogue has no titles)"
    text = st.text_input(f"Search by {named}", key="search", placeholder="Type to search", live=_PAUSE)
    found = user.app_state.search.find(text) if text.strip() else well_known(catalogue)
    if text.strip():
        st.caption("The best matches:" if len(found) else "Nothing found. Try fewer or other words.")
    else:
        known = "Or take some of the invented hits:" if catalogue.synthetic else "Or take some that many people know:"
        st.caption(known if len(found) else "")
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


def _show_genres(user: UserSession) -> None:
    catalogue, wanted = user.app_state.catalogue, user.app_state.dynamics.history_length
    genre = st.selectbox("Genre", user.app_state.genres, key="genre")
    st.caption(f"{wanted} of its better known tracks make the start, drawn anew each time.")
    begin = partial(_begin, user, genre_start, catalogue, genre, wanted)
    user_button(user, "Start listening", "begin-genre", begin, icon=_PLAY, primary=True)
