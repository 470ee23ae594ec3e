"""Settings: valid values, refused values, and the messages."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spotify_gym
from spotify_gym.training.config import EVALUATION_SEED, ConfigError, TrainConfig

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NAMES = [field.name for field in fields(TrainConfig)]


def test_config__survives_json() -> None:
    config = TrainConfig(hidden=(32, 16), gamma=0, steps=7, repeats=False, max_tracks=100, reward_baseline=0.5)
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_config__takes_lists_and_numbers_of_numpy() -> None:
    given: dict[str, Any] = {"hidden": [32, 16], "steps": np.int64(7), "gamma": np.float32(0.5), "snapshots": [0.5]}
    plain: dict[str, Any] = {"hidden": (32, 16), "steps": 7, "gamma": 0.5, "snapshots": (0.5,)}
    assert TrainConfig(**given).to_json() == TrainConfig(**plain).to_json()


def test_config__shows_learners_what_serves_them_in_their_environment() -> None:
    assert [TrainConfig(env=env).state for env in ("SpotifyPlaylist-v0", "SpotifySkip-v0", "SpotifyTaste-v0")] == [
        "mean",
        "mean+responses",
        "belief",
    ]
    assert TrainConfig(env="SpotifySkip-v0", state="mean").state == "mean"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gamma": 1.5}, "gamma=1.5 must be from 0 to 1"),
        ({"gamma": math.nan}, "gamma=nan must be from 0 to 1"),
        ({"learning_rate": math.inf}, "learning_rate=inf must be"),
        ({"gamma": "high"}, "gamma='high' is not a number"),
        ({"episodes": 0}, "episodes=0 must be from 1"),
        ({"episodes": 2.5}, "episodes=2.5 is not a whole number"),
        ({"steps": "many"}, "steps='many' is not a whole number or None"),
        ({"n_envs": True}, "n_envs=True is not a whole number"),
        ({"algorithm": "sarsa"}, "algorithm='sarsa' is not one of 'dqn', 'double', 'dueling', 'dueling_double'"),
        (
            {"env": "CartPole-v1"},
            "env='CartPole-v1' is not an environment of this package; choose from SpotifyLogged-v0, SpotifyPlaylist-v0",
        ),
        ({"hidden": (64, 0)}, "hidden=.64, 0. must be from 1 to 65536"),
        ({"hidden": 64}, "hidden=64 is not a list of whole numbers"),
        ({"snapshots": (0.5, 2.0)}, "snapshots=.0.5, 2.0. must be from 0 to 1"),
        ({"seed": -1}, "seed=-1 must be from 0 to"),
        ({"seed": EVALUATION_SEED}, "larger ones are kept for evaluation"),
        ({"policy": "sampled", "algorithm": "dueling"}, "policy='sampled' has no dueling form; choose algorithm='dqn'"),
        ({"candidates": 9}, "candidates=9 is for policy 'sampled' or 'shortlist' or 'action_head'"),
        ({"policy": "sampled", "candidates": 0}, "candidates=0 must be from 1"),
        ({"device": "tpu"}, "device='tpu' is not one of 'cpu', 'cuda'"),
    ],
)
def test_config__names_the_bad_value_and_what_is_allowed(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**settings)


def test_config__rejects_unknown_names() -> None:
    with pytest.raises(ConfigError, match="unknown setting 'lerning_rate'; choose from catalogue, "):
        TrainConfig.from_json({"lerning_rate": 0.1})


@given(plain=ANY_JSON | st.dictionaries(st.sampled_from(NAMES), ANY_JSON))
def test_config__from_any_json_is_a_config_or_a_config_error(plain: Any) -> None:
    try:
        config = TrainConfig.from_json(plain)
    except ConfigError:
        return
    assert TrainConfig.from_json(config.to_json()) == config


def test_config__of_before_reads_states_as_plain_numbers() -> None:
    assert TrainConfig().encoder == "mixture"
    assert TrainConfig.from_json({}).encoder == "dense"
    assert TrainConfig.from_json(TrainConfig().to_json()).encoder == "mixture"


def test_total_steps__counts_sessions_at_full_length() -> None:
    assert TrainConfig(episodes=10).total_steps == 200
    assert TrainConfig(episodes=10, env="SpotifySkip-v0").total_steps == 500
    assert TrainConfig(episodes=10, steps=33).total_steps == 33


@pytest.mark.parametrize(
    ("n_envs", "updates_per_step", "cycle"),
    [(1, 0.25, (4, 1)), (16, 0.25, (1, 4)), (64, 0.1, (5, 32)), (1, 2, (1, 2)), (3, 1 / 3, (1, 1))],
)
def test_update_cycle__keeps_the_ratio(n_envs: int, updates_per_step: float, cycle: tuple[int, int]) -> None:
    assert TrainConfig(n_envs=n_envs, updates_per_step=updates_per_step).update_cycle == cycle


def test_first_seed__leaves_runs_of_different_seeds_no_session_in_common() -> None:
    config = TrainConfig(n_envs=64)
    slots = [set(range(first := replace(config, seed=seed).first_seed, first + 64)) for seed in range(4)]
    assert len(set.union(*slots)) == 4 * 64
    last = TrainConfig(n_envs=64, seed=EVALUATION_SEED // 64 - 1)
    assert last.first_seed + 63 < EVALUATION_SEED


def test_env__covers_the_whole_family() -> None:
    assert [TrainConfig(env=env_id).env for env_id in spotify_gym.ENVS] == list(spotify_gym.ENVS)
