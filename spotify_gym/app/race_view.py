"""Two agents over a whole session from one start, on one map; and the game of telling which of them is Random."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import streamlit as st

from spotify_gym.app.charts import NEXT, QUIET, VIBE, map_chart
from spotify_gym.app.ending import play_out
from spotify_gym.app.listening import Agent, ListeningSession
from spotify_gym.app.markup import colour_key, headline, line_below, meters, track_row
from spotify_gym.app.user_session import UserSession
from spotify_gym.app.widgets import two_agents
from spotify_gym.app.words import signed

RANDOM = "Random"
_HIDDEN = ("Agent A", "Agent B")
_KEPT = 20  # sessions played out, in a tab
_ALT = "Map of the catalogue with the ways that the two sessions take through it"


def show_race(user: UserSession, session: ListeningSession) -> None:
    """Show what two agents of one's choice make of the start of the session."""
    st.html(headline("one start, two agents", "Who keeps the session going?"))
    hidden = st.toggle("Hide who is who", key="blind", help="One of two is Random. Which one? Judge by what they play.")
    agents = _hidden(user) if hidden else two_agents(user, ("racer-0", "racer-1"))
    with st.spinner("Both play a whole session ..."):
        racers = [_played(session, agent) for agent in agents]
    names = list(_HIDDEN) if hidden else [agent.name for agent in agents]
    spec = map_chart(user.app_state.pca_map, racers[0], rival=racers[1])
    st.vega_lite_chart(spec=spec, key="race-map", alt=_ALT)
    ways = [f"the way of {name}" for name in names]
    st.html(colour_key([*zip((VIBE, NEXT), ways, strict=True), (QUIET, "other tracks")]))
    if hidden:
        _show_guess(agents)
    else:
        earned = [sum(play.reward for play in racer.plays) for racer in racers]
        st.html(meters(dict(zip(names, earned, strict=True))))
    for column, name, racer in zip(st.columns(2, gap="large"), names, racers, strict=True):
        with column:
            st.html(headline("plays", name))
            for place, play in enumerate(racer.plays, start=1):
                value = "skipped" if not play.heard else "" if hidden else signed(play.reward)
                st.html(track_row(session.dynamics.catalogue, play.track, place, value))


def _hidden(user: UserSession) -> Sequence[Agent]:
    """Return the agent of the session and Random, in an order that only chance knows."""
    agents = user.app_state.agents
    other = user.agent if user.agent.name != RANDOM else next(iter(agents.values()))
    if "random-first" not in st.session_state:
        st.session_state["random-first"] = bool(secrets.randbelow(2))
    pair = (agents[RANDOM], other)
    return pair if st.session_state["random-first"] else pair[::-1]


def _show_guess(agents: Sequence[Agent]) -> None:
    st.html(line_below("Which one is Random? Nothing but chance decides what it plays."))
    if guess := st.segmented_control("Your guess", _HIDDEN, key="guess"):
        right = agents[_HIDDEN.index(guess)].name == RANDOM
        st.html(line_below(f"{'Right' if right else 'No'}: A is {agents[0].name}, B is {agents[1].name}."))
        st.button("Once more", key="guess-again", on_click=_forget)


def _forget() -> None:
    for key in ("random-first", "guess"):
        st.session_state.pop(key, None)


def _played(session: ListeningSession, agent: Agent) -> ListeningSession:
    """Return a session from the same start that the agent has played to its end; it is kept until the start changes."""
    kept: dict[tuple[object, ...], ListeningSession] = st.session_state.setdefault("races", {})
    key = session.start, session.key, agent.name
    if key not in kept:
        if len(kept) >= _KEPT:
            kept.clear()
        kept[key] = play_out(session, agent)
    return kept[key]
