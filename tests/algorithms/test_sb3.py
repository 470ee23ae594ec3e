"""Our learners in the place of SB3's `DQN`: what its own tests do with it, over ordinary actions and over tracks."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import BitFlippingEnv
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecNormalize

from spotify_gym.algorithms import DoubleDQN
from spotify_gym.algorithms.replay import PlayedReplayBuffer
from tests.algorithms.probes import Playlist
from tests.algorithms.test_dqn import LEARNERS, QUICK, weights

POOR = {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}}
"""Keeps each observation once."""


class OwnBuffer(ReplayBuffer):
    """Somebody's own."""


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
    with pytest.raises(ValueError, match=f"{type(model.replay_buffer).__name__} does not keep what was played"):
        model.learn(10)


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
    with pytest.raises(ValueError, match="steps of 1 environments at once, and the model plays in 3"):
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
