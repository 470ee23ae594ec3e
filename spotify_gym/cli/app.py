"""The command `spotify-gym app`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from spotify_gym.app.serve import PORT, serve
from spotify_gym.cli.command import Command


@dataclass(frozen=True)
class App(Command):
    """Open a web page for listening sessions with agents, served on this machine only. Ctrl-C closes it."""

    paths: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Folders of runs, one agent each; by default the small trained model that comes with the package."""
    catalogue: str | None = None
    """A table, a prepared .arrow, "builtin" or "builtin:26000"; None: what the first run was trained on."""
    port: int = PORT
    """Port of the page; the next free one if it is taken."""
    trust: bool = False
    """Import code that runs name as module:Class, load model.zip if weights are missing; both can run any code."""

    def run(self) -> None:
        """Serve until interrupted."""
        serve(self.paths, self.catalogue, self.port, self.trust)
