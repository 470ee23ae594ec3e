"""Hyperparameter search: its trials, its files, and the command end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from experiments.lib.cases import alone_in
from experiments.tune import (
    SPACE,
    VALIDATION_SEED,
    Search,
    Tune,
    give_up_lost,
    importances,
    made_in,
    make_trial,
    open_study,
)
from spotify_gym.cli.command import run_command
from spotify_gym.cli.train import Train
from spotify_gym.training import EVALUATION_SEED, TrainConfig

CONFIG = TrainConfig(catalogue="builtin:300", env="SpotifyPlaylist-v0", steps=256, learning_starts=32)
SEARCH = Search(CONFIG, n_seeds=1, n_points=2, n_sessions=3)


def test_search__begins_with_the_settings_it_was_given() -> None:
    assert SEARCH.suggested(SEARCH.started) == CONFIG


def test_search__keeps_what_it_is_told_to() -> None:
    kept = replace(SEARCH, keep=("gamma", "hidden"))
    assert set(kept.space) == set(kept.started) == SPACE.keys() - {"gamma", "hidden"}


def test_validation__is_far_from_the_sessions_that_methods_are_compared_on() -> None:
    assert VALIDATION_SEED - EVALUATION_SEED > 10**8


def test_study__goes_on_where_it_stopped_and_refuses_other_trials(tmp_path: Path) -> None:
    for number in range(2):
        make_trial(tmp_path, SEARCH, number)
    study = open_study(tmp_path, SEARCH)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2
    assert study.trials[0].params == SEARCH.started
    assert all(len(trial.intermediate_values) == 2 for trial in study.trials)
    with pytest.raises(ValueError, match="a study with other options"):
        open_study(tmp_path, replace(SEARCH, n_points=3))


def test_study__makes_anew_what_a_killed_process_had_begun(tmp_path: Path) -> None:
    study = open_study(tmp_path, SEARCH)
    study.ask(SEARCH.space)
    give_up_lost(study)
    assert study.trials[0].state == TrialState.FAIL
    assert not made_in(study)
    assert SEARCH.suggested(study.ask(SEARCH.space).params) == SEARCH.config
    give_up_lost(study)
    assert len(study.get_trials(states=(TrialState.WAITING,))) == 1


def test_study__survives_a_line_half_written(tmp_path: Path) -> None:
    open_study(tmp_path, SEARCH)
    log = tmp_path / "study.log"
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"op_code": 4, "wor')
    for number in range(2):
        assert SEARCH.suggested(open_study(tmp_path, SEARCH, seed=number).ask(SEARCH.space).params)
    assert log.read_bytes().startswith(whole)


def test_study__is_for_one_process_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with alone_in(tmp_path, "study"):
        assert run_command(Tune, "tune", ["--catalogue", "builtin:300", "--out", str(tmp_path)]) == 2
    assert "another process is at work in" in capsys.readouterr().err


def test_trial__that_is_worse_than_others_is_given_up() -> None:
    class Hopeless(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return trial.last_step == 1

    study = optuna.create_study(direction="maximize", pruner=Hopeless())
    study.optimize(replace(SEARCH, n_seeds=2), n_trials=1)
    assert study.trials[0].state == TrialState.PRUNED
    assert len(study.trials[0].intermediate_values) == 1


def test_importances__of_a_setting_that_alone_decides() -> None:
    study = optuna.create_study(direction="maximize")
    assert importances(study) is None
    for gamma in (0.1, 0.3, 0.5, 0.7, 0.9):
        for tau in (0.1, 0.9):
            params = {"gamma": gamma, "tau": tau}
            spaces = {name: optuna.distributions.FloatDistribution(0, 1) for name in params}
            study.add_trial(optuna.trial.create_trial(params=params, distributions=spaces, value=gamma))
    shares = importances(study)
    assert shares is not None
    assert shares["gamma"] > 0.95


def test_command__writes_settings_that_training_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--catalogue", "builtin:300", "--steps", "64", "--learning-starts", "32", "--n-sessions", "3"]
    arguments += ["--n-seeds", "1", "--n-points", "1", "--n-trials", "5", "--n-runs", "2", "--jobs", "1"]
    assert run_command(Tune, "tune", [*arguments, "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "5 trials, best return" in shown
    assert "best settings" in shown
    assert "3 held-out sessions" in shown or "no trial was better" in shown
    best = TrainConfig.from_json(json.loads((tmp_path / "best.json").read_text()))
    assert best.catalogue == "builtin:300"
    assert (tmp_path / "study.png").stat().st_size > 10_000
    taken = ["--settings", str(tmp_path / "best.json"), "--out", str(tmp_path / "run")]
    assert run_command(Train, "train", taken) == 0
