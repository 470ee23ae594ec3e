"""Cases: what is measured, what tells them apart, and the suites that are made of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments.lib.cases import Case
from experiments.lib.suites import QUANTILES, SUITES
from experiments.states import SilentCase
from spotify_gym.training import TrainConfig

CONFIG = TrainConfig(catalogue="builtin:300", env="SpotifyPlaylist-v0", policy="mlp", episodes=20)
CASE = Case("DQN", CONFIG, n_sessions=3)


def test_run__gives_a_row_per_session_with_all_measures() -> None:
    rows = CASE.run()
    assert len(rows) == 3
    assert rows["steps"].eq(400).all()
    assert rows["repeat_rate"].eq(0).all()
    assert rows[["return", "diversity", "coverage", "novelty", "peak_memory_mb"]].notna().all(axis=None)


def test_run__trains_qrdqn_as_it_comes() -> None:
    config = replace(CONFIG, env="SpotifySession-v0", algorithm="qrdqn", arguments=QUANTILES)
    case = Case("QRDQN", config, n_sessions=4)
    rows = case.run()
    assert rows["method"].tolist() == ["QRDQN"] * 4
    assert np.array_equal(rows["return"], case.run()["return"])


def test_key__of_a_reference_is_the_same_however_others_learn() -> None:
    reference = replace(CASE, reference="nearest")
    faster = replace(reference, config=replace(CONFIG, learning_rate=0.5))
    shorter = replace(reference, config=replace(CONFIG, history_length=3))
    assert faster.key == reference.key != shorter.key


def test_key__is_another_one_for_another_setting_seed_or_kind_of_case() -> None:
    changed = replace(CASE, config=replace(CONFIG, gamma=0.5))
    assert len({case.key for case in [*CASE.seeded(4), changed, SilentCase(**vars(CASE))]}) == 6


def test_seeded__begins_with_its_own_seed_and_does_once_what_does_not_learn() -> None:
    assert [case.config.seed for case in replace(CASE, config=replace(CONFIG, seed=7)).seeded(3)] == [7, 8, 9]
    assert list(replace(CASE, reference="nearest").seeded(3)) == [replace(CASE, reference="nearest")]
    with pytest.raises(ValueError, match="n_seeds=0 must be at least 1"):
        list(CASE.seeded(0))


def test_task__names_all_that_decides_what_can_be_earned() -> None:
    assert CASE.task == "SpotifyPlaylist-v0 (builtin:300)"
    other = replace(CONFIG, catalogue="/data/songs.csv", max_tracks=50, history_length=3, gamma=0.1)
    assert replace(CASE, config=other).task == "SpotifyPlaylist-v0 (songs.csv, max_tracks=50, history_length=3)"


@pytest.mark.parametrize("suite", SUITES)
def test_suite__has_the_ends_of_the_scale_on_every_task(suite: str) -> None:
    cases = list(SUITES[suite]("builtin"))
    for task in {case.task for case in cases}:
        assert {"fixed", "planner"} <= {case.reference for case in cases if case.task == task}
    assert len({case.key for case in cases}) == len(cases)
