"""Widgets that several views share."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from spotify_gym.app.markup import track_row
from spotify_gym.app.user_session import UserSession


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

    The action is done before the page is drawn anew, so that a second click cannot cut it short; and `key` names the
    place of the button rather than the track beside it, so that both halves of a double click meet one button.
    """
    st.button(
        label,
        key=key,
        icon=icon,
        shortcut=shortcut,
        type="primary" if primary else "secondary",
        disabled=disabled,
        on_click=user.click,
        args=(key, action),
    )


def track_line(
    user: UserSession,
    track: int,
    number: int,
    label: str,
    key: str,
    action: Callable[[], None],
    *,
    value: str = "",
    icon: str | None = None,
    disabled: bool = False,
) -> None:
    """Show a track in a line with its number, and a button at its end."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(track_row(user.app_state.catalogue, track, number, value))
        user_button(user, label, key, action, icon=icon, disabled=disabled)
