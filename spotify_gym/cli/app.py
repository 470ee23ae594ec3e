"""The command `spotify-gym app`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from spotify_gym.app.serve import PORT, serve
from spotify_gym.cli.command import Command


@dataclass(frozen=True)
class App(Command):
    """Open a page to sit in a listening session with agents, on this machine alone. Ctrl-C closes it."""

    paths: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Folders of runs, each an agent of its own; none: the small trained model that comes with the package."""
    catalogue: str | None = None
    """A table, a prepared .arrow, "builtin" or "builtin:26000"; None: what the first run was trained on."""
    port: int = PORT
    """Where the page is served; the next free one if it is taken."""
    trust: bool = False
    """Import what runs name as module:Class, load model.zip where weights are missing; either can run any code."""

    def run(self) -> None:
        """Serve until interrupted."""
        serve(self.paths, self.catalogue, self.port, self.trust)
