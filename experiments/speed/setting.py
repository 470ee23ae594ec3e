"""What the measurements have in common: the tracks, the machine, how much effort."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from experiments.speed.machine import Machine
from experiments.speed.measuring import Work, repeating
from spotify_gym.catalogue import Catalogue

REAL_SIZE = 211_871
"""Tracks in the catalogue that the goals are about."""


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    rounds: int
    """Measurements of each cost."""
    seconds: float
    """Length of one measurement [s]."""
    sizes: tuple[int, ...]
    """Tracks in a catalogue, besides those of the one given."""
    batches: tuple[int, ...]
    """Sessions at once."""
    n_rows: int
    """Of the table that is read, if none is given."""
    n_workers: int
    """Processes that share a catalogue."""


FULL = Effort(7, 0.2, (1_000, 10_000, 100_000, 1_000_000), (1, 4, 16, 64, 256, 1024, 4096), 232_725, 10)
QUICK = Effort(3, 0.04, (1_000, 10_000), (1, 64, 1024), 232_725, 2)


@dataclass(frozen=True)
class Setting:
    """What every measurement is told."""

    catalogue: Catalogue
    effort: Effort
    machine: Machine
    folder: Path
    """For files that are not to be kept."""
    table: Path | None = None
    """The table to read; None: one is written."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where networks live."""
    memory_limit: float = float("inf")
    """Leave out what takes more memory [bytes]."""
    seed: int = 0

    @property
    def sizes(self) -> list[int]:
        """Numbers of tracks to measure with."""
        return sorted({*self.effort.sizes, len(self.catalogue)})

    def sized(self, n_tracks: int) -> Catalogue:
        """Return so many tracks of the catalogue; where it has fewer, invented ones."""
        n_here = len(self.catalogue)
        if n_tracks == n_here:
            return self.catalogue
        if n_tracks > n_here:
            return Catalogue.builtin(n_tracks, self.seed)
        return self.catalogue.take(np.random.default_rng(self.seed).choice(n_here, n_tracks, replace=False))

    def repeating(self, work: Work, units: int = 1) -> Callable[[], float]:
        """Return what measures the cost of one unit of work on the processor [s]."""
        return repeating(work, self.effort.seconds, units)

    def repeating_on_device(self, work: Work, units: int = 1) -> Callable[[], float]:
        """Return what measures the cost of one unit of work of a network, wherever it lives [s]."""
        if self.device == "cpu":
            return self.repeating(work, units)

        def finished(n: int) -> None:
            work(n)
            torch.cuda.synchronize()

        return repeating(finished, self.effort.seconds, units, time.perf_counter)


def goal_at(n: int, seconds: float, stated_for: int = REAL_SIZE) -> float | None:
    """Return the goal for n tracks or rows: in proportion where they are more than it is stated for.

    A catalogue less than half as large has none.
    """
    return seconds * max(1.0, n / stated_for) if n > stated_for / 2 else None
