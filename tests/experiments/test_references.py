"""The scale: what those who do not learn earn, and what nobody can exceed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from experiments.references import References
from spotify_gym.cli.command import run_command


def test_command__sets_everybody_below_the_bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--catalogue", "builtin:300", "--envs", "SpotifyPlaylist-v0", "SpotifySatiation-v0"]
    assert run_command(References, "references", [*arguments, "--n-sessions", "4", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "95 % interval over sessions" in shown
    assert shown.index("random") < shown.index("nearest") < shown.index("bound")
    returns = pd.read_parquet(tmp_path / "results.parquet").pivot(index=["env", "session"], columns="method")["return"]
    assert len(returns) == 8
    assert (returns.max(axis=1) == returns["bound"]).all()
