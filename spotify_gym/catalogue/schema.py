"""The schema of a table: the feature or role (track id, title, ...) of each column, recognised by its name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TypeVar
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from spotify_gym.catalogue.report import Account, CatalogueError, Finding
from spotify_gym.catalogue.tracks import FEATURE_NAMES

T = TypeVar("T")

ALIASES: Mapping[str, str] = {
    # role: names of its column, in letters and digits only, the most specific first
    "track_id": "trackid trackuri trackspotifyid idtrack songid songuri spotifyid spotifyuri idspotify spid id uri "
    "trackurl tracklink trackhref songurl songlink spotifyurl spotifylink urlspotify externalurlsspotify url link href "
    "tid idcancion cancionid idmusica musicaid",
    "name": "trackname tracktitle songname songtitle nametrack namesong mastermetadatatrackname track song title name "
    "names titulo titre titel titolo tytuł denumire nomedamusica nombre cancion musica faixa chanson brano 曲名",
    "artists": "artistname artistnames artistsname artistsnames trackartistname trackartistnames trackartistsname "
    "artists trackartist trackartists artist mainartist performers performer singers singer "
    "mastermetadataalbumartistname allartists primaryartist band bandsinger artist1 artista artiste interpret "
    "interprete kunstler cantante nomedoartista nomeartista nombreartistico nombreartista nombredelartista autor "
    "artisttitle アーティスト",
    "genre": "genre trackgenre playlistgenre genres trackgenres songgenre topgenre artistgenres artistsgenres "
    "artistgenre maingenre musicgenre genrename parentgenres genretop primarygenre artisttopgenre genero",
    "popularity": "popularity popularidad popularidade popularite popolarita beliebtheit pop",
    "acousticness": "acousticness acous acoustic acustica acusticidad acusticidade acusticita acousticite acoustique "
    "akustik",
    "danceability": "danceability dnce dance bailabilidad danzabilidad dancabilidade ballabilita dansabilite "
    "tanzbarkeit",
    "energy": "energy nrgy energia energie",
    "instrumentalness": "instrumentalness instrumental instr instrumentalidad instrumentalidade instrumentalita "
    "instrumentalite",
    "liveness": "liveness liveliness live vivacidad vivacidade vivacita vivacite aovivo lebendigkeit",
    "loudness": "loudness db loud volumen volume volumesonore sonoridad sonoridade lautstarke",
    "speechiness": "speechiness spch speech locuacidad habla fala sprachanteil",
    "tempo": "tempo bpm beatsperminute",
    "valence": "valence valance val happy happiness positiveness positivity positividad positividade valencia valenza "
    "valenz",
}
MIN_FEATURES = 5
MAX_HEADER = 30  # first lines or rows, among which the header is searched
_ROLES = {alias: (role, 4 * rank) for role, aliases in ALIASES.items() for rank, alias in enumerate(aliases.split())}
_S = "(?:s(?!p(?:ee|c|otify)))?"  # a plural, but not the beginning of "speechiness" or "spotify"
_BEFORE = f"^(?:item{_S}|spotify|sp|audio|feature{_S}|af)*"  # prefixes that tables add to names; below, suffixes too
_AROUND = (
    f"^(?:(?:item|track|song|feature){_S}|spotify|audio|af)*|(?:dbf?s?|lufs|bpm|percent(age)?|pct|scores?|value)*$"
)
_SPELT = {*FEATURE_NAMES} - {"tempo"}  # recognised even if misspelt; "tiempo" is a time
_UNIT = r"(?i)[(\[][\d\W]*(to|db|dbfs|lufs|bpm|beats per minute|ms)?[\d\W]*[)\]]"


@dataclass(frozen=True)
class Roles:
    """The columns of a table, by name, and the feature or role of each."""

    features: Mapping[str, str]  # name of the feature: its column
    kinds: Mapping[str, str]  # name of the feature: which of the nine it is, if it is one of them
    candidates: Mapping[str, Sequence[str]]  # role: the columns that could have it, the likeliest first

    @property
    def columns(self) -> list[str]:
        """All columns to read."""
        return list(dict.fromkeys(chain(self.features.values(), *self.candidates.values())))


@dataclass(frozen=True)
class RawTable:
    """The needed columns of a table, not parsed yet, and the place of each row in the file."""

    names: tuple[str, ...]  # of all columns of the file
    roles: Roles
    cells: pa.Table  # the columns in `roles`
    places: NDArray[np.int64]  # (n_rows,), the line or row of the file where each row begins
    account: Account  # findings so far, such as rows that could not be split into columns

    def find(self, role: str, parse: Callable[[pa.Array], T | None]) -> T | None:
        """Return what ``parse`` makes of the first column that it accepts for a role, and record that; `None` if none.

        Args:
            role: "track_id", "name", "artists", "genre" or "popularity".
            parse: parses the texts (n_rows,) of a column, or returns `None` if they cannot have the role. Missing
                texts are ""; control characters, which a terminal might obey, are blanks; outer blanks are gone.
        """
        for name in self.roles.candidates.get(role, ()):
            texts = pc.fill_null(self.cells[name].combine_chunks().cast(pa.string()), "")
            found = parse(pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, r"\p{Cc}+", " ")))
            if found is not None:
                self.account.columns[role] = name
                return found
        return None


def concatenate(tables: Sequence[RawTable]) -> RawTable:
    """Concatenate the parts of one table; rows are counted across parts."""
    first, *others = tables
    if not others:
        return first
    if odd := next((number for number, table in enumerate(tables, 1) if {*table.names} != {*first.names}), None):
        raise CatalogueError(f"part {odd} of {len(tables)} has other columns than the first.")
    cells = pa.concat_tables([table.cells for table in tables], promote_options="permissive")
    lost = sum(finding.rows for table in tables for finding in table.account.dropped)
    notes = list(dict.fromkeys(note for table in tables for note in table.account.notes))
    account = Account(dropped=[Finding("damaged in its part", lost)] if lost else [], notes=notes)
    return replace(first, cells=cells, places=np.arange(len(cells)) + 1, account=account)


@dataclass(frozen=True)
class Schema:
    """Assigns columns to features and roles: as the user says, and otherwise by their names."""

    path: Path
    columns: Mapping[str, str]  # role: name of its column, as the user says; "" if it has none
    features: Sequence[str] | None  # names of columns, or of features; None: those of the nine that are there

    def __post_init__(self) -> None:
        for role in self.columns.keys() - ALIASES.keys():
            near = [_role_of(role)[0]] if _role_of(role)[0] else get_close_matches(role, ALIASES, n=1)
            raise CatalogueError(
                f"--columns {role}=...: unknown role{''.join(f' (did you mean {one!r}?)' for one in near)}. "
                f"Write ROLE=COLUMN; the roles are {', '.join(ALIASES)}."
            )

    def likeness(self, names: Sequence[str]) -> int:
        """Return how many roles are among the names of a possible header; 0 for one or two, which may be chance."""
        given = {*self.columns.values(), *(self.features or ())}.intersection(names)
        known = {role for name in names if (role := _role_of(name)[0])}
        return len(known) + len(given) if given or len(known) > 2 else 0

    def roles(self, names: Sequence[str]) -> Roles:
        """Return the columns for each feature and role; of columns with the same name, the first.

        Raises:
            CatalogueError: if there are too few features, or the user names a missing column, or one column twice.
        """
        given = {role: [_column(name, names, {})] if name else [] for role, name in self.columns.items()}
        taken = list(chain(*given.values()))
        found: dict[str, list[str]] = {}
        for name in sorted(dict.fromkeys(names), key=lambda name: _role_of(name)[1]):
            role, _ = _role_of(name)
            if taken.count(name) > (role not in FEATURE_NAMES or role in given):
                raise CatalogueError(f"the column {name!r} cannot have two roles.")
            if role and name not in taken:
                found.setdefault(role, []).append(name)
        found |= given
        known = {name: found[name][0] for name in FEATURE_NAMES if found.get(name)}
        features = known
        if self.features is not None:
            features = {name: _column(name, names, known) for name in self.features}
            if len({*features.values()}) < max(1, len(self.features)):
                raise CatalogueError(
                    f"--features {shlex.join(self.features)}: give one column or more, without repeats."
                )
        elif len(known) < MIN_FEATURES:
            raise CatalogueError(self._complain(known, names))
        kinds = {name: kind for name, column in features.items() for kind, other in known.items() if column == other}
        return Roles(features, kinds, {role: found[role] for role in found if role not in FEATURE_NAMES})

    def command(self, columns: Mapping[str, str] | None = None, features: Sequence[str] = ()) -> str:
        """Return the command to type: with what the user has said already, and these columns and features."""
        pairs = map("=".join, {**self.columns, **(columns or {})}.items())
        said = {"--columns": [*pairs], "--features": [*(features or self.features or ())]}
        words = chain(*([option, *values] for option, values in said.items() if values))
        return shlex.join(["spotify-gym", "prepare", str(self.path), *words])

    def hint(self, missing: Sequence[str], names: Sequence[str]) -> str:
        """Return which columns have names close to ``missing`` roles, and the command to type; "" if none has."""
        unknown = {_key(name): name for name in names if not _role_of(name)[0] and name.isprintable()}
        near = ((role, unknown[key]) for role in missing for key in get_close_matches(role, unknown, n=1, cutoff=0.8))
        columns = dict(near)
        guesses = ", ".join(f"{role} may be {name!r}" for role, name in columns.items())
        return guesses and f"{guesses}: {self.command(columns)}"

    def _complain(self, known: Mapping[str, str], names: Sequence[str]) -> str:
        have = f"only {', '.join(known)} are known features" if known else "none is a known feature"
        hint = self.hint([name for name in FEATURE_NAMES if name not in known], names)
        return (
            f"this is not a table of audio features: its columns are named {_listed(names)}, and {have}; at least "
            f"{MIN_FEATURES} of {', '.join(FEATURE_NAMES)} are needed. {hint and f'{hint} '}"
            f"Or name the columns of features: {self.command(features=['COLUMN', 'COLUMN'])} ..."
        )


@lru_cache(maxsize=10_000)
def _role_of(name: str) -> tuple[str, int]:
    """Return the role or feature that a column's name means, and its rank (0: most specific); "" if it means none.

    Common misspellings of features ("dancability", "acoustiness") are recognised; "energy_std" is not one.
    """
    key, plain = _key(name), _key(re.sub(_UNIT, "", name))  # "Energy (0-100)", and not "Energy (std)"
    for plainness, alias in enumerate((key, re.sub(_BEFORE, "", key), plain, re.sub(_AROUND, "", key))):
        role, rank = _ROLES.get(alias, ("", 0))
        if role and (plainness < 3 or role in (*FEATURE_NAMES, "popularity")):
            return role, rank + plainness
    near = get_close_matches(alias, _SPELT, n=1, cutoff=0.9)
    return (near[0], 4 * len(_ROLES)) if near and near[0][0] == alias[0] and near[0] not in alias else ("", 0)


def _key(name: str) -> str:
    """Return a column's name for comparison: letters and digits only, in lower case, without accents.

    The suffixes of merged tables ("id_x", "id...2") and of the first in a list ("artists.0.name") are removed.
    """
    plain = normalize("NFKD", re.sub(r"[_.][xy]$|\.{3}\d+$|[._/]0(?=[._/])", "", name.strip()[:100].casefold()))
    return "".join(char for char in plain if char.isalnum())


def _column(name: str, names: Sequence[str], known: Mapping[str, str]) -> str:
    """Return the column that a user's name means: the same name, that feature, or equal in letters and digits."""
    alike = [other for other in names if _key(other) == _key(name)]
    if name in names or name in known:
        return name if name in names else known[name]
    if len(alike) == 1:
        return alike[0]
    near, parts = get_close_matches(name, names, n=1, cutoff=0.5), re.split(r"\s*,\s*", name)
    others = f"the nearest is {near[0]!r}" if near else f"its columns are {_listed(names)}"
    others = f"use spaces, not commas: --features {shlex.join(parts)}" if {*parts} <= {*names, *known} else others
    raise CatalogueError(f"the table has no column {name!r}; {others}.")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name[:40] for name in [name for name in names if name.strip()][:20])
