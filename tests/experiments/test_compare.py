"""A suite from end to end: in words, with an agent to sit with, and with somebody else's method beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.compare import Compare, with_own
from experiments.lib import Case
from experiments.lib.cases import scale_of
from spotify_gym.cli import main
from spotify_gym.cli.command import run_command
from spotify_gym.training import EVALUATION_SEED, TrainConfig, load_run

TASK = TrainConfig(catalogue="builtin:300", env="SpotifyPlaylist-v0", steps=128, learning_starts=32)
SESSIONS = EVALUATION_SEED + np.arange(3)


def tiny(catalogue: str) -> Iterator[Case]:
    yield from scale_of(TASK, 3, ["random", "fixed", "planner"])
    yield Case("DQN", TASK, n_sessions=3)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return pd.concat([case.run() for case in tiny("")], ignore_index=True)


def test_command__ends_in_words_and_with_an_agent_to_sit_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tiny_suite", sys.modules[tiny.__module__])
    monkeypatch.setenv("COLUMNS", "80")
    arguments = ["--suite", "tiny_suite:tiny", "--agent", "--jobs", "1", "--out", str(tmp_path)]
    assert run_command(Compare, "compare", arguments) == 0
    told = capsys.readouterr()
    assert all(len(line) <= 80 for line in told.err.splitlines())
    words = " ".join(told.out.split("\n\n")[-2].split())
    assert words.startswith("Of those that learn, DQN earns most in SpotifyPlaylist-v0 (builtin:300): ")
    assert told.out.endswith(f"\n\nsit in it: spotify-gym app {tmp_path / 'agent'}\n")
    assert load_run(tmp_path / "agent").config.steps == 128
    assert words in " ".join((tmp_path / "report.md").read_text().split())


def test_beside__takes_what_evaluate_wrote(tmp_path: Path, rows: pd.DataFrame) -> None:
    quick = ["--catalogue", "builtin:300", "--env", "SpotifyPlaylist-v0", "--steps", "64", "--learning-starts", "32"]
    assert main(["train", *quick, "--out", str(tmp_path / "mine")]) == 0
    assert main(["evaluate", str(tmp_path / "mine"), "--sessions", "5", "--out", str(tmp_path / "mine.csv")]) == 0
    both = with_own(rows, tmp_path / "mine.csv", "builtin:300")
    added = both.iloc[len(rows) :]
    assert added[["method", "session", "env_id"]].to_numpy().tolist() == [
        ["mine", session, "SpotifyPlaylist-v0"] for session in SESSIONS
    ]
    pd.testing.assert_frame_equal(both.iloc[: len(rows)], rows, check_dtype=False)
    page = "\n".join(title + table.to_string() for title, table in Compare().tables(both.assign(skill=0.5)))
    assert "mine" in page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"return": None}, "there is no column 'return' in it"),
        ({"method": "DQN"}, "the suite has a method 'DQN' of its own"),
        ({"session": 7}, "it should hold sessions 1000000000 to 1000000002 of SpotifyPlaylist-v0"),
        ({"env_id": "SpotifySkip-v0"}, "it should hold sessions 1000000000 to 1000000002 of SpotifyPlaylist-v0"),
    ],
)
def test_beside__says_what_is_wrong(
    change: dict[str, object], message: str, tmp_path: Path, rows: pd.DataFrame
) -> None:
    own = pd.DataFrame({"method": "mine", "session": SESSIONS, "return": 1.0}).assign(**change)
    own.dropna(axis=1).to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(ValueError, match=message):
        with_own(rows, tmp_path / "mine.csv", "builtin:300")
