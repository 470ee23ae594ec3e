"""What CONTRIBUTING.md shows, done as a newcomer would: each block saved as the file that it names, and used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.cli import main
from spotify_gym.training import evaluate

ROOT = Path(__file__).parents[1]
BLOCKS = dict(re.findall(r"```python\n# (\w+)\.py;[^\n]*\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL))
QUICK = ["--catalogue", "builtin:300", "--steps", "64", "--n-envs", "4", "--learning-starts", "16"]


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all files of the page, from which Python imports."""
    for name, code in BLOCKS.items():
        (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_page__shows_a_file_for_everything() -> None:
    assert BLOCKS.keys() == {f"my_{one}" for one in ("term", "listener", "algorithm", "state", "policy", "experiment")}


def test_reward_term(newcomer: Path, small: Catalogue) -> None:
    reward = {"flow": 1.0, "my_term:change": 0.5}
    env = gym.make("SpotifyPlaylist-v0", catalogue=small, reward=reward)
    env.reset(seed=0)
    expected = env.unwrapped.dynamics.expected_rewards(env.unwrapped.sessions)[0]  # type: ignore[attr-defined]
    _, earned, _, _, info = env.step(7)
    assert info["my_term:change"] == pytest.approx(0.5 * (1 - abs(info["cosine"])), abs=1e-6)
    assert earned == pytest.approx(expected[7], abs=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        ["--listener", "my_listener:BusyListener"],
        ["--algorithm", "my_algorithm:ClippedDQN"],
        ["--state", "mean+my_state:Clock"],
    ],
    ids=["listener", "algorithm", "state"],
)
def test_train__takes_ones_own(newcomer: Path, options: list[str]) -> None:
    assert main(["train", *QUICK, *options, "--out", "run"]) == 0
    assert (newcomer / "run" / "weights.safetensors").exists()


def test_policy(newcomer: Path, small: Catalogue) -> None:
    import my_policy  # type: ignore[import-not-found]

    played = evaluate(my_policy.FirstPolicy, "SpotifySession-v0", 3, catalogue=small)
    np.testing.assert_array_equal(played.tracks, np.tile(np.arange(20), (3, 1)))


def test_column(newcomer: Path) -> None:
    features = "acousticness,danceability,umph,instrumentalness,liveness,loudness,speechiness,tempo,valence"
    rows = "\n".join(f"id{i}" + f",0.{i}" * 9 for i in range(1, 8))
    Path("songs.csv").write_text(f"track_id,{features}\n{rows}\n")
    assert main(["prepare", "songs.csv", "--columns", "energy=umph", "--out", "songs.arrow"]) == 0
    assert len(Catalogue.load("songs.arrow")) == 7


def test_experiment(newcomer: Path) -> None:
    few = ["--n-seeds", "2", "--n-sessions", "4", "--gammas", "0.0", "0.5"]
    command = [sys.executable, "-m", "my_experiment", *QUICK, *few, "--out", "out", "--jobs", "1"]
    paths = os.pathsep.join([str(newcomer), str(ROOT)])
    told = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": paths})
    assert "γ = 0.5" in told.stdout
    assert (newcomer / "out" / "results.parquet").exists()
