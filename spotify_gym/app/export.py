"""Export of a playlist: a table, and links."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from spotify_gym.app.listening import ListeningSession
from spotify_gym.app.words import artists_of, genres_of, link_of, title_of

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = ("position", "answer", "agent", "similarity", "reward", "track_id", "title", "artists", "genres", "link")


def links(session: ListeningSession) -> list[str]:
    """Return Spotify's links of all tracks heard, as far as the ids look real."""
    found = (link_of(session.dynamics.catalogue, track) for track in session.heard)
    return [link for link in found if link is not None]


def to_csv(session: ListeningSession) -> str:
    """Write every track of the session, those skipped too, as a table that begins with the mark of UTF-8.

    Without it spreadsheets take accents for something else. A text that one would take for a formula gets an
    apostrophe before it.
    """
    catalogue, out = session.dynamics.catalogue, io.StringIO("\ufeff")
    out.seek(0, io.SEEK_END)
    table = csv.writer(out, lineterminator="\n")
    table.writerow(_COLUMNS)
    for position, (track, *answer) in enumerate(_answers(session), start=1):
        texts = catalogue.track_ids[track], title_of(catalogue, track), artists_of(catalogue, track)
        genres = "; ".join(genres_of(catalogue, track))
        table.writerow([position, *answer, *map(_harmless, (*texts, genres)), link_of(catalogue, track) or ""])
    return out.getvalue()


def _answers(session: ListeningSession) -> Iterator[tuple[int, str, str, str, str]]:
    """Yield track, answer, agent, similarity and reward of everything in the session."""
    for track in session.start:
        yield track, "start", "", "", ""
    for play in session.plays:
        answer = "listened" if play.heard else "skipped"
        yield play.track, answer, _harmless(play.agent), f"{play.similarity:.4f}", f"{play.reward:.4f}"


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
