"""Two agents side by side on the session as it stands."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from spotify_gym.app.comparison import compare
from spotify_gym.app.listening import ListeningSession, Offer
from spotify_gym.app.markup import headline, track_card, track_row
from spotify_gym.app.reasons import explain
from spotify_gym.app.seat import Seat
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
    for column, offers in zip(st.columns(2, gap="large"), (comparison.left, comparison.right), strict=True):
        with column:
            _show_offers(seat, session, offers)


def _show_offers(seat: Seat, session: ListeningSession, offers: Sequence[Offer]) -> None:
    catalogue = session.rules.catalogue
    for place, offer in enumerate(offers[:_ROWS]):
        if place:
            st.html(track_row(catalogue, offer.track, place + 1, signed(offer.similarity)))
            continue
        reason = explain(seat.studio.profile, session.vibe, catalogue.features[offer.track])
        with st.container(border=True):
            st.html(track_card(catalogue, offer.track, "first choice", offer.similarity, str(reason)))
