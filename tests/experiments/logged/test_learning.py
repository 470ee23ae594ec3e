"""Learning from a dataset: what fills the buffer, and that both ways of learning learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

minari = pytest.importorskip("minari", reason="needs the extra `offline`")

from experiments.logged.dataset import Log  # noqa: E402
from experiments.logged.learning import clone, filled_learner, learn_offline  # noqa: E402
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
