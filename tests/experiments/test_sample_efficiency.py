"""The clock of learning: what it counts, when a level is reached for good, and the command from end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.sample_efficiency import CurveCase, SampleEfficiency, first_for_good
from spotify_gym.cli.command import run_command
from spotify_gym.training import TrainConfig, evaluate, train

CONFIG = TrainConfig(catalogue="builtin:300", env="SpotifyPlaylist-v0", steps=1024, learning_starts=256)


@pytest.fixture(scope="module")
def curve() -> pd.DataFrame:
    rows = CurveCase("DQN", CONFIG, n_sessions=5, n_points=4).run()
    assert rows.groupby("step").size().eq(5).all()
    return rows.groupby("step")[["seconds", "cpu_seconds", "updates", "return"]].mean().reset_index()


def test_curve__has_its_points_at_even_distances_and_at_the_end(curve: pd.DataFrame) -> None:
    assert curve["step"].tolist() == [256, 512, 768, 1024]
    assert (np.diff(curve["seconds"]) > 0).all()
    assert (np.diff(curve["updates"]) > 0).all()


def test_curve__is_what_training_without_a_look_gives(curve: pd.DataFrame) -> None:
    run = train(CONFIG)
    played = evaluate(run.model, CONFIG.env, 5, catalogue=run.catalogue, **CONFIG.env_options)
    assert curve["return"].iat[-1] == pytest.approx(played.returns.mean())


@pytest.mark.parametrize(
    ("skills", "expected"), [((0.8, 0.9, 0.7, 0.95, 0.96), 3), ((0.9, 0.9), 0), ((0.95, 0.8), None)]
)
def test_first_for_good__is_after_the_last_lapse(skills: tuple[float, ...], expected: int | None) -> None:
    points = pd.DataFrame({"seed": 7, "skill": skills, "step": range(len(skills))})
    found = first_for_good(points, 0.9)
    assert found["step"].tolist() == ([] if expected is None else [expected])


def test_command__measures_draws_and_goes_on_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--catalogue", "builtin:300", "--steps", "640", "--learning-starts", "128", "--n-points", "3"]
    arguments += ["--n-seeds", "2", "--n-sessions", "4", "--thresholds", "-100", "2", "--out", str(tmp_path)]
    for _ in range(2):
        assert run_command(SampleEfficiency, "sample_efficiency", arguments) == 0
        shown = capsys.readouterr().out
        assert "≥ -100" in shown
        assert "never" in shown
    rows = pd.read_parquet(tmp_path / "results.parquet")
    assert rows.groupby(["seed", "step"]).size().tolist() == [4] * 6
    assert (tmp_path / "curve.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--n-seeds", "0"], "n_seeds=0 must be at least 1"),
        (["--n-points", "0"], "n_points=0 must be at least 1"),
        (["--algorithms", "sarsa"], "sarsa"),
        (["--catalogue", "nowhere.csv"], "nowhere.csv"),
        (["--state", "everything", "--catalogue", "builtin:300"], "state='everything' is not known"),
    ],
)
def test_command__answers_a_mistake_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(SampleEfficiency, "sample_efficiency", arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
