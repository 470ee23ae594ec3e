"""Other people's learners, as the registry knows them: trained, loaded, evaluated and asked like our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spotify_gym.algorithms import BindingError
from spotify_gym.training import TrainConfig, evaluate, load_run, recommend, train
from spotify_gym.training.config import ConfigError

LEARNERS: dict[str, dict[str, Any]] = {
    "ppo": {"state": "mean+history+place", "n_envs": 64},
    "recurrent_ppo": {"policy": "mlp", "arguments": ("n_steps=16",)},
    "a2c": {"policy": "mlp"},
    "sac": {"policy": "mlp", "n_envs": 4, "arguments": ("learning_starts=50",)},
    "td3": {"policy": "mlp", "n_envs": 4, "arguments": ("learning_starts=50",)},
    "maskable_ppo": {"policy": "mlp", "n_envs": 4, "arguments": ("n_steps=40", "batch_size=40")},
    "qrdqn": {"policy": "mlp", "n_envs": 4, "env": "SpotifySession-v0"},
}


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_run__of_another_learner__plays_the_same_when_loaded_and_recommends(algorithm: str, tmp_path: Path) -> None:
    settings = {"env": "SpotifySatiation-v0", "steps": 400, "n_envs": 8} | LEARNERS[algorithm]
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


def test_mixture_policy__starts_at_nothing_and_learns_more_than_it_knew(tmp_path: Path) -> None:
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
    with pytest.raises(BindingError, match="another one"):
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
        ("ppo", "n_steps=0", "cannot use arguments"),
        ("ppo", "learning_rate=-1", "Invalid learning rate"),
    ],
)
def test_arguments__that_cannot_be_are_refused_by_name(algorithm: str, argument: str, said: str) -> None:
    config = TrainConfig(
        "builtin:300", algorithm=algorithm, state="mean+history+place", steps=80, arguments=(argument,)
    )
    with pytest.raises(ConfigError, match=said):
        train(config)
