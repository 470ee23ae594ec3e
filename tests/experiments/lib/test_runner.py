"""The runner: nothing finished is lost, nothing failed goes unseen, here and on a cluster."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from experiments.lib.cases import Case
from experiments.lib.runner import IncompleteError, alone_in, backend, results_of, run_cases
from spotify_gym.training import TrainConfig

CONFIG = TrainConfig(catalogue="builtin:300", policy="mlp")


class Count(Case):
    """A case that is done at once."""

    def run(self) -> pd.DataFrame:
        return pd.DataFrame({"seed": [self.config.seed], "worker": [os.getpid()]})


class Fail(Count):
    def run(self) -> pd.DataFrame:
        if self.config.seed == 2:
            raise FloatingPointError("seed two never works")
        return super().run()


class DieOnce(Count):
    """Kills the worker that gets seed 1 first, as a machine that goes away does."""

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
    with pytest.raises(IncompleteError, match="was killed, for want of memory perhaps"), backend(2):
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
