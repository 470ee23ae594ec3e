"""Which column of a table is what, and a table of which that is known."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.report import Finding
from spotify_gym.catalogue.tracks import FEATURE_NAMES

if TYPE_CHECKING:
    import pyarrow as pa

ALIASES: Mapping[str, str] = {
    # role: names of its column, by letters and digits alone, the more specific ones first
    "track_id": "trackid trackuri trackspotifyid idtrack songid songuri spotifyid spotifyuri idspotify spid id uri "
    "trackurl tracklink trackhref songurl songlink spotifyurl spotifylink externalurlsspotify url link href",
    "name": "trackname tracktitle songname songtitle nametrack namesong mastermetadatatrackname track song title name "
    "titulo titre nombre cancion musica",
    "artists": "artistname artistnames artistsname artistsnames trackartistname trackartistnames artists trackartist "
    "trackartists artist performers performer singers singer mastermetadataalbumartistname band artist1 artista",
    "genre": "genre trackgenre playlistgenre genres trackgenres songgenre topgenre artistgenres artistgenre maingenre "
    "musicgenre genrename parentgenres genero",
    "popularity": "popularity pop",
    "acousticness": "acousticness acous acoustic",
    "danceability": "danceability dnce dance",
    "energy": "energy nrgy",
    "instrumentalness": "instrumentalness instrumental instr",
    "liveness": "liveness live",
    "loudness": "loudness db loud",
    "speechiness": "speechiness spch speech",
    "tempo": "tempo bpm beatsperminute",
    "valence": "valence val happy happiness positiveness",
}
MIN_FEATURES = 5
MAX_HEADER = 30  # lines or rows among which the header is sought
_ROLES = {alias: (role, 3 * rank) for role, aliases in ALIASES.items() for rank, alias in enumerate(aliases.split())}
_BEFORE = "^(?:items?|spotify|audio|features?)*"  # what tables write before a name, and around what is measured
_AROUND = "^(?:track|song)*|(?:db|bpm|percent|percentage|pct|score|value)*$"


@dataclass(frozen=True)
class Roles:
    """The columns of a table, by number, and what each is for."""

    features: Mapping[str, int]  # name of the feature: its column
    kinds: Mapping[str, str]  # name of the feature: which of the nine it is, where it is one of them
    candidates: Mapping[str, Sequence[int]]  # role: the columns that could serve it, the likeliest first

    def columns(self) -> list[int]:
        """Return the numbers of all columns that are worth reading."""
        return sorted(
            {*self.features.values(), *(column for several in self.candidates.values() for column in several)}
        )


@dataclass(frozen=True)
class RawTable:
    """The columns that are needed, unparsed, and where in the file each row stands."""

    names: tuple[str, ...]  # of all columns of the file
    roles: Roles
    cells: pa.Table  # the columns that `roles` speaks of, each called by its number
    places: NDArray[np.int64]  # (n_rows,), the line or row of the file where each row begins
    unit: str  # what `places` counts: "line" or "row"
    damaged: tuple[Finding, ...] = ()  # rows that could not even be split into columns
    notes: tuple[str, ...] = ()

    def column(self, number: int) -> pa.ChunkedArray:
        """Return a column by its number in the file."""
        return self.cells.column(str(number))

    @property
    def rows(self) -> int:
        """Count the rows of the file, those that could not be split among them."""
        return len(self.places) + sum(finding.rows for finding in self.damaged)


def concatenate(tables: Sequence[RawTable]) -> RawTable:
    """Put the parts of one table one after another, their rows counted through.

    Raises:
        CatalogueError: if the parts have other columns.
    """
    import pyarrow as pa

    if len(tables) == 1:
        return tables[0]
    if odd := next((number for number, table in enumerate(tables, 1) if table.names != tables[0].names), None):
        raise CatalogueError(f"part {odd} of {len(tables)} has other columns than the first.")
    cells = pa.concat_tables([table.cells for table in tables], promote_options="permissive")
    lost = sum(table.rows - len(table.places) for table in tables)
    damaged = (Finding("damaged in its part", lost),) if lost else ()
    return replace(tables[0], cells=cells, places=np.arange(len(cells)) + 1, unit="row", damaged=damaged)


@dataclass(frozen=True)
class Schema:
    """What a user says of a table, and what the names of its columns say."""

    path: Path
    columns: Mapping[str, str]  # role: name in this table; "" where it has none
    features: Sequence[str] | None  # names in this table, or of features; None: those of the nine that are there

    def likeness(self, names: Sequence[str]) -> int:
        """Count the roles for which there is a column; a chance word or two in a line make no header of it."""
        given = {*self.columns.values(), *(self.features or ())}.intersection(names)
        known = {role for name in names if (role := _role_of(name)[0])}
        return len(known) + len(given) if given or len(known) > 2 else 0

    def roles(self, names: Sequence[str]) -> Roles:
        """Say which columns serve which roles.

        Raises:
            CatalogueError: if there are too few features, or the user names what is not there, or one column twice.
        """
        given = {role: [self._find(role, name, names)] if name else [] for role, name in self.columns.items()}
        taken = [column for several in given.values() for column in several]
        found: dict[str, list[int]] = {}
        for _, number in sorted((_role_of(name)[1], number) for number, name in enumerate(names)):
            role = _role_of(names[number])[0]
            if (number in taken and role in FEATURE_NAMES and role not in given) or taken.count(number) > 1:
                raise CatalogueError(f"the column {names[number]!r} cannot serve two roles.")
            if role and number not in taken:
                found.setdefault(role, []).append(number)
        found |= given
        known = {name: found[name][0] for name in FEATURE_NAMES if found.get(name)}
        features = (
            known if self.features is None else {name: self._feature(name, names, known) for name in self.features}
        )
        if (len(features) < MIN_FEATURES and self.features is None) or len({*features.values()}) < len(
            self.features or "1"
        ):
            raise CatalogueError(self._complain(known, names))
        kinds = {name: kind for name, number in features.items() for kind, other in known.items() if number == other}
        return Roles(
            features, kinds, {role: found[role] for role in ALIASES if role not in FEATURE_NAMES and role in found}
        )

    def command(self, *words: str) -> str:
        """Return the command to type."""
        return shlex.join(["spotify-gym", "prepare", str(self.path), *words])

    def hints(self, missing: Sequence[str], names: Sequence[str]) -> Iterator[str]:
        """Yield the command to type for each column whose name is near one that is missing."""
        unknown = {_key(name): name for name in names if not _role_of(name)[0] and name.isprintable()}
        for role in missing:
            for near in get_close_matches(role, unknown, n=1, cutoff=0.8):
                yield f"{role} may be {unknown[near]!r}: {self.command('--columns', f'{role}={unknown[near]}')}"

    def _find(self, role: str, name: str, names: Sequence[str]) -> int:
        if role not in ALIASES:
            raise CatalogueError(
                f"--columns {role}=...: there is no such role{_near(role, ALIASES, ' (did you mean {}?)')}. "
                f"Write ROLE=COLUMN; the roles are {', '.join(ALIASES)}."
            )
        return _position(name, names)

    def _feature(self, name: str, names: Sequence[str], known: Mapping[str, int]) -> int:
        return known[name] if name in known and name not in names else _position(name, names)

    def _complain(self, known: Mapping[str, int], names: Sequence[str]) -> str:
        if self.features is not None:
            return f"--features {shlex.join(self.features)}: at least one column is needed, and none twice."
        have = f"only {', '.join(known)} of the nine are there" if known else "there is none of the nine"
        return " ".join(
            [
                f"this is no table of audio features: its columns are named {_listed(names)}, and {have}; at least "
                f"{MIN_FEATURES} of {', '.join(FEATURE_NAMES)} are needed.",
                *self.hints([name for name in FEATURE_NAMES if name not in known], names),
                f"Or say which numbers are a track's features: {self.command('--features')} COLUMN COLUMN ...",
            ]
        )


@lru_cache(maxsize=10_000)
def _role_of(name: str) -> tuple[str, int]:
    """Return the role that a column's name tells, and how specific it is (0: most); "" if it tells none."""
    key = _key(name)
    bare = re.sub(_BEFORE, "", key)
    for plainness, alias in enumerate((key, bare, re.sub(_AROUND, "", bare))):
        role, rank = _ROLES.get(alias, ("", 0))
        if role and (plainness < 2 or role in (*FEATURE_NAMES, "popularity")):
            return role, rank + plainness
    return "", 0


def _key(name: str) -> str:
    """Return the letters and digits, in lower case, less the ending that a merge of tables gives."""
    return "".join(char for char in re.sub(r"[_.][xy]$", "", name.strip()[:100]).casefold() if char.isalnum())


def _position(name: str, names: Sequence[str]) -> int:
    keys = [_key(other) for other in names]
    if name in names:
        return names.index(name)
    if keys.count(_key(name)) == 1:
        return keys.index(_key(name))
    near = _near(name, names, "; the nearest is {}") or f"; its columns are {_listed(names)}"
    raise CatalogueError(f"the table has no column {name!r}{near}.")


def _near(name: str, names: Sequence[str] | Mapping[str, str], words: str) -> str:
    return "".join(words.format(repr(near)) for near in get_close_matches(name, names, n=1, cutoff=0.5))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name[:40] for name in [name for name in names if name.strip()][:20])
