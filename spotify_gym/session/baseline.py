"""What random play earns on average, so that rewards can be centred around 0."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from spotify_gym.catalogue import Catalogue
from spotify_gym.session import kernels

_VIBES = 100_000  # vibes, or fewer:
_NUMBERS = 20_000_000  # looked up for them; where histories or tracks are long, more would take gigabytes
_KNOWN: WeakKeyDictionary[Catalogue, dict[int, float]] = WeakKeyDictionary()


def expected_cosine(catalogue: Catalogue, history_length: int) -> float:
    """Return the expected cosine of a random track to the mean of `history_length` distinct random tracks.

    The two are independent, so that this is the product of two means: that of the unit features, exact, and that of
    the unit vibe, over a fixed sample.
    """
    by_length = _KNOWN.setdefault(catalogue, {})
    if history_length not in by_length:
        n_vibes = min(_VIBES, 1 + _NUMBERS // (history_length * catalogue.features.shape[1]))
        drawn = np.random.default_rng(0).random((n_vibes, history_length))
        vibes = catalogue.features[kernels.fast_distinct(drawn, len(catalogue))].mean(axis=1)
        units = vibes / kernels.lengths(vibes)[:, None]
        by_length[history_length] = float(catalogue.unit_features.mean(axis=0) @ units.mean(axis=0))
    return by_length[history_length]
