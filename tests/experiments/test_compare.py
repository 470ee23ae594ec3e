"""A suite end to end: its report, an agent for the page, and a user's own method."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments import NEW_NAMES
from experiments.compare import Compare, with_own
from experiments.lib import Case
from experiments.lib.cases import scale_of
from spotify_gym.cli import main
from spotify_gym.cli.command import run_command
from spotify_gym.training import EVALUATION_SEED, TrainConfig, load_run

ROOT = Path(__file__).resolve().parents[2]
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
    assert words.startswith("Of the learners, DQN earns most in SpotifyPlaylist-v0 (builtin:300): ")
    assert told.out.endswith(f"\n\nto listen with the best learner: spotify-gym app {tmp_path / 'agent'}\n")
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
        ({"return": None}, "column 'return' not found"),
        ({"method": "DQN"}, "the suite already has a method 'DQN'"),
        ({"session": 7}, "it must have sessions 1000000000 to 1000000002 of SpotifyPlaylist-v0"),
        ({"env_id": "SpotifySkip-v0"}, "it must have sessions 1000000000 to 1000000002 of SpotifyPlaylist-v0"),
    ],
)
def test_beside__says_what_is_wrong(
    change: dict[str, object], message: str, tmp_path: Path, rows: pd.DataFrame
) -> None:
    own = pd.DataFrame({"method": "mine", "session": SESSIONS, "return": 1.0}).assign(**change)
    own.dropna(axis=1).to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(ValueError, match=message):
        with_own(rows, tmp_path / "mine.csv", "builtin:300")


@pytest.mark.parametrize(("file", "said"), [("absent.csv", "No such file"), ("empty.csv", "No columns to parse")])
def test_beside__is_read_before_anything_runs(
    file: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.csv").touch()
    own = str(tmp_path / file)
    assert run_command(Compare, "compare", ["--beside", own, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"compare: error: --beside {own} cannot be read: ")
    assert said in error
    assert not (tmp_path / "out").exists()


# Names that commands and suites had before.


@pytest.mark.parametrize("name", NEW_NAMES)
def test_old_name__of_a_command_says_the_new_one(name: str) -> None:
    typed = ["-m", f"experiments.{name}", "--help"]
    done = subprocess.run([sys.executable, *typed], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"python -m experiments.{name} is now: {NEW_NAMES[name]}\n"


def test_old_name__typed_without_a_space_says_the_new_one_too() -> None:
    done = subprocess.run([sys.executable, "-mexperiments.trust.kill"], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (2, b"python -m experiments.trust.kill is now: make kill\n")


def test_old_name__of_a_module_says_the_new_one() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"experiments\.learn is now experiments\.sample_efficiency"):
        importlib.import_module("experiments.learn")


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        ("heads", "--suite heads is now: --suite networks"),
        (
            "tiny",
            "--suite='tiny' is not known; choose one of 'quick', 'main', 'networks', 'rivals', 'overestimation'",
        ),
    ],
)
def test_suite__that_there_is_not_says_which_there_are(
    suite: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(Compare, "compare", ["--suite", suite]) == 2
    assert said in capsys.readouterr().err
