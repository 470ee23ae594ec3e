"""The first view: five tracks to start from."""

from __future__ import annotations

import secrets
from functools import partial

import streamlit as st

from spotify_gym.app.markup import empty_place
from spotify_gym.app.track_search import genre_start, search, surprise_start, well_known
from spotify_gym.app.user_session import UserSession
from spotify_gym.app.widgets import track_line, user_button

_WAYS = {"search": "Search", "genre": "Pick a genre", "surprise": "Surprise me"}
_PLAY = ":material/play_arrow:"
_PAUSE = "50ms"  # in typing, until the search begins


def show_start(user: UserSession) -> None:
    """Show the ways into a session."""
    ways = {way: name for way, name in _WAYS.items() if way != "genre" or user.app_state.genres}
    way = st.segmented_control(
        "How do you want to start?",
        list(ways),
        default="search",
        required=True,
        key="way",
        format_func=ways.__getitem__,
    )
    if way == "search":
        searching, chosen = st.columns([3, 2], gap="large")
        with searching:
            _show_search(user)
        with chosen:
            _show_chosen(user)
    elif way == "genre":
        _show_genres(user)
    else:
        _show_surprise(user)


def _show_search(user: UserSession) -> None:
    catalogue = user.app_state.catalogue
    named = "title or artist" if catalogue.names is not None else "track id (this catalogue has no titles)"
    text = st.text_input(f"Search by {named}", key="search", placeholder="Type to search", live=_PAUSE)
    found = search(catalogue, text) if text.strip() else well_known(catalogue)
    if text.strip():
        st.caption("The best matches:" if len(found) else "Nothing found. Try fewer or other words.")
    else:
        st.caption("Or take some that many people know:" if len(found) else "")
    for place, track in enumerate(found.tolist()):
        key, add = f"add-{place}", partial(user.choose, track)
        track_line(user, track, place + 1, "Add", key, add, icon=":material/add:", disabled=user.is_full)


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
    user_button(
        user,
        "Start listening",
        "begin-genre",
        lambda: user.begin(genre_start(catalogue, genre, wanted, secrets.randbits(32))),
        icon=_PLAY,
        primary=True,
    )


def _show_surprise(user: UserSession) -> None:
    catalogue, wanted = user.app_state.catalogue, user.app_state.dynamics.history_length
    st.caption("One track drawn out of the hat, and some that go with it.")
    user_button(
        user,
        "Surprise me",
        "begin-surprise",
        lambda: user.begin(surprise_start(catalogue, wanted, secrets.randbits(32))),
        icon=_PLAY,
        primary=True,
    )
