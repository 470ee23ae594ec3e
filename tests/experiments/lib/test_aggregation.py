"""Aggregation of tidy data frames."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from experiments.lib.aggregation import aggregates, comparisons, improvements, profiles, score_array
from experiments.lib.statistics import interquartile_mean

ENVS = ("A-v0", "B-v0")


def make_results(method: str, quality: float, n_runs: int, n_sessions: int = 20) -> pd.DataFrame:
    generator = np.random.default_rng(len(method))
    results = pd.DataFrame(list(product(ENVS, range(n_runs), range(n_sessions))), columns=["env", "seed", "session"])
    skill = (
        quality + 0.005 * generator.normal(size=n_runs)[results["seed"]] + 0.05 * generator.normal(size=len(results))
    )
    return results.assign(method=method, skill=skill)


@pytest.fixture(scope="module")
def results() -> pd.DataFrame:
    parts = [make_results("DQN", 0.8, 10), make_results("DoubleDQN", 0.9, 10), make_results("nearest", 0.95, 1)]
    return pd.concat(parts, ignore_index=True)


def test_score_array__puts_every_run_in_its_cell() -> None:
    results = pd.DataFrame({"method": "m", "seed": [2, 1, 2, 1], "env": ["b", "b", "a", "a"], "skill": [4, 2, 3, 1]})
    np.testing.assert_array_equal(score_array(results, "skill"), [[1, 2], [3, 4]])


def test_score_array__averages_the_sessions_of_a_run(results) -> None:
    rows = results[results["method"] == "DQN"]
    scores = score_array(rows, "skill")
    assert scores.shape == (10, 2)
    of_one = rows[(rows["seed"] == 3) & (rows["env"] == "B-v0")]
    assert scores[3, 1] == pytest.approx(of_one["skill"].mean())


def run_missing(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["seed"] != 4) | (rows["env"] != "B-v0")]


def session_missing(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["seed"] != 4) | (rows["env"] != "B-v0") | (rows["session"] != 7)]


def value_missing(rows: pd.DataFrame) -> pd.DataFrame:
    at_fault = (rows["seed"] == 4) & (rows["env"] == "B-v0") & (rows["session"] == 7)
    return rows.assign(skill=rows["skill"].mask(at_fault))


@pytest.mark.parametrize("damage", [run_missing, session_missing, value_missing])
def test_score_array__names_the_run_that_is_missing(results, damage) -> None:
    rows = results[results["method"] == "DQN"]
    with pytest.raises(ValueError, match=r"DQN, seed 4, env B-v0: (0|19) values of 'skill' instead of 20"):
        score_array(damage(rows), "skill")


def test_aggregates__gives_each_method_its_row_in_order(results) -> None:
    table = aggregates(results)
    assert list(table["method"]) == ["DQN", "DoubleDQN", "nearest"]
    scores = score_array(results[results["method"] == "DQN"], "skill")
    assert table["estimate"][0] == pytest.approx(interquartile_mean(scores))
    assert table["low"][0] < table["estimate"][0] < table["high"][0]
    assert list(table["n_runs"]) == [10, 10, 1]
    assert list(table["n_envs"]) == [2, 2, 2]


def test_aggregates__gives_a_single_run_no_interval(results) -> None:
    nearest = aggregates(results).iloc[2]
    assert nearest["estimate"] == pytest.approx(0.95, abs=0.05)
    assert np.isnan(nearest["low"])
    assert np.isnan(nearest["high"])


def test_aggregates__along_steps_is_a_learning_curve(results) -> None:
    steps = pd.concat([results.assign(step=step, skill=results["skill"] * step) for step in (2, 0, 1)])
    frame = aggregates(steps, along="step")
    assert list(frame["step"][:3]) == [0, 1, 2]
    last = frame[(frame["method"] == "DQN") & (frame["step"] == 2)].iloc[0]
    assert last["estimate"] == pytest.approx(2 * aggregates(results)["estimate"][0])


def test_aggregates__names_the_step_that_is_missing(results) -> None:
    steps = pd.concat([results.assign(step=0), results[results["seed"] != 4].assign(step=1)])
    with pytest.raises(ValueError, match="DQN, step 1, seed 4, env A-v0: 0 values"):
        aggregates(steps, along="step")


def test_profiles__leaves_out_methods_of_one_run(results) -> None:
    frame = profiles(results, np.linspace(0, 1, 5))
    assert list(frame["method"].unique()) == ["DQN", "DoubleDQN"]
    assert list(frame["threshold"][:5]) == [0, 0.25, 0.5, 0.75, 1]
    assert list(frame["estimate"][:5]) == [1, 1, 1, 1, 0]


def test_improvements__sets_learners_against_each_other(results) -> None:
    learners = improvements(results)
    assert list(learners[["method", "other"]].itertuples(index=False, name=None)) == [("DQN", "DoubleDQN")]
    assert learners["estimate"][0] == 0


def test_comparisons__corrects_for_their_number(results) -> None:
    results = results[results["env"] == "A-v0"]
    pair = ("DQN", "DoubleDQN")
    (alone,) = comparisons(results, [pair])
    among = comparisons(results, [pair, ("DQN", "nearest"), ("DoubleDQN", "nearest")])
    assert len(among) == 3
    assert among[0].p_value > alone.p_value
    assert among[0].estimate == alone.estimate
    assert all(difference.significant for difference in among)
    sentence = among[0].describe(*pair, "skill")
    assert sentence.startswith(
        "DoubleDQN beats DQN by 0.0989 in skill (95 % interval 0.0825 to 0.115, p < 0.001 corrected"
    )
    assert "corrected for 3 tests" in sentence
    assert "corrected" not in alone.describe(*pair, "skill")
