"""Which column of a table is what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.tracks import FEATURE_NAMES

ALIASES: Mapping[str, tuple[str, ...]] = {
    # role: names of the column in SpotifyFeatures.csv, dataset.csv, spotify_songs.csv, and other tables
    "track_id": ("track_id", "spotify_id", "id"),
    "name": ("track_name", "name", "title"),
    "artists": ("artist_name", "artists", "track_artist", "artist"),
    "genre": ("genre", "track_genre", "playlist_genre"),
    "popularity": ("popularity", "track_popularity"),
    **{feature: (feature,) for feature in FEATURE_NAMES},
}
REQUIRED = ("track_id", *FEATURE_NAMES)


def recognise(names: Sequence[str], columns: Mapping[str, str] | None = None) -> dict[str, int]:
    """Say which column of a table serves which role: ``{role: number of the column}``.

    Args:
        names: the table's column names; case, and spaces for underscores, do not matter.
        columns: ``{role: name in this table}`` for columns that are not recognised by their names.

    Raises:
        CatalogueError: if a required column is missing, naming it and the nearest one present.
    """
    chosen = {role: _find(role, name, names) for role, name in (columns or {}).items()}
    plain = [_plain(name) for name in names]
    for role, aliases in ALIASES.items():
        present = [alias for alias in aliases if alias in plain]
        if role not in chosen and present:
            chosen[role] = plain.index(present[0])
    missing = [role for role in REQUIRED if role not in chosen]
    if missing:
        raise CatalogueError(_complain(missing, [name for name in names if name.strip()]))
    return chosen


def _find(role: str, name: str, names: Sequence[str]) -> int:
    if role not in ALIASES:
        raise CatalogueError(
            f"columns={{{role!r}: ...}}: there is no such role (did you mean {_nearest(role, ALIASES)!r}?). "
            f"The map reads {{role: name in the table}}, and the roles are {', '.join(ALIASES)}."
        )
    if name not in names:
        raise CatalogueError(
            f"columns={{{role!r}: {name!r}}}: the table has no column {name!r}; "
            f"the nearest is {_nearest(name, names)!r}."
        )
    return names.index(name)


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def _nearest(name: str, names: Sequence[str] | Mapping[str, object]) -> str:
    return max(names, key=lambda candidate: SequenceMatcher(None, name, _plain(candidate)).ratio())


def _complain(missing: Sequence[str], names: Sequence[str]) -> str:
    if len(missing) == len(REQUIRED):
        listing = ", ".join(name[:40] for name in names[:20])
        needed = ", ".join(REQUIRED)
        return f"this is no table of audio features: its columns are named {listing}, and needed are {needed}."
    hints = "; ".join(f"{role!r} is missing (the nearest column is {_nearest(role, names)!r})" for role in missing)
    return f"{hints}. If a column has another name, say so: columns={{{missing[0]!r}: 'its name in the table'}}."
