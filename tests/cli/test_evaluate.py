"""`spotify-gym evaluate` in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from spotify_gym.training import TrainConfig, train

ROOT = Path(__file__).resolve().parents[2]


def test_evaluate__plays_from_another_catalogue_than_the_one_trained_on(tmp_path: Path) -> None:
    train(TrainConfig(catalogue="builtin:300", steps=400, learning_starts=200, hidden=(8,)), tmp_path / "run")
    arguments = [tmp_path / "run", "--sessions", 10, "--catalogue", "builtin:500", "--out", tmp_path / "rows.csv"]
    done = subprocess.run(
        [sys.executable, "-m", "spotify_gym.cli", "evaluate", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "SpotifySession-v0 on builtin(n_tracks=500, seed=0): 10 held-out sessions" in done.stdout
    assert (tmp_path / "rows.csv").read_text().count("\n") == 1 + 5 * 10
