"""Baseline implementations for the benchmark: pandas tables, scikit-learn's cosine at every step, sorting or faiss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import StandardScaler

from spotify_gym.catalogue import Catalogue

_MOST_LINKED = 300_000  # largest number of vectors in an HNSW graph; building a larger one takes many minutes


class NaiveEnv(gym.Env[NDArray[np.float32], np.int64]):
    """`SpotifySession-v0`, written without regard to speed.

    Args:
        table: (n_tracks, d) scaled features.
        baseline: constant subtracted from each reward.
        history_length: number of last tracks whose mean is the state.
    """

    def __init__(self, table: pd.DataFrame, baseline: float = 0.0, history_length: int = 5) -> None:
        self.table, self.baseline, self.history_length = table, baseline, history_length
        self.action_space = gym.spaces.Discrete(len(table))
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (table.shape[1],))
        self.history: list[int] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin a session with random tracks, or with those of `options["history"]`."""
        super().reset(seed=seed)
        drawn = self.np_random.choice(len(self.table), self.history_length, replace=False)
        self.history = list(map(int, (options or {}).get("history", drawn)))
        return self._vibe(), {}

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Play a track; the reward is its cosine to the mean of the last tracks."""
        track = self.table.iloc[[int(action)]].to_numpy()
        cosine = cosine_similarity(track, self._vibe().reshape(1, -1))[0, 0]
        self.history = [*self.history[1:], int(action)]
        return self._vibe(), float(cosine) - self.baseline, False, False, {"track": action}

    def _vibe(self) -> NDArray[np.float32]:
        return self.table.iloc[self.history].mean().to_numpy()


def naive_spec(catalogue: Catalogue) -> EnvSpec:
    """Return the spec from which `gymnasium.make` and `make_vec` make a naive environment."""
    table = pd.DataFrame(catalogue.features, columns=list(catalogue.feature_names))
    return EnvSpec("NaiveSession-v0", entry_point=lambda **_: NaiveEnv(table), max_episode_steps=20)


def read_naively(table: Path, id_column: str, features: Sequence[str]) -> NDArray[np.float64]:
    """Return the (n_tracks, d) scaled features of a table, without any checks."""
    frame = pd.read_csv(table).drop_duplicates(id_column)
    scaled: NDArray[np.float64] = StandardScaler().fit_transform(frame[list(features)])
    return scaled


def best_naively(catalogue: Catalogue, state: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the k tracks nearest to a (1, d) state."""
    return np.argsort(cosine_similarity(catalogue.features, state)[:, 0])[::-1][:k]


def faiss_ways(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> dict[str, Callable[[], object]]:
    """Return faiss searches by name, with the recall of its graph in the name; empty if faiss is not installed."""
    if find_spec("faiss") is None:
        return {}
    faiss: Any = import_module("faiss")
    faiss.omp_set_num_threads(1)
    n, d = vectors.shape
    flat, graph = faiss.IndexFlatIP(d), faiss.IndexHNSWFlat(d, 32, faiss.METRIC_INNER_PRODUCT)
    flat.add(vectors)
    if n > _MOST_LINKED:
        return {"faiss, flat, exact": lambda: flat.search(queries, 1)}
    graph.add(vectors)
    recall = np.mean(flat.search(queries, 1)[1] == graph.search(queries, 1)[1])
    return {
        "faiss, flat, exact": lambda: flat.search(queries, 1),
        f"faiss, HNSW, which finds {recall:.0%}": lambda: graph.search(queries, 1),
    }


def write_table(path: Path, n_rows: int, seed: int = 0) -> Path:
    """Write a synthetic table with the schema of `SpotifyFeatures.csv`, and return its path.

    As in that table, where 176,774 tracks fill 232,725 rows, a track has a row for each of its genres.
    """
    rng, n_tracks = np.random.default_rng(seed), max(1, round(n_rows * 176_774 / 232_725))
    catalogue = Catalogue.builtin(n_tracks, seed)
    names, artists = catalogue.names, catalogue.artists
    assert names is not None
    assert artists is not None
    frame = pd.DataFrame(catalogue.scaling.undo(catalogue.features).round(4), columns=list(catalogue.feature_names))
    tracks = frame.assign(track_name=list(names), artist_name=list(artists), track_id=list(catalogue.track_ids))
    doubled = tracks.iloc[[*range(n_tracks), *rng.integers(n_tracks, size=n_rows - n_tracks)]]
    others: Any = {"duration_ms": 215_000, "key": "C#", "mode": "Major", "time_signature": "4/4"}
    genres, popularity = rng.choice(["Movie", "R&B", "Children's Music"], n_rows), rng.integers(101, size=n_rows)
    doubled.assign(genre=genres, popularity=popularity, **others).to_csv(path, index=False)
    return path
