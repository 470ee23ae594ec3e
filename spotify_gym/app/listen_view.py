"""The session view: the next track and why, the answers, and the path so far."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial

import pyarrow as pa
import streamlit as st

from spotify_gym.app.charts import GENRE, NEXT, VIBE, time_chart
from spotify_gym.app.explanation import Profile, similarity_shares
from spotify_gym.app.listening import ListeningSession, Offer, has_hidden_taste
from spotify_gym.app.markup import colour_key, headline, line_below, meter, scales, small_line, track_card, track_row
from spotify_gym.app.outcome_view import show_ending, show_playlist
from spotify_gym.app.user_session import UserSession
from spotify_gym.app.widgets import show_map, track_line, user_button
from spotify_gym.app.words import link_of, signed

_WIDTHS = [5, 6]
_EARLY = 0.01  # that the clock of a browser may be, and a little more [s]
_TIME_ALT = "Similarity and reward of each track so far"


def show_session(user: UserSession, session: ListeningSession) -> None:
    """Show the session of a user."""
    offers = [] if session.is_over else session.offers()
    _show_headline(session)
    left, right = st.columns(_WIDTHS, gap="large")
    with left:
        if session.is_over:
            show_ending(user, session)
        else:
            _show_next(user, session, offers)
        _show_controls(user, session)
        if offers:
            _show_runners_up(user, session, offers[1:])
    with right:
        show_map(user, session, partial(st.session_state.__setitem__, "picked"))
        _show_picked(user, session)
        _show_sound(session, offers)
        _show_course(session)
    show_playlist(session)


def _show_headline(session: ListeningSession) -> None:
    """Show what the agent infers from the vibe or, where the taste is hidden, from the answers."""
    profile, said = Profile.of(session.dynamics.catalogue), "the agent reads your vibe as"
    vibe = profile.describe(session.vibe) or "a bit of everything"
    belief = session.agent.looks_for(session) if has_hidden_taste(session.dynamics) else None
    if belief is not None:
        whose = "you like" if session.key is None else "they like"
        n_answers = len(session.plays)
        said = f"after {n_answers} answer{'s' * (n_answers != 1)}, {session.agent.name} believes that {whose}"
        vibe = profile.describe(profile.at(belief)) or "not known yet"
    st.html(headline(said, vibe.capitalize()))


def _show_next(user: UserSession, session: ListeningSession, offers: Sequence[Offer]) -> None:
    if not offers:
        st.write("You have heard everything in this catalogue.")
        return
    catalogue, first = session.dynamics.catalogue, offers[0]
    number = f"next track, {len(session.plays) + 1}" + ("" if session.length is None else f" of {session.length}")
    with st.container(border=True):
        st.html(track_card(catalogue, first.track, number, first.similarity, user.agent.why(session, offers)))
        link = link_of(catalogue, first.track)
        with st.container(horizontal=True, gap="xsmall"):
            _show_answers(user, session)
            if link:
                st.link_button("Open in Spotify", link, icon=":material/open_in_new:")
        if link:
            _show_player(link)
        _show_reaction(user, session)
        with st.expander("Why, in numbers", key="numbers", on_change="rerun") as numbers:
            if numbers.open:
                _show_numbers(session, offers)


def _show_answers(user: UserSession, session: ListeningSession) -> None:
    """Show the answer buttons, or the button that lets a simulated listener answer."""
    check, skip, back = ":material/check:", ":material/skip_next:", ":material/undo:"
    if session.key is None:
        user_button(user, "Listened", "listened", session.listened, icon=check, shortcut="L", primary=True)
        user_button(user, "Skip", "skip", session.skip, icon=skip, shortcut="S")
    else:
        user_button(user, "Let them answer", "answered", session.answered, icon=skip, shortcut="L", primary=True)
    user_button(user, "Undo", "undo", session.undo, icon=back, shortcut="U", disabled=not session.plays)


def _show_numbers(session: ListeningSession, offers: Sequence[Offer]) -> None:
    """Show the agent's scores, and how each feature contributes to the similarity of its first choice."""
    agent, catalogue = session.agent, session.dynamics.catalogue
    st.html(line_below(f"How {agent.name} ranks tracks: by {agent.value_name}."))
    values, features = [offer.score for offer in offers], catalogue.features[offers[0].track]
    bar = st.column_config.ProgressColumn(format="%.3f", min_value=min(0.0, *values), max_value=max(1e-6, *values))
    labels = [catalogue.label(offer.track) for offer in offers]
    st.dataframe(pa.table({"track": labels, "value": values}), column_config={"value": bar}, hide_index=True)
    st.caption("What each feature adds to the similarity; the similarity is the sum of the last column.")
    columns = {
        "how": [word.measured for word in Profile.of(catalogue).words],
        "your vibe": catalogue.scaling.undo(session.vibe).round(2),
        "this track": catalogue.scaling.undo(features).round(2),
        "adds": similarity_shares(session.vibe, features).round(2),
    }
    st.dataframe(pa.table(columns), hide_index=True)


def _show_reaction(user: UserSession, session: ListeningSession) -> None:
    """Show what the last skip changed, the environment listener's patience, and what may come next."""
    if session.plays and session.key is not None:
        st.html(line_below(f"They {'heard it out' if session.plays[-1].heard else 'skipped it'}."))
    if session.moved is not None:
        hears = f"{user.agent.name} took that skip into account: its ranking has changed."
        deaf = f"{user.agent.name} ignores skips: its next best track comes, and your vibe stays the same."
        st.html(line_below(hears if session.moved else deaf))
    if session.patience is not None:
        left, most = session.patience
        st.html(meter("patience of the listener it was trained with, in skips", left, left / most))
        if session.has_left:
            st.html(line_below("They would have left here. You may go on."))
    if st.toggle("What if?", key="what-if", help="Shows the next track after a listen and after a skip."):
        catalogue = session.dynamics.catalogue
        for answer, heard in (("if you listen", True), ("if you skip", False)):
            for offer in session.after(heard).offers()[:1]:
                st.html(small_line(f"{answer}, next is"))
                st.html(track_row(catalogue, offer.track, len(session.plays) + 2, signed(offer.similarity)))


def _show_player(link: str) -> None:
    """Offer Spotify's player. It is the only part of the page that contacts another server, and off by default."""
    help_ = "Loads a player from open.spotify.com, which then knows your address and the tracks you hear."
    if st.toggle("Hear it here, with Spotify's player", key="player", help=help_):
        st.iframe(link.replace(".com/track/", ".com/embed/track/"), height=80)


def _show_controls(user: UserSession, session: ListeningSession) -> None:
    names, tab = list(user.app_state.agents), st.session_state["tab"]
    st.selectbox(
        "Who recommends",
        names,
        index=names.index(user.agent.name),
        key="agent",
        help=user.agent.about,
        on_change=user.click,
        args=("agent", lambda: user.sit_with(user.app_state.agents[st.session_state["agent"]]), tab),
    )
    does = "Listens" if session.key is None else "The simulated listener answers"
    with st.container(horizontal=True, vertical_alignment="center"):
        playing = st.toggle("Auto-play", key="auto", help=f"{does} to every track.", disabled=session.is_over)
        pace = st.slider("Seconds a track", 0.5, 5.0, 1.5, 0.5, key="pace", width=180)
    if not playing or session.is_over:
        st.session_state.pop("autoplay_timer", None)
    if playing and session.is_over:
        st.caption("Auto-play has stopped: the session is over.")
    elif playing:
        _play_on(user, session, st.session_state.setdefault("autoplay_timer", AutoplayTimer()), pace)


def _play_on(user: UserSession, session: ListeningSession, autoplay_timer: AutoplayTimer, pace: float) -> None:
    """Go on to the next track after `pace` seconds without a click."""

    @st.fragment(run_every=autoplay_timer.wind(pace) + _EARLY)
    def tick() -> None:  # once now, in vain, and then with the clock
        if autoplay_timer.beats():
            answer = session.listened if session.key is None else session.answered
            user.click("auto", answer, st.session_state["tab"])
            st.rerun()

    tick()


def _show_runners_up(user: UserSession, session: ListeningSession, offers: Sequence[Offer]) -> None:
    st.html(headline("close behind", "Or one of these"))
    st.html(line_below(f"Ranked by {user.agent.name}: {user.agent.value_name}."))
    for place, offer in enumerate(offers, start=1):
        play, key = partial(session.play, offer.track), f"instead-{place}"
        track_line(user, offer.track, place + 1, "Play", key, play, value=signed(offer.score, 3))


def _show_picked(user: UserSession, session: ListeningSession) -> None:
    """Show the track that was clicked on the map."""
    if (track := st.session_state.get("picked")) is not None and not session.is_over:
        played = session.has_played(track)
        label, icon = ("Played", ":material/check:") if played else ("Play", None)
        value, play = signed(session.similarity(track)), partial(session.play, track)
        track_line(user, track, None, label, "play-picked", play, value=value, icon=icon, disabled=played)


def _show_sound(session: ListeningSession, offers: Sequence[Offer]) -> None:
    """Show vibe, next track, and what the agent looks for, feature by feature."""
    catalogue = session.dynamics.catalogue
    profile = Profile.of(catalogue)
    points = [("your vibe", VIBE, session.vibe)]
    points += [("the next track", NEXT, catalogue.features[offer.track]) for offer in offers[:1]]
    if offers and (belief := session.agent.looks_for(session)) is not None:
        points.append((f"what {session.agent.name} looks for", GENRE, profile.at(belief)))
    if session.is_over and session.taste is not None:
        points.append(("what they like", GENRE, profile.at(session.taste)))
    st.html(small_line("how it sounds, from the tracks with the least to those with the most of each feature"))
    st.html(colour_key([(hue, name) for name, hue, _ in points]))
    ends = [(word.low, word.high) for word in profile.words]
    st.html(scales(ends, [(name, hue, profile.share_below(point).tolist()) for name, hue, point in points]))


def _show_course(session: ListeningSession) -> None:
    if session.plays:
        line = "similarity to your vibe" if session.key is None else f"how well {session.agent.name} knows their taste"
        st.html(small_line("track by track"))
        st.html(colour_key(((VIBE, line), (NEXT, "reward; a cross, and no bar, is a skip"))))
        st.vega_lite_chart(spec=time_chart(session), key="time", alt=_TIME_ALT)


class AutoplayTimer:
    """A timer that beats once per track at a steady pace, however long redrawing the page takes.

    The browser asks whether it is time, and is not to be relied on: it asks late, or twice, or for a page that has
    been drawn anew since.

    Args:
        clock: what time it is [s].
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = math.inf
        self._last: float | None = None  # when the beat was due that the page is being drawn for

    def wind(self, pace: float) -> float:
        """Schedule the next beat while the page is drawn, and return the time until it [s].

        It comes `pace` seconds after the last one, so that drawing is part of them, up to a half: the other half is
        for looking at the page. Where the page is drawn for another reason than a beat, it is `pace` seconds from now.
        """
        now = self._clock()
        since = now if self._last is None else self._last
        self._due, self._last = max(since + pace, now + pace / 2), None
        return self._due - now

    def beats(self) -> bool:
        """Return whether the beat is due; at most once per `wind`."""
        if self._clock() < self._due:
            return False
        self._due, self._last = math.inf, self._due
        return True
