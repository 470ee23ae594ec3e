"""What has been played so far, and the playlist to take along."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pyarrow as pa
import streamlit as st

from spotify_gym.app.export import links, to_csv
from spotify_gym.app.listening import ListeningSession
from spotify_gym.app.markup import facts, headline
from spotify_gym.app.words import artists_of, signed, title_of


def show_playlist(session: ListeningSession) -> None:
    """Show what was played and what it was worth, and offer it to take along."""
    st.html(headline("so far", "Your playlist"))
    st.html(facts(_numbers(session)))
    st.dataframe(_playlist(session), hide_index=True)
    show_download("CSV", partial(to_csv, session), "playlist.csv", "text/csv")
    if addresses := links(session):
        with st.expander("Spotify links"):
            st.caption("Copy all, open a playlist in Spotify's desktop program, and paste: they become its tracks.")
            st.code("\n".join(addresses), language=None)


def show_download(label: str, content: Callable[[], str | bytes], file_name: str, kind: str) -> None:
    """Show a button that saves a file."""
    st.download_button(label, content, file_name, kind, on_click="ignore", icon=":material/download:")


def _numbers(session: ListeningSession) -> list[tuple[str, str]]:
    plays = session.plays
    n_heard = sum(play.heard for play in plays)
    similarity = sum(play.similarity for play in plays) / max(1, len(plays))
    reward = sum(play.reward for play in plays)
    return [
        (str(n_heard), "listened"),
        (str(len(plays) - n_heard), "skipped"),
        (signed(similarity), "mean similarity"),
        (signed(reward), "reward in all"),
    ]


def _playlist(session: ListeningSession) -> pa.Table:
    catalogue = session.dynamics.catalogue
    rows = [(track, "start", "") for track in session.start]
    rows += [(play.track, "listened" if play.heard else "skipped", signed(play.similarity)) for play in session.plays]
    listing = [(title_of(catalogue, t), artists_of(catalogue, t), answer, similarity) for t, answer, similarity in rows]
    columns = map(list, zip(*listing, strict=True))
    return pa.table(dict(zip(("title", "artists", "answer", "similarity"), columns, strict=True)))
