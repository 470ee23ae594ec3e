"""What a run folder says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from spotify_gym.cli import main


def test_card__says_what_data_numbers_and_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    quick = ["--catalogue", "builtin:300", "--steps", "64", "--n-envs", "4", "--learning-starts", "16"]
    command = ["train", *quick, "--algorithm", "double", "--out", "mine"]
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/spotify-gym", *command])
    assert main(command) == 0
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "# Double DQN in SpotifySession-v0" in card
    assert "300 tracks (synthetic), fingerprint `" in card
    assert f"`spotify-gym {' '.join(command)}`" in card
    assert "Finished after 64 steps" in card
    assert main(["evaluate", "mine", "--sessions", "5"]) == 0
    evaluated = (tmp_path / "mine" / "README.md").read_text()
    assert "| mine | " in evaluated
    assert "5 held-out sessions." in evaluated
    assert "Finished after" not in evaluated
