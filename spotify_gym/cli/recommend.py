"""The command `spotify-gym recommend`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from spotify_gym.cli.command import Command
from spotify_gym.cli.printing import show_table
from spotify_gym.training import find_tracks, load_run, recommend


@dataclass(frozen=True)
class Recommend(Command):
    """Print what a trained model would play next."""

    path: tyro.conf.Positional[Path]
    """Folder of the run."""
    history: tuple[str, ...]
    """The last tracks heard, the oldest first, by id or title: one text with commas, or one text each."""
    top: int = 10
    """How many tracks."""
    catalogue: str | None = None
    """Recommend from another catalogue than the one trained on; scaled as that one was."""
    trust: bool = False
    """Import what the run names as module:Class, load model.zip where weights are missing; either can run any code."""

    def run(self) -> None:
        """Print the tracks, the best first."""
        run = load_run(self.path, self.catalogue, trust=self.trust)
        heard = find_tracks(run.catalogue, self.history)
        if len(heard) != run.config.history_length:
            raise ValueError(f"--history has {len(heard)} tracks; this model needs {run.config.history_length}")
        show_table(
            "after " + ", ".join(run.catalogue.label(track) for track in heard),
            {"": "right", "track": "left", "id": "left", "similarity": "right", "value": "right"},
            (
                (str(place), one.label, one.track_id, f"{one.similarity:+.3f}", f"{one.value:.3f}")
                for place, one in enumerate(recommend(run, heard, self.top), start=1)
            ),
        )
