"""Would people's own playlists have gone on like this: `python -m experiments.playlists --catalogue spotify_songs.csv`.

The first tracks of a playlist start a session; the whole catalogue is ranked by what would play next; the rest of the
playlist should stand high. Nobody here has learned from a playlist: the learners know sessions of the environment only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import tyro
from numpy.typing import NDArray

from experiments.lib.aggregation import comparisons
from experiments.lib.cases import Case
from experiments.lib.human_playlists import HumanPlaylist, read_playlists
from experiments.lib.plot_style import caption, figure
from experiments.lib.plots import interval_plot
from experiments.lib.ranking import Ranking
from experiments.lib.runner import keep_rows, run_cases
from experiments.lib.scale import scale_of
from experiments.lib.statistics import bootstrap_interval
from experiments.lib.suites import learner_name, seeds
from spotify_gym.catalogue import Catalogue
from spotify_gym.cli.command import Command, run_command
from spotify_gym.cli.printing import show_table
from spotify_gym.session import SpotifyVectorEnv
from spotify_gym.training import TrainConfig, train
from spotify_gym.training.learners import catalogue_of, sessions_of

MEASURES: dict[str, Callable[[Ranking], float]] = {
    "NDCG@500": lambda ranking: ranking.ndcg(500),
    "R-precision": Ranking.r_precision,
    "recall@500": lambda ranking: ranking.recall(500),
    "AUC": Ranking.auc,
}
"""How well a ranking finds the rest of a playlist, each in [0, 1]; the first is the one that is tested."""

Scores = Callable[[SpotifyVectorEnv, NDArray[np.float32]], NDArray[np.floating]]
"""From a session that has just begun, and its observation (1, k), to a score for each track, (n_tracks,)."""


@dataclass(frozen=True)
class Playlists(Command):
    """Start from the first tracks of people's playlists, and see how high the rest of each is ranked.

    A second call goes on where the first one stopped.
    """

    config: tyro.conf.OmitArgPrefixes[TrainConfig] = field(
        default_factory=lambda: TrainConfig(env="SpotifyPlaylist-v0", algorithm="double", steps=20_000)
    )
    playlists: Path | None = None
    """A CSV file with the columns playlist_id and track_id, in order; None: the table of --catalogue."""
    shortest: int = 10
    """Tracks that a playlist must have in the catalogue."""
    n_seeds: int = 10
    """Training runs."""
    out: Path = Path("results/playlists")
    """Folder of the results."""
    jobs: int = 2
    """Processes, one training each."""

    def run(self) -> None:
        """Train, rank, print a table and what differs, draw."""
        catalogue, file = catalogue_of(self.config), str(self.playlists or self.config.catalogue)
        if self.shortest <= self.config.history_length:
            raise ValueError(f"shortest={self.shortest} must be more than the {self.config.history_length} that start")
        lists = read_playlists(Path(file), catalogue, self.shortest)
        references = [name for name in REFERENCES if name != "popular" or _knows_popularity(catalogue)]
        learner = PlaylistCase(learner_name(self.config), self.config, None, 1, file, self.shortest)
        cases = [
            *(replace(learner, **vars(case)) for case in scale_of(self.config, 1, references)),
            *seeds(learner, self.n_seeds),
        ]
        results = run_cases(cases, self.out, jobs=self.jobs, work=rank_playlists)
        keep_rows(self.out / "playlists.parquet", results)
        title = f"{len(lists)} playlists, {len(catalogue):,} tracks, seeded with {self.config.history_length}"
        show_table(title, dict.fromkeys(("method", *MEASURES), "right"), _lines(results))
        pairs = [(learner.method, reference) for reference in references]
        said = comparisons(results, pairs, next(iter(MEASURES)))["sentence"]
        print(*said.str.replace("sessions", "playlists"), sep="\n")
        draw(results, title, self.out / "playlists.png")
        print(f"every playlist: {self.out / 'playlists.parquet'}\npicture: {self.out / 'playlists.png'}")


@dataclass(frozen=True)
class PlaylistCase(Case):
    """A method, and the playlists that it is to go on with."""

    playlists: str = ""
    """Path of the file."""
    shortest: int = 10
    """Tracks that a playlist must have in the catalogue."""


def rank_playlists(case: PlaylistCase) -> pd.DataFrame:
    """Return a row per playlist, with the columns of :data:`MEASURES`."""
    catalogue = catalogue_of(case.config)
    scores = learned(case.config, catalogue) if case.reference is None else REFERENCES[case.reference]
    env = sessions_of(case.config, catalogue, n_envs=1).env
    lists = read_playlists(Path(case.playlists), catalogue, case.shortest)
    rows = [{"session": playlist.name, **judge(scores, env, playlist)} for playlist in lists]
    return pd.DataFrame(rows).assign(**case.labels)


def judge(scores: Scores, env: SpotifyVectorEnv, playlist: HumanPlaylist) -> dict[str, float]:
    """Rank all tracks after the first ones of a playlist; these, in any version, are no candidates.

    Args:
        scores: who ranks.
        env: one session.
        playlist: with more tracks than a session starts from.
    """
    start, rest = np.split(playlist.tracks, [env.dynamics.history_length])
    observation, _ = env.reset(seed=0, options={"history": start})
    recordings = env.catalogue.recordings
    ranking = Ranking.of(scores(env, observation), rest, np.flatnonzero(np.isin(recordings, recordings[start])))
    return {name: measure(ranking) for name, measure in MEASURES.items()}


def learned(config: TrainConfig, catalogue: Catalogue) -> Scores:
    """Train a learner, and rank by its Q-values."""
    policy = train(config, catalogue=catalogue).model.policy
    policy.set_training_mode(False)

    def values(env: SpotifyVectorEnv, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            q: NDArray[np.float32] = policy.q_net(policy.obs_to_tensor(observation)[0])[0].numpy()
        return q

    return values


def _at_random(env: SpotifyVectorEnv, observation: NDArray[np.float32]) -> NDArray[np.float32]:
    """Tie all tracks: a ranking's measures are their expected values over the orders of ties."""
    return np.zeros(len(env.catalogue), np.float32)


def _by_popularity(env: SpotifyVectorEnv, observation: NDArray[np.float32]) -> NDArray[np.float32]:
    popularity = env.catalogue.popularity
    assert popularity is not None  # asked for only where it is known
    return np.nan_to_num(popularity, nan=-1)


def _by_likeness(env: SpotifyVectorEnv, observation: NDArray[np.float32]) -> NDArray[np.float32]:
    """Score as the policy `nearest` does."""
    scores: NDArray[np.float32] = env.dynamics.expected_rewards(env.sessions)[0]
    return scores


REFERENCES: dict[str, Scores] = {"random": _at_random, "popular": _by_popularity, "nearest": _by_likeness}
"""Those who rank without learning."""


def means(results: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Average a measure over playlists, with an interval over them: `method, estimate, low, high, n_runs`.

    A learner's number for a playlist is the mean of its runs; `n_runs` is the number of playlists.
    """
    rows = []
    for method, of_method in results.groupby("method", sort=False):
        by_list = of_method.groupby("session")[measure].mean().to_numpy()
        rows.append((method, *map(float, bootstrap_interval(by_list, np.mean)), len(by_list)))
    return pd.DataFrame(rows, columns=["method", "estimate", "low", "high", "n_runs"])


def draw(results: pd.DataFrame, title: str, path: Path) -> None:
    """Draw a panel per measure."""
    with figure(path, len(MEASURES), size=(6.5, 2.6)) as panels:
        for axes, measure in zip(panels, MEASURES, strict=True):
            interval_plot(axes, means(results, measure))
            axes.set(xlabel=f"{measure}, mean over playlists")
        panels[0].set_title(title)
        caption(panels[0], "Point: mean over playlists (n). Line: its 95 % bootstrap interval. Higher is better.")


def _lines(results: pd.DataFrame) -> Iterator[list[str]]:
    columns = [means(results, measure) for measure in MEASURES]
    for rows in zip(*(column.to_dict("records") for column in columns), strict=True):
        numbers = [f"{row['estimate']:.3f} ({row['low']:.3f}–{row['high']:.3f})" for row in rows]
        yield [rows[0]["method"], *numbers]


def _knows_popularity(catalogue: Catalogue) -> bool:
    return catalogue.popularity is not None and not bool(np.isnan(catalogue.popularity).all())


if __name__ == "__main__":
    sys.exit(run_command(Playlists, "python -m experiments.playlists"))
