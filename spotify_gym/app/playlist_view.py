"""What has been played so far, and the playlist to take along: a table, and links."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from functools import partial

import pyarrow as pa
import streamlit as st

from spotify_gym.app.listening import ListeningSession
from spotify_gym.app.markup import facts, headline
from spotify_gym.app.words import artists_of, genres_of, link_of, signed, title_of

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = ("position", "answer", "agent", "similarity", "reward", "track_id", "title", "artists", "genres", "link")


def show_playlist(session: ListeningSession) -> None:
    """Show what was played and what it was worth, and offer it to take along."""
    plays, shown = session.plays, ("title", "artists", "answer", "similarity")
    n_heard = sum(play.heard for play in plays)
    similarity = sum(play.similarity for play in plays) / max(1, len(plays))
    reward = sum(play.reward for play in plays)
    counts = [(str(n_heard), "listened"), (str(len(plays) - n_heard), "skipped")]
    st.html(headline("so far", "Your playlist"))
    st.html(facts([*counts, (signed(similarity), "mean similarity"), (signed(reward), "reward in all")]))
    rows = list(_rows(session, signed))
    st.dataframe(pa.table({name: [row[name] for row in rows] for name in shown}), hide_index=True)
    show_download("CSV", partial(to_csv, session), "playlist.csv", "text/csv")
    if addresses := links(session):
        with st.expander("Spotify links"):
            st.caption("Copy all, open a playlist in Spotify's desktop program, and paste: they become its tracks.")
            st.code("\n".join(addresses), language=None)


def show_download(label: str, content: Callable[[], str | bytes], file_name: str, kind: str) -> None:
    """Show a button that saves a file."""
    st.download_button(label, content, file_name, kind, on_click="ignore", icon=":material/download:")


def links(session: ListeningSession) -> list[str]:
    """Return Spotify's links of all tracks heard, as far as the ids look real."""
    found = (link_of(session.dynamics.catalogue, track) for track in session.heard)
    return [link for link in found if link is not None]


def to_csv(session: ListeningSession) -> str:
    """Write every track of the session, those skipped too, as a table that begins with the mark of UTF-8.

    Without it spreadsheets take accents for something else. A text that one would take for a formula gets an
    apostrophe before it.
    """
    out = io.StringIO()
    table = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    table.writeheader()
    numbers = ("similarity", "reward")
    for row in _rows(session, "{:.4f}".format):
        table.writerow({name: text if name in numbers else _harmless(text) for name, text in row.items()})
    return f"\ufeff{out.getvalue()}"


def _rows(session: ListeningSession, number: Callable[[float], str]) -> Iterator[dict[str, str]]:
    """Yield everything in the session as texts by the names of the columns."""
    catalogue = session.dynamics.catalogue
    start = [(track, "start", "", "", "") for track in session.start]
    plays = [
        (p.track, "listened" if p.heard else "skipped", p.agent, number(p.similarity), number(p.reward))
        for p in session.plays
    ]
    for position, (track, *answer) in enumerate([*start, *plays], start=1):
        texts = catalogue.track_ids[track], title_of(catalogue, track), artists_of(catalogue, track)
        genres, link = "; ".join(genres_of(catalogue, track)), link_of(catalogue, track) or ""
        yield dict(zip(_COLUMNS, (str(position), *answer, *texts, genres, link), strict=True))


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
