"""Learning from a dataset: what fills the buffer, and that both ways of learning learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch as th

minari = pytest.importorskip("minari", reason="needs the extra `offline`")

from experiments.logged.dataset import Log  # noqa: E402
from experiments.logged.learning import clone, filled_learner, learn_conservatively, learn_offline, log_sum_exp  # noqa: E402
from spotify_gym.policies import NearestPolicy, RandomPolicy  # noqa: E402
from spotify_gym.training import TrainConfig, evaluate  # noqa: E402
from spotify_gym.training.learners import catalogue_of  # noqa: E402

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
