"""Widgets that several views share."""

from __future__ import annotations

import re
from collections.abc import Callable

import streamlit as st

from spotify_gym.app.agents import Learned
from spotify_gym.app.listening import Agent
from spotify_gym.app.markup import track_row
from spotify_gym.app.user_session import UserSession
from spotify_gym.app.words import spoken


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

    The button is named after the track too, for those who hear the page; style.css keeps that out of sight.
    """
    catalogue = user.app_state.catalogue
    with st.container(horizontal=True, vertical_alignment="center", key=f"line-{key}"):
        st.html(track_row(catalogue, track, number, value))
        name = f"{label} _{_plain(spoken(catalogue, track))}_"
        user_button(user, name, key, action, icon=icon, disabled=disabled)


def two_agents(user: UserSession, keys: tuple[str, str]) -> list[Agent]:
    """Let two agents be chosen, side by side; of one that was kept on its way, how much it has learned, too."""
    names, agents = list(user.app_state.agents), []
    for place, (column, key) in enumerate(zip(st.columns(2, gap="large"), keys, strict=True)):
        with column:
            agent = user.app_state.agents[st.selectbox("Agent", names, index=place, key=key)]
            st.caption(agent.about)
            agents.append(_at_a_stage(agent, key) if isinstance(agent, Learned) and agent.stages else agent)
    return agents


def _at_a_stage(agent: Learned, key: str) -> Agent:
    share = st.select_slider(
        "How much of its training it has had",
        [*agent.stages, 1.0],
        value=1.0,
        format_func=lambda share: f"{100 * share:g}%",
        key=f"stage-{key}-{agent.name}",
    )
    loaded: dict[tuple[str, float], Agent] = st.session_state.setdefault("stages", {})
    if (agent.name, share) not in loaded:
        loaded[agent.name, share] = agent if share == 1.0 else agent.at(share)
    return loaded[agent.name, share]


def _plain(text: str) -> str:
    """Return Markdown that reads as this text."""
    return re.sub(r"([^\w\s])", r"\\\1", " ".join(text.split()))
