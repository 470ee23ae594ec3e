"""The outcome of a session: the playlist, its downloads and, at the end, a comparison with the references."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import lru_cache, partial

import matplotlib.image
import numpy as np
import pandas as pd
import streamlit as st

from spotify_gym.app.explanation import Profile
from spotify_gym.app.listening import ListeningSession, as_simulated, has_hidden_taste
from spotify_gym.app.markup import facts, headline, line_below, meters
from spotify_gym.app.user_session import UserSession
from spotify_gym.app.widgets import user_button
from spotify_gym.app.words import artists_of, genres_of, link_of, signed, title_of
from spotify_gym.policies import NearestPolicy, RandomPolicy, ReferencePolicy
from spotify_gym.policies.planner import Search
from spotify_gym.session import SessionDynamics
from spotify_gym.session.rendering import Play, Trace, picture

_OTHERS = {
    False: "from your five tracks, and every track is heard out",
    True: "from your five tracks, to listeners who like how these sound and who answer partly by chance",
}
_MANY, _FEW = 32, 8  # sessions of random play, or of chance, that a score is the mean of
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = ("position", "answer", "agent", "similarity", "reward", "track_id", "title", "artists", "genres", "link")


def show_ending(user: UserSession, session: ListeningSession) -> None:
    """Show the session's return beside that of the references from the same start, and what to do next."""
    skipped = f"{sum(not play.heard for play in session.plays)} of {len(session.plays)} tracks were skipped"
    with st.container(border=True):
        with st.spinner("Others play from your start ..."):
            earned = scores(session)
        who = _who(session)
        st.html(headline("the session is over", f"{who} earned {signed(earned[who])}"))
        st.html(meters(earned))
        others = "to the same listener" if session.taste is not None else _OTHERS[has_hidden_taste(session.dynamics)]
        st.html(line_below(f"{skipped}, which earn nothing. The others play {others}."))
        if session.taste is not None:
            profile = Profile.of(session.dynamics.catalogue)
            st.html(
                line_below(f"Their hidden taste, revealed only now: {profile.describe(profile.at(session.taste))}.")
            )
        with st.container(horizontal=True, gap="xsmall"):
            again = partial(user.begin, session.start, session.key)
            user_button(user, "Again from here", "again", again, icon=":material/replay:", primary=True)
            user_button(user, "Go on listening", "go-on", session.go_on, icon=":material/play_arrow:")
            user_button(user, "Undo", "undo", session.undo, icon=":material/undo:")
            show_download("Picture", partial(to_png, session), "session.png", "image/png")
        st.caption("To let another agent play from the same start, choose it below, then *Again from here*.")


def scores(session: ListeningSession) -> dict[str, float]:
    """Return the return of a session and of each reference from the same start, the highest first.

    Where chance decides what listeners do, references play to listeners who like what the start sounds like, or to the
    simulated listener of the session.
    """
    n_tracks = session.length or len(session.plays)
    references = _reference_scores(as_simulated(session.dynamics), session.start, n_tracks, session.key)
    by_name = {_who(session): session.earned, **references}
    return dict(sorted(by_name.items(), key=lambda pair: -pair[1]))


def _who(session: ListeningSession) -> str:
    return f"{session.agent.name} and {'you' if session.key is None else 'they'}"


@lru_cache(maxsize=256)
def _reference_scores(
    dynamics: SessionDynamics, start: tuple[int, ...], n_tracks: int, key: int | None
) -> Mapping[str, float]:
    def earned(policy: ReferencePolicy, n_sessions: int) -> float:
        sessions = dynamics.start(np.arange(n_sessions, dtype=np.uint64), np.tile(np.array(start), (n_sessions, 1)))
        if key is not None:
            sessions.listener = dynamics.start(np.array([key], np.uint64)).listener.take(np.zeros(n_sessions, np.intp))
        total, stays = 0.0, np.ones(n_sessions, np.bool_)
        for _ in range(n_tracks):
            outcome = dynamics.step(sessions, policy.choose(sessions))
            total += float((outcome.reward * stays).mean())
            stays &= ~outcome.left
        return total

    random = {"random tracks": earned(RandomPolicy(dynamics), _MANY)}
    if dynamics.is_stochastic:
        return {"a policy that knows their taste": earned(NearestPolicy(dynamics), _FEW), **random}
    sessions = dynamics.start(np.zeros(1, np.uint64), np.array([start]))
    planned = {"a planner that knows all the rules": Search(dynamics).best(sessions, n_tracks).value}
    return {"always the track that earns the most now": earned(NearestPolicy(dynamics), 1), **planned, **random}


def to_png(session: ListeningSession) -> bytes:
    """Draw the session: its vibe, the tracks played, the reward so far."""
    plays = [Play(play.track, play.reward, play.similarity, play.heard) for play in session.plays]
    trace = Trace(session.dynamics.catalogue, np.array(session.start), session.vibe, plays)
    file = io.BytesIO()
    matplotlib.image.imsave(file, picture(trace), format="png")
    return file.getvalue()


def show_playlist(session: ListeningSession) -> None:
    """Show the tracks played with their rewards, and buttons to download them."""
    plays, shown = session.plays, ("title", "artists", "answer", "similarity")
    n_heard = sum(play.heard for play in plays)
    similarity = sum(play.similarity for play in plays) / max(1, len(plays))
    counts = [(str(n_heard), "listened"), (str(len(plays) - n_heard), "skipped")]
    st.html(headline("so far", "Your playlist"))
    st.html(facts([*counts, (signed(similarity), "mean similarity"), (signed(session.earned), "reward in all")]))
    st.dataframe(_rows(session, signed)[list(shown)], hide_index=True)
    show_download("CSV", partial(to_csv, session), "playlist.csv", "text/csv")
    if addresses := links(session):
        with st.expander("Spotify links"):
            st.caption("To add them to a playlist, copy all and paste them into it in Spotify's desktop app.")
            st.code("\n".join(addresses), language=None)


def show_download(label: str, content: Callable[[], str | bytes], file_name: str, kind: str) -> None:
    """Show a button that saves a file."""
    st.download_button(label, content, file_name, kind, on_click="ignore", icon=":material/download:")


def links(session: ListeningSession) -> list[str]:
    """Return Spotify links of all tracks heard whose ids look like Spotify's."""
    found = (link_of(session.dynamics.catalogue, track) for track in session.heard)
    return [link for link in found if link is not None]


def to_csv(session: ListeningSession) -> str:
    """Write every track of the session, skipped ones too, as CSV with a UTF-8 byte order mark.

    Without it spreadsheets take accents for something else. A text that one would take for a formula gets an
    apostrophe before it.
    """
    rows = _rows(session, "{:.4f}".format)
    texts = rows.columns.difference(["similarity", "reward"])
    rows[texts] = rows[texts].map(lambda text: f"'{text}" if text.startswith(_FORMULA) else text)
    return "\ufeff" + rows.to_csv(index=False, lineterminator="\n")


def _rows(session: ListeningSession, number: Callable[[float], str]) -> pd.DataFrame:
    """Return everything in the session as texts, a row per track."""
    catalogue = session.dynamics.catalogue
    start = [(track, "start", "", "", "") for track in session.start]
    plays = [
        (p.track, "listened" if p.heard else "skipped", p.agent, number(p.similarity), number(p.reward))
        for p in session.plays
    ]
    rows = []
    for position, (track, *answer) in enumerate([*start, *plays], start=1):
        texts = catalogue.track_ids[track], title_of(catalogue, track), artists_of(catalogue, track)
        genres, link = "; ".join(genres_of(catalogue, track)), link_of(catalogue, track) or ""
        rows.append((str(position), *answer, *texts, genres, link))
    return pd.DataFrame(rows, columns=_COLUMNS)
