"""The commands `spotify-gym fetch` and `prepare`: download a public table of songs, and make a catalogue from it."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from spotify_gym.catalogue import Catalogue
from spotify_gym.catalogue.files import tables_below
from spotify_gym.catalogue.report import printable
from spotify_gym.cli.command import CheckFailed, Command, UsageError, check_out
from spotify_gym.registry import pairs_of

_SOURCE = re.compile(r"(kaggle|hf):(\w[\w.-]*/(\w[\w.-]*))")


@dataclass(frozen=True)
class Prepare(Command):
    """Read a table of songs, report what was found, and write a catalogue that loads at once."""

    table: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="PATH")]
    """The table: CSV, Parquet, JSON or XLSX, also compressed, or a folder with one table, whole or in parts."""
    out: Path = Path("catalogue.arrow")
    """The catalogue file to write."""
    scaling: Literal["standard", "minmax"] = "standard"
    """How features are scaled."""
    columns: Annotated[tuple[str, ...], tyro.conf.arg(metavar="ROLE=COLUMN ...")] = ()
    """Columns whose names are not recognised, such as track_id=uri; track_id= if the table has none."""
    features: tuple[str, ...] = ()
    """Numeric columns to use as features, instead of the nine audio features."""
    duplicates: Literal["keep", "merge"] = "keep"
    """Keep a recording that is in several rows as several tracks, or merge it into one."""
    min_popularity: float | None = None
    """Leave out tracks that are less popular than this, from 0 to 100."""
    shuffle: bool = False
    """Put the tracks in random order."""
    seed: int = 0
    """Seed of the shuffle."""
    strict: bool = False
    """If there is a warning, write nothing and exit with 1."""

    def run(self) -> None:
        """Read the table, print the report, and write the catalogue."""
        check_out(self.out, ".arrow")
        print(f"reading {self.table} ...", file=sys.stderr)
        catalogue = Catalogue.read(
            self.table,
            scaling=self.scaling,
            columns=_column_names(self.columns),
            features=self.features or None,
            duplicates=self.duplicates,
            min_popularity=self.min_popularity,
            shuffle=self.shuffle,
            seed=self.seed,
        )
        print(catalogue.report)
        if self.strict and catalogue.report.warnings:
            raise CheckFailed(f"nothing was written; {catalogue.report.verdict}")
        print(f"writing {self.out} ...", file=sys.stderr)
        catalogue.save(self.out)
        print(f"{self.out}: {len(catalogue):,} tracks, fingerprint {catalogue.fingerprint}")
        print(printable(catalogue.report.verdict))


def _column_names(pairs: Sequence[str]) -> dict[str, str] | None:
    try:
        return pairs_of(pairs) or None
    except ValueError as error:
        raise UsageError(f"--columns: {error}, such as track_id=uri") from error


class FetchError(ValueError):
    """A table could not be downloaded; the message says why."""


@dataclass(frozen=True)
class Fetch(Command):
    """Download a public table of songs from Kaggle or Hugging Face, and print the command that prepares it."""

    source: tyro.conf.Positional[str]
    """Where the table is: kaggle:OWNER/NAME or hf:OWNER/NAME, such as hf:maharshipandya/spotify-tracks-dataset."""
    out: Path | None = None
    """Folder to write to; None: a folder with the table's name."""

    def run(self) -> None:
        """Download, and print the commands that prepare the tables found."""
        named = _SOURCE.fullmatch(self.source)
        if named is None:
            raise UsageError(f"{self.source!r} must be kaggle:OWNER/NAME or hf:OWNER/NAME")
        site, name, folder = named.groups()
        out = self.out or Path(folder)
        print(f"fetching {self.source} ...", file=sys.stderr)
        try:
            _download(site, name, out)
        except ImportError:
            raise
        except Exception as error:  # from the client library, the network or the disk
            raise FetchError(f"{self.source} could not be fetched: {error}") from error
        tables = tables_below(out)
        if not tables:
            raise FetchError(f"{self.source} was downloaded to {out}, but has no table")
        for table in tables:
            print(shlex.join(["spotify-gym", "prepare", str(table)]))


def _download(site: str, name: str, out: Path) -> None:
    if site == "kaggle":
        import kagglehub

        kagglehub.dataset_download(name, output_dir=str(out))
    else:
        import huggingface_hub

        huggingface_hub.snapshot_download(name, repo_type="dataset", local_dir=out)
