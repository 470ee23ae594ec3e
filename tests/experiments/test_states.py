"""State options against each other: which there are, what silence hides, and the command from end to end."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import pandas as pd
import pytest

from experiments.lib import SCALE
from experiments.states import SILENT, States
from spotify_gym import Catalogue
from spotify_gym.cli.command import run_command
from spotify_gym.training import TrainConfig

QUICK = ["--steps", "64", "--learning-starts", "32", "--n-seeds", "2", "--n-sessions", "2", "--jobs", "1"]


@pytest.mark.parametrize("env_id", SILENT)
def test_silence__hides_the_listener_and_changes_nothing_else(env_id: str, small: Catalogue) -> None:
    silent = f"experiments.states:{SILENT[env_id]}"
    open_env, silent_env = gym.make(env_id, catalogue=small), gym.make(env_id, catalogue=small, listener=silent)
    for env in (open_env, silent_env):
        env.reset(seed=3)
    assert silent_env.observation_space.shape == (9,)
    assert open_env.observation_space.shape > silent_env.observation_space.shape
    for track in range(10):
        shown, hidden = open_env.step(track), silent_env.step(track)
        assert shown[1:4] == hidden[1:4]
        assert shown[0][:9].tolist() == hidden[0].tolist()


def test_case__without_feedback_is_trained_and_played_without() -> None:
    config = TrainConfig(catalogue="builtin:300", env="SpotifySkip-v0", steps=64, learning_starts=32)
    cases = list(States(config=config, envs=("SpotifySkip-v0",), states=("mean",), n_seeds=1).cases())
    assert [case.method for case in cases] == [*SCALE, "mean", "mean, no feedback"]
    assert len({case.task for case in cases}) == 1
    assert [case.config.listener for case in cases[:-1]] == [None] * 6
    (width,) = cases[-1].policy(Catalogue.builtin(300)).observation_space.shape
    assert width == 9


def test_findings__compare_each_state_with_the_mean() -> None:
    rows = [
        (state, seed, 0, skill + 0.01 * seed)
        for state, skill in (("mean", 0.5), ("history", 0.9))
        for seed in (0, 1, 2)
    ]
    results = pd.DataFrame(rows, columns=["method", "seed", "session", "skill"]).assign(env="e", steps=64)
    (said,) = States().findings(results)
    assert said.startswith("e: history beats mean by 0.4 in skill")


def test_command__tries_all_states_that_the_catalogue_can_show(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--catalogue", "builtin:300", "--envs", "SpotifyPlaylist-v0", "--out", str(tmp_path), *QUICK]
    assert run_command(States, "states", arguments) == 0
    shown = capsys.readouterr().out
    results = pd.read_parquet(tmp_path / "results.parquet")
    states = set(results["method"]) - {"fixed", "nearest", "planner"}
    assert {"mean", "decayed", "mean+decayed", "history"} <= states
    assert ("mean+genres" in states) == (Catalogue.builtin(300).genres is not None)
    assert shown.count(" in skill") == len(states) - 1
    assert (tmp_path / "skill_1.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--states", "everything"], "everything"),
        (["--envs", "SpotifyRadio-v0"], "SpotifyRadio-v0"),
        (["--n-seeds", "0"], "n_seeds=0 must be at least 1"),
    ],
)
def test_command__answers_a_mistake_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--catalogue", "builtin:300", "--envs", "SpotifySession-v0", "--out", str(tmp_path), *QUICK]
    assert run_command(States, "states", [*common, *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
