from __future__ import annotations

import os
import re
from pathlib import Path

import gymnasium as gym
import pandas as pd
import pytest

from spotify_gym import cli
from spotify_gym.listeners import LoggedListener
from spotify_gym.listeners.facts import simulate
from spotify_gym.listeners.skip_log import write_log


@pytest.fixture
def log(small, tmp_path, monkeypatch):
    """A folder with a log and the catalogue of its tracks."""
    monkeypatch.chdir(tmp_path)
    small.save("songs.arrow")
    write_log(simulate(LoggedListener(regard="vibe", taste_weight=2.0), small, 400)[0], "log.csv")


@pytest.mark.usefixtures("log")
def test_fit__makes_a_listener_that_every_environment_takes_and_report_judges_it(small, capsys):
    assert cli.main(["listener", "fit", "log.csv", "--catalogue", "songs.arrow"]) == 0
    told = capsys.readouterr()
    assert "100.0 % of the plays are of tracks in " in told.err
    assert "taste_weight" in told.out
    env = gym.make("SpotifySkip-v0", catalogue=small, listener="listener.json")
    env.reset(seed=0)
    assert env.step(7)[1] in (0.0, 1.0)
    assert env.unwrapped.dynamics.listener.fitted["log"] == "log.csv"
    assert cli.main(["listener", "report", "listener.json", "log.csv", "--catalogue", "songs.arrow"]) == 0
    assert "gradient boosting" in capsys.readouterr().out
    page = Path("listener-report.html").read_text()
    assert "<td>regard for sound" in page
    assert "src='data:image/png" in page
    assert "src='http" not in page
    assert re.search("Regard for sound is by the cosine to the (mean of|decayed mean)", page)
    assert "| log-loss |" in Path("listener-report.md").read_text()
    facts = pd.read_csv("listener-report-facts.csv")
    assert set(facts["verdict"]) <= {"pass", "FAIL", "too few plays to tell"}
    assert (facts["verdict"] != "FAIL").mean() > 0.8


@pytest.mark.usefixtures("log")
def test_report__of_a_listener_that_was_never_fitted_says_so(capsys):
    assert cli.main(["listener", "report", "skipping", "log.csv", "--out", "page.md"]) == 0
    assert "never fitted to a log" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fit broken.csv", "broken.csv has no column session_position"),
        ("fit nowhere.csv", "there is no such file"),
        ("fit log.csv --out listener.csv", "--out listener.csv must end in .json"),
        ("fit log.csv --max-sessions 20", "a fit needs 50 or more"),
        ("report satiated log.csv", "SatiatedListener skips nothing"),
        ("report log.csv log.csv", "listener='log.csv' is not known"),
        ("report big.json log.csv", "big.json holds no listener"),
        ("report pipe.json log.csv", "it is no regular file"),
        ("report odd.json log.csv", "must hold intervals"),
    ],
)
@pytest.mark.usefixtures("log")
def test_mistake__is_told_in_one_line(line, said, capsys, tmp_path):
    (tmp_path / "broken.csv").write_text("session_id\na\n")
    (tmp_path / "big.json").write_text("[" * 2_000_000)
    (tmp_path / "odd.json").write_text('{"listener": "logged", "fitted": [1]}')
    os.mkfifo(tmp_path / "pipe.json")
    assert cli.main(["listener", *line.split()]) == 2
    told = capsys.readouterr().err.splitlines()
    assert said in told[-1]
