"""Logged sessions: what is recorded, what Minari gives back."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

minari = pytest.importorskip("minari", reason="needs the extra `offline`")

from experiments.logged.behaviour import MixedPolicy  # noqa: E402
from experiments.logged.dataset import Log, record  # noqa: E402
from spotify_gym import Catalogue  # noqa: E402
from spotify_gym.policies import NearestPolicy  # noqa: E402
from spotify_gym.training import TrainConfig  # noqa: E402

TASK = TrainConfig(catalogue="builtin:300", env="SpotifyPlaylist-v0")


@pytest.mark.parametrize("env_id", ["SpotifyPlaylist-v0", "SpotifySkip-v0", "SpotifySession-v0"])
def test_record__is_what_single_sessions_of_the_same_seeds_give(env_id: str, small: Catalogue) -> None:
    env = gym.make_vec(env_id, num_envs=2, catalogue=small).unwrapped
    episodes = list(record(env, NearestPolicy(env), 3, seed=7))
    assert [episode.seed for episode in episodes] == [7, 8, 9]
    single = gym.make(env_id, catalogue=small)
    for episode in episodes:
        observation, info = single.reset(seed=episode.seed)
        for t, action in enumerate(episode.actions):
            assert episode.observations[t].tolist() == observation.tolist()
            if "played" in info:
                assert set(episode.infos["played"][t]) == set(info["played"])
            observation, reward, terminated, truncated, info = single.step(action)
            ends = episode.terminations[t], episode.truncations[t]
            assert (episode.rewards[t], *ends) == (pytest.approx(reward), terminated, truncated)
        assert terminated or truncated
        assert episode.observations[-1].tolist() == observation.tolist()


def test_mixed_policy__strays_as_often_as_it_is_told(small: Catalogue) -> None:
    env = gym.make_vec("SpotifySession-v0", num_envs=200, catalogue=small).unwrapped
    observations, _ = env.reset(seed=0)
    nearest = NearestPolicy(env).predict(observations)[0]
    shares = [np.mean(MixedPolicy(env, "nearest", e).predict(observations)[0] == nearest) for e in (0, 0.5, 1)]
    assert shares[0] == 1
    assert shares[1] == pytest.approx(0.5, abs=0.15)
    assert shares[2] < 0.1


def test_dataset__comes_back_from_minari_and_is_written_once(tmp_path: Path) -> None:
    log = Log(TASK, "nearest", 0.5, 4)
    before = os.environ.get("MINARI_DATASETS_PATH")
    data = log.written(tmp_path)
    assert os.environ.get("MINARI_DATASETS_PATH") == before
    dataset = minari.MinariDataset(data)
    assert (dataset.total_episodes, dataset.total_steps) == (4, 80)
    assert dataset.recover_environment().unwrapped.catalogue.source == "builtin(n_tracks=300, seed=0)"
    episode = next(iter(dataset.iterate_episodes()))
    assert episode.infos["played"].shape == (21, 25)
    propensity = episode.infos["propensity"][1:, 0]
    strayed = propensity < 0.5
    np.testing.assert_allclose(1 / propensity[strayed], 2 * (295 - np.flatnonzero(strayed)))
    assert 0 < strayed.sum() < 20
    written = data.stat().st_mtime_ns
    assert log.written(tmp_path) == data
    assert data.stat().st_mtime_ns == written


def test_dataset__that_was_left_half_written_is_written_anew(tmp_path: Path) -> None:
    log = Log(TASK, "random", 0.0, 2)
    data = log.written(tmp_path)
    storage = minari.MinariDataset(data).storage
    storage.update_metadata({"total_episodes": 1})
    assert minari.MinariDataset(log.written(tmp_path)).total_episodes == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_sessions": 0}, "n_logged=0 must be at least 1"),
        ({"epsilon": 1.5}, "epsilon=1.5 must be from 0 to 1"),
        ({"task": replace(TASK, max_tracks=100)}, "max_tracks: a dataset names its catalogue"),
    ],
)
def test_log__refuses_what_cannot_be(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(Log(TASK, "nearest", 0.5, 4), **changes)
