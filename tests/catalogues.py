"""Catalogues that tests make or find."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
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


VALUES = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 0.1, 1e-6, 1e-19, 1e-22, -1e-38, 1e6, 1e12, -1e12, 12345.678]),
    st.floats(-(2.0**39), 2.0**39, width=32),
    st.floats(-3, 3, width=32),
)


@st.composite
def odd_catalogues(draw: st.DrawFn, smallest: int = 6) -> Catalogue:
    """Draw a catalogue of features that no shop would sell: constant, doubled, tiny, huge, zero; as drawn or scaled."""
    n_tracks, d = draw(st.integers(smallest, smallest + 20)), draw(st.integers(1, 10))
    few = draw(hnp.arrays(np.float32, (draw(st.integers(1, n_tracks)), d), elements=VALUES))
    features = few[draw(st.lists(st.integers(0, len(few) - 1), min_size=n_tracks, max_size=n_tracks))]
    if draw(st.booleans()):
        return hand_made(features)
    return Catalogue.from_features(features, scaling=draw(st.sampled_from(["standard", "minmax"])))
