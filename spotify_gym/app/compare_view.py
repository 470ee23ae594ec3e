"""Two agents side by side on the session as it stands: what each would play, and how the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from spotify_gym.app.agents import Agent
from spotify_gym.app.explanation import Profile, differences
from spotify_gym.app.listening import ListeningSession, Offer
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
    comparison = compare(session, user.app_state.profile, *agents)
    st.html(headline("why they differ", comparison.findings[0], " ".join(comparison.findings[1:])))
    choices = list(zip(agents, (comparison.left, comparison.right), strict=True))
    for show in _show_first, _show_others:  # in rows of their own, so that like stands beside like
        for column, (agent, offers) in zip(st.columns(2, gap="large"), choices, strict=True):
            with column:
                show(user, session, agent, offers)


def _show_first(user: UserSession, session: ListeningSession, agent: Agent, offers: Sequence[Offer]) -> None:
    catalogue = session.dynamics.catalogue
    for offer in offers[:1]:
        why = session.why(agent, offers, user.app_state.profile)
        with st.container(border=True, height="stretch"):
            st.html(track_card(catalogue, offer.track, f"first choice of {agent.name}", offer.similarity, why))


def _show_others(user: UserSession, session: ListeningSession, agent: Agent, offers: Sequence[Offer]) -> None:
    st.html(small_line(f"after it, {agent.name} would play ({agent.value_name})"))
    for place, offer in enumerate(offers[1:_ROWS], start=2):
        st.html(track_row(session.dynamics.catalogue, offer.track, place, signed(offer.score, 3)))


@dataclass(frozen=True)
class Comparison:
    """What two agents would play now."""

    left: Sequence[Offer]
    right: Sequence[Offer]
    findings: tuple[str, ...]
    """Sentences on how they differ."""


def compare(session: ListeningSession, profile: Profile, left: Agent, right: Agent) -> Comparison:
    """Ask both agents about the session as it stands; it stays as it is."""
    offers = session.offers_of(left), session.offers_of(right)
    if not all(offers):
        return Comparison(*offers, ("Nothing is left to play.",))
    both = {offer.track for offer in offers[0]} & {offer.track for offer in offers[1]}
    findings = [f"They agree on {len(both) or 'none'} of their {len(offers[0])} best tracks."]
    first, second = offers[0][0].track, offers[1][0].track
    if first == second:
        findings.append("Both would play the same track now.")
    else:
        findings += _findings(session, profile, (left.name, first), (right.name, second))
    return Comparison(*offers, tuple(findings))


def _findings(session: ListeningSession, profile: Profile, left: tuple[str, int], right: tuple[str, int]) -> list[str]:
    catalogue = session.dynamics.catalogue
    names, tracks = (left[0], right[0]), [left[1], right[1]]
    units = catalogue.unit_features[tracks]
    said = [
        _closer(names, _cosines(units, session.vibe), "your vibe now"),
        _closer(names, _cosines(units, session.seed_vibe), "where you started") if session.plays else "",
        _more_popular(names, catalogue.popularity[tracks] if catalogue.popularity is not None else None),
    ]
    if contrast := differences(profile, catalogue.features[tracks[1]], catalogue.features[tracks[0]]):
        said.append(f"Beside the choice of {names[1]}, that of {names[0]} is {listed(contrast)}.")
    return [sentence for sentence in said if sentence]


def _closer(names: tuple[str, str], similarity: NDArray[np.float32], to: str) -> str:
    """Say who is closer, the two similarities being (2,)."""
    if abs(similarity[0] - similarity[1]) < _CLOSE:
        return f"Both are about as close to {to} ({signed(similarity[0])})."
    nearer = int(similarity.argmax())
    return (
        f"{names[nearer]} stays closer to {to} ({signed(similarity[nearer])} against {signed(similarity[1 - nearer])})."
    )


def _more_popular(names: tuple[str, str], popularity: NDArray[np.float32] | None) -> str:
    """Say who plays the better known track, the popularity of the two being (2,); nothing where it is unknown."""
    if popularity is None or not abs(popularity[0] - popularity[1]) > _POPULAR:  # NaN is no difference
        return ""
    known = int(popularity.argmax())
    against = f"popularity {popularity[known]:.0f} against {popularity[1 - known]:.0f}"
    return f"{names[known]} picks the better known track ({against})."


def _cosines(units: NDArray[np.float32], vibe: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.float32(np.linalg.norm(vibe)) or np.float32(1)
    cosines: NDArray[np.float32] = units @ vibe / length
    return cosines
