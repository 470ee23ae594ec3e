"""User-defined algorithms, networks, states and listeners, imported only if trusted; and third-party learners."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from spotify_gym.algorithms import BindingError, DoubleDQN
from spotify_gym.algorithms.catalogue_policy import CataloguePolicy
from spotify_gym.listeners import SkippingListener
from spotify_gym.session.blocks import Decayed
from spotify_gym.training import ConfigError, RunError, TrainConfig, evaluate, load_run, recommend, resume, train
from spotify_gym.training.artifacts import weights_of
from spotify_gym.training.learners import learner_of
from spotify_gym.training.vec_adapter import catalogue_of, sessions_of

QUICK: dict[str, Any] = {"catalogue": "builtin:300", "hidden": (8,), "steps": 200, "learning_starts": 50, "n_envs": 4}
OWN = {
    "algorithm": f"{__name__}:Learner",
    "policy": f"{__name__}:Network",
    "state": f"mean+{__name__}:State",
    "listener": f"{__name__}:Fan",
}


class Learner(DoubleDQN):
    """Double DQN by another name."""


class Network(CataloguePolicy):
    """The catalogue's policy by another name."""


class State(Decayed):
    """The decayed mean by another name."""


class Fan(SkippingListener):
    """A skipping listener by another name."""


def test_own__is_trained_kept_and_loaded_where_it_is_trusted(tmp_path: Path) -> None:
    run = train(TrainConfig(**QUICK, **OWN, env="SpotifySkip-v0"), tmp_path)
    assert isinstance(run.model, Learner)
    assert isinstance(run.model.policy, Network)
    with pytest.raises(RunError, match=rf"names '{__name__}:Learner', and importing that .* pass --trust"):
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
    for value, message in ((f"{__name__}:None", "cannot be imported"), ("json:loads", "is no")):
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
        ({"listener": {"listener": 3}}, "the listener's name is missing"),
        ({"listener": "{"}, "is neither a name nor the values of a listener"),
        ({"reward": ["flow"]}, "must be TERM=WEIGHT, such as flow=0.5"),
        ({"reward": ["flow=much"]}, "must be TERM=WEIGHT, such"),
    ],
)
def test_config__refuses_listener_and_reward(plain: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_json(plain)


def test_listener__of_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory"):
        TrainConfig(listener=str(tmp_path / "none.json"))


def test_reward__of_a_term_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="flw"):
        train(TrainConfig(**QUICK, reward=("flw=1",)), tmp_path / "run")


# Third-party learners in the registry: trained, loaded, evaluated and queried like those of the package.

NARROW = 'policy_kwargs={"net_arch": [16]}'
OTHERS: dict[str, dict[str, Any]] = {
    "ppo": {"state": "mean+history+place", "n_envs": 64},
    "recurrent_ppo": {"policy": "mlp", "arguments": ("n_steps=16", 'policy_kwargs={"lstm_hidden_size": 16}')},
    "a2c": {"policy": "mlp"},
    "sac": {"policy": "mlp", "n_envs": 4, "arguments": ("learning_starts=50", NARROW)},
    "td3": {"policy": "mlp", "n_envs": 4, "arguments": ("learning_starts=50", NARROW)},
    "maskable_ppo": {"policy": "mlp", "n_envs": 4, "arguments": ("n_steps=40", "batch_size=40")},
    "qrdqn": {"policy": "mlp", "env": "SpotifySession-v0", "arguments": ('policy_kwargs={"n_quantiles": 5}',)},
}


@pytest.mark.parametrize("algorithm", OTHERS)
def test_run__of_another_learner__plays_the_same_when_loaded_and_recommends(algorithm: str, tmp_path: Path) -> None:
    settings = {"env": "SpotifySatiation-v0", "steps": 400, "n_envs": 8} | OTHERS[algorithm]
    config = TrainConfig("builtin:300", algorithm=algorithm, **settings)
    run = train(config, tmp_path / "run")
    again = load_run(tmp_path / "run")

    options = {"catalogue": run.catalogue, **config.env_options}
    ours, theirs = (evaluate(one.model, config.env, 3, **options) for one in (run, again))
    assert ours.tracks.tolist() == theirs.tracks.tolist()
    assert not ours.repeats.any() or algorithm == "qrdqn"
    suggested = recommend(again, [0, 1, 2, 3, 4], top=5)
    values = [one.value for one in suggested]
    assert values == sorted(values, reverse=True)
    assert len({one.track for one in suggested} - {0, 1, 2, 3, 4}) == 5


def test_mixture_policy__starts_at_nothing_and_learns_more_than_it_knew() -> None:
    settings: dict[str, Any] = {"env": "SpotifySatiation-v0", "state": "mean+history+place", "n_envs": 64}
    first, last = (
        train(TrainConfig("builtin:300", algorithm="ppo", **settings, steps=steps)) for steps in (1280, 51_200)
    )
    before, after = (
        evaluate(run.model, "SpotifySatiation-v0", 16, catalogue=run.catalogue, state=settings["state"]).returns.mean()
        for run in (first, last)
    )
    assert after > before + 1
    std: Any = last.model.policy.log_std  # type: ignore[union-attr]
    assert np.exp(std.detach().numpy()) == pytest.approx(0.05, rel=0.15)


def test_run__of_points__refuses_another_catalogue(tmp_path: Path) -> None:
    train(TrainConfig("builtin:300", algorithm="a2c", policy="mlp", steps=80, n_envs=4), tmp_path / "run")
    with pytest.raises(BindingError, match="cannot play from another"):
        load_run(tmp_path / "run", "builtin:200")


def test_config__of_another_learner__names_the_policies_that_it_knows() -> None:
    with pytest.raises(ConfigError, match="choose 'mlp'"):
        TrainConfig(algorithm="sac")


@pytest.mark.parametrize(
    ("algorithm", "argument", "said"),
    [
        ("model", "n_plans=0", "n_plans=0 must be a whole number of 1 or more"),
        ("model", "n_plans=1.5", "n_plans=1.5 must be a whole number"),
        ("model", 'n_improved="x"', "n_improved='x' must be a whole number"),
        ("ppo", "gamma=5", "gamma=5 must be from 0 to 1"),
        ("ppo", "gamma=NaN", "gamma=nan must be from 0 to 1"),
        ("ppo", "n_steps=0", "n_steps=0 must be from 1 to 1000000"),
        ("ppo", "batch_size=0", "cannot use arguments"),
        ("ppo", "n_epochs=1.5", "n_epochs=1.5 must be from 1 to 1000000, and whole"),
        ("td3", "policy_delay=0", "policy_delay=0 must be from 1"),
        ("sac", "train_freq=0", "train_freq=0 must be from 1"),
        ("recurrent_ppo", "batch_size=0", "batch_size=0 must be from 1"),
        ("ppo", "seed=1", "'seed' is not an argument"),
        ("ppo", "learning_rate=-1", "Invalid learning rate"),
    ],
)
def test_arguments__that_cannot_be_are_refused_by_name(algorithm: str, argument: str, said: str) -> None:
    policy = "catalogue" if algorithm in ("model", "ppo") else "mlp"
    config = TrainConfig(
        "builtin:300", algorithm=algorithm, policy=policy, state="mean+history+place", steps=80, arguments=(argument,)
    )
    with pytest.raises(ConfigError, match=said):
        train(config)


def test_learner__begins_with_the_sessions_of_its_seed_and_of_no_other() -> None:
    config = TrainConfig("builtin:300", policy="mlp", n_envs=4, seed=3)
    env = sessions_of(config, catalogue_of(config), n_envs=4)
    learner_of(config, env)
    expected = gym.make_vec(config.env, num_envs=4, catalogue=config.catalogue).reset(seed=[12, 13, 14, 15])[0]
    assert np.array_equal(env.reset(), expected)
