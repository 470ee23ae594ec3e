"""Commands that have another name now say so where the old one is typed."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import NEW_NAMES
from experiments.compare import Compare
from spotify_gym.cli.command import run_command

ROOT = Path(__file__).resolve().parents[2]


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
