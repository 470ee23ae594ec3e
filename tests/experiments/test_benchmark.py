"""The benchmark: every part measures what it states. No test asserts a speed."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from experiments import benchmark as rows
from experiments.benchmark import Benchmark
from experiments.lib.speed import (
    ROLLUP,
    Part,
    Race,
    Row,
    machine,
    measured,
    moving,
    ratio_to,
    repeating,
    result_table,
    shown,
    verdict,
    write,
)
from experiments.naive import naive_spec, write_table
from spotify_gym import ENVS, Catalogue

SMALLEST = Benchmark(
    "builtin:400",
    rounds=1,
    seconds=0.0,
    sizes=(200,),
    search_sizes=(100, 900),
    batches=(1, 3),
    n_rows=300,
    n_workers=2,
    memory_limit_mb=0.5,
)
STEPS = Part("steps", "/s", "sessions")


def measured_row(what: str, *costs: float, size: int = 1, role: str = "ours", goal: float | None = None) -> Row:
    return Row(STEPS, what, size, None, role, goal=goal, costs=list(costs))


@pytest.fixture(scope="module")
def races() -> list[Race]:
    """Return all measurements, with the smallest sizes."""
    return measured(SMALLEST.races(), rounds=1)


def found(races: list[Race], part: Part) -> list[tuple[str, int]]:
    return [(row.what, row.size) for race in races for row in race if row.part == part]


def test_environments__stand_beside_cart_pole_and_the_naive_form(races: list[Race]) -> None:
    assert found(races, rows.SINGLE) == [(what, 1) for what in (*ENVS, rows.CART_POLE, rows.NAIVE)]
    of_batches = [race for race in races if race[0].part == rows.VECTOR]
    assert [race[0].size for race in of_batches] == [1, 3]
    for race in of_batches:
        assert ratio_to("floor", race[0], race)
        assert ratio_to("usual", race[0], race)


def test_learning__measures_ours_beside_stable_baselines_at_every_size(races: list[Race]) -> None:
    assert {size for _, size in found(races, rows.GRADIENT)} == {200, 400}
    assert (rows.DENSE, 200) in found(races, rows.GRADIENT)
    assert len(found(races, rows.DECISION)) == 8


def test_learning__leaves_out_what_needs_too_much_memory_and_says_so(races: list[Race]) -> None:
    (left_out,) = (row for race in races for row in race if row.reason)
    assert (left_out.what, left_out.size, left_out.costs) == (rows.DENSE, 400, [])
    assert "--memory-limit-mb" in left_out.reason


def test_loading__measures_import_table_and_prepared_file(races: list[Race]) -> None:
    assert len(found(races, rows.IMPORT)) == 2
    assert ("Catalogue.read", 300) in found(races, rows.READ)
    assert len(found(races, rows.LOAD)) == 3


@pytest.mark.skipif(not ROLLUP.exists(), reason=f"needs {ROLLUP}")
def test_memory__of_every_way_to_hold_a_catalogue_is_measured(races: list[Race]) -> None:
    assert len(found(races, rows.PSS)) == len(found(races, rows.USS)) == 3


def test_everything__costs_something(races: list[Race]) -> None:
    for row in (row for race in races for row in race if row.part.unit != "B" and not row.reason):
        assert row.median > 0, row.what


def test_write__keeps_every_measurement_and_a_picture(races: list[Race], tmp_path: Path, capsys) -> None:
    write(races, 0, tmp_path)
    kept = json.loads((tmp_path / "benchmark.json").read_text())
    assert len(kept["results"]) == sum(map(len, races))
    assert {"seed", "versions", "machine", "speeds", "commit"} <= kept.keys()
    assert (tmp_path / "growth.png").stat().st_size > 10_000
    said = capsys.readouterr().out
    assert "left out: needs" in said
    assert "goals met" in said


def test_naive__earns_what_the_environment_earns(small: Catalogue) -> None:
    naive = gym.make(naive_spec(small))
    ours = gym.make("SpotifySession-v0", catalogue=small, reward_baseline=0.0)
    options = {"history": [7, 3, 9, 27, 81]}
    observations = [env.reset(seed=0, options=options)[0] for env in (naive, ours)]
    np.testing.assert_allclose(*observations, rtol=1e-5)
    for action in np.random.default_rng(0).integers(len(small), size=20):
        expected, actual = naive.step(action), ours.step(action)
        np.testing.assert_allclose(actual[0], expected[0], rtol=1e-4, atol=1e-6)
        assert actual[1] == pytest.approx(expected[1], abs=1e-5)
        assert actual[2:4] == expected[2:4]


def test_table__has_the_columns_and_the_repeated_tracks_of_the_real_one(tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.csv", n_rows=1000)
    real = (
        "genre,artist_name,track_name,track_id,popularity,acousticness,danceability,duration_ms,energy,"
        "instrumentalness,key,liveness,loudness,mode,speechiness,tempo,time_signature,valence"
    )
    assert set(path.read_text().splitlines()[0].split(",")) == set(real.split(","))
    catalogue = Catalogue.read(path)
    assert (catalogue.report.rows, len(catalogue)) == (1000, 760)
    assert not catalogue.report.dropped


def test_repeating__fills_the_time_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def work() -> None:
        nonlocal now
        now += 2.0

    monkeypatch.setattr("time.process_time", lambda: now)
    cost = repeating(work, seconds=20.0)
    before = now
    assert (cost(), now - before) == (2.0, 20.0)
    assert repeating(work, seconds=0.1)() == 2.0  # slow work is done once


def test_repeating__waits_for_a_gpu_and_goes_by_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[str] = []
    monkeypatch.setattr("torch.cuda.synchronize", lambda: waits.append("waited"))
    assert repeating(lambda: None, seconds=0.0, on_gpu=True)() > 0
    assert len(waits) == 2


def test_measured__lets_the_rows_of_a_race_take_turns() -> None:
    turns: list[str] = []

    def sampling(name: str, role: str, *costs: float) -> Row:
        left = iter(costs)
        return Row(STEPS, name, 1, lambda: turns.append(name) or next(left), role)

    ((one, two),) = measured([[sampling("a", "ours", 1.0, 4.0, 9.0), sampling("b", "floor", 2.0, 2.0, 90.0)]], rounds=3)
    assert turns == ["a", "b"] * 3
    assert (one.median, two.median) == (4.0, 2.0)
    assert ratio_to("floor", one, [one, two]) == 2.0  # of the ratios 2, 1/2 and 10
    assert ratio_to("floor", two, [one, two]) is None
    assert ratio_to("usual", one, [one, two]) is None


def test_verdict__names_what_is_missed() -> None:
    race = [
        measured_row("fast", 0.5, goal=1.0),
        measured_row("slow", 2.0, size=64, goal=1.0),
        measured_row("free", 9.0),
    ]
    assert verdict([race]) == "1 of 2 goals met. Missed: slow (64 sessions): 0.500/s."


def test_table__shows_no_number_where_there_is_none() -> None:
    left_out = Row(STEPS, "huge", 7, None, reason="too large")
    assert result_table([[left_out, measured_row("fast", 0.5)]]).row_count == 3


def test_shown__is_in_the_unit_of_its_part() -> None:
    assert shown(2e-7, "/s") == "5,000,000/s"
    assert shown(1.2345, "s") == "1.23 s"
    assert shown(3e-8, "s") == "0.03 µs"


def test_search__stands_beside_all_products_at_every_size(races: list[Race]) -> None:
    of_searches = [race for race in races if race[0].part == rows.SEARCH]
    assert [race[0].size for race in of_searches] == [100, 900]
    assert all(ratio_to("usual", race[0], race) for race in of_searches)


def test_machine__moves_more_in_more_time() -> None:
    assert moving(2**16) < moving(2**17)
    assert moving(1000, within=2**16) == moving(2000, within=2**16) / 2
    assert machine()["processor"]


def test_command__without_a_gpu_refuses_cuda_in_one_line(monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="no CUDA GPU found"):
        Benchmark(device="cuda").run()


def test_catalogues__are_cut_out_of_the_one_given_or_invented() -> None:
    small, whole, larger = Benchmark("builtin:400", sizes=(50, 500)).catalogues()
    assert set(small.track_ids) < set(whole.track_ids)
    assert (len(small), len(whole), len(larger)) == (50, 400, 500)
