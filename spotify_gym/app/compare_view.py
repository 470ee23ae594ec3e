"""Comparison of two agents: on the current session, and over a whole session from the same start, on one map.

The second view is also a game: which of the two is Random?
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from spotify_gym.app.agents import Learned
from spotify_gym.app.charts import NEXT, QUIET, VIBE, map_chart
from spotify_gym.app.explanation import Profile
from spotify_gym.app.listening import Agent, ListeningSession, Offer, cosine
from spotify_gym.app.markup import colour_key, headline, line_below, meters, small_line, track_card, track_row
from spotify_gym.app.user_session import UserSession
from spotify_gym.app.words import listed, signed
from spotify_gym.session import SessionDynamics

Choice = tuple[Agent, Sequence[Offer]]

_ROWS = 5
_CLOSE = 0.02  # of similarity: a difference below is none
_POPULAR = 10  # points of popularity: the same

_RANDOM = "Random"
_HIDDEN = ("Agent A", "Agent B")
_TRACKS = 20  # of a session without an end
_ALT = "Map of the catalogue with the paths of the two sessions"


def show_comparison(user: UserSession, session: ListeningSession) -> None:
    """Show what two chosen agents would play next."""
    st.html(headline("same session, two agents", "What would each play now?"))
    agents = _two_agents(user, ("left", "right"))
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
    st.html(small_line(f"next in the ranking of {agent.name} ({agent.value_name})"))
    for place, offer in enumerate(offers[1:_ROWS], start=2):
        st.html(track_row(session.dynamics.catalogue, offer.track, place, signed(offer.score, 3)))


def findings(session: ListeningSession, left: Choice, right: Choice) -> list[str]:
    """Describe how the offers of two agents differ, in sentences."""
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
        said.append(f"Compared with the choice of {other.name}, that of {one.name} is {listed(contrast)}.")
    return [sentence for sentence in said if sentence]


def _larger(names: tuple[str, str], values: NDArray[Any], least: float, decimals: int, sentence: str) -> str:
    """Describe which of two values is larger, the larger first; empty if they are close or unknown."""
    if not abs(values[0] - values[1]) > least:  # NaN is no difference
        return ""
    larger = int(values.argmax())
    return sentence.format(names[larger], *(signed(float(values[i]), decimals) for i in (larger, 1 - larger)))


def show_race(user: UserSession, session: ListeningSession) -> None:
    """Show the sessions that two chosen agents play from the start of this one."""
    st.html(headline("one start, two agents", "Who keeps the session going?"))
    hidden = st.toggle("Hide who is who", key="blind", help="One of two is Random. Which one? Judge by what they play.")
    agents = _hidden(user) if hidden else _two_agents(user, ("racer-0", "racer-1"))
    with st.spinner("Both play a whole session ..."):
        racers = [play_out(session, agent) for agent in agents]
    names = list(_HIDDEN) if hidden else [agent.name for agent in agents]
    spec = map_chart(user.app_state.pca_map, racers[0], rival=racers[1])
    st.vega_lite_chart(spec=spec, key="race-map", alt=_ALT)
    ways = [f"path of {name}" for name in names]
    st.html(colour_key([*zip((VIBE, NEXT), ways, strict=True), (QUIET, "other tracks")]))
    if hidden:
        _show_guess(agents)
    else:
        st.html(meters(dict(zip(names, [racer.earned for racer in racers], strict=True))))
    for column, name, racer in zip(st.columns(2, gap="large"), names, racers, strict=True):
        with column:
            st.html(headline("plays", name))
            for place, play in enumerate(racer.plays, start=1):
                value = "skipped" if not play.heard else "" if hidden else signed(play.reward)
                st.html(track_row(session.dynamics.catalogue, play.track, place, value))


def _hidden(user: UserSession) -> Sequence[Agent]:
    """Return the session's agent and Random in random order."""
    agents = user.app_state.agents
    other = user.agent if user.agent.name != _RANDOM else next(iter(agents.values()))
    pair = (agents[_RANDOM], other)
    return pair if st.session_state.setdefault("random-first", bool(secrets.randbelow(2))) else pair[::-1]


def _show_guess(agents: Sequence[Agent]) -> None:
    st.html(line_below("Which one is Random? It plays tracks by chance alone."))
    if guess := st.segmented_control("Your guess", _HIDDEN, key="guess"):
        right = agents[_HIDDEN.index(guess)].name == _RANDOM
        st.html(line_below(f"{'Right' if right else 'Wrong'}: A is {agents[0].name}, B is {agents[1].name}."))
        st.button("Play again", key="guess-again", on_click=_forget)


def _forget() -> None:
    for key in ("random-first", "guess"):
        st.session_state.pop(key, None)


def play_out(session: ListeningSession, agent: Agent) -> ListeningSession:
    """Let an agent play a whole session, from this session's start, for the environment's listener."""
    return _played_out(session.dynamics, agent, session.start, session.length or _TRACKS, session.key)


@lru_cache(maxsize=256)
def _played_out(
    dynamics: SessionDynamics, agent: Agent, start: tuple[int, ...], length: int, key: int | None
) -> ListeningSession:
    racer = ListeningSession(dynamics, agent, start, length, key)
    while not racer.is_over and not racer.has_left and racer.offers():
        racer.answered()
    return racer


def _two_agents(user: UserSession, keys: tuple[str, str]) -> list[Agent]:
    """Show selectors for two agents and, where weights were saved during training, for how far each was trained."""
    names, agents = list(user.app_state.agents), []
    for place, (column, key) in enumerate(zip(st.columns(2, gap="large"), keys, strict=True)):
        with column:
            agent = user.app_state.agents[st.selectbox("Agent", names, index=place, key=key)]
            st.caption(agent.about)
            agents.append(_at_a_stage(agent, key) if isinstance(agent, Learned) and agent.stages else agent)
    return agents


def _at_a_stage(agent: Learned, key: str) -> Agent:
    share = st.select_slider(
        "Share of its training",
        [*agent.stages, 1.0],
        value=1.0,
        format_func=lambda share: f"{100 * share:g}%",
        key=f"stage-{key}-{agent.name}",
    )
    return agent if share == 1.0 else agent.at(share)
