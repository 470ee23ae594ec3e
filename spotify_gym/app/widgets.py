"""Widgets that several views share."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from spotify_gym.app.markup import track_row
from spotify_gym.app.user_session import Seat


def seat_button(
    seat: Seat,
    label: str,
    key: str,
    action: Callable[[], None],
    *,
    icon: str | None = None,
    shortcut: str | None = None,
    primary: bool = False,
    disabled: bool = False,
) -> None:
    """Show a button that acts in a seat.

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
        on_click=seat.click,
        args=(key, action),
    )


def track_line(
    seat: Seat,
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
        st.html(track_row(seat.studio.catalogue, track, number, value))
        seat_button(seat, label, key, action, icon=icon, disabled=disabled)
