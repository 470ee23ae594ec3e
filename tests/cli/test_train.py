"""Commands in a process of their own: a training stopped, killed, resumed; an evaluation."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spotify_gym.training import RunError, TrainConfig, resume, train
from spotify_gym.training.artifacts import weights_of
from spotify_gym.training.tensors import read_tensors

ROOT = Path(__file__).resolve().parents[2]
CONFIG = TrainConfig(
    catalogue="builtin:300", env="SpotifyPlaylist-v0", algorithm="double", steps=6000, checkpoint_seconds=0.05
)
SETTINGS = [
    *("--catalogue", "builtin:300", "--env", "SpotifyPlaylist-v0"),
    *("--algorithm", "double", "--checkpoint-seconds", "0.05"),
]


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "spotify_gym.cli", "train", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a running process has written a file."""
    while not file.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def test_train__killed_and_resumed_ends_with_the_weights_of_another_process(tmp_path: Path) -> None:
    process = start(*SETTINGS, "--steps", CONFIG.total_steps, "--out", tmp_path)
    wait_for(tmp_path / "checkpoint.safetensors", process)
    process.kill()
    process.communicate()
    process = start("--resume", tmp_path)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out.startswith(str(tmp_path))
    ours = weights_of(train(CONFIG).model)
    for name, array in read_tensors(tmp_path / "weights.safetensors").arrays.items():
        np.testing.assert_array_equal(array, ours[name], err_msg=name)
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_train__ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    process = start(*SETTINGS, "--steps", 10**8, "--out", tmp_path)
    wait_for(tmp_path / "checkpoint.safetensors", process)
    with pytest.raises(RunError, match="another process is training in"):
        resume(tmp_path)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert f"saved in {tmp_path}; go on with --resume {tmp_path}\n" in err
    assert "Traceback" not in err
    assert {"model.zip", "weights.safetensors", "learning_curve.png"} <= {file.name for file in tmp_path.iterdir()}
    assert not list(tmp_path.glob(".*.tmp"))


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
