"""Two agents side by side on the session as it stands."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from spotify_gym.app.agents import Agent
from spotify_gym.app.comparison import compare
from spotify_gym.app.listening import ListeningSession, Offer
from spotify_gym.app.markup import headline, small_line, track_card, track_row
from spotify_gym.app.reasons import explain
from spotify_gym.app.user_session import Seat
from spotify_gym.app.words import signed

_ROWS = 5


def show_comparison(seat: Seat, session: ListeningSession) -> None:
    """Show what two agents of one's choice would play."""
    st.html(headline("same session, two agents", "What would each play now?"))
    names = list(seat.studio.agents)
    agents = []
    for place, (column, key) in enumerate(zip(st.columns(2, gap="large"), ("left", "right"), strict=True)):
        with column:
            agents.append(seat.studio.agents[st.selectbox("Agent", names, index=place, key=key)])
            st.caption(agents[-1].about)
    comparison = compare(session, seat.studio.profile, *agents)
    st.html(headline("why they differ", comparison.findings[0], " ".join(comparison.findings[1:])))
    choices = list(zip(agents, (comparison.left, comparison.right), strict=True))
    for show in _show_first, _show_others:  # in rows of their own, so that like stands beside like
        for column, (agent, offers) in zip(st.columns(2, gap="large"), choices, strict=True):
            with column:
                show(seat, session, agent, offers)


def _show_first(seat: Seat, session: ListeningSession, agent: Agent, offers: Sequence[Offer]) -> None:
    catalogue = session.dynamics.catalogue
    for offer in offers[:1]:
        reason = explain(seat.studio.profile, session.vibe, catalogue.features[offer.track])
        with st.container(border=True, height="stretch"):
            st.html(track_card(catalogue, offer.track, f"first choice of {agent.name}", offer.similarity, str(reason)))


def _show_others(seat: Seat, session: ListeningSession, agent: Agent, offers: Sequence[Offer]) -> None:
    st.html(small_line(f"after it, {agent.name} would play"))
    for place, offer in enumerate(offers[1:_ROWS], start=2):
        st.html(track_row(session.dynamics.catalogue, offer.track, place, signed(offer.similarity)))
