"""Playing elsewhere: which catalogues, on which scale, and the command from end to end."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from experiments.generalization import ELSEWHERE, HERE, LEARNED, OTHER, UNSEEN, Generalization, TravelCase
from spotify_gym import Catalogue
from spotify_gym.cli.command import run_command
from spotify_gym.training import TrainConfig


def test_travel__plays_in_each_place_and_says_where_it_learned(tmp_path: Path) -> None:
    paths = []
    for name, part in zip(("learned", "unseen"), Catalogue.builtin(300).split(), strict=True):
        paths.append(str(tmp_path / f"{name}.arrow"))
        part.save(paths[-1])
    config = TrainConfig(catalogue=paths[0], env="SpotifyPlaylist-v0", steps=64, learning_starts=32)
    rows = TravelCase(HERE, config, n_sessions=3, plays_from=tuple(paths)).run()
    assert rows.groupby("method", sort=False)["catalogue"].unique().map(list).to_dict() == {
        HERE: [paths[0]],
        ELSEWHERE: [paths[1]],
    }
    assert rows.groupby("catalogue")["session"].size().eq(3).all()


def test_command__measures_every_place_on_its_own_scale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--catalogue", "builtin:300", "--other", "builtin:200", "--steps", "64", "--learning-starts", "32"]
    arguments += ["--n-seeds", "2", "--n-sessions", "2", "--out", str(tmp_path), "--jobs", "1"]
    assert run_command(Generalization, "generalization", arguments) == 0
    shown = capsys.readouterr().out
    results = pd.read_parquet(tmp_path / "results.parquet")
    for place in (LEARNED, UNSEEN, OTHER):
        assert place in shown
        rows = results[results["env"].str.contains(place)]
        means = rows.groupby("method")["skill"].mean()
        assert means["fixed"] == pytest.approx(0)
        assert means["planner"] == pytest.approx(1)
        assert set(rows["method"]) >= ({HERE} if place == LEARNED else {HERE, ELSEWHERE})
    assert f" {HERE} in skill" in shown or f" {ELSEWHERE} in skill" in shown
    assert (tmp_path / "skill_3.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--test-fraction", "2"], "test_fraction=2.0 is not between 0 and 1"),
        (["--other", "nowhere.csv"], "nowhere.csv"),
        (["--policy", "mlp", "--steps", "64"], "plays only from the tracks it was trained on"),
    ],
)
def test_command__answers_a_mistake_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run_command(
            Generalization, "generalization", ["--catalogue", "builtin:300", "--out", str(tmp_path), *arguments]
        )
        == 2
    )
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
