"""The map of the catalogue, on which tracks can be picked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from spotify_gym.app.charts import NEXT, QUIET, VIBE, map_chart
from spotify_gym.app.listening import ListeningSession
from spotify_gym.app.markup import colour_key
from spotify_gym.app.user_session import UserSession

_ALT = "Map of the catalogue: tracks that sound alike lie close together"
_WAY = (VIBE, "your vibe, its way here from the diamond, and rings for what you heard")
_OFFERS = (NEXT, "what the agent would play, its first choice large")


def show_map(user: UserSession, session: ListeningSession | None, pick: Callable[[int], None]) -> None:
    """Show the catalogue, and the session in it once there is one.

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
    """Find out which track was clicked, which the browser says together with those clicked before."""
    clicked = {name: [one["id"] for one in points] for name, points in st.session_state["map"]["selection"].items()}
    before = st.session_state.get("clicked", {})
    st.session_state["clicked"] = clicked
    for name, tracks in clicked.items():
        if tracks and tracks != before.get(name):
            pick(int(tracks[-1]))
