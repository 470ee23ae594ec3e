"""A training that is interrupted any number of times ends with the same weights and complete logs."""

from __future__ import annotations

import csv
import json
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import DQN as SB3DQN
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import load_results

from spotify_gym import ENVS, Catalogue, CatalogueError
from spotify_gym.algorithms import DoubleDQN
from spotify_gym.training.artifacts import Run, last_returns, load_run, weights_of
from spotify_gym.training.checkpoint import _PADDING, interruptible
from spotify_gym.training.config import ConfigError, TrainConfig
from spotify_gym.training.tensors import RunError, read_tensors, write_tensors
from spotify_gym.training.trainer import resume, train

QUICK: dict[str, Any] = {
    "catalogue": "builtin:300",
    "policy": "mlp",
    "hidden": (8,),
    "steps": 400,
    "learning_starts": 100,
    "n_envs": 4,
    "updates_per_step": 0.25,
    "checkpoint_seconds": 0,
}
VARIANTS: list[dict[str, Any]] = [
    *({"env": env_id} for env_id in sorted(ENVS)),
    {"algorithm": "double", "n_steps": 3, "tau": 0.1, "target_update_interval": 4},
    {"algorithm": "dueling_double", "env": "SpotifyPlaylist-v0", "buffer_size": 200},
    {"env": "SpotifySkip-v0", "state": "mean+decayed", "updates_per_step": 0.1},
    {"env": "SpotifyPlaylist-v0", "policy": "catalogue", "algorithm": "dueling_double"},
    {"env": "SpotifyPlaylist-v0", "policy": "action_head", "algorithm": "double", "candidates": 40},
]


class Killed(Exception):
    """Stands for the end of the process."""


class Kill(BaseCallback):
    """End a training at a step, without warning."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._step = step

    def _on_step(self) -> bool:
        if self.num_timesteps >= self._step:
            raise Killed
        return True


class PressCtrlC(BaseCallback):
    """Send the process the signal of Ctrl-C at a step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._step = step

    def _on_step(self) -> bool:
        if self.num_timesteps == self._step:
            os.kill(os.getpid(), signal.SIGINT)
        return True


def assert_same_training(one: Run, other: Run) -> None:
    ours, theirs = weights_of(one.model), weights_of(other.model)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)
    if one.path is not None and other.path is not None:
        assert logged(one.path) == logged(other.path)


def logged(folder: Path) -> tuple[list[dict[str, str]], list[list[float]]]:
    """Return the logs of a run, except times."""
    with (folder / "progress.csv").open() as file:
        rows = [{name: row[name] for name in row if not name.startswith("time/")} for row in csv.DictReader(file)]
    sessions = load_results(str(folder))
    assert sessions["t"].is_monotonic_increasing
    return rows, sessions[["r", "l"]].to_numpy().tolist()


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_resume__ends_with_the_weights_of_an_uninterrupted_training(variant: dict[str, Any], tmp_path: Path) -> None:
    config = TrainConfig(**{**QUICK, **variant})
    whole, path = train(config, tmp_path / "whole"), tmp_path / "killed"
    for go, step in ((lambda kill: train(config, path, callbacks=[kill]), 60), (resumed(path), 233)):
        with pytest.raises(Killed):
            go(Kill(step))
    # The next process has other random states.
    np.random.seed(99)  # noqa: NPY002
    torch.manual_seed(99)
    assert_same_training(resume(path), whole)


def resumed(path: Path) -> Any:
    return lambda kill: resume(path, callbacks=[kill])


def test_resume__of_sessions_that_had_less_room_goes_on_as_well(tmp_path: Path) -> None:
    config = TrainConfig(**QUICK, env="SpotifySkip-v0")
    with pytest.raises(Killed):
        train(config, tmp_path / "killed", callbacks=[Kill(200)])
    file = tmp_path / "killed" / "checkpoint.safetensors"
    saved = read_tensors(file)
    narrow = {f"sessions.{name}": saved.arrays[f"sessions.{name}"][:, :-1] for name in _PADDING}
    write_tensors(file, saved._replace(arrays={**saved.arrays, **narrow}))
    assert_same_training(resume(tmp_path / "killed"), train(config, tmp_path / "whole"))


def test_resume__begins_again_where_nothing_was_saved_yet(tmp_path: Path) -> None:
    config = TrainConfig(**{**QUICK, "checkpoint_seconds": 1000})
    with pytest.raises(Killed):
        train(config, tmp_path / "killed", callbacks=[Kill(200)])
    assert_same_training(resume(str(tmp_path / "killed")), train(config, str(tmp_path / "whole")))


def test_ctrl_c__saves_what_there_is_and_can_be_resumed(tmp_path: Path) -> None:
    config = TrainConfig(**{**QUICK, "checkpoint_seconds": 1000})
    path = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        train(config, path, callbacks=[PressCtrlC(200)])
    assert read_tensors(path / "weights.safetensors").facts == {"steps": 200}
    assert SB3DQN.load(path / "model.zip").num_timesteps == 200
    assert_same_training(resume(path), train(config, tmp_path / "whole"))


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Handle Ctrl-C as at a terminal, since background jobs of a shell ignore it."""
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, earlier)


def test_interruptible__lets_a_second_ctrl_c_through(ctrl_c: None) -> None:
    with interruptible() as pressed:
        assert not pressed()
        signal.raise_signal(signal.SIGINT)
        assert pressed()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_seed__decides_the_weights() -> None:
    config = TrainConfig(**QUICK)
    assert_same_training(train(config), train(config))
    one, other = (weights_of(train(TrainConfig(**QUICK, seed=seed)).model) for seed in (1, 2))
    assert any(not np.array_equal(one[name], other[name]) for name in one)


def test_folder__holds_all_that_was_promised(tmp_path: Path) -> None:
    config = TrainConfig(**QUICK, algorithm="double", tensorboard=True)
    run = train(config, tmp_path / "new" / "run")
    files = {file.name for file in (tmp_path / "new" / "run").iterdir()}
    assert files == {
        *("config.json", "meta.json", "weights.safetensors", "model.zip", "q_network_checkpoint.pth"),
        *("README.md", "progress.csv", "monitor.csv", "learning_curve.png", ".lock"),
        next((tmp_path / "new" / "run").glob("events.out.tfevents.*")).name,
    }
    folder = tmp_path / "new" / "run"
    assert TrainConfig.from_json(json.loads((folder / "config.json").read_text())) == config
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["catalogue"]["fingerprint"] == run.catalogue.fingerprint
    assert {"command", "commit", "versions", "started"} <= meta.keys()
    plain = torch.load(folder / "q_network_checkpoint.pth", weights_only=True)
    assert all(torch.equal(plain[name], weight) for name, weight in run.model.q_net.state_dict().items())
    loaded = DoubleDQN.load(folder / "model.zip")
    assert all(torch.equal(loaded.q_net.state_dict()[name], weight) for name, weight in plain.items())
    with (folder / "monitor.csv").open() as file:
        assert json.loads(file.readline()[1:])["env_id"] == config.env
    with (folder / "progress.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["time/episodes"] for row in rows] == ["4", "8", "12", "16", "20"]
    earned = load_results(str(folder))["r"].mean()
    assert float(rows[-1]["rollout/ep_rew_mean"]) == pytest.approx(earned, abs=1e-5)
    assert np.mean(last_returns(run.model)) == pytest.approx(earned, abs=1e-5)


def test_snapshots__are_the_weights_on_the_way(tmp_path: Path) -> None:
    config = TrainConfig(**QUICK, snapshots=(0, 0.25, 1))
    for go, step in ((lambda kill: train(config, tmp_path, callbacks=[kill]), 60), (resumed(tmp_path), 233)):
        with pytest.raises(Killed):
            go(Kill(step))
    final = weights_of(resume(tmp_path).model)
    first, early, last = (weights_of(load_run(tmp_path, share=share).model) for share in config.snapshots)
    assert all(np.array_equal(last[name], final[name]) for name in final)
    assert not all(np.array_equal(first[name], early[name]) for name in final)
    assert read_tensors(tmp_path / "weights-0.25.safetensors").facts == {"steps": 100}
    with pytest.raises(RunError, match=r"weights-0.5.safetensors not found in"):
        load_run(tmp_path, share=0.5)


def test_folder__is_not_trained_in_twice(tmp_path: Path) -> None:
    config = TrainConfig(**QUICK)
    train(config, tmp_path)
    with pytest.raises(RunError, match="already holds a run; go on with --resume"):
        train(config, tmp_path)
    with pytest.raises(RunError, match="is finished; there is nothing to resume"):
        resume(tmp_path)


def test_folder__that_none_can_make(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot write to .*: Not a directory"):
        train(TrainConfig(**QUICK), tmp_path / "file" / "run")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder__read_only(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(RunError, match=r"cannot write to .*: Permission denied"):
        train(TrainConfig(**QUICK), tmp_path / "run")


def test_resume__refuses_another_catalogue(tmp_path: Path, small: Catalogue) -> None:
    with pytest.raises(Killed):
        train(TrainConfig(**QUICK), tmp_path, callbacks=[Kill(200)])
    with pytest.raises(RunError, match="was trained on a catalogue with fingerprint"):
        resume(tmp_path, catalogue=small)


def test_resume__refuses_a_checkpoint_of_other_settings(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(TrainConfig(**QUICK), tmp_path, callbacks=[Kill(200)])
    settings = json.loads((tmp_path / "config.json").read_text())
    for change in ({"hidden": [9]}, {"n_envs": 2}, {"env": "SpotifySkip-v0"}, {"state": "mean+decayed"}):
        (tmp_path / "config.json").write_text(json.dumps({**settings, **change}))
        with pytest.raises(RunError, match=r"another network|does not match the settings"):
            resume(tmp_path)


class Spoil(BaseCallback):
    """Set a weight to NaN, as a diverging training does."""

    def _on_training_end(self) -> None:
        next(iter(self.model.policy.parameters())).data[0] = np.nan

    def _on_step(self) -> bool:
        return True


def test_train__keeps_no_weights_that_are_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"weights diverged .* smaller --learning-rate"):
        train(TrainConfig(**QUICK), tmp_path, callbacks=[Spoil()])
    assert not (tmp_path / "weights.safetensors").exists()


def test_train__refuses_fewer_songs_than_a_session_needs_at_the_start() -> None:
    few = Catalogue.from_features(np.random.default_rng(0).normal(size=(22, 5)))
    with pytest.raises(ConfigError, match=r"SpotifyPlaylist-v0: .* has 22 songs, but a session needs 25: 5 to start"):
        train(TrainConfig(env="SpotifyPlaylist-v0", steps=20), catalogue=few)
    train(TrainConfig(env="SpotifySession-v0", steps=20), catalogue=few)


def test_max_tracks__is_a_sample_that_all_runs_share() -> None:
    one, other = (train(TrainConfig(**{**QUICK, "steps": 40}, max_tracks=50, seed=seed)) for seed in (0, 1))
    assert len(one.catalogue) == 50
    assert one.catalogue.fingerprint == other.catalogue.fingerprint


def test_catalogue__of_a_home_that_is_not_there_is_refused_by_name(small: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="~nobody-has-this-name: file not found"):
        train(TrainConfig(**{**QUICK, "catalogue": "~nobody-has-this-name"}), tmp_path, catalogue=small)
