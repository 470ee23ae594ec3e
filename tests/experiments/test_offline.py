"""The command that learns from logs, from end to end."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("minari", reason="needs the extra `offline`")

from experiments.offline import BEHAVIOUR, CLONING, CONSERVATIVE, Offline
from spotify_gym.cli.command import run_command


def test_command__sets_five_methods_against_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--catalogue", "builtin:300", "--steps", "128", "--learning-starts", "32", "--n-logged", "5"]
    arguments += ["--n-seeds", "2", "--n-sessions", "3", "--jobs", "1", "--out", str(tmp_path)]
    for _ in range(2):
        assert run_command(Offline, "offline", arguments) == 0
    shown = capsys.readouterr().out
    results = pd.read_parquet(tmp_path / "results.parquet")
    for method in ("Double DQN, γ = 0.9, offline", "Double DQN, γ = 0.9, online", CONSERVATIVE, CLONING, BEHAVIOUR):
        assert method in shown
        assert results["method"].eq(method).any()
    assert (tmp_path / "skill_1.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--epsilon", "-1"], "epsilon=-1.0 must be from 0 to 1"),
        (["--behaviour", "planner"], "planner"),
        (["--n-seeds", "0"], "n_seeds=0 must be at least 1"),
    ],
)
def test_command__answers_a_mistake_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--catalogue", "builtin:300", "--n-logged", "1", "--n-sessions", "1", "--out", str(tmp_path)]
    assert run_command(Offline, "offline", [*common, *arguments]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
