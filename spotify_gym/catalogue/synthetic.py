"""The built-in catalogue: invented tracks, distributed like real ones."""

from __future__ import annotations

import numpy as np

from spotify_gym.catalogue.text import TextColumn
from spotify_gym.catalogue.tracks import Tracks


def invent_tracks(n_tracks: int, seed: int) -> Tracks:
    """Invent ``n_tracks`` tracks, the same for the same ``seed``."""
    rng = np.random.default_rng(seed)
    features = rng.random((n_tracks, 9))
    features[:, 5] = features[:, 5] * 30 - 30
    features[:, 7] = features[:, 7] * 100 + 70
    return Tracks(
        features=features,
        track_ids=TextColumn.of(f"builtin-{seed}-{i}" for i in range(n_tracks)),
        names=TextColumn.of(f"Title {i}" for i in range(n_tracks)),
        artists=TextColumn.of(f"Artist {i // 8}" for i in range(n_tracks)),
        genres=rng.integers(4, size=n_tracks)[:, None] == np.arange(4),
        genre_names=("ambient", "dance", "folk", "rock"),
        popularity=rng.integers(101, size=n_tracks).astype(np.float32),
    )
