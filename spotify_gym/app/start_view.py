"""The first view: five tracks to start from."""

from __future__ import annotations

import secrets
from functools import partial

import streamlit as st

from spotify_gym.app.markup import empty_place
from spotify_gym.app.track_search import genre_start, search, surprise_start, well_known
from spotify_gym.app.user_session import Seat
from spotify_gym.app.widgets import seat_button, track_line

_WAYS = {"search": "Search", "genre": "Pick a genre", "surprise": "Surprise me"}
_PLAY = ":material/play_arrow:"
_PAUSE = "50ms"  # in typing, until the search begins


def show_start(seat: Seat) -> None:
    """Show the ways into a session."""
    ways = {way: name for way, name in _WAYS.items() if way != "genre" or seat.studio.genres}
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
            _show_search(seat)
        with chosen:
            _show_chosen(seat)
    elif way == "genre":
        _show_genres(seat)
    else:
        _show_surprise(seat)


def _show_search(seat: Seat) -> None:
    catalogue = seat.studio.catalogue
    named = "title or artist" if catalogue.names is not None else "track id (this catalogue has no titles)"
    text = st.text_input(f"Search by {named}", key="search", placeholder="Type to search", live=_PAUSE)
    found = search(catalogue, text) if text.strip() else well_known(catalogue)
    if text.strip():
        st.caption("The best matches:" if len(found) else "Nothing found. Try fewer or other words.")
    else:
        st.caption("Or take some that many people know:" if len(found) else "")
    for place, track in enumerate(found.tolist()):
        key, add = f"add-{place}", partial(seat.choose, track)
        track_line(seat, track, place + 1, "Add", key, add, icon=":material/add:", disabled=seat.is_full)


def _show_chosen(seat: Seat) -> None:
    wanted = seat.studio.dynamics.history_length
    st.caption(f"Your start: {len(seat.chosen)} of {wanted} tracks")
    for place, track in enumerate(seat.chosen):
        remove = partial(seat.drop, place)
        track_line(seat, track, place + 1, "Remove", f"drop-{place}", remove, icon=":material/close:")
    for place in range(len(seat.chosen), wanted):
        st.html(empty_place(f"Track {place + 1}"))
    seat_button(seat, "Start listening", "begin", seat.begin, icon=_PLAY, primary=True, disabled=not seat.is_full)


def _show_genres(seat: Seat) -> None:
    catalogue, wanted = seat.studio.catalogue, seat.studio.dynamics.history_length
    genre = st.selectbox("Genre", seat.studio.genres, key="genre")
    st.caption(f"{wanted} of its better known tracks make the start, drawn anew each time.")
    seat_button(
        seat,
        "Start listening",
        "begin-genre",
        lambda: seat.begin(genre_start(catalogue, genre, wanted, secrets.randbits(32))),
        icon=_PLAY,
        primary=True,
    )


def _show_surprise(seat: Seat) -> None:
    catalogue, wanted = seat.studio.catalogue, seat.studio.dynamics.history_length
    st.caption("One track drawn out of the hat, and some that go with it.")
    seat_button(
        seat,
        "Surprise me",
        "begin-surprise",
        lambda: seat.begin(surprise_start(catalogue, wanted, secrets.randbits(32))),
        icon=_PLAY,
        primary=True,
    )
