"""The scale: what those who do not learn earn, and what nobody can exceed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from experiments.references import References
from spotify_gym.cli.command import run_command
from spotify_gym.listeners import LoggedListener


def test_command__sets_everybody_below_the_bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--catalogue", "builtin:300", "--envs", "SpotifyPlaylist-v0", "SpotifySatiation-v0"]
    assert run_command(References, "references", [*arguments, "--n-sessions", "4", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "95 % interval over sessions" in shown
    assert shown.index("random") < shown.index("nearest") < shown.index("bound")
    returns = pd.read_parquet(tmp_path / "results.parquet").pivot(index=["env", "session"], columns="method")["return"]
    assert len(returns) == 8
    assert (returns.max(axis=1) == returns["bound"]).all()


def test_command__lets_a_fitted_listener_listen(tmp_path: Path) -> None:
    LoggedListener(position=(9.0,), leave=(-99.0, 99.0)).to_json(tmp_path / "listener.json")
    arguments = [
        "--catalogue",
        "builtin:300",
        "--envs",
        "SpotifyLogged-v0",
        "SpotifySession-v0",
        "--policies",
        "random",
    ]
    arguments += ["--listener", str(tmp_path / "listener.json"), "--n-sessions", "4", "--out", str(tmp_path)]
    assert run_command(References, "references", arguments) == 0
    rows = pd.read_parquet(tmp_path / "results.parquet")
    rows = rows[rows["method"] == "random"].groupby("env_id")["length"].mean()
    assert rows["SpotifyLogged-v0"] < 3
    assert rows["SpotifySession-v0"] == 20
