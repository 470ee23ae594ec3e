"""Catalogues that tests make or find."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from spotify_gym import Catalogue
from spotify_gym.catalogue.report import Report
from spotify_gym.catalogue.scaling import Scaling
from spotify_gym.catalogue.tracks import TextColumn, Tracks

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def hand_made(features: NDArray[np.float32], names: Sequence[str] | None = None) -> Catalogue:
    """Make a catalogue of exactly these features, (n_tracks, d), unscaled."""
    n_tracks, d = features.shape
    tracks = Tracks(
        features,
        TextColumn.of(f"id{i}" for i in range(n_tracks)),
        tuple(f"feature {j}" for j in range(d)),
        names=None if names is None else TextColumn.of(names),
    )
    unscaled = Scaling("standard", np.zeros(d), np.ones(d))
    return Catalogue.of(tracks, unscaled, source="by hand", synthetic=True, report=Report(n_tracks, n_tracks))


def real_table(name: str) -> Path:
    """Find a real table beside the project, or skip the test."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the real table {name} is not at hand")
    return path
