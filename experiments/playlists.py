"""Would people's own playlists have gone on like this: `python -m experiments.playlists --catalogue spotify_songs.csv`.

The first tracks of a playlist start a session; the whole catalogue is ranked by what would play next; the rest of the
playlist should stand high. Nobody here has learned from a playlist: the learners know sessions of the environment only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import tyro
from numpy.typing import NDArray

from experiments.lib import Case, Study, learner_name, main, scale_of
from experiments.lib.human_playlists import read_playlists
from experiments.lib.plot_style import caption, figure
from experiments.lib.plots import interval_plot
from experiments.lib.ranking import Ranking
from experiments.lib.report import estimate_text
from experiments.lib.statistics import bootstrap_interval
from spotify_gym.catalogue import Catalogue
from spotify_gym.policies import POLICIES
from spotify_gym.session import SpotifyVectorEnv
from spotify_gym.training.learners import sessions_of

MEASURES: dict[str, Callable[[Ranking], float]] = {
    "NDCG@500": lambda ranking: ranking.ndcg(500),
    "R-precision": Ranking.r_precision,
    "recall@500": lambda ranking: ranking.recall(500),
    "AUC": Ranking.auc,
}
"""How well a ranking finds the rest of a playlist, each in [0, 1]."""

Scores = Callable[[SpotifyVectorEnv, NDArray[np.float32]], NDArray[np.floating]]
"""From a session that has just begun, and its observation (1, k), to a score for each track, (n_tracks,)."""

RANKERS: dict[str, Scores] = {
    "random": lambda env, _: np.zeros(len(env.catalogue)),  # measures are expected values over the orders of ties
    "popular": lambda env, _: np.nan_to_num(np.asarray(env.catalogue.popularity), nan=-1),
    "nearest": lambda env, _: env.dynamics.expected_rewards(env.sessions)[0],
}
"""Those who rank without learning."""


@dataclass(frozen=True)
class Playlists(Study):
    """Start from the first tracks of people's playlists, and see how high the rest of each is ranked.

    A second call goes on where the first one stopped.
    """

    playlists: Path | None = None
    """A CSV file with the columns playlist_id and track_id, in order; None: the table of --catalogue."""
    shortest: int = 10
    """Tracks that a playlist must have in the catalogue."""
    out: Path = Path("results/playlists")
    n_sessions: tyro.conf.Suppress[int] = 1

    measure = "NDCG@500"
    scale = ()

    def methods(self) -> Iterator[Case]:
        """Give those who rank without learning, and the learner."""
        if self.shortest <= self.config.history_length:
            raise ValueError(f"shortest={self.shortest} must be more than the {self.config.history_length} that start")
        catalogue, file = self.catalogue, str(self.playlists or self.config.catalogue)
        dynamics = sessions_of(self.config, catalogue, n_envs=1).env.dynamics
        read_playlists(Path(file), catalogue, self.shortest, say=partial(print, file=sys.stderr))
        learner = PlaylistCase(learner_name(self.config), self.config, playlists=file, shortest=self.shortest)
        for case in scale_of(self.config, 1, tuple(RANKERS)):
            if POLICIES[case.method].lacks(dynamics) is None:
                yield replace(learner, method=case.method, config=case.config, reference=case.reference)
        yield learner

    def pairs(self, learners: list[str]) -> list[tuple[str, str]]:
        """Set the learner against those who did not learn."""
        return [(learner, reference) for learner in learners for reference in RANKERS]

    def findings(self, rows: pd.DataFrame) -> list[str]:
        """Say whether they differ; what are sessions elsewhere are playlists here."""
        return [sentence.replace("sessions", "playlists") for sentence in super().findings(rows)]

    def tables(self, rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
        """Return the measures of each method, with their intervals over playlists."""
        columns = {}
        for measure in MEASURES:
            found = means(rows, measure)
            texts = map(estimate_text, found["estimate"], found["low"], found["high"])
            columns[measure] = pd.Series(texts, found["method"])
        n_lists, n_tracks = rows["session"].nunique(), rows["n_tracks"].iat[0]
        title = f"{n_lists} playlists, {n_tracks:,} tracks, seeded with {self.config.history_length}"
        yield title, pd.DataFrame(columns).reset_index()

    def draw(self, rows: pd.DataFrame) -> None:
        """Draw a panel per measure."""
        with figure(self.out / "playlists.png", len(MEASURES), size=(6.5, 2.6)) as panels:
            for axes, measure in zip(panels, MEASURES, strict=True):
                interval_plot(axes, means(rows, measure))
                axes.set(xlabel=f"{measure}, mean over playlists")
            caption(panels[0], "Point: mean over playlists (n). Line: its 95 % bootstrap interval. Higher is better.")


@dataclass(frozen=True)
class PlaylistCase(Case):
    """A method, and the playlists that it is to go on with."""

    playlists: str = ""
    """Path of the file."""
    shortest: int = 10
    """Tracks that a playlist must have in the catalogue."""

    def policy(self, catalogue: Catalogue) -> Scores:
        """Train a learner, and rank by its Q-values, or return who ranks without learning."""
        if self.reference is not None:
            return RANKERS[self.reference]
        policy = super().policy(catalogue).policy
        policy.set_training_mode(False)

        def values(env: SpotifyVectorEnv, observation: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.no_grad():
                q: NDArray[np.float32] = policy.q_net(policy.obs_to_tensor(observation)[0])[0].numpy()
            return q

        return values

    def measured(self, policy: Any, catalogue: Catalogue) -> pd.DataFrame:
        """Return a row per playlist, with the columns of :data:`MEASURES`."""
        env = sessions_of(self.config, catalogue, n_envs=1).env
        lists = read_playlists(Path(self.playlists), catalogue, self.shortest)
        rows = pd.DataFrame([{"session": name, **judge(policy, env, tracks)} for name, tracks in lists.items()])
        return rows.assign(**self.labels, n_tracks=len(catalogue), fingerprint=catalogue.fingerprint)


def judge(scores: Scores, env: SpotifyVectorEnv, playlist: NDArray[np.int64]) -> dict[str, float]:
    """Rank all tracks after the first ones of a playlist; these, in any version, are no candidates.

    Args:
        scores: who ranks.
        env: one session.
        playlist: (n,) tracks, more than a session starts from.
    """
    start, rest = np.split(playlist, [env.dynamics.history_length])
    observation, _ = env.reset(seed=0, options={"history": start})
    recordings = env.catalogue.recordings
    ranking = Ranking.of(scores(env, observation), rest, np.flatnonzero(np.isin(recordings, recordings[start])))
    return {name: measure(ranking) for name, measure in MEASURES.items()}


def means(results: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Average a measure over playlists, with an interval over them: `method, estimate, low, high, n_runs`.

    A learner's number for a playlist is the mean of its runs; `n_runs` is the number of playlists.
    """
    by_list = results.groupby(["method", "session"], sort=False)[measure].mean()
    rows = [
        (method, *map(float, bootstrap_interval(numbers, np.mean)), len(numbers))
        for method, numbers in by_list.groupby("method", sort=False)
    ]
    return pd.DataFrame(rows, columns=["method", "estimate", "low", "high", "n_runs"])


if __name__ == "__main__":
    main(Playlists)
