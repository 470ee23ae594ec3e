"""Widgets shared by several views: buttons, track lines, and the map."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import streamlit as st

from spotify_gym.app.charts import NEXT, QUIET, VIBE, map_chart
from spotify_gym.app.listening import ListeningSession
from spotify_gym.app.markup import colour_key, track_row
from spotify_gym.app.user_session import UserSession
from spotify_gym.app.words import spoken

_ALT = "Map of the catalogue: tracks that sound alike lie close together"
_WAY = (VIBE, "your vibe, its way here from the diamond, and rings for what you heard")
_OFFERS = (NEXT, "what the agent would play, its first choice large")


def user_button(
    user: UserSession,
    label: str,
    key: str,
    action: Callable[[], None],
    *,
    icon: str | None = None,
    shortcut: str | None = None,
    primary: bool = False,
    disabled: bool = False,
) -> None:
    """Show a button that acts for a user.

    The action runs before the page is redrawn, so that a second click cannot interrupt it; and `key` names the
    position of the button rather than the track beside it, so that both halves of a double click hit one button.
    """
    st.button(
        label,
        key=key,
        icon=icon,
        shortcut=shortcut,
        type="primary" if primary else "secondary",
        disabled=disabled,
        on_click=user.click,
        args=(key, action, st.session_state["tab"]),
    )


def track_line(
    user: UserSession,
    track: int,
    number: int | None,
    label: str,
    key: str,
    action: Callable[[], None],
    *,
    value: str = "",
    icon: str | None = None,
    disabled: bool = False,
) -> None:
    """Show a track in a line with its number, and a button at its end.

    The button's label includes the track, for screen readers; style.css hides that part.
    """
    catalogue = user.app_state.catalogue
    with st.container(horizontal=True, vertical_alignment="center", key=f"line-{key}"):
        st.html(track_row(catalogue, track, number, value))
        name = f"{label} _{_plain(spoken(catalogue, track))}_"
        user_button(user, name, key, action, icon=icon, disabled=disabled)


def _plain(text: str) -> str:
    """Escape text for Markdown."""
    return re.sub(r"([^\w\s])", r"\\\1", " ".join(text.split()))


def show_map(user: UserSession, session: ListeningSession | None, pick: Callable[[int], None]) -> None:
    """Show the map of the catalogue, with the session once there is one.

    Args:
        user: whose session it is.
        session: as it stands; None at the start.
        pick: is given the track that is clicked.
    """
    catalogue, genre, zoomed = user.app_state.catalogue, None, False
    with st.container(horizontal=True, vertical_alignment="center"):
        if catalogue.genre_names:
            names, named = sorted(catalogue.genre_names, key=str.casefold), "Show a genre"
            genre = st.selectbox(
                named, names, None, key="genre-on-map", placeholder=named, label_visibility="collapsed"
            )
        if session is not None:
            zoomed = st.toggle("Closer to this session", key="zoomed")
    spec = map_chart(user.app_state.pca_map, session, user.chosen, genre, zoomed)
    st.vega_lite_chart(spec=spec, key="map", on_select=partial(_hand_on, pick), alt=_ALT)
    if session is None:
        st.html(colour_key([(VIBE, "your start"), (QUIET, "other tracks: click one to add it")]))
    elif session.is_over:
        st.html(colour_key([_WAY, (QUIET, "other tracks")]))
    else:
        st.html(colour_key([_WAY, _OFFERS, (QUIET, "other tracks: click one to play it")]))


def _hand_on(pick: Callable[[int], None]) -> None:
    """Find the newly clicked track; the browser reports it together with earlier ones."""
    clicked = {name: [one["id"] for one in points] for name, points in st.session_state["map"]["selection"].items()}
    before = st.session_state.get("clicked", {})
    st.session_state["clicked"] = clicked
    for name, tracks in clicked.items():
        if tracks and tracks != before.get(name):
            pick(int(tracks[-1]))
