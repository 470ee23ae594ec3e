"""One's own algorithm, network, state and listener are named on the command line, and imported only where trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spotify_gym.listeners import SkippingListener
from spotify_gym.training import ConfigError, RunError, TrainConfig, evaluate, load_run, resume, train
from spotify_gym.training.artifacts import weights_of
from tests.training.own import Learner, Network

QUICK: dict[str, Any] = {"catalogue": "builtin:300", "hidden": (8,), "steps": 200, "learning_starts": 50, "n_envs": 4}
OWN = {
    "algorithm": "tests.training.own:Learner",
    "policy": "tests.training.own:Network",
    "state": "mean+tests.training.own:State",
    "listener": "tests.training.own:Fan",
}


def test_own__is_trained_kept_and_loaded_where_it_is_trusted(tmp_path: Path) -> None:
    run = train(TrainConfig(**QUICK, **OWN, env="SpotifySkip-v0"), tmp_path)
    assert isinstance(run.model, Learner)
    assert isinstance(run.model.policy, Network)
    with pytest.raises(RunError, match=r"names 'tests.training.own:Learner', and importing that .* pass --trust"):
        load_run(tmp_path)
    with pytest.raises(RunError, match="importing that can run any code"):
        resume(tmp_path)
    loaded = load_run(tmp_path, trust=True)
    named = {"algorithm": "double", "policy": "catalogue", "state": "mean+decayed", "listener": "skipping"}
    same = train(TrainConfig(**QUICK, **named, env="SpotifySkip-v0"))
    for name, weight in weights_of(same.model).items():
        np.testing.assert_array_equal(weights_of(loaded.model)[name], weight)


@pytest.mark.parametrize("setting", OWN)
def test_own__that_cannot_be_is_refused_by_name_before_a_folder_is_made(setting: str, tmp_path: Path) -> None:
    for value, message in (("tests.training.own:None", "cannot be imported"), ("json:loads", "is no")):
        if (setting, value) == ("state", "json:loads"):
            continue
        with pytest.raises(ConfigError, match=f"{setting}='?{value}.*{message}"):
            train(TrainConfig(**QUICK, **{setting: value}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_listener__is_kept_by_its_values(tmp_path: Path) -> None:
    file = tmp_path / "listener.json"
    SkippingListener(taste_weight=0.5).to_json(file)
    config = TrainConfig(**QUICK, listener=str(file), reward=("listened=1", "flow=0.25"))
    run = train(config, tmp_path / "run")
    file.unlink()
    kept = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (kept["listener"]["listener"], kept["listener"]["taste_weight"]) == ("skipping", 0.5)
    assert load_run(tmp_path / "run").config == config == run.config
    played = evaluate(run.model, config.env, 3, catalogue=run.catalogue, **config.env_options)
    assert played.returns.shape == (3,)


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"listener": "some.json"}, "listener='some.json' is a file; a configuration holds its values"),
        ({"listener": {"listener": 3}}, "they do not name their listener"),
        ({"listener": "{"}, "is neither a name nor the values of a listener"),
        ({"reward": ["flow"]}, "must be TERM=WEIGHT each, such as flow=0.5"),
        ({"reward": ["flow=much"]}, "must be TERM=WEIGHT each"),
    ],
)
def test_config__refuses_listener_and_reward(plain: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_json(plain)


def test_listener__of_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no listener as to_json writes one"):
        TrainConfig(listener=str(tmp_path / "none.json"))


def test_reward__of_a_term_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="flw"):
        train(TrainConfig(**QUICK, reward=("flw=1",)), tmp_path / "run")
