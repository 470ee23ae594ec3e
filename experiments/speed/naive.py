"""The first environment as it is usually written: a pandas table, and scikit-learn's cosine at every step."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray
from sklearn.metrics.pairwise import cosine_similarity

from spotify_gym.catalogue import Catalogue


class NaiveEnv(gym.Env[NDArray[np.float32], np.int64]):
    """`SpotifySession-v0` without a thought for speed.

    Args:
        table: (n_tracks, d) scaled features.
        baseline: constant taken from each reward.
        history_length: tracks whose mean is the state.
    """

    def __init__(self, table: pd.DataFrame, baseline: float = 0.0, history_length: int = 5) -> None:
        self.table, self.baseline, self.history_length = table, baseline, history_length
        self.action_space = gym.spaces.Discrete(len(table))
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (table.shape[1],))
        self.history: list[int] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin with a few random tracks, or with those of `options["history"]`."""
        super().reset(seed=seed)
        drawn = self.np_random.choice(len(self.table), self.history_length, replace=False)
        self.history = list(map(int, (options or {}).get("history", drawn)))
        return self._vibe(), {}

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Play a track: its cosine to the mean of the last ones is the reward."""
        track = self.table.iloc[[int(action)]].to_numpy()
        cosine = cosine_similarity(track, self._vibe().reshape(1, -1))[0, 0]
        self.history = [*self.history[1:], int(action)]
        return self._vibe(), float(cosine) - self.baseline, False, False, {"track": action}

    def _vibe(self) -> NDArray[np.float32]:
        return self.table.iloc[self.history].mean().to_numpy()


def naive_spec(catalogue: Catalogue) -> EnvSpec:
    """Return what `gymnasium.make` and `make_vec` make a naive environment of."""
    table = pd.DataFrame(catalogue.features, columns=list(catalogue.feature_names))
    return EnvSpec("NaiveSession-v0", entry_point=lambda **_: NaiveEnv(table), max_episode_steps=20)
