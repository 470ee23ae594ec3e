"""Playlist continuation: `python -m experiments.playlists --catalogue spotify_songs.csv`.

The first tracks of a human-made playlist start a session, the whole catalogue is ranked as the next track, and the rest
of the playlist should rank high. No method is trained on playlists: learners train in the environment only.

Tracks of unknown popularity get a random known value. In a table collected from playlists, popularity is known mostly
for the tracks of these playlists, so that ranking unknown tracks last would reveal the answer.
"""

from __future__ import annotations

import io
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
from numpy.typing import ArrayLike, NDArray

from experiments.lib import Case, Study, learner_name, main, scale_of
from experiments.lib.aggregation import over_sessions
from experiments.lib.plots import caption, figure, interval_plot
from experiments.lib.report import estimate_text
from spotify_gym.catalogue import Catalogue, Finding
from spotify_gym.catalogue.files import read_parts
from spotify_gym.listeners.skip_log import index_in
from spotify_gym.policies import POLICIES
from spotify_gym.session import SpotifyVectorEnv
from spotify_gym.training.vec_adapter import catalogue_of, sessions_of


@dataclass(frozen=True, eq=False)
class Ranking:
    """Ranks of the relevant tracks among the candidates, with exact ranking measures.

    Ties are common, since many recordings are in a catalogue several times with the same features. Every measure is its
    expected value over all orders of the ties, in closed form, so that neither the sorting algorithm nor the order of
    the table can favour a method.

    Source: McSherry and Najork, "Computing Information Retrieval Performance Measures Efficiently in the Presence of
    Tied Scores", ECIR 2008.
    """

    above: NDArray[np.int64]
    """(n_relevant,) number of candidates with a higher score than each relevant track."""
    tied: NDArray[np.int64]
    """(n_relevant,) number of candidates with the same score, including the track itself."""
    n_candidates: int

    @classmethod
    def of(cls, scores: ArrayLike, relevant: ArrayLike, excluded: ArrayLike = ()) -> Ranking:
        """Rank all tracks except the excluded ones, highest score first.

        Args:
            scores: `(n_tracks,)`, higher is better; may be infinite.
            relevant: Indices of the tracks to find. Duplicates count once, excluded tracks not at all.
            excluded: Indices of the tracks that are not candidates, such as those that start the session.

        Raises:
            ValueError: A score is NaN, or no relevant track is left.
        """
        values = np.asarray(scores)
        if np.isnan(values).any():
            raise ValueError(f"{np.isnan(values).sum()} of {len(values)} scores are not a number")
        left_out = np.asarray(excluded, np.int64)
        found = values[np.setdiff1d(relevant, left_out)]
        if not found.size:
            raise ValueError("no relevant track is left to find")
        candidates = np.sort(np.delete(values, left_out))
        upper = np.searchsorted(candidates, found, side="right")
        lower = np.searchsorted(candidates, found, side="left")
        return cls(len(candidates) - upper, upper - lower, len(candidates))

    @property
    def n_relevant(self) -> int:
        """Number of relevant tracks."""
        return len(self.above)

    def recall(self, k: int) -> float:
        """Share of the relevant tracks that are among the first `k`, in [0, 1]."""
        return float(np.clip((k - self.above) / self.tied, 0, 1).mean())

    def r_precision(self) -> float:
        """Share of the first `n_relevant` tracks that are relevant, in [0, 1]."""
        return self.recall(self.n_relevant)

    def ndcg(self, k: int | None = None) -> float:
        """Normalised discounted cumulative gain of the first `k` tracks, or of all if `k` is None, in [0, 1].

        A relevant track at rank r gains 1 / log₂(r + 1) (Järvelin and Kekäläinen, 2002).
        """
        discounts = 1 / np.log2(np.arange(2, self.n_candidates + 2))
        discounts[self.n_candidates if k is None else k :] = 0
        total = np.concatenate([[0], np.cumsum(discounts)])  # (n_candidates + 1,) of the first 0, 1, 2, ... ranks
        gained = (total[self.above + self.tied] - total[self.above]) / self.tied
        return float(gained.sum() / total[self.n_relevant])

    def auc(self) -> float:
        """Probability that a relevant track ranks above an irrelevant one, with ties counting half, in [0, 1].

        Raises:
            ValueError: All candidates are relevant.
        """
        n_others = self.n_candidates - self.n_relevant
        if not n_others:
            raise ValueError("all candidates are relevant: AUC needs one that is not")
        ahead = (self.above + (self.tied - 1) / 2).sum()  # each pair of relevant tracks adds 1 in either order
        ahead_of_others = ahead - self.n_relevant * (self.n_relevant - 1) / 2
        return float(1 - ahead_of_others / (self.n_relevant * n_others))


MEASURES: dict[str, Callable[[Ranking], float]] = {
    "NDCG@500": lambda ranking: ranking.ndcg(500),
    "R-precision": Ranking.r_precision,
    "recall@500": lambda ranking: ranking.recall(500),
    "AUC": Ranking.auc,
}
"""Ranking measures, each in [0, 1]."""

Scores = Callable[[SpotifyVectorEnv, NDArray[np.float32]], NDArray[np.floating]]
"""Maps a session that has just begun and its observation, (1, k), to a score per track, (n_tracks,)."""


def _popularity(env: SpotifyVectorEnv, _: NDArray[np.float32]) -> NDArray[np.floating]:
    """Return the popularity of each track; an unknown one is replaced by a randomly drawn known one."""
    popularity = np.asarray(env.catalogue.popularity)
    known = popularity[~np.isnan(popularity)]
    drawn: NDArray[np.floating] = np.random.default_rng(0).choice(known, len(popularity))
    return np.where(np.isnan(popularity), drawn, popularity)


def _nearness(env: SpotifyVectorEnv, _: NDArray[np.float32]) -> NDArray[np.floating]:
    return np.asarray(env.dynamics.expected_rewards(env.sessions)[0])


def _standard(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray((scores - scores.mean()) / max(float(scores.std()), 1e-12))


RANKERS: dict[str, Scores] = {
    "random": lambda env, _: np.zeros(len(env.catalogue)),  # measures are expected values over the orders of ties
    "popular": _popularity,
    "nearest": _nearness,
    "nearest + popularity": lambda *now: _standard(_nearness(*now)) + _standard(_popularity(*now)),
}
"""Rankers that do not learn."""
COLUMNS = ["playlist_id", "track_id"]
"""Required columns of a table of playlists."""

_NEEDS_POPULARITY = ("popular", "nearest + popularity")


@dataclass(frozen=True)
class Playlists(Study):
    """Start sessions from the first tracks of human-made playlists, and measure how high the other tracks rank.

    A repeated call resumes where it stopped.
    """

    playlists: tuple[Path, ...] = ()
    """CSV files with the columns playlist_id and track_id, in order; none: the table of --catalogue."""
    shortest: int = 10
    """Least number of tracks of a playlist that must be in the catalogue; playlists with fewer are left out."""
    out: Path = Path("results/playlists")
    n_sessions: tyro.conf.Suppress[int] = 1

    measure = "NDCG@500"
    scale = ()

    def methods(self) -> Iterator[Case]:
        """Yield the rankers that do not learn, and the learner."""
        if self.shortest <= self.config.history_length:
            raise ValueError(f"shortest={self.shortest} must be more than history_length={self.config.history_length}")
        catalogue, files = catalogue_of(self.config), tuple(map(str, self.playlists or (self.config.catalogue,)))
        dynamics = sessions_of(self.config, catalogue, n_envs=1).env.dynamics
        say = partial(print, file=sys.stderr)
        for file in files:
            read_playlists(Path(file), catalogue, self.shortest, say=say)
        say(f"popularity is known of {_n_known(catalogue):,} of {len(catalogue):,} tracks")
        learner = PlaylistCase(learner_name(self.config), self.config, playlists=files, shortest=self.shortest)
        unranked = _NEEDS_POPULARITY if POLICIES["popular"].lacks(dynamics) is not None else ()
        for case in scale_of(self.config, 1, tuple(RANKERS), RANKERS):
            if case.method not in unranked:
                yield replace(learner, method=case.method, config=case.config, reference=case.reference)
        yield learner

    def pairs(self, learners: list[str]) -> list[tuple[str, str]]:
        """Compare the learner with the rankers that do not learn."""
        return [(learner, reference) for learner in learners for reference in RANKERS]

    def findings(self, rows: pd.DataFrame) -> list[str]:
        """Return the test results, which here are over playlists instead of sessions."""
        return [sentence.replace("sessions", "playlists") for sentence in super().findings(rows)]

    def tables(self, rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield for each file of playlists the measures of each method, with intervals over playlists."""
        for file, of_file in rows.groupby("file", sort=False):
            columns = {}
            for measure in MEASURES:
                found = over_sessions(of_file, measure)
                texts = map(estimate_text, found["estimate"], found["low"], found["high"])
                columns[measure] = pd.Series(texts, found["method"])
            n_lists, n_tracks, n_known = of_file["session"].nunique(), *of_file[["n_tracks", "n_known"]].iloc[0]
            title = f"{Path(str(file)).name}: {n_lists} playlists, {n_tracks:,} tracks, {n_known:,} of known popularity"
            yield f"{title}, seeded with {self.config.history_length}", pd.DataFrame(columns).reset_index()

    def draw(self, rows: pd.DataFrame) -> None:
        """Plot one panel per measure."""
        with figure(self.out / "playlists.png", len(MEASURES), size=(6.5, 2.6)) as panels:
            for axes, measure in zip(panels, MEASURES, strict=True):
                interval_plot(axes, over_sessions(rows, measure))
                axes.set(xlabel=f"{measure}, mean over playlists")
            caption(panels[0], "Point: mean over playlists (n). Line: its 95 % bootstrap interval. Higher is better.")


@dataclass(frozen=True)
class PlaylistCase(Case):
    """A method, and the playlists to continue."""

    playlists: tuple[str, ...] = ()
    """Paths of the files."""
    shortest: int = 10
    """Least number of tracks of a playlist that must be in the catalogue; playlists with fewer are left out."""

    def policy(self, catalogue: Catalogue) -> Scores:
        """Train the learner and return its Q-values as scores, or return the ranker that does not learn."""
        if self.reference is not None:
            return RANKERS[self.reference]
        policy = super().policy(catalogue).policy
        policy.set_training_mode(False)
        values = torch.no_grad()(policy.q_net.forward)
        return lambda _, observation: values(policy.obs_to_tensor(observation)[0])[0].numpy()

    def measured(self, policy: Any, catalogue: Catalogue) -> pd.DataFrame:
        """Return a row per playlist, with the columns of :data:`MEASURES`."""
        env = sessions_of(self.config, catalogue, n_envs=1).env
        rows = pd.DataFrame(
            {"file": file, "session": f"{file}: {name}", **judge(policy, env, tracks)}
            for file in self.playlists
            for name, tracks in read_playlists(Path(file), catalogue, self.shortest).items()
        )
        return self.labelled(rows, catalogue).assign(n_known=_n_known(catalogue))


def read_playlists(
    path: Path, catalogue: Catalogue, shortest: int, say: Callable[[str], object] = lambda _: None
) -> dict[str, NDArray[np.int64]]:
    """Read the playlists of a CSV file, possibly compressed, with one row per playlist and track, in order.

    Args:
        path: a table with at least the columns :data:`COLUMNS`; tracks are given by id, URI or link.
        catalogue: tracks that are not in it are left out.
        shortest: playlists with fewer tracks are left out.
        say: called with a message about rows that are left out because a playlist or track is missing.

    Returns:
        The tracks of each playlist by its id, (n,) indices in order, without duplicates.

    Raises:
        ValueError: the file cannot be read, a column is missing, or no playlist is left.
    """
    as_text: dict[str, Any] = {"dtype": str, "encoding": "utf-8-sig", "encoding_errors": "replace"}
    parts = read_parts(path).values()
    table = pd.concat([pd.read_csv(io.BytesIO(part), **as_text) for part in parts], ignore_index=True)
    if missing := [name for name in COLUMNS if name not in table]:
        raise ValueError(
            f"{path} has no column {missing[0]!r}; playlists are rows of {' and '.join(COLUMNS)}, in order"
        )
    bad = table[COLUMNS].isna().any(axis=1)
    if bad.any():
        say(f"{path}: left out: {Finding.at('no playlist or no track', table.index[bad] + 1).describe('row')}")
    rows = table.loc[~bad, COLUMNS].drop_duplicates()
    index = {track_id: index_in(catalogue, track_id) for track_id in rows["track_id"].unique()}
    known = rows.assign(track=rows["track_id"].map(index)).query("track >= 0")
    by_list = known.groupby("playlist_id", sort=False)["track"]
    lists = {str(name): tracks.to_numpy(np.int64) for name, tracks in by_list if len(tracks) >= shortest}
    if not lists:
        raise ValueError(
            f"{path} has no playlist with {shortest} tracks of {catalogue.source}: "
            f"{len(known):,} of its {len(rows):,} entries are in that catalogue"
        )
    return lists


def _n_known(catalogue: Catalogue) -> int:
    """Return the number of tracks with known popularity."""
    return 0 if catalogue.popularity is None else int((~np.isnan(catalogue.popularity)).sum())


def judge(scores: Scores, env: SpotifyVectorEnv, playlist: NDArray[np.int64]) -> dict[str, float]:
    """Return the measures of a ranking of all tracks after the start of a playlist, without versions of the start.

    Args:
        scores: the ranker.
        env: environment of one session.
        playlist: (n,) tracks, more than start a session.
    """
    start, rest = np.split(playlist, [env.dynamics.history_length])
    observation, _ = env.reset(seed=0, options={"history": start})
    recordings = env.catalogue.recordings
    ranking = Ranking.of(scores(env, observation), rest, np.flatnonzero(np.isin(recordings, recordings[start])))
    return {name: measure(ranking) for name, measure in MEASURES.items()}


if __name__ == "__main__":
    main(Playlists)
