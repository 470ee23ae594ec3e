"""What a reference policy earns is worked out once, and again where anything about the sessions is another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import spotify_gym.training.leaderboard as leaderboard
from spotify_gym import Catalogue
from spotify_gym.training.evaluation import Evaluation
from spotify_gym.training.leaderboard import HeldOut, skills_of


@pytest.fixture
def sessions(small: Catalogue) -> HeldOut:
    return HeldOut("SpotifyPlaylist-v0", {"state": "mean"}, small, n_sessions=4, seed=100)


def test_reference__is_looked_up_the_second_time(
    sessions: HeldOut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sessions.played_by_reference("nearest", tmp_path / "shelf")
    calls: list[str] = []

    def count(*_arguments: object, **_options: object) -> Evaluation:
        calls.append("played")
        return first

    monkeypatch.setattr(leaderboard, "evaluate", count)
    again = sessions.played_by_reference("nearest", tmp_path / "shelf")
    assert not calls
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
    assert again.seconds == first.seconds
    for other in (replace(sessions, n_sessions=5), replace(sessions, seed=1), replace(sessions, env_options={})):
        other.played_by_reference("nearest", tmp_path / "shelf")
    sessions.played_by_reference("nearest")
    assert len(calls) == 4


def test_reference__damaged_on_the_shelf_is_worked_out_again(sessions: HeldOut, tmp_path: Path) -> None:
    first = sessions.played_by_reference("random", tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"nonsense")
    again = sessions.played_by_reference("random", tmp_path)
    np.testing.assert_array_equal(again.tracks, first.tracks)
    assert file.read_bytes() != b"nonsense"


def test_reference__on_a_shelf_that_cannot_be(sessions: HeldOut, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert sessions.played_by_reference("random", tmp_path / "file" / "shelf").returns.shape == (4,)


def test_skill__is_0_for_the_fixed_list_and_1_for_the_best_that_played(sessions: HeldOut) -> None:
    played = sessions.played_by_reference("random")
    earned = {"fixed": 9.4, "planner": 18.9, "nearest": 18.0, "learner": 14.15}
    board = {name: replace(played, rewards=np.full((4, 1), value)) for name, value in earned.items()}
    assert skills_of(board) == pytest.approx({"fixed": 0, "planner": 1, "nearest": 8.6 / 9.5, "learner": 0.5})
    assert skills_of(board, "nearest")["learner"] == pytest.approx(4.75 / 8.6)
    assert skills_of({**board, "planner": board["fixed"]}) == {}  # there is no scale
    assert skills_of({"planner": board["planner"]}) == {}
