"""The command `spotify-gym fetch`."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from spotify_gym.catalogue.files import tables_below
from spotify_gym.cli.command import Command, UsageError

_SOURCE = re.compile(r"(kaggle|hf):(\w[\w.-]*/(\w[\w.-]*))")


class FetchError(ValueError):
    """A table could not be had; the message says why."""


@dataclass(frozen=True)
class Fetch(Command):
    """Download a public table of songs from Kaggle or Hugging Face, and say how to prepare it."""

    source: tyro.conf.Positional[str]
    """kaggle:OWNER/NAME or hf:OWNER/NAME, such as hf:maharshipandya/spotify-tracks-dataset."""
    out: Path | None = None
    """Folder to write to; None: one of the table's name."""

    def run(self) -> None:
        """Download, and print the commands that prepare what came."""
        named = _SOURCE.fullmatch(self.source)
        if named is None:
            raise UsageError(f"{self.source!r} must be kaggle:OWNER/NAME or hf:OWNER/NAME")
        site, name, folder = named.groups()
        out = self.out or Path(folder)
        print(f"fetching {self.source} ...", file=sys.stderr)
        (_from_kaggle if site == "kaggle" else _from_hugging_face)(name, out)
        tables = tables_below(out)
        if not tables:
            raise FetchError(f"{self.source} is now in {out}, but there is no table in it")
        for table in tables:
            print(shlex.join(["spotify-gym", "prepare", str(table)]))


def _from_kaggle(name: str, out: Path) -> None:
    import kagglehub

    try:
        kagglehub.dataset_download(name, output_dir=str(out))
    except Exception as error:  # of the client, of its HTTP, of the disk
        raise FetchError(f"kaggle:{name} could not be fetched: {error}") from error


def _from_hugging_face(name: str, out: Path) -> None:
    import huggingface_hub

    try:
        huggingface_hub.snapshot_download(name, repo_type="dataset", local_dir=out)
    except Exception as error:  # of the client, of its HTTP, of the disk
        raise FetchError(f"hf:{name} could not be fetched: {error}") from error
