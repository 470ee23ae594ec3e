"""The content of tables and reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.lib.aggregation import with_skill
from experiments.lib.report import in_words, overview, show, summary, tables_of, write
from spotify_gym.cli.page import markdown_table


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Three references, and a learner with two runs, in four sessions each."""
    runs = [("fixed", 0, 1.0), ("nearest", 0, 1.5), ("planner", 0, 3.0), ("DQN", 0, 2.0), ("DQN", 1, 2.5)]
    frames = [
        pd.DataFrame({"session": range(4), "return": mean + np.array([-1, 0, 0, 1])}).assign(
            method=method, seed=seed, steps=64 * (method == "DQN")
        )
        for method, seed, mean in runs
    ]
    labels = {"env": "task", "env_id": "SpotifyPlaylist-v0", "catalogue": "builtin", "n_tracks": 1000}
    costs = {"train_seconds": 1.0, "peak_memory_mb": 500.0, "repeat_rate": 0.25, "novelty": np.nan}
    return with_skill(pd.concat(frames, ignore_index=True).assign(**labels, **costs))


def test_skill__is_0_for_the_fixed_list_and_1_for_the_planner(rows: pd.DataFrame) -> None:
    means = rows.groupby("method")["skill"].mean()
    assert means.to_dict() == pytest.approx({"fixed": 0, "nearest": 0.25, "planner": 1, "DQN": 0.625})


def test_skill_of_what_is_seen__is_1_for_the_reference_that_sees_no_more_than_an_agent(rows: pd.DataFrame) -> None:
    hiding = rows.replace({"env_id": {"SpotifyPlaylist-v0": "SpotifySkip-v0"}, "method": {"nearest": "belief"}})
    table = summary(with_skill(hiding)).set_index("method")
    assert table["of what is seen"].to_dict() == {
        "planner": "4.000",
        "DQN": "2.500",
        "belief": "1.000",
        "fixed": "0.000",
    }
    assert "of what is seen" not in summary(rows)


def test_skill__without_its_ends_is_an_error(rows: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="needs the reference 'planner'"):
        with_skill(rows[rows["method"] != "planner"])
    with pytest.raises(ValueError, match="the planner earns no more than the fixed list on task"):
        with_skill(rows.assign(**{"return": 1.0}))


def test_words__say_where_nothing_was_learned(rows: pd.DataFrame) -> None:
    note = "nothing was learned: the first 64 steps are random play"
    told = in_words(rows.assign(note=np.where(rows["method"] == "DQN", note, "")))
    assert told is not None
    assert told.endswith(f"{note}.")
    assert "learning pays here." in (in_words(rows) or "")
    one_failed = (rows["method"] == "DQN") & (rows["seed"] == 0)
    unsure = in_words(rows.assign(skill=rows["skill"].mask(one_failed, -0.5)))
    assert "learning does not pay here yet." in (unsure or "")


def test_summary__pairs_each_number_with_its_method_the_best_first(rows: pd.DataFrame) -> None:
    table = summary(rows).set_index("method")
    assert list(table.index) == ["planner", "DQN", "nearest", "fixed"]
    assert table.loc["DQN", ["return", "skill", "runs", "repeat", "novelty"]].tolist() == [
        "2.25",
        "0.625",
        "2",
        "25%",
        "",
    ]
    assert table.loc["DQN", "95 % interval"] != ""
    assert table.drop(index="DQN")["95 % interval"].eq("").all()
    assert "| DQN | 2.25 | 0.625 |" in markdown_table(table.reset_index())


def test_overview__has_a_column_for_each_environment(rows: pd.DataFrame) -> None:
    other = rows[rows["method"] != "DQN"].assign(env="another", env_id="SpotifySkip-v0")
    both = pd.concat([rows, other])
    table = overview(both).set_index("method")
    assert list(table.columns) == ["SpotifyPlaylist-v0", "SpotifySkip-v0"]
    assert table.loc["planner"].tolist() == ["1.000", "1.000"]
    assert " to " in table.loc["DQN", "SpotifyPlaylist-v0"]
    assert table.loc["DQN", "SpotifySkip-v0"] == ""
    assert [title.partition(":")[0] for title, _ in tables_of(both)] == ["Skill, builtin", "task", "another"]


def test_show__leaves_out_what_the_terminal_has_no_room_for(
    rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    show("a title", summary(rows))
    shown = capsys.readouterr().out
    assert "skill" in shown
    assert "95 % interval" in shown
    assert "novelty" not in shown
    assert "…" not in shown
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 50


def test_write__escapes_what_a_table_holds(tmp_path: Path) -> None:
    page = write(tmp_path, [("<b>", pd.DataFrame({"method": ["<script>"]}))], {"How": ["a < b"]})
    text = page.read_text()
    assert "<script>" not in text
    assert "<h2>&lt;b&gt;</h2>" in text
    assert "a &lt; b" in text
    assert "- a < b" in (tmp_path / "report.md").read_text()
