"""Learning from logs: recording, Minari datasets, training on them, and the commands."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
import torch as th

pytest.importorskip("minari", reason="needs the extra `offline`")

import minari

from experiments.datasets import Datasets
from experiments.logged.behaviour import MixedPolicy
from experiments.logged.dataset import Log, record
from experiments.logged.learning import clone, filled_learner, learn_conservatively, learn_offline, log_sum_exp
from experiments.offline import BEHAVIOUR, CLONING, CONSERVATIVE, Offline
from spotify_gym import Catalogue
from spotify_gym.cli.command import run_command
from spotify_gym.policies import NearestPolicy, RandomPolicy
from spotify_gym.training import TrainConfig, evaluate
from spotify_gym.training.vec_adapter import catalogue_of

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
    (data / "metadata.json").write_text("")
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


# Learning from a dataset: the content of the buffer, and that both algorithms learn.

CONFIG = TrainConfig(
    catalogue="builtin:300", env="SpotifyPlaylist-v0", algorithm="double", steps=4000, gamma=0.5, learning_starts=0
)
CATALOGUE = catalogue_of(CONFIG)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("minari")


def returns(policy: object) -> float:
    played = evaluate(policy, CONFIG.env, 20, catalogue=CATALOGUE, **CONFIG.env_options)
    return float(played.returns.mean())


def test_buffer__holds_the_transitions_in_their_order(folder: Path) -> None:
    data = Log(CONFIG, "random", 0.0, 3).written(folder)
    buffer = filled_learner(CONFIG, data, CATALOGUE).replay_buffer
    episode = next(iter(minari.MinariDataset(data).iterate_episodes()))
    assert buffer.full
    assert buffer.size() == 60
    assert np.array_equal(buffer.actions[:20, 0, 0], episode.actions)
    assert np.array_equal(buffer.next_observations[:20, 0], episode.observations[1:])
    assert buffer.timeouts[:, 0].nonzero()[0].tolist() == [19, 39, 59]
    for t in (0, 19):
        assert set(buffer.played[t, 0]) - {-1} == set(episode.infos["played"][t + 1]) - {-1}


def test_offline__learns_more_than_whoever_played_the_logs_knew(folder: Path) -> None:
    data = Log(CONFIG, "random", 0.0, 100).written(folder)
    learned = returns(learn_offline(CONFIG, data, CATALOGUE))
    assert learned > returns(RandomPolicy) + 0.8 * (returns(NearestPolicy) - returns(RandomPolicy))


def test_clone__does_as_whoever_played_the_logs_did(folder: Path) -> None:
    data = Log(CONFIG, "nearest", 0.0, 100).written(folder)
    cloned = returns(clone(CONFIG, data, CATALOGUE))
    assert cloned > returns(RandomPolicy) + 0.8 * (returns(NearestPolicy) - returns(RandomPolicy))


def test_log_sum_exp__is_that_of_all_tracks_with_its_gradient(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.logged.learning._CHUNK", 7)
    model = filled_learner(CONFIG, Log(CONFIG, "random", 0.0, 3).written(folder), CATALOGUE)
    states, weights = model.sample(5).observations, list(model.q_net.parameters())
    whole, ours = th.logsumexp(model.q_net(states), dim=1), log_sum_exp(model.q_net, states)
    th.testing.assert_close(ours, whole)
    for mine, theirs in zip(th.autograd.grad(ours.sum(), weights), th.autograd.grad(whole.sum(), weights), strict=True):
        th.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-3)


def test_conservative_learner__learns_and_promises_less(folder: Path) -> None:
    data = Log(CONFIG, "nearest", 0.5, 100).written(folder)
    bold, careful = (learn(CONFIG, data, CATALOGUE) for learn in (learn_offline, learn_conservatively))
    assert returns(careful) > returns(RandomPolicy) + 0.7 * (returns(NearestPolicy) - returns(RandomPolicy))
    states = bold.sample(64).observations
    with th.no_grad():
        assert careful.q_net(states).mean() < bold.q_net(states).mean() - 0.1


# The commands, from end to end.


def test_datasets__are_the_same_whenever_they_are_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.chdir(tmp_path)
    for folder in ("one", "two"):
        arguments = ["--envs", "SpotifyPlaylist-v0", "--catalogue", "builtin:300", "--n-sessions", "4"]
        assert run_command(Datasets, "datasets", [*arguments, "--out", folder]) == 0  # as its default, no whole path
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    means = dict(re.findall(r"spotify/SpotifyPlaylist/(\w+)-v0: 4 sessions, 80 steps, mean return (\S+),", told[0]))
    assert float(means["random"]) < float(means["mixed"]) < float(means["nearest"])
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "one"))
    dataset = minari.load_dataset("spotify/SpotifyPlaylist/mixed-v0")
    assert {"propensity", "played"} <= next(iter(dataset.iterate_episodes())).infos.keys()


def test_offline__sets_five_methods_against_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--catalogue", "builtin:300", "--steps", "128", "--learning-starts", "32", "--n-logged", "5"]
    arguments += ["--n-seeds", "2", "--n-sessions", "3", "--jobs", "1", "--out", str(tmp_path)]
    for _ in range(2):
        assert run_command(Offline, "offline", arguments) == 0
    shown = capsys.readouterr().out
    results = pd.read_parquet(tmp_path / "results.parquet")
    for method in ("Double DQN, γ = 0.9, offline", "Double DQN, γ = 0.9, online", CONSERVATIVE, CLONING, BEHAVIOUR):
        assert method in shown
        assert results["method"].eq(method).any()
    assert (tmp_path / "skill_1.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--epsilon", "-1"], "epsilon=-1.0 must be from 0 to 1"),
        (["--behaviour", "planner"], "planner"),
        (["--n-seeds", "0"], "n_seeds=0 must be at least 1"),
    ],
)
def test_offline__answers_a_mistake_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--catalogue", "builtin:300", "--n-logged", "1", "--n-sessions", "1", "--out", str(tmp_path)]
    assert run_command(Offline, "offline", [*common, *arguments]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
