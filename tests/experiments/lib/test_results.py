"""From rows to skill, tables and the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.lib.cases import Case
from experiments.lib.execute import execute
from experiments.lib.results import with_skill
from experiments.lib.stock import QuantileCase
from experiments.lib.suites import SUITES
from experiments.lib.tables import markdown_table, overview, summary
from experiments.report import write_report
from spotify_gym.training import TrainConfig

TASK = TrainConfig(catalogue="builtin:300", env="SpotifyPlaylist-v0", policy="mlp", episodes=20)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    cases = [
        *(Case(name, TASK, name, 4) for name in ("fixed", "nearest", "planner")),
        *(Case("DQN", replace(TASK, seed=seed), n_sessions=4) for seed in range(2)),
    ]
    return with_skill(pd.concat([execute(case) for case in cases], ignore_index=True))


def test_execute__gives_a_row_per_session_with_all_measures(rows: pd.DataFrame) -> None:
    dqn = rows[rows["method"] == "DQN"]
    assert len(dqn) == 8
    assert dqn["steps"].eq(400).all()
    assert (dqn["repeat_rate"] == 0).all()
    assert dqn[["return", "diversity", "coverage", "novelty", "peak_memory_mb"]].notna().all(axis=None)


def test_execute__trains_qrdqn_as_it_comes() -> None:
    case = QuantileCase("QRDQN", replace(TASK, env="SpotifySession-v0"), n_sessions=4, n_quantiles=2)
    rows = execute(case)
    assert rows["method"].tolist() == ["QRDQN"] * 4
    assert np.array_equal(rows["return"], execute(case)["return"])


def test_skill__is_0_for_the_fixed_list_and_1_for_the_planner(rows: pd.DataFrame) -> None:
    means = rows.groupby("method")["skill"].mean()
    assert means["fixed"] == pytest.approx(0)
    assert means["planner"] == pytest.approx(1)
    assert 0 < means["nearest"] <= 1


def test_skill__without_its_ends_is_an_error(rows: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="needs the reference 'planner'"):
        with_skill(rows[rows["method"] != "planner"])


def test_summary__pairs_each_interval_with_its_method(rows: pd.DataFrame) -> None:
    table = summary(rows).set_index("method")
    assert table.loc["DQN", "interval"] != ""
    assert table.drop(index="DQN")["interval"].eq("").all()
    assert "| DQN |" in markdown_table(table.reset_index())


def test_overview__has_a_column_for_each_environment(rows: pd.DataFrame) -> None:
    other = rows[rows["method"] != "DQN"].assign(env="another", env_id="SpotifySkip-v0")
    table = overview(pd.concat([rows, other])).set_index("method")
    assert list(table.columns) == ["SpotifyPlaylist-v0", "SpotifySkip-v0"]
    assert table.loc["planner"].tolist() == ["1.000", "1.000"]
    assert " to " in table.loc["DQN", "SpotifyPlaylist-v0"]
    assert table.loc["DQN", "SpotifySkip-v0"] == ""


def test_report__is_one_page_that_says_what_was_not_significant(rows: pd.DataFrame, tmp_path: Path) -> None:
    rows.to_parquet(tmp_path / "results.parquet")
    page = write_report(tmp_path).read_text()
    assert "nearest" in page
    assert "http" not in page
    assert "DQN" in (tmp_path / "report.md").read_text()


def test_report__of_an_empty_folder_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"experiments\.compare --out"):
        write_report(tmp_path)


@pytest.mark.parametrize("suite", SUITES)
def test_suite__has_the_ends_of_the_scale_on_every_task(suite: str) -> None:
    cases = list(SUITES[suite]("builtin"))
    for task in {case.task for case in cases}:
        assert {"fixed", "planner"} <= {case.reference for case in cases if case.task == task}
    assert len({case.key for case in cases}) == len(cases)
