"""tianshou 2's Double DQN with one output per track; the id with a small catalogue is all it needs."""

import gymnasium as gym
import torch
from tianshou.algorithm import DQN
from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.trainer import OffPolicyTrainerParams
from tianshou.utils.net.common import Net

from spotify_gym import wrappers


def session() -> gym.Env:
    """Make an environment over 1,000 tracks that replaces a played track by its nearest unplayed neighbour."""
    return wrappers.NearestUnplayed(gym.make("spotify_gym:SpotifyPlaylist-1k-v0"))


torch.set_num_threads(1)
env = session()
network = Net(state_shape=env.observation_space.shape, action_shape=env.action_space.n, hidden_sizes=[64])
policy = DiscreteQLearningPolicy(model=network, action_space=env.action_space, eps_training=0.3)
algorithm = DQN(policy=policy, optim=AdamOptimizerFactory(lr=1e-3), gamma=0.5, target_update_freq=100)
training = Collector[object](algorithm, DummyVectorEnv([session] * 8), VectorReplayBuffer(20_000, 8))
playing = Collector[object](algorithm, DummyVectorEnv([session] * 4))
settings = OffPolicyTrainerParams(
    training_collector=training,
    test_collector=playing,
    test_step_num_episodes=8,
    max_epochs=2,
    epoch_num_steps=2_000,
    collection_step_num_env_steps=80,
    update_step_num_gradient_steps_per_sample=0.1,
    batch_size=64,
    verbose=False,
    show_progress=False,
)
result = algorithm.run_training(settings)
print(f"tianshou: return {result.best_score:.2f} of 20")
