"""Catalogues that no shop would sell: constant, doubled, tiny, huge, of zeros."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spotify_gym import Catalogue
from tests.catalogues import hand_made

Catalogue.from_features([[0.0]])  # loads scikit-learn, which must not happen while hypothesis draws

VALUES = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 0.1, 1e-6, 1e-19, 1e-22, -1e-38, 1e6, 1e12, -1e12, 12345.678]),
    st.floats(-(2.0**39), 2.0**39, width=32),
    st.floats(-3, 3, width=32),
)


@st.composite
def catalogues(draw: st.DrawFn, smallest: int = 6) -> Catalogue:
    """Draw a catalogue of exactly these features, or one that scaling made of them."""
    n_tracks, d = draw(st.integers(smallest, smallest + 20)), draw(st.integers(1, 10))
    few = draw(hnp.arrays(np.float32, (draw(st.integers(1, n_tracks)), d), elements=VALUES))
    features = few[draw(st.lists(st.integers(0, len(few) - 1), min_size=n_tracks, max_size=n_tracks))]
    if draw(st.booleans()):
        return hand_made(features)
    return Catalogue.from_features(features, scaling=draw(st.sampled_from(["standard", "minmax"])))
