"""Regret by place, and the angle to the true taste."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.regret import PLACES, Regret, WatchedCase
from spotify_gym import Catalogue
from spotify_gym.cli.command import run_command
from spotify_gym.policies import BeliefPolicy, NearestSeenPolicy
from spotify_gym.training import TrainConfig


def test_watched__belief_turns_to_the_taste_and_loses_less() -> None:
    catalogue, task = Catalogue.builtin(2000), TrainConfig(catalogue="builtin:2000", env="SpotifyTaste-v0")
    rows = {
        policy: WatchedCase(policy.__name__, task, n_sessions=70).measured(policy, catalogue)
        for policy in (BeliefPolicy, NearestSeenPolicy)
    }
    belief, blind = rows[BeliefPolicy], rows[NearestSeenPolicy]
    regret = belief[[f"regret_{place}" for place in PLACES]].to_numpy()
    assert (np.nan_to_num(regret) >= -1e-6).all()
    assert np.array_equal(np.isfinite(regret[:, -1]), belief["length"] == 50)
    assert belief["angle_30"].mean() < 50 < 60 < belief["angle_1"].mean()
    assert belief["regret_30"].mean() < 0.1 < belief["regret_1"].mean()
    assert blind["angle_30"].mean() > belief["angle_30"].mean() + 10


def test_command__reports_by_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--catalogue",
        "builtin:300",
        "--policies",
        "belief",
        "--n-seeds",
        "2",
        "--n-sessions",
        "4",
        "--jobs",
        "1",
    ]
    quick = ["--steps", "64", "--learning-starts", "32", "--out", str(tmp_path)]
    assert run_command(Regret, "regret", [*arguments, *quick]) == 0
    shown = capsys.readouterr().out
    assert "regret by place in the session" in shown
    assert "angle by place in the session" in shown
    rows = pd.read_parquet(tmp_path / "results.parquet")
    assert rows.loc[rows["method"] != "fixed", "skill_seen"].notna().all()
    assert (tmp_path / "regret.png").stat().st_size > 10_000
