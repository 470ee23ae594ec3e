"""The session: the next track, the answer to it, and the picture of the vibe."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pyarrow as pa
import streamlit as st

from spotify_gym.app.autoplay_timer import AutoplayTimer
from spotify_gym.app.charts import NEXT, VIBE, radar_chart, time_chart
from spotify_gym.app.ending import scores, to_png
from spotify_gym.app.explanation import explain
from spotify_gym.app.listening import ListeningSession, Offer
from spotify_gym.app.map_view import show_map
from spotify_gym.app.markup import colour_key, headline, line_below, meter, small_line, track_card, track_row
from spotify_gym.app.playlist_view import show_download, show_playlist
from spotify_gym.app.user_session import UserSession
from spotify_gym.app.widgets import track_line, user_button
from spotify_gym.app.words import FeatureWords, link_of, listed, signed, words_for

_WIDTHS = [5, 6]
_EARLY = 0.01  # that the clock of a browser may be, and a little more [s]


def show_session(user: UserSession, session: ListeningSession) -> None:
    """Show the session of a user."""
    offers = [] if session.is_over else session.offers()
    vibe = listed(user.app_state.profile.describe(session.vibe)) or "a bit of everything"
    st.html(headline("the agent reads your vibe as", vibe.capitalize()))
    left, right = st.columns(_WIDTHS, gap="large")
    with left:
        if session.is_over:
            _show_ending(user, session)
        else:
            _show_next(user, session, offers)
        _show_controls(user, session)
        if offers:
            _show_runners_up(user, session, offers[1:])
    with right:
        show_map(user, session, partial(st.session_state.__setitem__, "picked"))
        _show_picked(user, session)
        _show_radar(user, session, offers)
        _show_course(session)
    show_playlist(session)


def _show_next(user: UserSession, session: ListeningSession, offers: Sequence[Offer]) -> None:
    if not offers:
        st.write("You have heard everything there is in this catalogue.")
        return
    catalogue, track = session.dynamics.catalogue, offers[0].track
    with st.container(border=True):
        why = session.why(user.agent, offers, user.app_state.profile)
        st.html(track_card(catalogue, track, _number(session), offers[0].similarity, why))
        with st.container(horizontal=True, gap="xsmall"):
            user_button(
                user, "Listened", "listened", session.listened, icon=":material/check:", shortcut="L", primary=True
            )
            user_button(user, "Skip", "skip", session.skip, icon=":material/skip_next:", shortcut="S")
            user_button(
                user, "Undo", "undo", session.undo, icon=":material/undo:", shortcut="U", disabled=not session.plays
            )
            if link := link_of(catalogue, track):
                st.link_button("Open in Spotify", link, icon=":material/open_in_new:")
        if link:
            _show_player(link)
        _show_reaction(user, session)
        with st.expander("Why, in numbers", key="numbers", on_change="rerun") as numbers:
            if numbers.open:
                _show_numbers(user, session, offers)


def _show_numbers(user: UserSession, session: ListeningSession, offers: Sequence[Offer]) -> None:
    """Show what the agent goes by, and what each feature has to do with the similarity of its first choice."""
    st.html(line_below(f"What {user.agent.name} goes by: {user.agent.value_name}."))
    values = [offer.score for offer in offers]
    bar = st.column_config.ProgressColumn(format="%.3f", min_value=min(0.0, *values), max_value=max(1e-6, *values))
    labels = [session.dynamics.catalogue.label(offer.track) for offer in offers]
    st.dataframe(pa.table({"track": labels, "value": values}), column_config={"value": bar}, hide_index=True)
    st.caption("What each feature adds to the similarity, which is the sum of the last column.")
    st.dataframe(_by_feature(user, session, offers[0].track), hide_index=True)


def _show_reaction(user: UserSession, session: ListeningSession) -> None:
    """Show what the last skip changed, what the listener of the environment would make of it, and what may come."""
    if session.moved is not None:
        hears = f"{user.agent.name} heard that skip: the order of what it would play has changed."
        deaf = f"{user.agent.name} does not hear skips: what was next in its order comes, and your vibe stays."
        st.html(line_below(hears if session.moved else deaf))
    if session.patience is not None:
        left, most = session.patience
        st.html(meter("patience of the listener it learned from, in skips", left, left / most))
        if left == 0:
            st.html(line_below("They would have left here. You may go on."))
    if st.toggle("What if?", key="what-if", help="Shows what comes after either answer."):
        catalogue = session.dynamics.catalogue
        for answer, heard in (("if you listen", True), ("if you skip", False)):
            for offer in session.after(heard).offers()[:1]:
                st.html(small_line(f"{answer}, then comes"))
                st.html(track_row(catalogue, offer.track, len(session.plays) + 2, signed(offer.similarity)))


def _show_player(link: str) -> None:
    """Offer Spotify's player, the one thing on the page that asks another machine for something: off until wanted."""
    help_ = "Loads a player from open.spotify.com, which learns your address and which tracks you hear."
    if st.toggle("Hear it here, with Spotify's player", key="player", help=help_):
        st.iframe(link.replace(".com/track/", ".com/embed/track/"), height=80)


def _show_ending(user: UserSession, session: ListeningSession) -> None:
    """Show what the session came to, beside the references from the same start, and the ways on from here."""
    with st.container(border=True):
        with st.spinner("The planner, who knows all the rules, plays from your start ..."):
            earned = scores(session)
        st.html(headline("the session is over", f"{session.agent.name} and you earned {signed(earned['you'])}"))
        highest = max(map(abs, earned.values()))
        for name, score in earned.items():
            st.html(meter(_PLAYERS[name].format(agent=session.agent.name), score, score / (highest or 1)))
        skipped = sum(not play.heard for play in session.plays)
        st.html(line_below(f"You skipped {skipped} of {len(session.plays)} tracks. {_REFERENCES}"))
        with st.container(horizontal=True, gap="xsmall"):
            again = partial(user.begin, session.start)
            user_button(user, "Again from here", "again", again, icon=":material/replay:", primary=True)
            user_button(user, "Go on listening", "go-on", session.go_on, icon=":material/play_arrow:")
            user_button(user, "Undo", "undo", session.undo, icon=":material/undo:")
            show_download("Picture", partial(to_png, session), "session.png", "image/png")
        st.caption("To let another agent play from the same start, choose it below, then *Again from here*.")


def _number(session: ListeningSession) -> str:
    return f"next track, {len(session.plays) + 1}" + ("" if session.length is None else f" of {session.length}")


def _by_feature(user: UserSession, session: ListeningSession, track: int) -> pa.Table:
    catalogue, features = session.dynamics.catalogue, session.dynamics.catalogue.features[track]
    return pa.table(
        {
            "how": [_named(words_for(name)) for name in catalogue.feature_names],
            "your vibe": catalogue.scaling.undo(session.vibe).round(2),
            "this track": catalogue.scaling.undo(features).round(2),
            "adds": explain(user.app_state.profile, session.vibe, features).shares.round(2),
        }
    )


def _named(words: FeatureWords) -> str:
    return f"{words.high} [{words.unit}]" if words.unit else words.high


def _show_controls(user: UserSession, session: ListeningSession) -> None:
    names = list(user.app_state.agents)
    st.selectbox(
        "Who recommends",
        names,
        index=names.index(user.agent.name),
        key="agent",
        help=user.agent.about,
        on_change=user.click,
        args=(
            "agent",
            lambda: user.sit_with(user.app_state.agents[st.session_state["agent"]]),
            st.session_state["tab"],
        ),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        playing = st.toggle("Auto-play", key="auto", help="Listens to everything that comes.", disabled=session.is_over)
        pace = st.slider("Seconds a track", 0.5, 5.0, 1.5, 0.5, key="pace", width=180)
    if playing and not session.is_over:
        _play_on(user, session, st.session_state.setdefault("autoplay_timer", AutoplayTimer()), pace)
    else:
        st.session_state.pop("autoplay_timer", None)
    if playing and session.is_over:
        st.caption("Auto-play has stopped: the session is over.")


def _play_on(user: UserSession, session: ListeningSession, autoplay_timer: AutoplayTimer, pace: float) -> None:
    """Listen to the next track after `pace` seconds without a click."""

    @st.fragment(run_every=autoplay_timer.wind(pace) + _EARLY)
    def tick() -> None:  # once now, in vain, and then with the clock
        if autoplay_timer.beats():
            user.click("auto", session.listened, st.session_state["tab"])
            st.rerun()

    tick()


def _show_runners_up(user: UserSession, session: ListeningSession, offers: Sequence[Offer]) -> None:
    st.html(headline("close behind", "Or one of these"))
    st.html(line_below(f"In the order of {user.agent.name}: {user.agent.value_name}."))
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


def _show_radar(user: UserSession, session: ListeningSession, offers: Sequence[Offer]) -> None:
    profile, features = user.app_state.profile, session.dynamics.catalogue.features
    following = profile.share_below(features[offers[0].track]) if offers else None
    chart = radar_chart([word.high for word in profile.words], profile.share_below(session.vibe), following)
    st.html(small_line("how it sounds"))
    following_key = [(NEXT, "the next track")] if offers else []
    st.html(colour_key([(VIBE, "your vibe: further out is more than most tracks have"), *following_key]))
    with st.container(horizontal_alignment="center"):
        st.vega_lite_chart(spec=chart, key="radar", width="content", alt=_RADAR_ALT)


def _show_course(session: ListeningSession) -> None:
    if session.plays:
        st.html(small_line("track by track"))
        st.html(colour_key(((VIBE, "similarity to your vibe"), (NEXT, "reward; a cross, and no bar, is a skip"))))
        st.vega_lite_chart(spec=time_chart(session), key="time", alt=_TIME_ALT)


_PLAYERS = {
    "you": "{agent} and you",
    "random": "random tracks",
    "nearest": "always the nearest track",
    "planner": "a planner who knows all the rules",
}
_REFERENCES = "A skipped track earns nothing. The others play from your five tracks, and all they play is heard out."

_RADAR_ALT = "Radar of the audio features: your vibe and the next track"
_TIME_ALT = "Similarity and reward of each track so far"
