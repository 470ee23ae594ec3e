"""The long proofs, in short: that they run, and that they would notice."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from experiments.trust import runs
from experiments.trust.intact import check_files, found_in
from experiments.trust.kill import Kill
from experiments.trust.soak import DriftError, Gauge, Soak, check_step, drift_of
from experiments.trust.versions import VersionError, found, lowest_of
from experiments.trust.victims import VICTIMS, LostError, Training
from spotify_gym.training.tensors import read_tensors, write_tensors

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("victim", VICTIMS)
def test_kill__loses_nothing(victim: str, capsys: pytest.CaptureFixture[str]) -> None:
    Kill(victim=victim, kills=2, steps=400).run()
    assert "2 times killed" in capsys.readouterr().out


def test_training__of_other_weights_is_noticed(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for path in one, other:
        runs.write_files(path, runs.finished())
    victim = Training(runs.CONFIG)
    victim.compare(one, other)
    weights = read_tensors(other / "weights.safetensors")
    name = next(iter(weights.arrays))
    changed = {**weights.arrays, name: weights.arrays[name] + np.float32(1e-6)}
    write_tensors(other / "weights.safetensors", weights._replace(arrays=changed))
    with pytest.raises(LostError, match=f"{name} in .* differs"):
        victim.compare(one, other)


def test_files__cut_off_are_noticed(tmp_path: Path) -> None:
    files = runs.finished()
    runs.write_files(tmp_path / "run", files)
    assert found_in(tmp_path / "run") == "finished"
    for name, content in files.items():
        (tmp_path / "run" / name).write_bytes(content[:-9])
        with pytest.raises(ValueError, match=f"{name} is not whole"):
            check_files(tmp_path / "run")
        (tmp_path / "run" / name).write_bytes(content)


def test_soak__plays_everything_and_trains(capsys: pytest.CaptureFixture[str]) -> None:
    Soak(steps=2000, sessions=2, minutes=0.04, mebibytes=500, catalogue="builtin:300").run()
    assert capsys.readouterr().out.count("MiB at the end") == 5


def test_gauge__notices_what_grows() -> None:
    assert Gauge([90.0, *[100.0] * 19]).check("play", allowed=8) == "100.0 MiB after warming up, 100.0 MiB at the end"
    with pytest.raises(DriftError, match=r"play: 103\.0 MiB after warming up, 119\.0 MiB at the end"):
        Gauge([float(reading) for reading in range(100, 120)]).check("play", allowed=8)


def test_soak__notices_numbers_that_are_none_and_means_that_drift() -> None:
    env = gym.make_vec("SpotifySession-v0", num_envs=2, catalogue="builtin:300", autoreset_mode="SameStep")
    observations, _ = env.reset(seed=0)
    rewards = np.zeros(2, np.float32)
    check_step(env, (observations, rewards, {}))
    with pytest.raises(DriftError, match="rewards out of"):
        check_step(env, (observations, rewards * np.nan, {}))
    with pytest.raises(DriftError, match="observations that are not in"):
        check_step(env, (observations * np.nan, rewards, {}))
    assert drift_of(env) < 1e-6
    env.sessions.vibe[0, 0] += 1e-3
    with pytest.raises(DriftError, match="the running mean is off by"):
        drift_of(env)


def test_lowest__is_what_the_project_allows(tmp_path: Path) -> None:
    lowest = lowest_of(ROOT / "pyproject.toml")
    assert "stable-baselines3==2.7" in lowest
    assert all("==" in one for one in lowest)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = ["numpy<3"]\noptional-dependencies = {}'
    )
    with pytest.raises(VersionError, match=r"'numpy<3' in .* should be name>=version"):
        lowest_of(tmp_path / "pyproject.toml")


def test_python__that_is_not_here_is_not_found() -> None:
    assert found("3.99") is None
