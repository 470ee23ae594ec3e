"""Cases and their runner: finished cases are kept and failures are reported, locally and on a cluster."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.lib.cases import Case, IncompleteError, alone_in, backend, results_of, run_cases
from experiments.lib.suites import QUANTILES, SUITES
from experiments.states import SilentCase
from spotify_gym.training import TrainConfig

CONFIG = TrainConfig(catalogue="builtin:300", policy="mlp")


class Count(Case):
    """A case that finishes immediately."""

    def run(self) -> pd.DataFrame:
        return pd.DataFrame({"seed": [self.config.seed], "worker": [os.getpid()]})


class Fail(Count):
    def run(self) -> pd.DataFrame:
        if self.config.seed == 2:
            raise FloatingPointError("seed two never works")
        return super().run()


class DieOnce(Count):
    """Kills the first worker that gets seed 1, as if its machine were lost."""

    def run(self) -> pd.DataFrame:
        if self.config.seed == 1 and not (marker := Path(self.config.catalogue)).exists():
            marker.touch()
            os.kill(os.getpid(), 9)
        return super().run()


CASES = list(Count("DQN", CONFIG, n_sessions=3).seeded(4))


def test_run__gives_the_rows_of_every_case_in_order(tmp_path: Path) -> None:
    assert run_cases(CASES, tmp_path)["seed"].tolist() == [0, 1, 2, 3]


def test_run__does_again_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = list(Fail("DQN", CONFIG, n_sessions=3).seeded(4))
    with pytest.raises(
        IncompleteError, match=r"1 of 4 cases failed: DQN \(seed 2\) on SpotifySession-v0 \(builtin:300\)"
    ):
        run_cases(cases, tmp_path, jobs=1)
    assert "seed two never works" in (tmp_path / "failures.txt").read_text()
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cases").iterdir()}
    assert len(kept) == 3
    monkeypatch.setattr(Fail, "run", Count.run)
    assert len(run_cases(cases, tmp_path, jobs=1)) == 4
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cases").iterdir()}
    assert kept.items() <= after.items()


@pytest.mark.filterwarnings("ignore:A worker stopped:UserWarning")  # it was killed on purpose
def test_run__a_killed_worker_is_noticed_and_loses_nothing_finished(tmp_path: Path) -> None:
    cases = list(DieOnce("DQN", replace(CONFIG, catalogue=str(tmp_path / "died"))).seeded(4))
    with pytest.raises(IncompleteError, match="was killed, perhaps for lack of memory"), backend(2):
        list(results_of(cases))
    with backend(2):
        assert len(list(results_of(cases))) == 4


def test_run__is_for_one_process_at_a_time(tmp_path: Path) -> None:
    with alone_in(tmp_path, "cases"), pytest.raises(IncompleteError, match="another process is at work in"):
        run_cases(CASES, tmp_path)


def test_run__clears_away_what_a_killed_one_left_half_written(tmp_path: Path) -> None:
    half = tmp_path / "cases" / ".0.parquet.0.tmp"
    half.parent.mkdir()
    half.write_bytes(b"PAR1")
    run_cases(CASES, tmp_path)
    assert not half.exists()


def test_run__says_what_cannot_be_done_before_anything_is(tmp_path: Path) -> None:
    nowhere = replace(CASES[1], config=replace(CASES[1].config, catalogue="nowhere.csv"))
    with pytest.raises(ValueError, match=r"nowhere\.csv"):
        run_cases([CASES[0], nowhere], tmp_path)
    assert not list((tmp_path / "cases").iterdir())


@pytest.mark.filterwarnings("ignore")  # Dask warns of the worker that is killed here on purpose
def test_cluster__a_killed_worker_loses_nothing_and_its_case_is_done_again(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra `cluster`")
    cases = list(DieOnce("DQN", replace(CONFIG, catalogue=str(tmp_path / "died"))).seeded(4))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        rows = run_cases(cases, tmp_path / "out", cluster=cluster.scheduler_address)
    assert rows["seed"].tolist() == [0, 1, 2, 3]
    assert (tmp_path / "died").exists()


def test_cluster__that_does_not_answer_is_an_error_with_its_address(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra `cluster`")
    with pytest.raises(OSError, match=r"127\.0\.0\.1:9"):
        run_cases(CASES, tmp_path, cluster="tcp://127.0.0.1:9")


# Cases: what they measure, how they are identified, and suites of them.

LEARNER = TrainConfig(catalogue="builtin:300", env="SpotifyPlaylist-v0", policy="mlp", episodes=20)
CASE = Case("DQN", LEARNER, n_sessions=3)


def test_case__gives_a_row_per_session_with_all_measures() -> None:
    rows = CASE.run()
    assert len(rows) == 3
    assert rows["steps"].eq(400).all()
    assert rows["repeat_rate"].eq(0).all()
    assert rows[["return", "diversity", "coverage", "novelty", "peak_memory_mb"]].notna().all(axis=None)


def test_case__trains_qrdqn_as_it_comes() -> None:
    config = replace(LEARNER, env="SpotifySession-v0", algorithm="qrdqn", arguments=QUANTILES)
    case = Case("QRDQN", config, n_sessions=4)
    rows = case.run()
    assert rows["method"].tolist() == ["QRDQN"] * 4
    assert np.array_equal(rows["return"], case.run()["return"])


def test_key__of_a_reference_is_the_same_however_others_learn() -> None:
    reference = replace(CASE, reference="nearest")
    faster = replace(reference, config=replace(LEARNER, learning_rate=0.5))
    shorter = replace(reference, config=replace(LEARNER, history_length=3))
    assert faster.key == reference.key != shorter.key


def test_key__is_another_one_for_another_setting_seed_or_kind_of_case() -> None:
    changed = replace(CASE, config=replace(LEARNER, gamma=0.5))
    assert len({case.key for case in [*CASE.seeded(4), changed, SilentCase(**vars(CASE))]}) == 6


def test_seeded__begins_with_its_own_seed_and_does_once_what_does_not_learn() -> None:
    assert [case.config.seed for case in replace(CASE, config=replace(LEARNER, seed=7)).seeded(3)] == [7, 8, 9]
    assert list(replace(CASE, reference="nearest").seeded(3)) == [replace(CASE, reference="nearest")]
    with pytest.raises(ValueError, match="n_seeds=0 must be at least 1"):
        list(CASE.seeded(0))


def test_task__names_all_that_decides_what_can_be_earned() -> None:
    assert CASE.task == "SpotifyPlaylist-v0 (builtin:300)"
    other = replace(LEARNER, catalogue="/data/songs.csv", max_tracks=50, history_length=3, gamma=0.1)
    assert replace(CASE, config=other).task == "SpotifyPlaylist-v0 (songs.csv, max_tracks=50, history_length=3)"


@pytest.mark.parametrize("suite", SUITES)
def test_suite__has_the_ends_of_the_scale_on_every_task(suite: str) -> None:
    cases = list(SUITES[suite]("builtin"))
    for task in {case.task for case in cases}:
        assert {"fixed", "planner"} <= {case.reference for case in cases if case.task == task}
    assert len({case.key for case in cases}) == len(cases)
