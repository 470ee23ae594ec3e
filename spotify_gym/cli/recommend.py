"""The command `spotify-gym recommend`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from spotify_gym.cli.command import Command, show_table
from spotify_gym.training import find_tracks, load_run, recommend


@dataclass(frozen=True)
class Recommend(Command):
    """Print the tracks that a trained model would play next."""

    path: tyro.conf.Positional[Path]
    """Folder of the run."""
    history: tuple[str, ...]
    """The last tracks heard, oldest first, by id, link, title or "Title — Artist", with or without commas between."""
    top: int = 10
    """Number of tracks to print."""
    catalogue: str | None = None
    """Recommend from a catalogue other than the one trained on, with the scaling of that one."""
    trust: bool = False
    """Import code that the run names as module:Class, load model.zip if weights are missing; both can run any code."""

    def run(self) -> None:
        """Print the tracks, the best first."""
        run = load_run(self.path, self.catalogue, trust=self.trust)
        heard = find_tracks(run.catalogue, self.history)
        heard, said = fitted(heard, run.config.history_length)
        if said:
            print(said, file=sys.stderr)
        show_table(
            "after " + ", ".join(run.catalogue.label(track) for track in heard),
            {"": "right", "track": "left", "id": "left", "similarity": "right", "value": "right"},
            (
                (str(place), one.label, one.track_id, f"{one.similarity:+.3f}", f"{one.value:.3f}")
                for place, one in enumerate(recommend(run, heard, self.top), start=1)
            ),
        )


def fitted(heard: Sequence[int], length: int) -> tuple[list[int], str]:
    """Return a history of exactly `length` tracks, and a message if it differs from `heard`, else "".

    If there are too many tracks, the last ones are used; too few are repeated in turn, which keeps their mean close.

    Raises:
        ValueError: `heard` is empty.

    >>> fitted([1, 2, 3], 2)[0], fitted([1, 2], 5)[0]
    ([2, 3], [1, 2, 1, 2, 1])
    """
    if not heard:
        raise ValueError("--history is empty; give the tracks last heard, by id or title")
    if len(heard) > length:
        return list(heard[-length:]), f"this model uses {length} tracks: the last {length} of {len(heard)} given"
    if len(heard) < length:
        repeated = [heard[place % len(heard)] for place in range(length)]
        return repeated, f"this model uses {length} tracks: the {len(heard)} given are repeated in turn"
    return list(heard), ""
