"""What is known of a track, as text for people."""

from __future__ import annotations

import re

from spotify_gym.catalogue import Catalogue

_SPOTIFY_ID = re.compile(r"[0-9A-Za-z]{22}")


def title_of(catalogue: Catalogue, track: int) -> str:
    """Return the title of a track, or its id where it has none."""
    return (catalogue.names[track] if catalogue.names else "") or catalogue.track_ids[track]


def artists_of(catalogue: Catalogue, track: int) -> str:
    """Return the artists of a track, or nothing where they are unknown."""
    return catalogue.artists[track].replace(";", ", ") if catalogue.artists else ""


def genres_of(catalogue: Catalogue, track: int) -> list[str]:
    """Return the genres of a track."""
    if catalogue.genres is None:
        return []
    return [name for name, member in zip(catalogue.genre_names, catalogue.genres[track], strict=True) if member]


def link_of(catalogue: Catalogue, track: int) -> str | None:
    """Return where Spotify plays the track; None where the id is not one of Spotify's."""
    track_id = catalogue.track_ids[track]
    return f"https://open.spotify.com/track/{track_id}" if _SPOTIFY_ID.fullmatch(track_id) else None
