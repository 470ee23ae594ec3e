"""The benchmark: that every part measures what it says. How fast anything is, no test asserts."""

from __future__ import annotations

import json
import time
from itertools import count
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from experiments.benchmark import Benchmark, measure_all, write
from experiments.speed import environments, learning, loading, sharing
from experiments.speed.loading import write_table
from experiments.speed.machine import Machine, description
from experiments.speed.measuring import Group, Measured, Task, measure, repeating, times_as_fast
from experiments.speed.naive import naive_spec
from experiments.speed.results import ratio_to, result_table, shown, verdict
from experiments.speed.setting import Effort, Setting
from experiments.speed.worker import HOLD, ROLLUP
from spotify_gym import ENVS, Catalogue

SMALLEST = Effort(rounds=1, seconds=0.0, sizes=(200,), batches=(1, 3), n_rows=300, n_workers=2)
MACHINE = Machine({1000: 1e9, 1_000_000: 1e8}, 1e9)
STEPS = Group("steps", "/s", "sessions")


def measured(what: str, *costs: float, size: int = 1, role: str = "ours", goal: float | None = None) -> Measured:
    return Measured(Task(STEPS, what, size, None, role, goal=goal), costs)


@pytest.fixture(scope="module")
def results(small: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> list[Measured]:
    """Every measurement there is, at its smallest."""
    return measure_all(Setting(small, SMALLEST, MACHINE, tmp_path_factory.mktemp("benchmark"), memory_limit=500_000))


def found(results: list[Measured], group: Group) -> list[tuple[str, int]]:
    return [(one.task.what, one.task.size) for one in results if one.task.group == group]


def test_environments__stand_beside_cart_pole_and_the_naive_form(results: list[Measured]) -> None:
    assert found(results, environments.SINGLE) == [
        *((env_id, 1) for env_id in ENVS),
        (environments.FLOOR, 1),
        (environments.NAIVE, 1),
    ]
    first = [one for one in results if one.task.group == environments.VECTOR and one.task.what == "SpotifySession-v0"]
    assert [one.task.size for one in first] == [1, 3]
    for one in first:
        assert ratio_to("floor", one, results)
        assert ratio_to("usual", one, results)


def test_learning__measures_ours_beside_stable_baselines_at_every_size(results: list[Measured]) -> None:
    sizes = {one.task.size for one in results if one.task.group == learning.GRADIENT}
    assert sizes == {200, 400}
    assert (learning.DENSE, 200) in found(results, learning.GRADIENT)
    assert len(found(results, learning.DECISION)) == 8


def test_learning__leaves_out_what_needs_too_much_memory_and_says_so(results: list[Measured]) -> None:
    left_out = [one for one in results if one.task.reason]
    assert [(one.task.what, one.task.size) for one in left_out] == [(learning.DENSE, 400)]
    assert left_out[0].costs == ()
    assert "--memory-limit-mb" in left_out[0].task.reason


def test_loading__measures_import_table_and_prepared_file(results: list[Measured]) -> None:
    assert len(found(results, loading.IMPORT)) == 2
    assert ("Catalogue.read", SMALLEST.n_rows) in found(results, loading.READ)
    assert len(found(results, loading.LOAD)) == 3


@pytest.mark.skipif(not ROLLUP.exists(), reason=f"needs {ROLLUP}")
def test_sharing__measures_every_way_to_hold_a_catalogue(results: list[Measured]) -> None:
    assert len(found(results, sharing.PSS)) == len(found(results, sharing.USS)) == len(HOLD)


def test_everything__costs_something(results: list[Measured]) -> None:
    for one in results:
        if one.task.group.unit != "B" and not one.task.reason:
            assert one.median > 0, one.task.what


def test_write__keeps_every_measurement_and_a_picture(results, tmp_path: Path, capsys) -> None:
    write(results, description(MACHINE, seed=0), tmp_path)
    kept = json.loads((tmp_path / "benchmark.json").read_text())
    assert len(kept["results"]) == len(results)
    assert {"seed", "versions", "machine", "speeds", "commit"} <= kept.keys()
    assert (tmp_path / "growth.png").stat().st_size > 10_000
    assert "left out: needs" in capsys.readouterr().out


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


def test_table__has_the_schema_and_the_repeated_tracks_of_the_real_one(tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.csv", n_rows=1000, seed=0)
    real = (
        "genre,artist_name,track_name,track_id,popularity,acousticness,danceability,duration_ms,energy,"
        "instrumentalness,key,liveness,loudness,mode,speechiness,tempo,time_signature,valence"
    )
    assert path.read_text().splitlines()[0] == real
    catalogue = Catalogue.read(path)
    assert (catalogue.report.rows, len(catalogue)) == (1000, 760)
    assert not catalogue.report.dropped


def test_repeating__counts_units_and_fills_the_time_it_is_given() -> None:
    now, done = 0.0, count()

    def work(n: int) -> None:
        nonlocal now
        now += 2.0 * n
        next(done)

    cost = repeating(work, seconds=20.0, units=4, clock=lambda: now)
    before = now
    assert cost() == 0.5
    assert now - before == 20.0


def test_repeating__does_slow_work_once() -> None:
    times = iter([0.0, 100.0, 100.0, 200.0])
    assert repeating(lambda n: None, seconds=1.0, clock=lambda: next(times))() == 100.0


def test_setting__waits_for_a_gpu_and_goes_by_the_clock_on_the_wall(small, monkeypatch, tmp_path: Path) -> None:
    waits: list[float] = []
    monkeypatch.setattr("torch.cuda.synchronize", lambda: waits.append(time.perf_counter()))
    monkeypatch.setattr("time.process_time", None)
    setting = Setting(small, SMALLEST, MACHINE, tmp_path, device="cuda")
    assert setting.repeating_on_device(lambda n: None)() > 0
    assert len(waits) == 2


def test_measure__lets_tasks_take_turns() -> None:
    turns: list[str] = []

    def sampling(name: str, *costs: float) -> Task:
        left = iter(costs)
        return Task(STEPS, name, 1, lambda: turns.append(name) or next(left))

    one, two = measure([sampling("a", 1.0, 4.0, 9.0), sampling("b", 2.0, 2.0, 90.0)], rounds=3)
    assert turns == ["a", "b"] * 3
    assert (one.median, two.median) == (4.0, 2.0)
    assert times_as_fast(one, two) == 2.0  # of the ratios 2, 1/2 and 10


def test_ratio__is_to_the_same_size_and_not_to_itself() -> None:
    ours = measured("ours", 1.0, size=10)
    floor = [measured("CartPole", 3.0, size=size, role="floor") for size in (1, 10)]
    assert ratio_to("floor", ours, [ours, *floor]) == 3.0
    assert ratio_to("usual", ours, [ours, *floor]) is None
    assert ratio_to("floor", floor[1], [ours, *floor]) is None


def test_verdict__names_what_is_missed() -> None:
    judged = [measured("fast", 0.5, goal=1.0), measured("slow", 2.0, size=64, goal=1.0), measured("free", 9.0)]
    assert verdict(judged) == "1 of 2 goals met. Missed: slow (64 sessions): 0.500/s."


def test_table__shows_no_number_where_there_is_none() -> None:
    left_out = Measured(Task(STEPS, "huge", 7, None, reason="too large"), ())
    assert result_table([left_out, measured("fast", 0.5)]).row_count == 3


def test_shown__is_in_the_unit_of_the_group() -> None:
    assert shown(2e-7, Group("", "/s")) == "5,000,000/s"
    assert shown(1.2345, Group("", "s")) == "1.23 s"
    assert shown(3e-8, Group("", "s")) == "0.03 µs"


def test_machine__takes_the_bandwidth_of_the_nearest_size() -> None:
    assert MACHINE.moving(500, within=2_000) == 500 / 1e9
    assert MACHINE.moving(500, within=10_000_000) == 500 / 1e8
    assert MACHINE.computing(3e9) == 3.0


def test_machine__can_do_something(monkeypatch) -> None:
    monkeypatch.setattr("experiments.speed.machine._SIZES", (2**16,))
    machine = Machine.measured()
    assert min(machine.bandwidth.values()) > 0
    assert machine.arithmetic > 0


def test_command__without_a_gpu_refuses_cuda_in_one_line(monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="no CUDA GPU"):
        Benchmark(device="cuda").run()


def test_setting__cuts_a_catalogue_down_and_invents_a_larger_one(small: Catalogue, tmp_path: Path) -> None:
    setting = Setting(small, SMALLEST, MACHINE, tmp_path)
    assert setting.sized(len(small)) is small
    assert set(setting.sized(50).track_ids) < set(small.track_ids)
    assert len(setting.sized(500)) == 500
