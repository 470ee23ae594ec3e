"""The page. Streamlit runs this file from top to bottom after every click."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from spotify_gym.app.compare_view import show_comparison, show_race
from spotify_gym.app.listen_view import show_session
from spotify_gym.app.listening import ListeningSession
from spotify_gym.app.markup import headline
from spotify_gym.app.serve import served
from spotify_gym.app.start_view import show_start
from spotify_gym.app.user_session import Tab, UserSession
from spotify_gym.app.widgets import user_button
from spotify_gym.app.words import origin_of

_ICON = Path(__file__).with_name("icon.svg")
_STYLE = Path(__file__).with_name("style.css")
_VIEWS = ("Listen", "Compare", "Race")
_HELP = """
**What is this?** An *agent* that has learned, by trial and error, to keep a listening session going.
You give it five songs. From their sound alone it computes the **vibe**: how energetic, how acoustic, how
cheerful ... they are on average. Then it picks one track after another from the whole catalogue.

**What do I do?** Press **Listened** if you would have let the track play, and **Skip** if not. A track you listened to
becomes part of the vibe, so the vibe moves; a skipped one leaves it where it was. To hear real tracks, switch
on Spotify's player; invented tracks cannot be heard.

**What do the numbers mean?** *Similarity* says how similar a track is to your vibe: 1 is the same direction, 0 is
nothing in common, −1 the opposite. *Reward* is what the agent earns for a track, the only thing it learned from.
"""


def page() -> None:
    """Show the page."""
    st.set_page_config(page_title="Spotify Gym", page_icon=str(_ICON), layout="wide")
    st.html(_STYLE)
    if (users := served()) is None:
        st.text("Open this page with: spotify-gym app")
        return
    tab = st.session_state.setdefault("tab", Tab())
    secret, user = users.find(st.query_params.get("user") or tab.address.get("user"))
    _follow_the_address(user, tab, secret)
    tab.seen = user.version
    if tab.notice:
        st.warning(tab.notice)
        tab.notice = ""
    if user.session is None:
        _show_welcome(user)
        show_start(user)
    else:
        _show_desk(user, user.session)


def _follow_the_address(user: UserSession, tab: Tab, secret: str) -> None:
    """Follow the browser's Back and Forward buttons, and keep the address in step with the page."""
    asked = st.query_params.get("session", ""), st.query_params.get("view", _VIEWS[0])
    view = st.session_state.get("view") or asked[1]
    if tab.address and asked != (tab.address.get("session", ""), tab.address.get("view", _VIEWS[0])):
        user.click(f"address-{asked}", partial(user.go_to, asked[0]), tab)
        view = asked[1]
    st.session_state["view"] = view if view in _VIEWS else _VIEWS[0]
    tab.address = {"user": secret}
    if user.session is not None:
        tab.address |= {"session": user.place, "view": st.session_state["view"]}
    if st.query_params.to_dict() != tab.address:
        st.query_params.from_dict(tab.address)


def _show_welcome(user: UserSession) -> None:
    n_tracks, n_start = len(user.app_state.catalogue), user.app_state.dynamics.history_length
    st.html(
        headline(
            "Spotify Gym",
            "An agent is about to read your taste",
            f"Give it {n_start} tracks. Out of {n_tracks:,} it plays what it thinks fits best; you listen or skip.",
        )
    )
    if origin := origin_of(user.app_state.catalogue):
        st.info(origin)
    with st.container(horizontal=True):
        _show_help()
        for last in [*user.sessions][-1:]:
            user_button(user, "Back to my session", "come-back", partial(user.go_to, last), icon=":material/undo:")


def _show_desk(user: UserSession, session: ListeningSession) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        view = st.segmented_control("View", _VIEWS, required=True, key="view", label_visibility="collapsed")
        _show_help()
        user_button(user, "New session", "leave", user.leave, icon=":material/restart_alt:")
    if origin := origin_of(user.app_state.catalogue):
        st.caption(origin)
    if view == "Compare":
        show_comparison(user, session)
    elif view == "Race":
        show_race(user, session)
    else:
        show_session(user, session)


def _show_help() -> None:
    with st.popover("What is going on here?", icon=":material/help:"):
        st.markdown(_HELP)


if __name__ == "__main__":
    page()
