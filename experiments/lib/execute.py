"""Doing one case: train, play the held-out sessions, measure. Runs in a process of its own, on any machine."""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import pandas as pd

from experiments.lib.cases import Case
from spotify_gym.catalogue import Catalogue
from spotify_gym.training import Evaluation, evaluate
from spotify_gym.training.learners import catalogue_of
from spotify_gym.training.metrics import catalogue_coverage, intra_list_diversity, novelty, repeat_rate

COSTS = ["train_seconds", "play_seconds", "peak_memory_mb"]
"""Columns that differ from run to run of the same case."""


def execute(case: Case) -> pd.DataFrame:
    """Return one row per held-out session, (n_sessions, columns); what the run cost stands in each."""
    catalogue = catalogue_of(case.config)
    began = time.perf_counter()
    player = case.player(catalogue)
    seconds = time.perf_counter() - began
    played = evaluate(player, case.config.env, case.n_sessions, catalogue=catalogue, **case.config.env_options)
    costs = {"train_seconds": seconds, "steps": 0 if case.reference else case.config.total_steps}
    return rows_of(case, catalogue, played).assign(
        **costs, play_seconds=played.seconds, peak_memory_mb=_peak_memory_mb()
    )


def rows_of(case: Case, catalogue: Catalogue, played: Evaluation) -> pd.DataFrame:
    """Return what was measured of each session of an evaluation, (n_sessions, columns), with the labels of the case."""
    rows = pd.DataFrame(
        {
            "session": played.seeds,
            "return": played.returns,
            "length": played.lengths,
            "repeat_rate": repeat_rate(played.repeats, played.tracks),
            "diversity": intra_list_diversity(played.tracks, catalogue.unit_features),
            "novelty": float("nan") if catalogue.popularity is None else novelty(played.tracks, catalogue.popularity),
            "coverage": catalogue_coverage(played.tracks, len(catalogue)),
        }
    )
    labels: dict[str, Any] = {**case.labels, "n_tracks": len(catalogue), "fingerprint": catalogue.fingerprint}
    return rows.assign(**labels)


def _peak_memory_mb() -> float:
    """Largest resident memory of this process so far [MB]; one that did several cases remembers the largest."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
