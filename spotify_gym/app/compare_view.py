"""Two agents side by side on the session as it stands: what each would play, and how the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from spotify_gym.app.explanation import Profile
from spotify_gym.app.listening import Agent, ListeningSession, Offer, cosine
from spotify_gym.app.markup import headline, small_line, track_card, track_row
from spotify_gym.app.user_session import UserSession
from spotify_gym.app.widgets import two_agents
from spotify_gym.app.words import listed, signed

_ROWS = 5
_CLOSE = 0.02  # of similarity: a difference below is none
_POPULAR = 10  # points of popularity: the same


def show_comparison(user: UserSession, session: ListeningSession) -> None:
    """Show what two agents of one's choice would play."""
    st.html(headline("same session, two agents", "What would each play now?"))
    agents = two_agents(user, ("left", "right"))
    choices = [(agent, session.offers_of(agent)) for agent in agents]
    said = findings(session, *choices)
    st.html(headline("why they differ", said[0], " ".join(said[1:])))
    for show in _show_first, _show_others:  # in rows of their own, so that like stands beside like
        for column, (agent, offers) in zip(st.columns(2, gap="large"), choices, strict=True):
            with column:
                show(session, agent, offers)


def _show_first(session: ListeningSession, agent: Agent, offers: Sequence[Offer]) -> None:
    for offer in offers[:1]:
        kicker, why = f"first choice of {agent.name}", agent.why(session, offers)
        with st.container(border=True, height="stretch"):
            st.html(track_card(session.dynamics.catalogue, offer.track, kicker, offer.similarity, why))


def _show_others(session: ListeningSession, agent: Agent, offers: Sequence[Offer]) -> None:
    st.html(small_line(f"after it, {agent.name} would play ({agent.value_name})"))
    for place, offer in enumerate(offers[1:_ROWS], start=2):
        st.html(track_row(session.dynamics.catalogue, offer.track, place, signed(offer.score, 3)))


Choice = tuple[Agent, Sequence[Offer]]


def findings(session: ListeningSession, left: Choice, right: Choice) -> list[str]:
    """Say in sentences how two agents differ, by what each offers."""
    (one, ours), (other, theirs) = left, right
    if not ours or not theirs:
        return ["Nothing is left to play."]
    both = {offer.track for offer in ours} & {offer.track for offer in theirs}
    agree = f"They agree on {len(both) or 'none'} of their {len(ours)} best tracks."
    tracks, names = [ours[0].track, theirs[0].track], (one.name, other.name)
    if tracks[0] == tracks[1]:
        return [agree, "Both would play the same track now."]
    catalogue, said = session.dynamics.catalogue, [agree]
    places = {"your vibe now": session.vibe, **({"where you started": session.vibes[0]} if session.plays else {})}
    for place, vibe in places.items():
        near = np.array([cosine(unit, vibe) for unit in catalogue.unit_features[tracks]])
        closer = _larger(names, near, _CLOSE, 2, "{} stays closer to " + place + " ({} against {}).")
        said.append(closer or f"Both are about as close to {place} ({signed(near[0])}).")
    if catalogue.popularity is not None:
        known = "{} picks the better known track (popularity {} against {})."
        said.append(_larger(names, catalogue.popularity[tracks], _POPULAR, 0, known))
    if contrast := Profile.of(catalogue).differences(*catalogue.features[tracks[::-1]]):
        said.append(f"Beside the choice of {other.name}, that of {one.name} is {listed(contrast)}.")
    return [sentence for sentence in said if sentence]


def _larger(names: tuple[str, str], values: NDArray[Any], least: float, decimals: int, sentence: str) -> str:
    """Say whose of two values is larger, and both, the larger first; nothing where they are close or unknown."""
    if not abs(values[0] - values[1]) > least:  # NaN is no difference
        return ""
    larger = int(values.argmax())
    return sentence.format(names[larger], *(signed(float(values[i]), decimals) for i in (larger, 1 - larger)))
