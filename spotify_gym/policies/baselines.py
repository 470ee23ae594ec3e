"""Baselines that choose one track at a time: random, popular, and nearest to what was heard or by reward (greedy)."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from spotify_gym.policies.policy import DirectedPolicy, Ranking, RankingPolicy, ValuingPolicy, best_along, best_of
from spotify_gym.session import SessionDynamics, SessionState
from spotify_gym.session.estimation import told
from spotify_gym.session.kernels import unit
from spotify_gym.session.state import Floats, Ints, log_of


class RandomPolicy(RankingPolicy):
    """Play a random track, uniformly among those that may be played.

    Args:
        env: see :class:`ReferencePolicy`.
        seed: seed of the random numbers.
    """

    about = "Plays a random track each time. A baseline for the other agents."
    value_name = "a random number"
    why = "Chosen at random: neither your vibe nor anything else matters."

    def __init__(self, env: Any, seed: int | None = 0) -> None:
        super().__init__(env)
        self._rng = np.random.default_rng(seed)

    def choose(self, sessions: SessionState) -> Ints:
        """Draw from the whole catalogue; where that track was played before, draw again from the remaining ones."""
        tracks = self._rng.integers(len(self.dynamics.catalogue), size=len(sessions))
        if self.dynamics.repeats:
            return tracks
        versions = self.dynamics.first_versions[tracks]
        refused = np.flatnonzero((sessions.played == versions[:, None]).any(axis=1))
        for row, mask in zip(refused, self.dynamics.allowed(sessions.take(refused)), strict=True):
            if mask.any():
                tracks[row] = self._rng.choice(np.flatnonzero(mask))
        return tracks

    def rank(self, sessions: SessionState, k: int) -> Ranking:
        """Shuffle the catalogue, in the same order whenever the same session is passed again."""
        n_tracks = len(self.dynamics.catalogue)
        seeds = (played[played >= 0] for played in sessions.played)
        values = [np.random.default_rng(seed).random(n_tracks, dtype=np.float32) for seed in seeds]
        return best_of(np.where(self.dynamics.allowed(sessions), values, np.float32(-np.inf)), k)


class PopularPolicy(RankingPolicy):
    """Play the most popular track not yet heard in the session; tracks of unknown popularity come last.

    Args:
        env: see :class:`ReferencePolicy`.

    Raises:
        ValueError: the catalogue has no popularity.
    """

    about = "Plays the most popular track you have not heard, the same for everybody."
    value_name = "popularity"
    why = "Popularity {value:.0f} of 100: the most popular track you have not heard, whatever your vibe."

    @classmethod
    def lacks(cls, dynamics: SessionDynamics) -> str | None:
        """Return the error message if the catalogue has no popularity, else None."""
        popularity = dynamics.catalogue.popularity
        if popularity is not None and not np.isnan(popularity).all():
            return None
        return (
            f"needs the popularity of tracks, and {dynamics.catalogue.source} has none; "
            "use a table with a popularity column, or choose another policy"
        )

    def rank(self, sessions: SessionState, k: int) -> Ranking:
        """Return the most popular tracks that were not played; if all were played, start from the top again."""
        catalogue = self.dynamics.catalogue
        assert catalogue.popularity is not None
        charts = self._charts[: sessions.played.shape[1] + k]  # enough that at least k were not played
        heard = (sessions.played[:, :, None] == self.dynamics.first_versions[charts]).any(axis=1)  # (B, charts)
        order = heard.argsort(axis=1, kind="stable")[:, :k]
        popularity = np.nan_to_num(catalogue.popularity[charts[order]], nan=-1)
        return Ranking(charts[order], np.where(np.take_along_axis(heard, order, axis=1), -np.inf, popularity))

    @cached_property
    def _charts(self) -> Ints:
        """The most popular version of each track, by decreasing popularity."""
        catalogue = self.dynamics.catalogue
        assert catalogue.popularity is not None
        order = np.argsort(-catalogue.popularity, kind="stable")  # NaN sorts last
        _, first = np.unique(self.dynamics.first_versions[order], return_index=True)
        charts: Ints = order[np.sort(first)]
        return charts


class NearestPolicy(ValuingPolicy):
    """Play the track with the highest expected reward now: the myopic oracle, exact over the whole catalogue.

    In `SpotifySession-v0` this is the nearest neighbour of the vibe by cosine. In other environments it knows the
    listener's hidden state, a taste or a mood, but not the outcome of random events; and it never looks ahead.
    """

    about = "Learns nothing and does not look ahead: it plays the track that earns the most right now."
    value_name = "reward now"

    def rank(self, sessions: SessionState, k: int) -> Ranking:
        """Search along the direction in which rewards rise, if there is one; otherwise value the whole catalogue."""
        found = self.dynamics.rising(sessions)
        if found is None:
            return super().rank(sessions, k)
        directions, rewards = found
        tracks, products = best_along(directions, self.dynamics, sessions, k)
        return Ranking(tracks, np.where(np.isneginf(products), products, rewards(products)))

    def values(self, sessions: SessionState) -> Floats:
        """Return the expected rewards."""
        return self.dynamics.expected_rewards(sessions)


class NearestSeenPolicy(DirectedPolicy):
    """Play the track nearest to the vibe by cosine, ignoring the listener's responses."""

    about = "Plays the track that sounds most like the last ones you heard out, and uses nothing else about you."

    def directions(self, sessions: SessionState) -> Floats:
        """Return the unit vectors of the vibes."""
        return unit(sessions.vibe)


class NearestCompletedPolicy(DirectedPolicy):
    """Play the track nearest by cosine to the mean of all tracks heard out, the start included."""

    about = "Plays the track that sounds most like everything you have heard out so far."

    def directions(self, sessions: SessionState) -> Floats:
        """Return the unit vectors of the mean unit features."""
        log, n_start = log_of(sessions), self.dynamics.history_length
        means, counts = told(self.dynamics.catalogue.features, log.tracks, log.answers, n_start)
        return unit(n_start * means[:, 0] + counts[:, :1] * means[:, 1])
