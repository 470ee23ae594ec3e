"""The learners behave as SB3's `DQN`; a saved one plays from its own catalogue, or explains why it does not."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.callbacks import CheckpointCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import BitFlippingEnv
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecNormalize

from spotify_gym.algorithms import DQN, BindingError, DoubleDQN, DuelingDoubleDQN, DuelingDQN
from spotify_gym.algorithms.replay import PlayedReplayBuffer
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
    assert np.array_equal(  # one row is used for all observations
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
        ({"action_masks": np.zeros(30, np.bool_)}, "every action of a session is forbidden"),
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


# The learners in place of SB3's `DQN`, in uses of its own tests, with ordinary actions and with tracks.

POOR = {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}}
"""Options of a replay buffer that stores each observation once."""


class OwnBuffer(ReplayBuffer):
    """A user's own buffer."""


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_learner__relabels_goals(algorithm):
    env = make_vec_env(lambda: BitFlippingEnv(n_bits=3, continuous=False), 2)
    options = {"replay_buffer_class": HerReplayBuffer, "replay_buffer_kwargs": {"n_sampled_goal": 2}}
    model = algorithm("MultiInputPolicy", env, seed=0, **options, **QUICK).learn(60)
    assert evaluate_policy(model, env, n_eval_episodes=2, warn=False)[0] <= 0


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_learner__reads_dictionaries(algorithm, tmp_path):
    env = BitFlippingEnv(n_bits=3, continuous=False)
    model = algorithm("MultiInputPolicy", env, seed=0, **QUICK).learn(80)
    assert type(model.replay_buffer) is DictReplayBuffer
    model.save(tmp_path / "model")
    loaded = algorithm.load(tmp_path / "model", env=env, device="cpu")
    obs, _ = env.reset()
    assert loaded.predict(obs, deterministic=True)[0] == model.predict(obs, deterministic=True)[0]


@pytest.mark.parametrize("algorithm", LEARNERS)
@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (POOR, ReplayBuffer),
        ({"replay_buffer_class": OwnBuffer}, OwnBuffer),
        ({"replay_buffer_class": NStepReplayBuffer, "replay_buffer_kwargs": {"n_steps": 2}}, NStepReplayBuffer),
        ({"n_steps": 3}, NStepReplayBuffer),
    ],
)
def test_learner__learns_from_any_buffer(algorithm, options, kind):
    model = algorithm("MlpPolicy", "CartPole-v1", seed=0, **options, **QUICK).learn(80)
    assert isinstance(model.replay_buffer, kind)
    assert model._n_updates > 0


@pytest.mark.parametrize("options", [POOR, {"replay_buffer_class": OwnBuffer}])
def test_learner__refuses_by_name_a_buffer_that_forgets_what_was_played(options):
    model = DoubleDQN("MlpPolicy", Playlist(repeats=False), **options, **QUICK)
    with pytest.raises(ValueError, match=f"{type(model.replay_buffer).__name__} does not store plays"):
        model.learn(10)
    env = Playlist(repeats=False)
    seen = gym.wrappers.TransformObservation(
        env, lambda obs: {"seen": obs}, spaces.Dict({"seen": env.observation_space})
    )
    with pytest.raises(ValueError, match="leave out the wrapper that makes observations dictionaries"):
        DoubleDQN("MultiInputPolicy", seen, **QUICK).learn(10)


def test_learner__plays_in_processes_of_their_own():
    env = make_vec_env(Playlist, 2, seed=0, env_kwargs={"repeats": False}, vec_env_cls=SubprocVecEnv)
    model = DoubleDQN("MlpPolicy", env, seed=0, **QUICK).learn(60)
    assert model.replay_buffer.played is not None
    assert evaluate_policy(model, make_vec_env(Playlist, 2), n_eval_episodes=2)[0] >= -6
    env.close()


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_learner__sees_and_earns_what_vec_normalize_makes_of_it(algorithm, tmp_path):
    env = VecNormalize(make_vec_env(Playlist, 2, seed=0, env_kwargs={"repeats": False}))
    model = algorithm("MlpPolicy", env, seed=0, **QUICK).learn(80)
    env.save(tmp_path / "statistics")
    model.save(tmp_path / "model")
    again = VecNormalize.load(tmp_path / "statistics", make_vec_env(Playlist, 2, env_kwargs={"repeats": False}))
    loaded = algorithm.load(tmp_path / "model", env=again, device="cpu").learn(40, reset_num_timesteps=False)
    assert loaded._vec_normalize_env is again
    kept = loaded.replay_buffer.observations[: loaded.replay_buffer.size()].reshape(-1, 4)
    sampled = loaded.sample(8).observations.numpy()
    distances = np.abs(sampled[:, None] - again.normalize_obs(kept)).max(axis=2)
    assert (distances.min(axis=1) < 1e-6).all()


@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("algorithm", LEARNERS)
def test_learner__goes_on_where_the_environment_stands(algorithm, repeats, tmp_path):
    env = DummyVecEnv([lambda: Playlist(repeats=repeats)])  # it fails where a forbidden track is played
    model = algorithm("MlpPolicy", env, seed=0, **QUICK).learn(64)
    model.set_env(model.get_env(), force_reset=False)
    model.learn(22, reset_num_timesteps=False)
    model.save(tmp_path / "model")
    loaded = algorithm.load(tmp_path / "model", env=env, force_reset=False, device="cpu")
    loaded.learn(22, reset_num_timesteps=False)
    assert loaded.num_timesteps == 108


@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("algorithm", LEARNERS)
def test_learner__is_loaded_for_more_environments(algorithm, repeats, tmp_path):
    model = algorithm("MlpPolicy", Playlist(repeats=repeats), seed=0, **QUICK).learn(40)
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    three = make_vec_env(Playlist, 3, env_kwargs={"repeats": repeats})
    loaded = algorithm.load(tmp_path / "model", env=three, device="cpu").learn(60)
    assert (loaded.n_envs, loaded.replay_buffer.n_envs) == (3, 3)
    loaded.load_replay_buffer(tmp_path / "buffer")
    assert len(loaded.sample(8).rewards) == 8
    with pytest.raises(ValueError, match="steps of 1 parallel environments, but the model has 3"):
        loaded.learn(60)


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_learner__keeps_images_of_any_size(algorithm):
    class Pictures(gym.Env):
        observation_space = spaces.Box(0, 255, (1, 36, 36), np.uint8)
        action_space = spaces.Discrete(3)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return self.observation_space.sample(), {}

        def step(self, action):
            return self.observation_space.sample(), 1.0, bool(self.np_random.random() < 0.2), False, {}

    model = algorithm("CnnPolicy", Pictures(), seed=0, buffer_size=100, **QUICK).learn(30)
    assert type(model.replay_buffer) is PlayedReplayBuffer
    assert th.isfinite(weights(model)).all()
