"""What everybody plays."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from spotify_gym.policies.policy import Ints, ReferencePolicy
from spotify_gym.session import SessionState


class PopularPolicy(ReferencePolicy):
    """Play the most popular track that the session has not heard, whatever the session; unknown popularity comes last.

    Args:
        env: see :class:`ReferencePolicy`.

    Raises:
        ValueError: the catalogue knows no popularity.
    """

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        popularity = self.dynamics.catalogue.popularity
        if popularity is None or np.isnan(popularity).all():
            raise ValueError(
                f"PopularPolicy needs the popularity of tracks, and {self.dynamics.catalogue.source} has none; "
                "bring a table with a popularity column, or choose another policy"
            )
        self._popularity = popularity

    def choose(self, sessions: SessionState) -> Ints:
        """Go down the charts to the first recording not played; where all were, back to the top."""
        recordings = self.dynamics.catalogue.recordings
        charts = self._charts[: sessions.played.shape[1] + 1]  # so many that one at least was not played
        heard = (sessions.played[:, :, None] == recordings[charts]).any(axis=1)  # (B, charts)
        tracks: Ints = charts[heard.argmin(axis=1)]
        return tracks

    @cached_property
    def _charts(self) -> Ints:
        """The most popular version of each recording, the most popular first."""
        order = np.argsort(-self._popularity, kind="stable")  # NaN sorts last
        _, first = np.unique(self.dynamics.catalogue.recordings[order], return_index=True)
        charts: Ints = order[np.sort(first)]
        return charts
