"""The first view: five tracks to start from."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from spotify_gym.app.listening import has_hidden_taste
from spotify_gym.app.map_view import show_map
from spotify_gym.app.markup import empty_place, small_line
from spotify_gym.app.session_starts import Ints, genre_start, mood_start, surprise_start
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
        genre = st.selectbox("Genre", user.app_state.genres, key="genre")
        st.caption("Some of its better known tracks make the start, drawn anew each time.")
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
    """Return what begins with a start that is drawn anew each time."""
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
