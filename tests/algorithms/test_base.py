"""A saved model plays from its own catalogue, and says why it does not from another one."""

from __future__ import annotations

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.callbacks import CheckpointCallback, EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

from spotify_gym.algorithms import DQN, BindingError, DoubleDQN, DuelingDoubleDQN, DuelingDQN
from tests.algorithms.probes import FeatureSpace, Playlist, ValueProbe, tracks
from tests.algorithms.test_dqn import LEARNERS, QUICK, weights

OBSERVATIONS = tracks(20, seed=5)


class Plain(ValueProbe):
    """A probe whose actions have neither features nor fingerprint."""

    def __init__(self, n=2):
        super().__init__()
        self.action_space = spaces.Discrete(n)


@pytest.mark.parametrize("algorithm", LEARNERS)
@pytest.mark.parametrize("policy", ["MlpPolicy", "CataloguePolicy"])
def test_model__survives_a_file(tmp_path, policy, algorithm):
    env = Playlist(repeats=False)
    model = algorithm(policy, env, seed=0, n_steps=2, **QUICK).learn(100)
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    loaded = algorithm.load(tmp_path / "model", env=env, device="cpu")
    assert th.equal(weights(model), weights(loaded))
    expected, actual = (m.predict(OBSERVATIONS, deterministic=True)[0] for m in (model, loaded))
    assert np.array_equal(expected, actual)
    loaded.load_replay_buffer(tmp_path / "buffer")
    assert loaded.replay_buffer.size() == 100
    loaded.learn(50, reset_num_timesteps=False)
    assert loaded.num_timesteps == 150
    assert loaded.replay_buffer.played is not None


@pytest.mark.parametrize("policy", ["MlpPolicy", "CataloguePolicy"])
def test_model__serves_sb3s_tools(tmp_path, policy):
    env, eval_env = Playlist(), Monitor(Playlist())
    callbacks = [EvalCallback(eval_env, eval_freq=50, verbose=0), CheckpointCallback(50, str(tmp_path))]
    model = DuelingDoubleDQN(policy, env, seed=0, tensorboard_log=str(tmp_path), **QUICK)
    model.learn(150, callback=callbacks)
    assert (tmp_path / "rl_model_150_steps.zip").exists()
    assert list(tmp_path.glob("DuelingDoubleDQN_1/events*"))
    mean, _ = evaluate_policy(model, eval_env, n_eval_episodes=3)
    assert -6 <= mean <= 6


def test_per_track_model__refuses_another_catalogue(tmp_path):
    model = DQN("MlpPolicy", Playlist(tracks(30)), seed=0, **QUICK)
    model.save(tmp_path / "model")
    other = Playlist(tracks(30, seed=1))
    for attempt in (
        lambda: DQN.load(tmp_path / "model", env=other),
        lambda: model.set_env(other),
        lambda: model.bind(other.action_space),
        lambda: model.bind(spaces.Discrete(30)),
    ):
        with pytest.raises(BindingError, match="one output per track of the catalogue it was trained on"):
            attempt()
    assert model.bind(Playlist(tracks(30)).action_space) is model  # the same content in another object


def test_plain_model__is_checked_as_in_sb3(tmp_path):
    model = DoubleDQN("MlpPolicy", Plain(), seed=0, **QUICK).learn(60)
    model.save(tmp_path / "model")
    DoubleDQN.load(tmp_path / "model", env=Plain()).learn(60)
    for attempt in (lambda: DoubleDQN.load(tmp_path / "model", env=Plain(3)), lambda: model.set_env(Plain(3))):
        with pytest.raises(ValueError, match="action spaces do not match"):
            attempt()


def test_buffer__of_another_catalogue_is_refused(tmp_path):
    DQN("MlpPolicy", Playlist(tracks(30)), **QUICK).learn(30).save_replay_buffer(tmp_path / "buffer")
    model = DQN("MlpPolicy", Playlist(tracks(30, seed=1)), **QUICK)
    own = model.replay_buffer
    with pytest.raises(BindingError, match="tracks of a catalogue with fingerprint"):
        model.load_replay_buffer(tmp_path / "buffer")
    assert model.replay_buffer is own


def test_predict__takes_masks_or_ids():
    space = FeatureSpace(tracks(12, n_versions=4))  # 8, 9, 10, 11 are versions of 0, 1, 2, 3
    model = DuelingDQN("MlpPolicy", Playlist(space=space), seed=0, device="cpu")
    one = OBSERVATIONS[0]
    best = int(model.predict(one, deterministic=True)[0])
    mask = np.ones(12, np.bool_)
    mask[best] = False
    assert model.predict(one, deterministic=True, action_masks=mask)[0] != best
    without = int(model.predict(one, deterministic=True, played=np.array([best]))[0])
    assert space.recordings[without] != space.recordings[best]
    assert np.array_equal(  # one row stands for all
        model.predict(OBSERVATIONS, deterministic=True, played=np.array([best, 5]))[0],
        model.predict(OBSERVATIONS, deterministic=True, played=np.tile([best, 5], (20, 1)))[0],
    )
    only = np.eye(12, dtype=np.bool_)[[3, 7]]
    assert model.predict(OBSERVATIONS[:2], deterministic=True, action_masks=only)[0].tolist() == [3, 7]
    model.exploration_rate = 1.0
    assert model.predict(OBSERVATIONS[:2], action_masks=only)[0].tolist() == [3, 7]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"action_masks": np.zeros(30, np.bool_)}, "every action is forbidden"),
        ({"action_masks": np.ones(30, np.bool_), "played": [1]}, "not both"),
        ({"played": np.zeros(3)}, r"played must be \(n,\) or \(1, n\)"),
        ({"played": [30]}, "30"),
        ({"action_masks": np.ones(29, np.bool_)}, "29"),
    ],
)
def test_predict__refuses_nonsense(options, message):
    model = DQN("MlpPolicy", Playlist(), seed=0, device="cpu")
    with pytest.raises((ValueError, IndexError, RuntimeError), match=message):
        model.predict(OBSERVATIONS[0], deterministic=True, **options)
