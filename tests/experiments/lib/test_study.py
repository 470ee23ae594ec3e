"""A study from end to end, and what a newcomer writes for one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec
from pathlib import Path

import pandas as pd
import pytest

from experiments.lib import Case, Study
from experiments.report import Report
from spotify_gym.cli.command import run_command

QUICK = ["--catalogue", "builtin:300", "--steps", "64", "--learning-starts", "32"]
QUICK += ["--n-seeds", "2", "--n-sessions", "3", "--jobs", "1"]


@dataclass(frozen=True)
class Discounts(Study):
    """How far to look ahead."""

    gammas: tuple[float, ...] = (0.0, 0.9)
    """Discounts to try."""

    def methods(self) -> Iterator[Case]:
        for gamma in self.gammas:
            yield Case(f"γ = {gamma:g}", replace(self.config, gamma=gamma))


def test_study__takes_one_method_and_gives_tables_findings_and_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["discounts.py", "--catalogue", "/home/me/songs.csv"])
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", ModuleSpec("discounts", None))
    arguments = [*QUICK, "--out", str(tmp_path)]
    assert run_command(Discounts, "discounts", arguments) == 0
    shown = capsys.readouterr().out
    assert "SpotifyPlaylist-v0 (builtin:300): 300 tracks, 3 held-out sessions" in shown
    assert "train [s]" in shown
    assert "corrected for 3 tests; 2 runs against 2, 3 sessions)." in shown
    rows = pd.read_parquet(tmp_path / "results.parquet")
    assert rows.groupby(["method", "seed"]).size().eq(3).all()
    assert set(rows["method"]) == {"fixed", "nearest", "planner", "γ = 0", "γ = 0.9"}
    assert rows.loc[rows["method"] == "planner", "skill"].mean() == pytest.approx(1)
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "http" not in page
    assert "- command: python -m discounts --catalogue songs.csv\n" in (tmp_path / "report.md").read_text()


def test_study__goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(Discounts, "discounts", [*QUICK, "--gammas", "0.9", "--out", str(tmp_path)]) == 0
    done = {file: file.stat().st_mtime_ns for file in (tmp_path / "cases").iterdir()}
    assert run_command(Discounts, "discounts", [*QUICK, "--out", str(tmp_path)]) == 0
    assert len(list((tmp_path / "cases").iterdir())) == len(done) + 2
    assert all(file.stat().st_mtime_ns == written for file, written in done.items())


def test_study__measures_each_task_on_a_scale_of_its_own() -> None:
    class Histories(Study):
        def methods(self) -> Iterator[Case]:
            for length in (3, 5):
                yield Case(f"{length} tracks", replace(self.config, history_length=length))

    cases = list(Histories(n_seeds=1).cases())
    assert len(cases) == len(set(cases)) == 2 * 3 + 2
    assert {case.config.history_length for case in cases if case.reference == "planner"} == {3, 5}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--n-seeds", "0"], "n_seeds=0 must be at least 1"),
        (["--n-sessions", "0"], "n_sessions=0 must be at least 1"),
        (["--catalogue", "nowhere.csv"], "nowhere.csv"),
        (["--state", "everything"], "state='everything' is not known"),
    ],
)
def test_study__answers_a_mistake_in_one_line_before_it_begins(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(Discounts, "discounts", [*QUICK, "--out", str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob("*.parquet"))


def test_report__of_an_empty_folder_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(Report, "report", [str(tmp_path)]) == 2
    assert "experiments.compare --out" in capsys.readouterr().err


def test_report__is_made_anew_from_the_results_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(Discounts, "discounts", [*QUICK, "--out", str(tmp_path)]) == 0
    before = (tmp_path / "report.md").read_text()
    (tmp_path / "report.md").unlink()
    assert run_command(Report, "report", [str(tmp_path)]) == 0
    assert (tmp_path / "report.md").read_text() == before
